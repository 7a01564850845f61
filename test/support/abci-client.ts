/**
 * An ABCI engine's end of a socket for tests. Messages are written and read by protobufjs from the
 * .proto files, so that it shares nothing with the server's own codec.
 */
import { existsSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import protobuf from "protobufjs";
import { assert } from "../../proto/errors.ts";
import { parseAbciAddress } from "../../sequencer/abci/address.ts";

/** Two levels up from the source, three from what is built of it. */
const PROTO_ROOT = ["../../proto", "../../../proto"]
  .map((path) => resolve(dirname(fileURLToPath(import.meta.url)), path))
  .find((path) => existsSync(join(path, "tendermint/abci/types.proto")));

/** A request or answer as protobufjs takes it: `{ info: { version: "" } }`, names in camel case. */
export type AbciObject = Readonly<Record<string, unknown>>;

function loadRoot(): protobuf.Root {
  assert(PROTO_ROOT !== undefined, "the .proto files lie beside the sources");
  const root = new protobuf.Root();
  const bundled = root.resolvePath.bind(root);
  root.resolvePath = (origin, target) =>
    target.startsWith("tendermint/") ? join(PROTO_ROOT, target) : bundled(origin, target);
  return root.loadSync("tendermint/abci/types.proto");
}

const root = loadRoot();
const requestType = root.lookupType("tendermint.abci.Request");
const responseType = root.lookupType("tendermint.abci.Response");

/** One request with its length in front. */
export function encodeRequestFrame(request: AbciObject): Uint8Array {
  return requestType.encodeDelimited(requestType.fromObject(request)).finish();
}

/** One request without its length. */
export function encodeRequest(request: AbciObject): Uint8Array {
  return requestType.encode(requestType.fromObject(request)).finish();
}

export interface AbciAnswer {
  /** Member of the oneof, such as `checkTx` or `exception`. */
  readonly kind: string;
  readonly value: AbciObject;
}

export function decodeResponse(bytes: Uint8Array): AbciAnswer {
  const message = responseType.decode(bytes);
  const object: AbciObject = responseType.toObject(message, {
    longs: String,
    enums: String,
    arrays: true,
    oneofs: true,
  });
  const kind = object["value"];
  assert(typeof kind === "string", "an answer has a kind");
  // protobufjs gives each member as an object of its own.
  return { kind, value: object[kind] as AbciObject };
}

export interface AbciClient {
  readonly socket: Socket;
  /** Sends without waiting. */
  send(request: AbciObject): void;
  sendBytes(bytes: Uint8Array): void;
  /** The next answer; rejects when the connection is closed before one comes. */
  receive(): Promise<AbciAnswer>;
  /** One request and its answer. */
  ask(request: AbciObject): Promise<AbciAnswer>;
  /** Resolves when the server has closed the connection. */
  readonly closed: Promise<void>;
  destroy(): void;
}

export async function connectAbci(address: string): Promise<AbciClient> {
  const target = parseAbciAddress(address);
  const socket =
    target.kind === "unix"
      ? connect({ path: target.path })
      : connect({ host: target.host, port: target.port, noDelay: true });
  await new Promise<void>((done, fail) => {
    socket.once("connect", done);
    socket.once("error", fail);
  });
  const answers: AbciAnswer[] = [];
  const waiting: { done: (answer: AbciAnswer) => void; fail: (error: Error) => void }[] = [];
  let chunks: Uint8Array[] = [];
  let pending = Buffer.alloc(0);
  let wanted = 1;
  let arrived = 0;
  let isClosed = false;

  function take(): void {
    if (arrived < wanted) return;
    pending = Buffer.concat(chunks);
    for (;;) {
      const header = lengthAt(pending);
      wanted = header === undefined ? pending.length + 1 : header.start + header.length;
      if (header === undefined || pending.length < wanted) break;
      const answer = decodeResponse(pending.subarray(header.start, wanted));
      pending = pending.subarray(wanted);
      const waiter = waiting.shift();
      if (waiter === undefined) answers.push(answer);
      else waiter.done(answer);
    }
    chunks = [pending];
    arrived = pending.length;
  }

  socket.on("data", (chunk: Uint8Array) => {
    chunks.push(chunk);
    arrived += chunk.length;
    take();
  });
  socket.on("error", () => socket.destroy());
  const closed = new Promise<void>((done) => {
    socket.on("close", () => {
      isClosed = true;
      for (const { fail } of waiting.splice(0)) fail(new Error("the connection was closed"));
      done();
    });
  });
  const client: AbciClient = {
    socket,
    closed,
    send: (request) => void socket.write(encodeRequestFrame(request)),
    sendBytes: (bytes) => void socket.write(bytes),
    receive() {
      const answer = answers.shift();
      if (answer !== undefined) return Promise.resolve(answer);
      if (isClosed) return Promise.reject(new Error("the connection was closed"));
      return new Promise((done, fail) => waiting.push({ done, fail }));
    },
    ask(request) {
      client.send(request);
      return client.receive();
    },
    destroy: () => void socket.destroy(),
  };
  return client;
}

function lengthAt(bytes: Uint8Array): { start: number; length: number } | undefined {
  let length = 0;
  for (let i = 0, scale = 1; i < bytes.length; i++, scale *= 128) {
    const byte = bytes[i] ?? 0;
    length += (byte & 0x7f) * scale;
    if (byte < 0x80) return { start: i + 1, length };
  }
  return undefined;
}
