/** What strangers may send to an open port. Each attack ends by itself and leaves no socket open. */
import { randomBytes } from "node:crypto";
import { connect as connectHttp2, constants } from "node:http2";
import { connect, type Socket } from "node:net";
import { verifyEd25519Sync } from "../../proto/verify/ed25519.ts";
import { P2pError } from "../../sequencer/p2p/errors.ts";
import { createNodeKey } from "../../sequencer/p2p/node-key.ts";
import type { SecretConnection } from "../../sequencer/p2p/conn/secret-connection.ts";
import { upgradeConnection } from "../../sequencer/p2p/transport.ts";
import { createSystemClock } from "../../sequencer/ports/system-clock.ts";
import { packet } from "./p2p.ts";

export type Attack = readonly [name: string, run: (port: number) => Promise<void>];

/** Time an attacker waits to be thrown out before it goes by itself. */
const PATIENCE_MS = 300;
const HTTP2_PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

export const P2P_ATTACKS: readonly Attack[] = [
  ["noise", (port) => say(port, randomBytes(256 << 10))],
  ["a length without end", (port) => say(port, Buffer.alloc(64, 0xff))],
  ["a key of low order, then noise", (port) => say(port, firstMessage(Buffer.alloc(32)))],
  ["a good key, then noise", (port) => say(port, firstMessage(randomBytes(32)))],
  ["HTTP", (port) => say(port, Buffer.from("GET / HTTP/1.1\r\n\r\n"))],
  ["a peer with noise for packets", (port) => asPeer(port, [randomBytes(8 << 10)])],
  [
    "a peer on a channel that is not there",
    (port) => asPeer(port, [packet(0x7e, randomBytes(100))]),
  ],
  [
    "a peer whose message never ends",
    (port) =>
      asPeer(
        port,
        times(2_000, () => packet(0x22, Buffer.alloc(1_024), false)),
      ),
  ],
  ...[0x20, 0x21, 0x22, 0x23, 0x30, 0x38, 0x00, 0x40, 0x60].map(
    (channel): Attack => [
      `a peer with noise on channel ${channel.toString(16)}`,
      (port) =>
        asPeer(
          port,
          times(20, () => packet(channel, randomBytes(500))),
        ),
    ],
  ),
  [
    "a peer that floods junk transactions",
    // Txs { repeated bytes txs = 1 } in Message { Txs txs = 1 }.
    (port) =>
      asPeer(
        port,
        times(500, () => packet(0x30, lengthDelimited(lengthDelimited(randomBytes(200))))),
      ),
  ],
];

export const HTTP_ATTACKS: readonly Attack[] = [
  ["noise", (port) => say(port, randomBytes(256 << 10))],
  ["another protocol", (port) => say(port, HTTP2_PREFACE)],
  ["no such version", (port) => say(port, Buffer.from("GET / HTTP/9.9\r\n\r\n"))],
  [
    "headers without end",
    (port) => say(port, Buffer.from(`GET / HTTP/1.1\r\nX: ${"a".repeat(4 << 20)}`)),
  ],
  ["a body that is announced as huge", (port) => say(port, post("{}", 99_999_999_999))],
  ["a body that is huge", (port) => say(port, post("x".repeat(12 << 20)))],
  [
    "chunks without end",
    (port) => {
      const chunk = `10000\r\n${"y".repeat(0x1_0000)}\r\n`;
      const head = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
      return say(port, Buffer.from(head + chunk.repeat(64)));
    },
  ],
  ["two lengths", (port) => say(port, smuggled())],
  ["brackets without end", (port) => say(port, post("[".repeat(400_000)))],
  ["a batch without end", (port) => say(port, post(`[${"{},".repeat(100_000)}{}]`))],
  ["no JSON", (port) => say(port, post(randomBytes(10_000).toString("latin1")))],
  [
    "requests without end, no answer read",
    (port) => {
      const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "status", params: {} });
      return say(port, Buffer.from(post(body).toString("latin1").repeat(500), "latin1"), "deaf");
    },
  ],
  [
    "a frame of 2^62 bytes",
    (port) => webSocket(port, Buffer.from("81ff3fffffffffffffff00000000", "hex")),
  ],
  ["noise for frames", (port) => webSocket(port, randomBytes(64 << 10))],
  ["fragments without end", (port) => webSocket(port, fragments(3_000, 1_024))],
  [
    "pings without end",
    (port) =>
      webSocket(
        port,
        Buffer.concat(Array<Buffer>(5_000).fill(maskedFrame(0x89, Buffer.alloc(125)))),
      ),
  ],
  ["an unmasked frame", (port) => webSocket(port, Buffer.from("8105aaaaaaaaaa", "hex"))],
];

