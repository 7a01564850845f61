import { type AddressInfo, createServer, type Server } from "node:net";
import type { BasePorts } from "./network-layout.ts";

/**
 * Ports that were free a moment ago, for networks that must not meet others: all are held at once
 * while they are chosen, so none is given twice.
 */
export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(Array.from({ length: count }, listenAnywhere));
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

/** Free ports for each of `count` processes. */
export async function freeBasePorts(count: number): Promise<BasePorts[]> {
  const kinds = 5;
  const ports = await freePorts(count * kinds);
  return Array.from({ length: count }, (_, i) => {
    const [p2p = 0, rpc = 0, grpc = 0, metrics = 0, rollupRpc = 0] = ports.slice(i * kinds);
    return { p2p, rpc, grpc, metrics, rollupRpc };
  });
}

function listenAnywhere(): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => resolve(server));
  });
}
