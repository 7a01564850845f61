/** What holds in the end, on every node of both rollups, read from its state. */
import { toHex } from "../../proto/bytes.ts";
import { AbortReason } from "../../proto/codec/atomic-decision.ts";
import { until } from "../support/local-network.ts";
import { deskCall } from "../support/swap-desk.ts";
import type { Executor } from "./executor-process.ts";
import {
  type BundleAnswer,
  type Hex,
  jsonRpc,
  jsonRpcs,
  type SwapNetwork,
  type SwapRollup,
  TOKENS,
  urlOf,
} from "./network.ts";
import type { Outcome, Swap } from "./swap.ts";

export interface Decided {
  readonly swap: Swap;
  readonly outcome: Outcome;
  /** Of each leg. */
  readonly votes: string;
  readonly decidedHeight: number;
  readonly latencyBlocks: number;
}

interface Receipt {
  readonly status: Hex;
  readonly weft?: {
    readonly bundleId: Hex;
    readonly level: number;
    readonly state: string;
    readonly decidedHeight: number;
  };
}

const PATIENCE_MS = 120_000;

/** Throws when a swap has happened on one side alone, lacks its receipt, or nodes differ. */
export async function checkAll(network: SwapNetwork, decided: readonly Decided[]): Promise<void> {
  await Promise.all(
    network.rollups.map(async (rollup, at) => {
      const wanted = balances(network, decided, at);
      const heads = await Promise.all(
        rollup.executors.map(async (executor) => {
          await checkSwaps(rollup, executor, decided);
          await checkBalances(rollup, executor, wanted);
          return headOf(executor);
        }),
      );
      if (new Set(heads).size !== 1) {
        throw new Error(`nodes of ${rollup.name} differ: ${heads.join(", ")}`);
      }
    }),
  );
}

/** What traders hold when what is committed has happened, and nothing else. */
function balances(
  { traders }: SwapNetwork,
  decided: readonly Decided[],
  at: number,
): ReadonlyMap<Hex, bigint> {
  const held = new Map<Hex, bigint>(traders.map(({ address }) => [address, TOKENS] as const));
  for (const { swap, outcome } of decided) {
    const payment = swap.payments[at];
    if (payment === undefined || outcome !== "COMMITTED") continue;
    const { from, to, amount } = payment;
    held.set(from, (held.get(from) ?? 0n) - amount);
    held.set(to, (held.get(to) ?? 0n) + amount);
  }
  return held;
}

async function checkSwaps(
  rollup: SwapRollup,
  executor: Executor,
  decided: readonly Decided[],
): Promise<void> {
  const bundles = await until(
    `${executor.name} has executed all that was decided`,
    async () => {
      const answers = await jsonRpcs<BundleAnswer | null>(
        urlOf(executor),
        decided.map(({ swap }) => ["weft_getAtomicBundle", [`0x${toHex(swap.bundleId)}`]]),
      );
      const done = answers.filter((one) => one !== null).filter(isDecided);
      return done.length === decided.length && done;
    },
    PATIENCE_MS,
  );
  const settled = await reads(
    rollup,
    executor,
    decided.map(({ swap }) => deskCall.isSettled(swap.session)),
  );
  const receipts = await jsonRpcs<Receipt | null>(
    urlOf(executor),
    bundles
      .flatMap(({ transactions }) => transactions)
      .map((hash) => ["eth_getTransactionReceipt", [hash]]),
  );
  for (const [i, { swap, outcome }] of decided.entries()) {
    const bundle = bundles[i];
    const own = receipts.splice(0, bundle?.transactions.length ?? 0);
    const fault = bundle && faultOf({ swap, outcome, bundle, isSettled: settled[i] === 1n }, own);
    if (bundle !== undefined && fault === undefined) continue;
    throw new Error(`${executor.name}: swap ${swap.session} (${outcome}): ${fault}`);
  }
}

function isDecided({ state }: BundleAnswer): boolean {
  return state !== "PREPARED";
}

function faultOf(
  told: Pick<Decided, "swap" | "outcome"> & {
    readonly bundle: BundleAnswer;
    readonly isSettled: boolean;
  },
  receipts: readonly (Receipt | null)[],
): string | undefined {
  const { swap, outcome, bundle, isSettled } = told;
  const reason = outcome === "COMMITTED" ? 0 : AbortReason[outcome];
  const isCommitted = outcome === "COMMITTED";
  if ((bundle.state === "COMMITTED") !== isCommitted || bundle.abortReason !== reason) {
    return `it says ${bundle.state} for reason ${bundle.abortReason}`;
  }
  if (isSettled !== isCommitted) return `its side is settled: ${isSettled}`;
  if (receipts.length === 0) return "it names no transactions";
  return receipts.map((one) => receiptFault(one, swap, bundle)).find((one) => one !== undefined);
}

/** A committed leg has receipts that name bundle and level; of an aborted one nothing has happened, so there are none. */
function receiptFault(
  receipt: Receipt | null,
  swap: Swap,
  bundle: BundleAnswer,
): string | undefined {
  if (bundle.state === "ABORTED") return receipt === null ? undefined : "there is a receipt";
  if (receipt === null) return "there is no receipt";
  const { status, weft } = receipt;
  const isRight =
    status === "0x1" &&
    weft?.bundleId === `0x${toHex(swap.bundleId)}` &&
    weft.level === 1 &&
    weft.state === "COMMITTED" &&
    weft.decidedHeight === bundle.decidedHeight;
  return isRight ? undefined : `its receipt says ${status} ${JSON.stringify(weft)}`;
}

async function checkBalances(
  rollup: SwapRollup,
  executor: Executor,
  wanted: ReadonlyMap<Hex, bigint>,
): Promise<void> {
  const held = await reads(rollup, executor, [...wanted.keys()].map(deskCall.balanceOf));
  for (const [i, [address, amount]] of [...wanted].entries()) {
    if (held[i] === amount) continue;
    throw new Error(`${executor.name}: ${address} holds ${held[i]}, not ${amount}`);
  }
}

async function headOf(executor: Executor): Promise<string> {
  const { hash, number } = await jsonRpc<{ hash: Hex; number: Hex }>(
    urlOf(executor),
    "eth_getBlockByNumber",
    ["latest", false],
  );
  return `${number} ${hash}`;
}

/** Of the desk, each a word. */
async function reads(
  { desk }: SwapRollup,
  executor: Executor,
  calls: readonly Hex[],
): Promise<bigint[]> {
  const answers = await jsonRpcs<Hex>(
    urlOf(executor),
    calls.map((data) => ["eth_call", [{ to: desk, data }, "latest"]]),
  );
  return answers.map((answer) => BigInt(answer));
}
