import type { Server } from "node:http";
import { afterEach, describe, expect, it, vi } from "vitest";
import { type WebSocket, WebSocketServer } from "ws";
import type { ObservedBlock } from "../load/ingress.ts";
import { openCometIngress } from "./comet-ingress.ts";
import { asCometFrames, createKvMaker } from "./items.ts";

interface Call {
  readonly id: string;
  readonly method: string;
  readonly params: { readonly tx?: string; readonly height?: string };
}

let server: WebSocketServer | undefined;
afterEach(() => {
  for (const client of server?.clients ?? []) client.terminate();
  server?.close();
});

/** A node that refuses every tenth transaction and puts the rest into one block, when it has `count`. */
async function startNode(count: number): Promise<string> {
  const node = new WebSocketServer({ port: 0, host: "127.0.0.1", path: "/websocket" });
  server = node;
  const txs: string[] = [];
  let taken = 0;
  let watcher: WebSocket | undefined;
  const answer = (client: WebSocket, id: string, rest: object): void =>
    client.send(JSON.stringify({ jsonrpc: "2.0", id, ...rest }));
  const calls: Readonly<Record<string, (client: WebSocket, call: Call) => void>> = {
    subscribe(client, { id }) {
      watcher = client;
      answer(client, id, { result: {} });
    },
    status(client, { id }) {
      answer(client, id, { result: { sync_info: { latest_block_height: "6" } } });
    },
    broadcast_tx_async(client, { id, params }) {
      if (taken++ % 10 === 9) {
        answer(client, id, { error: { code: -32603, message: "no", data: "mempool is full: 9" } });
      } else {
        txs.push(params.tx ?? "");
        answer(client, id, { result: { code: 0, data: "", log: "", hash: "" } });
      }
      if (taken < count || watcher === undefined) return;
      const header = { height: "7", data_hash: "AB" };
      answer(watcher, "headers", { result: { data: { value: { header } } } });
    },
    block(client, { id, params }) {
      const block = { header: params, data: { txs }, last_commit: { round: 0 } };
      answer(client, id, { result: { block } });
    },
  };
  node.on("connection", (client) => {
    client.ping();
    client.on("message", (data: Buffer) => {
      const call = JSON.parse(data.toString()) as Call;
      calls[call.method]?.(client, call);
    });
  });
  await new Promise((resolve) => node.once("listening", resolve));
  const address = node.address();
  if (typeof address === "string" || address === null) throw new TypeError("no port");
  return `127.0.0.1:${address.port}`;
}

describe("openCometIngress", () => {
  it.each([256, 80_000])(
    "submits transactions of %i bytes, and tells those in a block from those refused",
    async (bytes) => {
      const items = await asCometFrames(createKvMaker(bytes)).sign(40, 0);
      const refused: string[] = [];
      const reasons = new Set<string>();
      const address = await startNode(items.length);
      let tell: (block: ObservedBlock) => void = () => {};
      const told = new Promise<ObservedBlock>((resolve, reject) => {
        tell = resolve;
        setTimeout(reject, 30_000, new Error("no block")).unref();
      });
      const ingress = await openCometIngress(address, {
        block: (one) => tell(one),
        refused(id, reason) {
          refused.push(id);
          reasons.add(reason);
        },
        ready: () => {},
        failed: (error) => {
          throw error;
        },
      });
      expect(ingress.height).toBe(6);
      for (const item of items) ingress.submit(item);
      const block = await told;
      // Answers come over other connections than blocks.
      await vi.waitFor(() => expect(refused.length).toBe(4));
      expect([block.height, ingress.height]).toEqual([7, 7]);
      expect([...block.itemIds, ...refused].sort()).toEqual(items.map(({ id }) => id).sort());
      expect([...reasons]).toEqual(["mempool is full: n"]);
      ingress.close();
    },
  );

  it("fails when the node does not speak WebSocket", async () => {
    const { createServer } = await import("node:http");
    const plain: Server = createServer((_, response) => response.writeHead(404).end());
    await new Promise<void>((resolve) => {
      plain.listen(0, "127.0.0.1", () => resolve());
    });
    const address = plain.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    const nobody = { block() {}, refused() {}, ready() {}, failed() {} };
    await expect(openCometIngress(`127.0.0.1:${port}`, nobody)).rejects.toThrow("refused");
    plain.close();
  });
});
