/**
 * Two validators on real sockets, each needed for a block, and strangers that connect to one of them
 * with mutated handshakes, NodeInfos, packets and messages. It must go on serving its honest peer.
 */
import { fork } from "node:child_process";
import { readFileSync } from "node:fs";
import { Height } from "../../proto/brands.ts";
import { joinBytes, toHex } from "../../proto/bytes.ts";
import { encodeNodeInfo } from "../../proto/codec/p2p-messages.ts";
import { createBlockSyncReactor } from "../../sequencer/p2p/blocksync/blocksync-reactor.ts";
import { createEvidenceReactor } from "../../sequencer/p2p/evidence/evidence-reactor.ts";
import { createMempoolReactor } from "../../sequencer/p2p/mempool/mempool-reactor.ts";
import { NULL_P2P_METRICS } from "../../sequencer/p2p/metrics.ts";
import { createNodeKey } from "../../sequencer/p2p/node-key.ts";
import { NULL_LOGGER } from "../../sequencer/ports/logger.ts";
import { createSystemClock } from "../../sequencer/ports/system-clock.ts";
import { yieldToLoop } from "../../sequencer/ports/yield-to-loop.ts";
import {
  type CoreNode,
  createCoreNode,
  createTestValidators,
  TestStore,
} from "../support/core-node.ts";
import { eventually } from "../support/loopback.ts";
import type { AttackReport } from "./attackers.ts";
import { heapBytes } from "./fuzzer.ts";
import { ATTACKERS_AT_ONCE, LIVE_HEAP_GROWTH_BYTES_MAX, STALL_MS } from "./limits.ts";

export interface LiveOptions {
  readonly connections: number;
  readonly seed: number;
  /** Whether a held loop is a fault: not where other tests run beside it. */
  readonly isTimed: boolean;
}

export interface LiveReport {
  readonly connections: number;
  /** Mutated messages, packets and handshake steps that were sent. */
  readonly inputs: number;
  /** Blocks that the two decided meanwhile. */
  readonly blocks: number;
  /** Longest time the loop was busy without a turn, ms of CPU time. */
  readonly stallMs: number;
  readonly heapGrowthBytes: number;
  readonly faults: readonly string[];
}

/** Compiled code only: a forked process cannot load TypeScript. */
const ATTACKERS_FILE = import.meta.url.endsWith(".ts")
  ? new URL("../../dist/test/fuzz/attackers.js", import.meta.url)
  : new URL("./attackers.js", import.meta.url);

export async function fuzzSwitch(options: LiveOptions): Promise<LiveReport> {
  const faults: string[] = [];
  const onFault = (error: unknown): void => void faults.push(`escaped: ${String(error)}`);
  process.on("uncaughtException", onFault).on("unhandledRejection", onFault);
  const validators = createTestValidators(2);
  const nodes = [0, 1].map((validatorIndex) => startable(validators, validatorIndex));
  const [victim, friend] = nodes;
  if (victim === undefined || friend === undefined) throw new Error("there are two nodes");
  try {
    for (const node of nodes) await node.start();
    await friend.network.dial(victim.address());
    await eventually(() => height(victim) >= 3, "three blocks before the attack");
    const from = height(victim);
    // The collection itself holds the loop, so it comes first.
    const heapStart = await settledHeap();
    const watch = watchLoop();
    const { connections, inputs } = await attack(victim, options);
    await eventually(() => victim.network.peers().length === 1, "only the honest peer is left");
    const stallMs = watch.stop();
    const blocks = height(victim) - from;
    const target = height(victim) + 3;
    await eventually(() => height(victim) >= target, "three blocks after the attack");
    const heapGrowthBytes = (await settledHeap()) - heapStart;
    if (!victim.network.peers().some(({ id }) => id === friend.key.id)) {
      faults.push("the honest peer was dropped");
    }
    if (blocks === 0) faults.push("no block was decided meanwhile");
    if (options.isTimed && stallMs > STALL_MS)
      faults.push(`the loop was held for ${stallMs.toFixed(1)} ms`);
    if (heapGrowthBytes > LIVE_HEAP_GROWTH_BYTES_MAX) {
      faults.push(`${heapGrowthBytes} bytes more than before`);
    }
    return { connections, inputs, blocks, stallMs, heapGrowthBytes, faults };
  } finally {
    process.off("uncaughtException", onFault).off("unhandledRejection", onFault);
    for (const node of nodes) await node.stop();
  }
}

