/**
 * Many swaps at once, while executors stop, come back and lie. In the end both chains tell, node by node, what has
 * happened: of each swap both sides or neither, and all nodes of a rollup the same.
 */
import { toHex } from "../../proto/bytes.ts";
import { AbortReason } from "../../proto/codec/atomic-decision.ts";
import { Verdict } from "../../proto/codec/atomic-tx.ts";
import { type Action, rollupIdOfName } from "../../proto/codec/weft-tx.ts";
import { rpc, until } from "../support/local-network.ts";
import { Random } from "../support/random.ts";
import { deskCall } from "../support/swap-desk.ts";
import {
  createSwapNetwork,
  type Hex,
  jsonRpc,
  runningNode,
  type SwapNetwork,
  type SwapRollup,
  TOKENS,
  untilDesks,
} from "./network.ts";
import { type Fate, FATES, sendSwap, type Swap } from "./swap.ts";

export interface SwapsOptions {
  readonly swaps: number;
  readonly seed: number;
  /** Swaps under way at a time. */
  readonly concurrency?: number;
  readonly log?: (line: string) => void;
}

export interface SwapsReport {
  readonly swaps: number;
  readonly committed: number;
  readonly aborted: number;
  /** By fate, how many came to what. */
  readonly byFate: Readonly<Record<Fate, { readonly committed: number; readonly aborted: number }>>;
  /** Of those aborted, by the reason of the decision (`AbortReason`), how many. */
  readonly abortReasons: Readonly<Record<string, number>>;
  /** Heights from the block that orders a bundle to the one that decides it. */
  readonly latencyBlocks: { readonly p50: number; readonly p95: number; readonly max: number };
  readonly executorsStopped: number;
  /** Whether the executor that voted twice has lost its bond. */
  readonly isLiarSlashed: boolean;
}

interface Decided {
  readonly swap: Swap;
  readonly isCommitted: boolean;
  readonly abortReason: number;
  readonly latencyBlocks: number;
}

interface BundleAnswer {
  readonly abortReason: number | null;
  readonly state: "PREPARED" | "COMMITTED" | "ABORTED";
  readonly preparedHeight: number;
  readonly decidedHeight: number | null;
}

const CONCURRENCY = 6;
/** Swaps after which an executor is stopped, and after which it comes back. */
const STOP_EVERY = 6;
const BACK_AFTER = 3;
/** From then on the liar waits for its chance. */
const LIE_AFTER = 5;
const LIE_PATIENCE_MS = 3_000;
const PATIENCE_MS = 60_000;

/** Throws when anything does not hold. */
export async function runSwaps(options: SwapsOptions): Promise<SwapsReport> {
  const { swaps, seed, concurrency = CONCURRENCY, log = () => {} } = options;
  const network = await createSwapNetwork(2 * concurrency, seed);
  try {
    await untilDesks(network);
    log(`two rollups with ${network.rollups[0].executors.length} executors each`);
    return await swapAll(network, swaps, seed, concurrency, log);
  } finally {
    await network.close();
  }
}

async function swapAll(
  network: SwapNetwork,
  swaps: number,
  seed: number,
  concurrency: number,
  log: (line: string) => void,
): Promise<SwapsReport> {
  const random = new Random(seed);
  const decided: Decided[] = [];
  const faults = createFaults(network, random);
  let next = 0;

  async function trade(lane: number): Promise<void> {
    const [a, b] = [network.traders[2 * lane], network.traders[2 * lane + 1]];
    if (a === undefined || b === undefined) throw new Error("two traders for each lane");
    while (next < swaps) {
      const index = next;
      next += 1;
      const pair = random.below(2) === 0 ? ([a, b] as const) : ([b, a] as const);
      const fate = random.below(5) < 3 ? "good" : (FATES[random.below(FATES.length)] ?? "good");
      const amounts = [BigInt(1 + random.below(50)), BigInt(1 + random.below(50))] as const;
      const swap = await sendSwap(network, { seed, index, fate, pair, amounts });
      const lie = faults.whenSent(decided.length, swap);
      const count = decided.push(await untilDecided(network, swap));
      await lie;
      await faults.afterSwap(count);
      if (count % 50 === 0) log(`${count} swaps decided`);
    }
  }

  await Promise.all(Array.from({ length: concurrency }, (_, lane) => trade(lane)));
  await faults.end();
  await checkAll(network, decided);
  const isLiarSlashed = await faults.isLiarSlashed();
  return report(decided, faults.stopped(), isLiarSlashed);
}

