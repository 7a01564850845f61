/** Connections over loopback, to a node that takes few. */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { Client, credentials, status } from "@grpc/grpc-js";
import { afterEach, describe, expect, it, vi } from "vitest";
import { ROLLUP_SERVICE } from "../../proto/grpc/rollup-service.ts";
import { createManualClock, type ManualClock } from "../../test/support/manual-clock.ts";
import { startStreamNode, type StreamNodeOptions } from "../../test/support/stream-node.ts";
import type { Logger } from "../ports/logger.ts";
import { NULL_LOGGER } from "../ports/logger.ts";
import { CONNECTION_LOG_MS } from "./limits.ts";

let node: Awaited<ReturnType<typeof startStreamNode>>;
let clock: ManualClock;
let logged: unknown[];
const sockets: Socket[] = [];

async function start(options: StreamNodeOptions): Promise<void> {
  clock = createManualClock();
  logged = [];
  const logger: Logger = { ...NULL_LOGGER, warn: (_, fields) => logged.push(fields) };
  node = await startStreamNode([], { ...options, clock, logger });
}

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await node.stop();
});

/** Resolves when the node has taken the connection, and said so, or closed it. */
async function open(): Promise<"open" | "closed"> {
  const socket = connect({ host: "127.0.0.1", port: Number(node.address.split(":")[1]) });
  sockets.push(socket);
  socket.on("error", () => {});
  // What HTTP/2 begins with: the node's settings.
  return Promise.race([
    once(socket, "data").then(() => "open" as const),
    once(socket, "close").then(() => "closed" as const),
  ]);
}

/** The status of a call without an address, on a connection of its own: INVALID_ARGUMENT where the node has it. */
function codeOfCall(): Promise<status> {
  const client = new Client(node.address, credentials.createInsecure(), {
    "grpc.use_local_subchannel_pool": 1,
  });
  const { path, requestSerialize, responseDeserialize } = ROLLUP_SERVICE.getAccount;
  const request = { address: new Uint8Array(0) };
  return new Promise((resolve) => {
    client.makeUnaryRequest(path, requestSerialize, responseDeserialize, request, (error) => {
      client.close();
      resolve(error?.code ?? status.OK);
    });
  });
}

describe("behavior: a node takes so many connections and closes further ones", () => {
  it("in all; a client hears UNAVAILABLE, so that it goes to another node", async () => {
    await start({ connectionsMax: 2 });
    expect([await open(), await open(), await open()]).toEqual(["open", "open", "closed"]);
    expect(node.counted.connections).toBe(2);
    expect(await codeOfCall()).toBe(status.UNAVAILABLE);
    expect(new Set(node.counted.connectionsRefused)).toEqual(new Set(["all"]));
  });

  it("of one address", async () => {
    await start({ connectionsOfPeerMax: 1 });
    expect([await open(), await open()]).toEqual(["open", "closed"]);
    expect(node.counted.connectionsRefused).toEqual(["peer"]);
  });

  it("until one ends, which leaves its place to another", async () => {
    await start({ connectionsMax: 1, connectionsOfPeerMax: 1 });
    await open();
    sockets[0]?.destroy();
    await vi.waitFor(() => expect(node.counted.connections).toBe(0));
    expect(await codeOfCall()).toBe(status.INVALID_ARGUMENT);
  });
});

it("behavior: refused connections are logged now and then, with how many there were", async () => {
  await start({ connectionsMax: 0 });
  for (let i = 0; i < 3; i++) await open();
  expect(logged).toEqual([{ reason: "all", peer: "127.0.0.1", count: 1 }]);
  await clock.advance(CONNECTION_LOG_MS);
  await open();
  expect(logged[1]).toEqual({ reason: "all", peer: "127.0.0.1", count: 3 });
});