async function attack(victim: CoreNode, { connections, seed }: LiveOptions): Promise<AttackReport> {
  const info = toHex(encodeNodeInfo(victim.network.nodeInfo()));
  const child = fork(ATTACKERS_FILE, [victim.address(), info, String(connections), String(seed)]);
  return await new Promise<AttackReport>((resolve, reject) => {
    child.once("message", (report) => resolve(report as AttackReport));
    child.once("error", reject);
    child.once("exit", (code) =>
      reject(new Error(`the attackers ended with exit code ${String(code)}`)),
    );
  });
}

/** Buffers of closed sockets go a few turns after the sockets themselves. */
async function settledHeap(): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 5; i++) {
    least = Math.min(least, heapBytes());
    await yieldToLoop();
  }
  return least;
}

function height(node: CoreNode): number {
  return node.store.blocks.length;
}

/** A validator with every reactor that takes messages of strangers. */
function startable(
  validators: ReturnType<typeof createTestValidators>,
  validatorIndex: number,
): CoreNode {
  const store = new TestStore();
  const common = {
    clock: createSystemClock(),
    logger: NULL_LOGGER,
    metrics: NULL_P2P_METRICS,
    yieldToLoop,
  };
  return createCoreNode({
    validators,
    validatorIndex,
    store,
    key: createNodeKey(),
    timeoutCommitMs: 20,
    // A wrong id must not keep an honest node from its peers, nor strangers use up the room.
    network: { inboundPeersMax: 4 * ATTACKERS_AT_ONCE },
    reactors: [
      createMempoolReactor(
        {},
        { ...common, checkTxs: async (txs) => txs.map(() => ({ code: 1 })) },
      ),
      createBlockSyncReactor({
        ...common,
        blocks: {
          base: store.base,
          height: store.height,
          blockBytes: async (at) => {
            const parts = store.blocks[at - 1]?.parts;
            return parts === undefined ? undefined : joinBytes(parts.map(({ bytes }) => bytes));
          },
          extendedCommit: async () => undefined,
        },
      }),
      createEvidenceReactor({
        ...common,
        evidence: {
          pendingEvidence: () => [],
          addEvidence: async () => ({ kind: "unjudgeable", message: "not here" }),
          onEvidenceAdded: () => () => {},
          chainState: () => ({ consensusParams: { evidence: { maxAgeBlocks: 100n } } }),
        },
        peerHeight: () => Height(1),
      }),
    ],
  });
}

/** Measures in CPU time: on a busy machine the loop waits for other processes, too. */
function watchLoop(): { stop(): number } {
  let longest = 0;
  let lastMs = performance.now();
  let lastCpuMs = loopCpuMs();
  const timer = setInterval(() => {
    const [nowMs, cpuMs] = [performance.now(), loopCpuMs()];
    longest = Math.max(longest, Math.min(nowMs - lastMs, cpuMs - lastCpuMs));
    [lastMs, lastCpuMs] = [nowMs, cpuMs];
  }, 5);
  return {
    stop() {
      clearInterval(timer);
      return longest;
    },
  };
}

/** CPU time of this thread where Linux tells it; else of the process, its other threads included. */
function loopCpuMs(): number {
  try {
    return Number(readFileSync("/proc/self/schedstat", "utf8").split(" ")[0]) / 1e6;
  } catch {
    // Not on this system.
    const { user, system } = process.cpuUsage();
    return (user + system) / 1_000;
  }
}
