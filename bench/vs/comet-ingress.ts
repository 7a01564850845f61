/**
 * One validator over CometBFT's JSON-RPC on WebSockets, whichever engine serves it: transactions by
 * `broadcast_tx_async`, blocks by NewBlockHeader events and the block itself. A block counts from the
 * moment its event arrives.
 */
import { randomBytes } from "node:crypto";
import { request } from "node:http";
import type { Socket } from "node:net";
import type { Ingress, IngressListener, ObservedBlock } from "../load/ingress.ts";
import {
  blockOf,
  blockRequest,
  headerOf,
  heightOf,
  refusalOf,
  STATUS,
  SUBSCRIBE_HEADERS,
} from "./comet-rpc.ts";
import { createFrameReader, OPCODE, pongFrame, textFrame } from "./frames.ts";
import { SUBMISSION_SOCKETS, SUBMISSION_WAITING_BYTES_MAX } from "./limits.ts";

/** @param address host:port of the RPC server */
export async function openCometIngress(
  address: string,
  listener: IngressListener,
): Promise<Ingress> {
  let isClosed = false;
  let height = 0;
  const fail = (error: Error): void => {
    if (!isClosed) listener.failed(error);
  };

  // By height, in the order of their events: answers may overtake each other.
  const seen = new Map<number, { readonly atMs: number; block: ObservedBlock | undefined }>();
  const tell = (): void => {
    for (const [at, { atMs, block }] of seen) {
      if (block === undefined) return;
      seen.delete(at);
      listener.block(block, atMs);
    }
  };
  let onStatus: () => void = () => {};
  const started = new Promise<void>((resolve) => {
    onStatus = resolve;
  });
  const watcher = await connect(address, fail, (payload) => {
    const nowMs = performance.now();
    const answer = payload.toString("latin1");
    const id = /"id":"(\w+)"/.exec(answer.slice(0, 60))?.[1];
    if (id === "status") {
      height = heightOf(answer);
      onStatus();
    } else if (id === "headers") {
      const header = headerOf(answer);
      if (header === undefined) return;
      height = header.height;
      const block = header.isEmpty ? { height, round: 0, itemIds: [] } : undefined;
      seen.set(height, { atMs: nowMs, block });
      if (block === undefined) watcher.write(textFrame(blockRequest(height)));
      else tell();
    } else if (id === "block") {
      const block = blockOf(answer);
      const waiting = seen.get(block.height);
      if (waiting !== undefined) waiting.block = block;
      tell();
    } else fail(new Error(`${address} answered: ${answer.slice(0, 200)}`));
  });
  watcher.write(textFrame(SUBSCRIBE_HEADERS));
  watcher.write(textFrame(STATUS));

  const sockets = await Promise.all(
    Array.from({ length: SUBMISSION_SOCKETS }, async () => {
      const socket = await connect(address, fail, (payload) => {
        const refusal = refusalOf(payload);
        if (refusal !== undefined) listener.refused(refusal.id, refusal.reason);
        listener.ready();
      });
      socket.on("drain", () => listener.ready());
      return socket;
    }),
  );
  await started;

  let turn = 0;
  return {
    submit({ item }) {
      const socket = sockets[turn++ % sockets.length];
      if (socket === undefined) return false;
      if (socket.writableCorked === 0) {
        // What is submitted in this turn of the loop goes out in one call.
        socket.cork();
        setImmediate(() => socket.uncork());
      }
      socket.write(item);
      return socket.writableLength < SUBMISSION_WAITING_BYTES_MAX;
    },
    get height() {
      return height;
    },
    close() {
      isClosed = true;
      for (const socket of [watcher, ...sockets]) socket.destroy();
    },
  };
}

/** A WebSocket as the socket below it, for frames made ahead. */
function connect(
  address: string,
  fail: (error: Error) => void,
  onText: (payload: Buffer) => void,
): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const upgrade = request(`http://${address}/websocket`, {
      headers: {
        connection: "Upgrade",
        upgrade: "websocket",
        "sec-websocket-version": "13",
        "sec-websocket-key": randomBytes(16).toString("base64"),
      },
    });
    upgrade.once("error", reject);
    upgrade.once("response", (response) =>
      reject(new Error(`${address} refused a WebSocket: ${response.statusCode ?? "?"}`)),
    );
    upgrade.once("upgrade", (_, socket: Socket, head: Buffer) => {
      const read = createFrameReader((opcode, payload) => {
        if (opcode === OPCODE.text) onText(payload);
        else if (opcode === OPCODE.ping) socket.write(pongFrame(payload));
        else if (opcode === OPCODE.close) {
          fail(new Error(`${address} closed a WebSocket: ${payload.subarray(2).toString()}`));
        }
      });
      socket.setNoDelay(true);
      socket.on("data", (chunk: Buffer) => {
        try {
          read(chunk);
        } catch (error) {
          fail(error instanceof Error ? error : new Error(String(error)));
        }
      });
      socket.on("error", fail);
      socket.on("close", () => fail(new Error(`${address} closed a WebSocket`)));
      if (head.length > 0) read(head);
      resolve(socket);
    });
    upgrade.end();
  });
}
