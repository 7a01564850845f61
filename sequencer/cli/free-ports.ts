import { randomInt } from "node:crypto";
import { type AddressInfo, createServer, type Server } from "node:net";
import type { BasePorts } from "./network-layout.ts";

/**
 * Ports that were free a moment ago, for networks that must not meet others: all are held at once
 * while they are chosen, so none is given twice. They lie below those that systems give to outgoing
 * connections (32768 and up on Linux, 49152 elsewhere): one of those could have a port before the
 * process that it was chosen for, which may start minutes later.
 */
export async function freePorts(count: number): Promise<number[]> {
  const servers: Server[] = [];
  for (let tries = 0; servers.length < count; tries++) {
    if (tries > TRIES_PER_PORT * count) throw new Error(`found no ${count} free ports`);
    const server = await listenAt(randomInt(PORT_MIN, PORT_LIMIT));
    if (server !== undefined) servers.push(server);
  }
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

/** Below these are services, above them our own default ports. */
const PORT_MIN = 10_000;
const PORT_LIMIT = 26_000;
const TRIES_PER_PORT = 100;

/** Free ports for each of `count` processes. */
export async function freeBasePorts(count: number): Promise<BasePorts[]> {
  const kinds = 5;
  const ports = await freePorts(count * kinds);
  return Array.from({ length: count }, (_, i) => {
    const [p2p = 0, rpc = 0, grpc = 0, metrics = 0, rollupRpc = 0] = ports.slice(i * kinds);
    return { p2p, rpc, grpc, metrics, rollupRpc };
  });
}

/** Undefined when somebody has it. */
function listenAt(port: number): Promise<Server | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(undefined));
    server.listen(port, "127.0.0.1", () => resolve(server));
  });
}
