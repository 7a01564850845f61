/** Where a listener listens, and what becomes of connections over loopback that take nothing. */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { createManualClock, type ManualClock } from "../../test/support/manual-clock.ts";
import { NULL_LOGGER } from "../ports/logger.ts";
import { UNREAD_ANSWER_MS, UNREAD_LOOK_MS } from "./limits.ts";
import { createListener, type Listener } from "./listener.ts";
import { NULL_GRPC_METRICS } from "./metrics.ts";
import { outgoingOf } from "./outgoing.ts";

/** Of which much is left when some was read a few times. */
const SENT_BYTES = 256 << 20;

let clock: ManualClock;
let warned: unknown[];
const listeners: Listener[] = [];
const sockets: Socket[] = [];

function listenerOf(host: string, addresses: readonly string[], port = 0) {
  warned = [];
  const taken: Socket[] = [];
  const listener = createListener(
    { host, port, connectionsMax: 10, connectionsOfPeerMax: 10 },
    {
      take: (socket) => taken.push(socket),
      clock,
      addressesOf: async () => addresses,
      logger: { ...NULL_LOGGER, warn: (_, fields) => warned.push(fields) },
      metrics: NULL_GRPC_METRICS,
    },
  );
  listeners.push(listener);
  return { listener, taken };
}

beforeEach(() => {
  clock = createManualClock();
});

afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const listener of listeners.splice(0)) {
    listener.stop();
    listener.destroy();
  }
});

it("behavior: a listener listens once on an address that a name has twice", async () => {
  const { listener } = listenerOf("node.test", ["127.0.0.1", "127.0.0.1"]);
  expect(await listener.start()).toBeGreaterThan(0);
  expect(warned).toEqual([]);
});

it("behavior: a listener listens on the addresses of a name that it can, and says of which it cannot", async () => {
  const { listener } = listenerOf("node.test", ["fe80::1", "127.0.0.1"]);
  expect(await listener.start()).toBeGreaterThan(0);
  expect(warned).toEqual([{ address: "fe80::1", error: expect.stringContaining("fe80::1") }]);
});

it("behavior: a listener says why it can listen on none", async () => {
  const { listener } = listenerOf("fe80::1", ["fe80::1"]);
  await expect(listener.start()).rejects.toThrow(
    /^cannot listen for gRPC on \[fe80::1\]:0: .*; set grpc.laddr to an address of this machine$/,
  );
});

it("behavior: a listener says that another process has its port, also where further addresses are free", async () => {
  const port = await listenerOf("127.0.0.2", ["127.0.0.2"]).listener.start();
  const { listener } = listenerOf("node.test", ["127.0.0.1", "127.0.0.2"], port);
  await expect(listener.start()).rejects.toThrow(/is another node running\?/);
});

it("behavior: a listener does not listen when it was stopped while it started", async () => {
  const { listener } = listenerOf("127.0.0.1", ["127.0.0.1"]);
  const starting = listener.start();
  // Its address is known, and it is about to listen.
  await Promise.resolve();
  listener.stop();
  const port = await starting;
  expect(port).toBeGreaterThan(0);
  const socket = connect({ host: "127.0.0.1", port });
  sockets.push(socket);
  const [error] = await once(socket, "error");
  expect(error).toMatchObject({ code: "ECONNREFUSED" });
});

it("behavior: a listener closes a connection that takes nothing of what it was sent, and none that takes a little", async () => {
  const { listener, taken } = listenerOf("127.0.0.1", ["127.0.0.1"]);
  const reader = connect({ host: "127.0.0.1", port: await listener.start() });
  sockets.push(reader);
  reader.pause();
  await vi.waitFor(() => expect(taken).toHaveLength(1));
  const [socket] = taken as [Socket];
  const outgoing = outgoingOf(socket);
  socket.write(Buffer.alloc(SENT_BYTES));
  for (let i = 0; i < 3; i++) {
    await clock.advance(UNREAD_ANSWER_MS - UNREAD_LOOK_MS);
    const before = outgoing.takenBytes();
    reader.resume();
    await vi.waitFor(() => expect(outgoing.takenBytes()).toBeGreaterThan(before));
    reader.pause();
    await clock.advance(UNREAD_LOOK_MS);
  }
  expect(outgoing.waitingBytes()).toBeGreaterThan(0);
  expect(socket.destroyed).toBe(false);
  await clock.advance(UNREAD_ANSWER_MS);
  await vi.waitFor(() => expect(socket.destroyed).toBe(true));
  expect(outgoing.waitingBytes()).toBe(0);
});