export const GRPC_ATTACKS: readonly Attack[] = [
  ["noise", (port) => say(port, randomBytes(256 << 10))],
  ["HTTP/1", (port) => say(port, Buffer.from("GET / HTTP/1.1\r\nHost: x\r\n\r\n"))],
  ["noise for frames", (port) => say(port, Buffer.concat([HTTP2_PREFACE, randomBytes(64 << 10)]))],
  ["a frame of 16 MiB", (port) => http2(port, Buffer.from("ffffff00000000000100", "hex"))],
  [
    "settings without end",
    (port) => http2(port, repeat(20_000, frame(4, 0, 0, Buffer.from("000100001000", "hex")))),
  ],
  ["pings without end", (port) => http2(port, repeat(20_000, frame(6, 0, 0, Buffer.alloc(8))))],
  [
    "headers without end",
    (port) =>
      http2(
        port,
        Buffer.concat([
          frame(1, 0, 1, Buffer.alloc(1_000, 0x40)),
          repeat(4_000, frame(9, 0, 1, Buffer.alloc(1_000, 0x40))),
        ]),
      ),
  ],
  ["streams opened and reset", rapidReset],
  ["a message of 4 GiB", (port) => call(port, SUBMIT, Buffer.from("00ffffffff0a", "hex"))],
  [
    "a compressed message that is none",
    (port) => call(port, SUBMIT, Buffer.from("0100000004deadbeef", "hex")),
  ],
  ["noise for a message", (port) => call(port, SUBMIT, grpcMessage(randomBytes(1_000)))],
  [
    "no such method",
    (port) => call(port, "/weft.rollup.v1.RollupService/Nothing", grpcMessage(Buffer.alloc(0))),
  ],
  ["no such service", (port) => call(port, "/../../etc/passwd", grpcMessage(Buffer.alloc(0)))],
];

const SUBMIT = "/weft.rollup.v1.RollupService/Submit";

/** Connections that say next to nothing and stay. */
export interface Loris {
  /** How many the server has closed. */
  closed(): number;
  end(): void;
}

/** @param drip what to write, one byte each `everyMs`, over and over */
export async function openLoris(
  port: number,
  count: number,
  drip: Buffer,
  everyMs: number,
): Promise<Loris> {
  const sockets = await Promise.all(
    Array.from({ length: count }, async () => await open(port).catch(() => undefined)),
  );
  let closed = sockets.filter((socket) => socket === undefined).length;
  let at = 0;
  for (const socket of sockets) {
    socket?.once("close", () => (closed += 1));
    // Read, or the end that the server sends would never be seen.
    socket?.resume();
  }
  const timer = setInterval(() => {
    const byte = drip.subarray(at % drip.length, (at % drip.length) + 1);
    at += 1;
    for (const socket of sockets) if (socket?.writable === true) socket.write(byte);
  }, everyMs);
  return {
    closed: () => closed,
    end() {
      clearInterval(timer);
      for (const socket of sockets) socket?.destroy();
    },
  };
}

export async function open(port: number): Promise<Socket> {
  return await new Promise((resolve, reject) => {
    const socket = connect({ port, host: "127.0.0.1", noDelay: true }, () => resolve(socket));
    socket.on("error", reject);
  });
}

/** Writes, then stays until the other side closes or patience ends; `deaf`: reads nothing. */
async function say(
  port: number,
  bytes: Uint8Array,
  mode: "reads" | "deaf" = "reads",
): Promise<void> {
  const socket = await open(port);
  if (mode === "reads") socket.resume();
  socket.write(bytes);
  await gone(socket);
}