async function untilDecided(network: SwapNetwork, swap: Swap): Promise<Decided> {
  const answers = await Promise.all(
    network.rollups.map((rollup) =>
      until(
        `${rollup.name} decides swap ${swap.session} (${swap.fate})`,
        async () => {
          const { rpcUrl } = runningNode(rollup);
          const id = `0x${toHex(swap.bundleId)}`;
          const answer = await jsonRpc<BundleAnswer | null>(rpcUrl, "weft_getAtomicBundle", [id]);
          return answer !== null && answer.state !== "PREPARED" && answer;
        },
        PATIENCE_MS,
      ),
    ),
  );
  const [alpha, beta] = answers;
  if (alpha === undefined || beta === undefined || alpha.state !== beta.state) {
    throw new Error(`swap ${swap.session} is ${alpha?.state} on alpha and ${beta?.state} on beta`);
  }
  const isCommitted = alpha.state === "COMMITTED";
  if (isCommitted && swap.fate !== "good" && swap.fate !== "shared") {
    throw new Error(`swap ${swap.session} is committed although it is ${swap.fate}`);
  }
  const { abortReason } = alpha;
  return {
    swap,
    isCommitted,
    abortReason: abortReason ?? 0,
    latencyBlocks: (alpha.decidedHeight ?? 0) - alpha.preparedHeight,
  };
}

/** Stops and starts executors in turn, and has one of them vote twice. */
function createFaults(network: SwapNetwork, random: Random) {
  const { rollups } = network;
  const liar = rollups[1].executors[2];
  if (liar === undefined) throw new Error("there are three executors");
  let stopped = 0;
  let lies: "none" | "trying" | "told" = "none";
  let work: Promise<void> = Promise.resolve();
  /** One of a rollup at most: the other two are the quorum. */
  const down = new Map<SwapRollup, { readonly index: number; readonly backAt: number }>();

  async function change(count: number): Promise<void> {
    for (const [rollup, { index, backAt }] of down) {
      if (count < backAt) continue;
      await rollup.executors[index]?.start();
      down.delete(rollup);
    }
    if (count % STOP_EVERY !== 0) return;
    // On beta one executor lies, and the other two are the quorum.
    const [rollup] = rollups;
    if (down.has(rollup)) return;
    const index = random.below(rollup.executors.length);
    down.set(rollup, { index, backAt: count + BACK_AFTER });
    stopped += 1;
    await rollup.executors[index]?.stop();
  }

  /** Its node says something else of the same bundle, before or after this. */
  async function lie(swap: Swap): Promise<void> {
    if (liar === undefined) return;
    const vote: Action = {
      kind: "executorVote",
      bundleId: swap.bundleId,
      rollupId: rollupIdOfName("beta"),
      verdict: Verdict.YES,
      reason: 0,
      preStateRoot: new Uint8Array(32).fill(1),
      effectsHash: new Uint8Array(32).fill(2),
      outbox: [],
      inbox: [],
    };
    lies = "trying";
    // Too late when all have reported already: then about another one.
    lies = await network.commit(liar.key, vote, LIE_PATIENCE_MS).then(
      () => "told" as const,
      () => "none" as const,
    );
  }

  return {
    stopped: () => stopped,
    async whenSent(count: number, swap: Swap): Promise<void> {
      const isTime = count >= LIE_AFTER && lies === "none";
      if (isTime && swap.fate === "good") await lie(swap);
    },
    async afterSwap(count: number): Promise<void> {
      work = work.then(() => change(count));
      await work;
    },
    async end(): Promise<void> {
      await work;
      for (const [rollup, { index }] of down) await rollup.executors[index]?.start();
      down.clear();
    },
    async isLiarSlashed(): Promise<boolean> {
      const [node] = network.sequencer.validators;
      if (node === undefined || liar === undefined || lies !== "told") return false;
      const path = `/mev/executor/beta/${toHex(liar.key.publicKey)}`;
      const { response } = await rpc<{ response: { info: string } }>(node, "abci_query", { path });
      const executor = JSON.parse(response.info) as { bond: string; isTombstoned: boolean };
      return executor.isTombstoned && BigInt(executor.bond) === 0n;
    },
  };
}

