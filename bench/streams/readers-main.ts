/** A process of readers: each a connection of its own with one stream, as rollup nodes have. Started by `readers.ts`. */
import { type ClientHttp2Session, connect } from "node:http2";
import { Height } from "../../proto/brands.ts";
import { fromHex } from "../../proto/bytes.ts";
import { Level } from "../../proto/grpc/rollup-block.ts";
import { Compression } from "../../proto/grpc/compression.ts";
import { ROLLUP_SERVICE } from "../../proto/grpc/rollup-service.ts";
import type { ReaderAnswer, ReaderCommand, ReaderReport, ReaderSpec } from "./reader-messages.ts";

/** Connections that are opened at once. */
const OPENING_AT_ONCE = 50;
const WINDOW_BYTES = 256 << 10;

interface Reader {
  readonly session: ClientHttp2Session;
  readonly spec: ReaderSpec;
  messages: number;
  bytes: number;
  lastHeight: number;
  gaps: number;
  status: string | undefined;
}

let readers: Reader[] = [];
let opened: (() => void) | undefined;

const answer = (message: ReaderAnswer): void => {
  process.send?.(message);
};

process.on("message", (command: ReaderCommand) => {
  switch (command.kind) {
    case "open":
      void openAll(command.address, command.readers).then(() => answer({ kind: "opened" }));
      break;
    case "report":
      answer({ kind: "report", ...report() });
      break;
    case "close":
      for (const { session } of readers) session.destroy();
      readers = [];
      answer({ kind: "closed" });
      break;
  }
});
process.on("disconnect", () => process.exit(0));

async function openAll(address: string, specs: readonly ReaderSpec[]): Promise<void> {
  for (let at = 0; at < specs.length; at += OPENING_AT_ONCE) {
    const some = specs.slice(at, at + OPENING_AT_ONCE).map((spec) => open(address, spec));
    readers.push(...some.map(({ reader }) => reader));
    await Promise.all(some.map(({ begun }) => begun));
  }
  await new Promise<void>((resolve) => {
    opened = resolve;
    lookWhetherAllRead();
  });
}

function lookWhetherAllRead(): void {
  const waiting = readers.some(
    ({ spec, messages, status }) => !spec.isDeaf && messages === 0 && status === undefined,
  );
  if (!waiting) opened?.();
}

function open(address: string, spec: ReaderSpec) {
  const session = connect(`http://${address}`, { settings: { initialWindowSize: WINDOW_BYTES } });
  const reader: Reader = {
    session,
    spec,
    messages: 0,
    bytes: 0,
    lastHeight: spec.fromHeight - 1,
    gaps: 0,
    status: undefined,
  };
  session.on("error", () => {
    reader.status ??= "connection";
  });
  const stream = session.request({
    ":method": "POST",
    ":path": ROLLUP_SERVICE.streamBlocks.path,
    "content-type": "application/grpc",
    "grpc-accept-encoding": "identity,gzip",
    te: "trailers",
  });
  const body = ROLLUP_SERVICE.streamBlocks.requestSerialize({
    rollupId: fromHex(spec.rollupId),
    fromHeight: Height(spec.fromHeight),
    level: Level.COMMITTED,
    compression: spec.isGzip ? Compression.GZIP : Compression.UNSPECIFIED,
  });
  const head = Buffer.alloc(5);
  head.writeUInt32BE(body.length, 1);
  stream.end(Buffer.concat([head, body]));
  stream.on("error", () => {
    reader.status ??= "stream";
  });
  stream.on("trailers", (headers) => {
    reader.status = String(headers["grpc-status"]);
    lookWhetherAllRead();
  });
  if (!spec.isDeaf) stream.on("data", countMessages(reader));
  const begun = new Promise<void>((resolve) => {
    session.once("connect", () => resolve());
    session.once("close", () => resolve());
  });
  return { reader, begun };
}

/** Frames are counted and not decoded: a reader should cost the machine little. Heights are looked at. */
function countMessages(reader: Reader): (chunk: Buffer) => void {
  let head = Buffer.alloc(0);
  /** Of the message that is under way. */
  let missing = 0;
  return (chunk) => {
    reader.bytes += chunk.length;
    let at = 0;
    while (at < chunk.length) {
      if (missing > 0) {
        const taken = Math.min(missing, chunk.length - at);
        missing -= taken;
        at += taken;
        continue;
      }
      // Five bytes of the frame's head, and up to seven of the height.
      head = Buffer.concat([head, chunk.subarray(at, at + 12 - head.length)]);
      at += Math.min(12, chunk.length - at);
      if (head.length < 12) return;
      const length = head.readUInt32BE(1);
      missing = length - 7;
      reader.messages += 1;
      if (head[0] === 0) {
        const height = heightAt(head.subarray(5));
        if (reader.lastHeight >= 0 && height !== reader.lastHeight + 1) reader.gaps += 1;
        reader.lastHeight = height;
      } else {
        reader.lastHeight += 1;
      }
      if (reader.messages === 1) lookWhetherAllRead();
      head = Buffer.alloc(0);
    }
  };
}

/** Field 1 of a message, a varint. */
function heightAt(bytes: Buffer): number {
  let height = 0;
  for (let i = 1, scale = 1; i < bytes.length; i += 1, scale *= 128) {
    const byte = bytes[i] ?? 0;
    height += (byte & 0x7f) * scale;
    if (byte < 0x80) break;
  }
  return height;
}

function report(): ReaderReport {
  const ended: Record<string, number> = {};
  let [min, max] = [Number.MAX_SAFE_INTEGER, 0];
  let [messages, bytes, gaps] = [0, 0, 0];
  for (const reader of readers) {
    messages += reader.messages;
    bytes += reader.bytes;
    gaps += reader.gaps;
    if (reader.status !== undefined) ended[reader.status] = (ended[reader.status] ?? 0) + 1;
    if (reader.spec.isDeaf) continue;
    min = Math.min(min, reader.lastHeight);
    max = Math.max(max, reader.lastHeight);
  }
  return { messages, bytes, gaps, ended, lastHeights: [min, max] };
}
