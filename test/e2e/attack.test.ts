/** Garbage at every port of a node, while it keeps committing and serving others. */
import { readdirSync, readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  type Attack,
  GRPC_ATTACKS,
  HTTP_ATTACKS,
  type Loris,
  openLoris,
  P2P_ATTACKS,
} from "../support/attacks.ts";
import {
  createTestNetwork,
  height,
  metric,
  rpc,
  type TestNetwork,
  type TestRollup,
  type TestValidator,
  until,
  untilHeight,
} from "../support/local-network.ts";
import { quantiles, startTraffic, type Traffic } from "../support/traffic.ts";

/** Rounds of every attack after the one that warms the process up. */
const ROUNDS = 4;
const GROWTH_BYTES_MAX = 96 << 20;
const LATENCY_MS_MAX = 15_000;

let network: TestNetwork;
let node: TestValidator;
let rollup: TestRollup;
let honest: Traffic;

beforeAll(async () => {
  network = await createTestNetwork({ rollups: ["alpha"] });
  await network.startAll();
  const [first] = network.validators;
  const [alpha] = network.rollups;
  if (first === undefined || alpha === undefined) throw new Error("the network is not there");
  node = first;
  rollup = alpha;
  // Through the very node that is attacked.
  honest = startTraffic({
    clients: [node.client],
    key: network.owner,
    senders: 3,
    action: () => ({ kind: "transfer", to: new Uint8Array(20).fill(0x10), amount: 1n }),
  });
});
afterAll(() => network.close());

function rssBytes(name: string): number {
  const status = readFileSync(`/proc/${network.pid(name)}/status`, "utf8");
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) << 10;
}

function openFiles(name: string): number {
  return readdirSync(`/proc/${network.pid(name)}/fd`).length;
}

/** All attacks on a port at once, so often. */
async function attack(attacks: readonly Attack[], port: number, rounds: number): Promise<void> {
  for (let i = 0; i < rounds; i++) await Promise.all(attacks.map(async ([, run]) => run(port)));
}

async function expectHealthy(): Promise<void> {
  const at = Math.max(...(await Promise.all(network.validators.map(height))));
  await untilHeight(network.validators, at + 2);
  expect(network.isRunning(node.name)).toBe(true);
  // Peers that behave are not lost for those that do not.
  const { peers } = await rpc<{ peers: { node_info: { moniker: string } }[] }>(node, "net_info");
  const names = peers.map(({ node_info: info }) => info.moniker);
  expect(names).toEqual(expect.arrayContaining(["validator-1", "validator-2", "validator-3"]));
}

describe("a node under attack goes on and does not grow", () => {
  it.each<[string, readonly Attack[], () => { port: number; process: string }]>([
    ["p2p", P2P_ATTACKS, () => ({ port: node.p2pPort, process: node.name })],
    ["RPC", HTTP_ATTACKS, () => ({ port: node.rpcPort, process: node.name })],
    ["gRPC", GRPC_ATTACKS, () => ({ port: node.grpcPort, process: node.name })],
    ["metrics", HTTP_ATTACKS, () => ({ port: node.metricsPort, process: node.name })],
    [
      "the rollup's JSON-RPC",
      HTTP_ATTACKS,
      () => ({ port: rollup.rpcPort, process: rollup.process }),
    ],
  ])("garbage at %s", async (what, attacks, target) => {
    const { port, process: name } = target();
    const start = { height: await height(node), committed: honest.committed.length };
    await attack(attacks, port, 1);
    const before = rssBytes(name);
    await attack(attacks, port, ROUNDS);
    const after = rssBytes(name);
    await expectHealthy();
    expect(honest.committed.length, "honest traffic").toBeGreaterThan(start.committed);
    expect(after - before, "bytes the process grew by").toBeLessThan(GROWTH_BYTES_MAX);
    process.stdout.write(
      `${what}: ${before >> 20} -> ${after >> 20} MiB, heights +${(await height(node)) - start.height}\n`,
    );
  });

  it("connections that say next to nothing are closed, and hold up nobody", async () => {
    const COUNT = 200;
    const files = openFiles(node.name);
    const request = Buffer.from("POST / HTTP/1.1\r\nX-Slow: loris\r\n");
    const held: Readonly<Record<string, Loris>> = {
      p2p: await openLoris(node.p2pPort, COUNT, Buffer.from([0x22]), 60_000),
      rpc: await openLoris(node.rpcPort, COUNT, request, 500),
      grpc: await openLoris(node.grpcPort, COUNT, Buffer.from("PRI * "), 5_000),
      metrics: await openLoris(node.metricsPort, COUNT, request, 500),
    };
    await expectHealthy();
    const answer = await rpc<{ sync_info: { catching_up: boolean } }>(node, "status");
    expect(answer.sync_info.catching_up).toBe(false);
    for (const [name, loris] of Object.entries(held)) {
      await until(
        `all slow ${name} connections are closed`,
        async () => loris.closed() === COUNT,
        90_000,
      );
      loris.end();
    }
    // Databases open files as they grow; hundreds of connections would show.
    expect(openFiles(node.name)).toBeLessThan(files + 50);
    await expectHealthy();
  });

  it("has carried the honest traffic all the while", async () => {
    await honest.stop();
    const latency = quantiles(honest.committed.map((tx) => tx.latencyMs));
    expect(latency.max).toBeLessThan(LATENCY_MS_MAX);
    expect(await metric(node.metrics, "cometbft_consensus_height")).toBeGreaterThan(10);
    process.stdout.write(
      `${JSON.stringify({ honest: honest.committed.length, latencyMs: latency })}\n`,
    );
  });
});