/** Every node of both rollups, read from its state. */
async function checkAll(network: SwapNetwork, decided: readonly Decided[]): Promise<void> {
  for (const [at, rollup] of network.rollups.entries()) {
    const wanted = new Map<string, bigint>(
      network.traders.map(({ address }) => [address, TOKENS] as const),
    );
    for (const { swap, isCommitted } of decided) {
      const payment = swap.payments[at];
      if (payment === undefined || !isCommitted) continue;
      const { from, to, amount } = payment;
      wanted.set(from, (wanted.get(from) ?? 0n) - amount);
      wanted.set(to, (wanted.get(to) ?? 0n) + amount);
    }
    const heads: string[] = [];
    for (const { node } of rollup.executors) {
      if (node === undefined) throw new Error(`an executor of ${rollup.name} does not run`);
      const read = async (data: Hex): Promise<bigint> =>
        BigInt(await jsonRpc<Hex>(node.rpcUrl, "eth_call", [{ to: rollup.desk, data }, "latest"]));
      await until(
        `a node of ${rollup.name} has executed all that was decided`,
        async () => {
          for (const { swap } of decided) {
            const id = `0x${toHex(swap.bundleId)}`;
            const answer = await jsonRpc<BundleAnswer | null>(node.rpcUrl, "weft_getAtomicBundle", [
              id,
            ]);
            if (answer === null || answer.state === "PREPARED") return false;
          }
          return true;
        },
        PATIENCE_MS,
      );
      for (const { swap, isCommitted } of decided) {
        const isSettled = (await read(deskCall.isSettled(swap.session))) === 1n;
        if (isSettled !== isCommitted) {
          throw new Error(
            `${rollup.name}: swap ${swap.session} is settled: ${isSettled}, committed: ${isCommitted}`,
          );
        }
      }
      for (const [address, amount] of wanted) {
        const held = await read(deskCall.balanceOf(address as Hex));
        if (held !== amount) {
          throw new Error(`${rollup.name}: ${address} holds ${held}, not ${amount}`);
        }
      }
      const { hash, number } = await jsonRpc<{ hash: Hex; number: Hex }>(
        node.rpcUrl,
        "eth_getBlockByNumber",
        ["latest", false],
      );
      heads.push(`${number} ${hash}`);
    }
    if (new Set(heads).size !== 1) {
      throw new Error(`nodes of ${rollup.name} differ: ${heads.join(", ")}`);
    }
  }
}

function report(
  decided: readonly Decided[],
  executorsStopped: number,
  isLiarSlashed: boolean,
): SwapsReport {
  const committed = decided.filter(({ isCommitted }) => isCommitted);
  const latencies = decided.map(({ latencyBlocks }) => latencyBlocks).toSorted((a, b) => a - b);
  const at = (share: number): number =>
    latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * share))] ?? 0;
  const count = (fate: Fate, wanted: boolean): number =>
    decided.filter(({ swap, isCommitted }) => swap.fate === fate && isCommitted === wanted).length;
  const tally = (fate: Fate) => ({ committed: count(fate, true), aborted: count(fate, false) });
  return {
    swaps: decided.length,
    committed: committed.length,
    aborted: decided.length - committed.length,
    byFate: {
      good: tally("good"),
      poor: tally("poor"),
      unread: tally("unread"),
      few: tally("few"),
      shared: tally("shared"),
    },
    latencyBlocks: { p50: at(0.5), p95: at(0.95), max: at(1) },
    abortReasons: Object.fromEntries(
      Object.entries(AbortReason).flatMap(([name, reason]) => {
        const of = decided.filter(
          ({ isCommitted, abortReason }) => !isCommitted && abortReason === reason,
        );
        return of.length === 0 ? [] : [[name, of.length]];
      }),
    ),
    executorsStopped,
    isLiarSlashed,
  };
}
