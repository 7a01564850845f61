import { randomInt } from "node:crypto";
import { createServer, type Server } from "node:net";
import type { BasePorts } from "./network-layout.ts";

/**
 * Ports that are free and stay this process's own until it ends, for networks that must not meet others:
 * no later call gets one of them, here or in another process, although nobody listens there yet, or while
 * the process that does is down. They come from blocks: whoever listens at the first port of a block has
 * the rest of it, and the system gives it back with the process.
 *
 * All lie below the ports that systems give to outgoing connections (32768 and up on Linux, 49152
 * elsewhere): one of those could have a port before the process that it was chosen for.
 *
 * @throws when no block is left
 */
export async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = [];
  let block = randomInt(BLOCKS);
  for (let tried = 0; ports.length < count; tried++, block = (block + 1) % BLOCKS) {
    if (tried === BLOCKS) throw new Error(`found no ${count} free ports`);
    const first = PORT_MIN + block * BLOCK_PORTS;
    const claim = await listenAt(first);
    // Never closed, and never what keeps this process from ending.
    claim?.unref();
    for (let i = 1; claim !== undefined && i < BLOCK_PORTS && ports.length < count; i++) {
      // In use by somebody who asked nobody.
      const server = await listenAt(first + i);
      if (server === undefined) continue;
      await new Promise((resolve) => server.close(resolve));
      ports.push(first + i);
    }
  }
  return ports;
}

/** Below these are services, above them our own default ports. */
const PORT_MIN = 10_000;
const PORT_LIMIT = 26_000;
/** The first one is the claim; most networks fit into the others. */
const BLOCK_PORTS = 40;
const BLOCKS = (PORT_LIMIT - PORT_MIN) / BLOCK_PORTS;

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
    const server = createServer((socket) => socket.destroy());
    server.once("error", () => resolve(undefined));
    server.listen(port, "127.0.0.1", () => resolve(server));
  });
}
