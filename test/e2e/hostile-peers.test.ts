/** A node whose p2p port is attacked in every way at once, measured from within. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { freePorts } from "../../bench/ports.ts";
import { toHex } from "../../proto/bytes.ts";
import { createTestnet } from "../../sequencer/cli/testnet-files.ts";
import { loadConfig } from "../../sequencer/node/config.ts";
import { homeAt } from "../../sequencer/node/home.ts";
import { createNode, type Node } from "../../sequencer/node/node.ts";
import { NULL_LOGGER } from "../../sequencer/ports/logger.ts";
import { createSystemClock } from "../../sequencer/ports/system-clock.ts";
import { until } from "../support/local-network.ts";
import { type LoopStalls, watchLoopStalls } from "../support/loop-stalls.ts";

const CHILD = fileURLToPath(new URL("../../dist/test/support/hostile-child.js", import.meta.url));
const SECONDS = Number(process.env["WEFT_ATTACK_SECONDS"] ?? 8);
const WARM_UP_SECONDS = 3;
const GROWTH_BYTES_MAX = 192 << 20;
const STALL_MS_MAX = 50;
const BLOCKS_MIN = 5;

let root = "";
let node: Node;
let stalls: LoopStalls;
let p2pPort = 0;
let rpcPort = 0;
let height = 0;
const children = new Set<ChildProcess>();

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), "weft-hostile-"));
  [p2pPort = 0, rpcPort = 0] = await freePorts(2);
  const place = { name: "validator-0", home: root, grpcPort: 0, metricsPort: 0, p2pPort, rpcPort };
  await createTestnet({
    chainId: "weft-e2e",
    genesisTime: createSystemClock().now(),
    validators: [place],
    accounts: [],
    rollups: [],
    config: {
      "consensus.timeout_commit": "100ms",
      // CometBFT's pace per peer: what a node on the open network has.
      "p2p.send_rate": 5_120_000,
      "p2p.recv_rate": 5_120_000,
    },
    host: () => "127.0.0.1",
  });
  const home = homeAt(root);
  node = await createNode(
    {
      home,
      config: loadConfig(home.configFile, {}, {}),
      onBlock: (block) => {
        ({ height } = block);
      },
    },
    { clock: createSystemClock(), logger: NULL_LOGGER },
  );
  await node.start();
  stalls = watchLoopStalls();
  await until("blocks", async () => height > 3);
});
afterAll(async () => {
  stalls.stop();
  for (const child of children) child.kill("SIGKILL");
  await node.stop();
  rmSync(root, { recursive: true, force: true });
});

/** Runs the attack in another process; what it says at its end. */
async function attack(seconds: number): Promise<Readonly<Record<string, number>>> {
  const [validator] = node.engine.view()?.validators.validators ?? [];
  const address = toHex(validator?.address ?? new Uint8Array(20));
  const args = [CHILD, `${p2pPort}`, `${seconds}`, address];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
  children.add(child);
  let [output, errors] = ["", ""];
  child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (errors += chunk.toString()));
  const code = await new Promise((resolve) => child.once("close", resolve));
  children.delete(child);
  expect(code, errors).toBe(0);
  return JSON.parse(output) as Record<string, number>;
}

describe("floods, garbage, oversized messages, dripping and silent peers, crowds", () => {
  it("leave the node committing, its memory flat and its event loop free", async () => {
    // Code that was never run is compiled, and caches fill.
    await attack(WARM_UP_SECONDS);
    const before = { height, rss: process.memoryUsage().rss };
    stalls.reset();
    const did = await attack(SECONDS);
    const stallMs = Math.round(stalls.longestMs());
    const grownMib = (process.memoryUsage().rss - before.rss) >> 20;
    const blocks = height - before.height;
    process.stdout.write(`${JSON.stringify({ ...did, blocks, stallMs, grownMib })}\n`);
    expect(did["messages"]).toBeGreaterThan(1_000);
    expect(did["connections"]).toBeGreaterThan(1_000);
    expect(blocks).toBeGreaterThanOrEqual(BLOCKS_MIN);
    expect(grownMib << 20).toBeLessThan(GROWTH_BYTES_MAX);
    expect(stallMs).toBeLessThan(STALL_MS_MAX);
    // And it goes on when they are gone; nobody is kept.
    const after = height;
    await until("more blocks", async () => height > after + 2);
    const answer = await fetch(`http://127.0.0.1:${rpcPort}/health`);
    expect(answer.ok).toBe(true);
  });
});