async function gone(socket: Socket): Promise<void> {
  if (socket.closed) return;
  await new Promise<void>((resolve) => {
    const timer = setTimeout(() => socket.destroy(), PATIENCE_MS);
    socket.on("error", () => socket.destroy());
    socket.once("close", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}

function firstMessage(key: Buffer): Buffer {
  return Buffer.concat([Buffer.from([0x22, 0x0a, 0x20]), key, randomBytes(4 << 10)]);
}

/** An honest handshake of a stranger's key, then these packets as fast as they are taken. */
async function asPeer(port: number, packets: readonly Uint8Array[]): Promise<void> {
  try {
    const { connection, socket } = await shakeHands(port);
    connection.stream(() => {});
    await sendAll(connection, packets);
    await gone(socket);
  } catch (error) {
    // Thrown out in the middle of it, which is what one expects.
    if (!(error instanceof P2pError)) throw error;
  }
}

/** Every channel that a full node may have. */
const ALL_CHANNELS = [0x00, 0x20, 0x21, 0x22, 0x23, 0x30, 0x38, 0x40, 0x60, 0x61] as const;

/** Becomes a peer by the rules. Throws `P2pError`; the socket is closed then. */
export async function shakeHands(
  port: number,
): Promise<{ readonly connection: SecretConnection; readonly socket: Socket }> {
  const socket = await open(port);
  const key = createNodeKey();
  try {
    const { connection } = await upgradeConnection(
      {
        socket,
        ourInfo: {
          protocolVersion: { p2p: 8n, block: 11n, app: 1n },
          nodeId: key.id,
          listenAddress: "tcp://127.0.0.1:1",
          network: "weft-e2e",
          version: "0.38.25",
          channels: Uint8Array.from(ALL_CHANNELS),
          moniker: "stranger",
          other: { txIndex: "off", rpcAddress: "" },
        },
        expectedId: undefined,
        waitsForRemote: false,
        timeoutMs: 5_000,
      },
      { signer: key, verifySignature: verifyEd25519Sync, clock: createSystemClock() },
    );
    return { connection, socket };
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

export async function sendAll(
  { writer, ...connection }: SecretConnection,
  packets: readonly Uint8Array[],
): Promise<void> {
  let isClosed = false;
  let wake = (): void => {};
  connection.setRoomListener(() => wake());
  connection.onClose(() => {
    isClosed = true;
    wake();
  });
  for (const bytes of packets) {
    while (!isClosed && !writer.hasRoom(bytes.length)) {
      writer.flush();
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
    if (isClosed) return;
    writer.write(bytes, 0, bytes.length);
  }
  writer.flush();
}

function times<T>(count: number, make: () => T): readonly T[] {
  return Array.from({ length: count }, make);
}

/** Field 1 of a protobuf message. */
function lengthDelimited(bytes: Uint8Array): Buffer {
  const { length } = bytes;
  const size = length < 128 ? [length] : [(length & 127) | 128, length >> 7];
  return Buffer.concat([Buffer.from([0x0a, ...size]), bytes]);
}

function post(body: string, length = Buffer.byteLength(body, "latin1")): Buffer {
  return Buffer.from(
    `POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${length}\r\n\r\n${body}`,
    "latin1",
  );
}

function smuggled(): Buffer {
  return Buffer.from(
    "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n",
  );
}

async function webSocket(port: number, bytes: Uint8Array): Promise<void> {
  const socket = await open(port);
  socket.resume();
  socket.write(
    `GET /websocket HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: ${randomBytes(16).toString("base64")}\r\nSec-WebSocket-Version: 13\r\n\r\n`,
  );
  socket.write(bytes);
  await gone(socket);
}

function maskedFrame(first: number, payload: Buffer): Buffer {
  const length =
    payload.length < 126
      ? Buffer.from([0x80 | payload.length])
      : Buffer.from([0x80 | 126, payload.length >> 8, payload.length & 255]);
  return Buffer.concat([Buffer.from([first]), length, Buffer.alloc(4), payload]);
}

/** A text message in parts, the last of which never comes. */
function fragments(count: number, bytes: number): Buffer {
  const next = maskedFrame(0x00, Buffer.alloc(bytes, 0x20));
  return Buffer.concat([maskedFrame(0x01, Buffer.alloc(bytes, 0x20)), repeat(count, next)]);
}

function repeat(count: number, bytes: Buffer): Buffer {
  return Buffer.concat(Array<Buffer>(count).fill(bytes));
}

function frame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

async function http2(port: number, frames: Buffer): Promise<void> {
  await say(port, Buffer.concat([HTTP2_PREFACE, frame(4, 0, 0, Buffer.alloc(0)), frames]));
}

function grpcMessage(bytes: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(bytes.length, 1);
  return Buffer.concat([head, bytes]);
}

const GRPC_HEADERS = {
  ":method": "POST",
  "content-type": "application/grpc",
  te: "trailers",
} as const;

async function call(port: number, path: string, body: Buffer): Promise<void> {
  const session = connectHttp2(`http://127.0.0.1:${port}`);
  session.on("error", () => session.destroy());
  const stream = session.request({ ...GRPC_HEADERS, ":path": path });
  stream.on("error", () => session.destroy());
  stream.resume();
  stream.end(body);
  await new Promise<void>((resolve) => {
    const timer = setTimeout(() => session.destroy(), PATIENCE_MS);
    stream.once("close", () => session.destroy());
    session.once("close", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}

/** CVE-2023-44487: streams that cost the server more than the client. */
async function rapidReset(port: number): Promise<void> {
  const session = connectHttp2(`http://127.0.0.1:${port}`);
  session.on("error", () => session.destroy());
  for (let i = 0; i < 2_000 && !session.destroyed; i++) {
    const stream = session.request({ ...GRPC_HEADERS, ":path": SUBMIT });
    stream.on("error", () => {});
    stream.close(constants.NGHTTP2_CANCEL);
  }
  await new Promise<void>((resolve) => {
    const timer = setTimeout(() => session.destroy(), PATIENCE_MS);
    session.once("close", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
