/** What to pay: suggestions from the blocks of late, and their history. */
import type { EvmChain } from "../executor.ts";
import {
  EXECUTION_SLICE_MS,
  FEE_HISTORY_BLOCKS_MAX,
  FEE_HISTORY_PERCENTILES_MAX,
  FEE_SAMPLE_BLOCKS,
} from "../limits.ts";
import { LruMap } from "../lru.ts";
import { createPacer } from "../pacer.ts";
import type { StoredBlock } from "../records.ts";
import { invalidParams } from "../../json-rpc/errors.ts";
import type { Json } from "../../json-rpc/method.ts";
import { quantity } from "../../json-rpc/hex.ts";

/** Suggested when nobody has paid a tip of late: enough to be told from nothing, 0.001 gwei. */
const TIP_DEFAULT = 1_000_000n;
/** Of the tips paid in the sampled blocks, the one that this share of them does not exceed. */
const SUGGESTED_PERCENTILE = 60;
/** A block's lowest tips, which were enough; as geth's oracle samples. */
const TIPS_PER_BLOCK = 3;

interface PaidTip {
  readonly tip: bigint;
  readonly gasUsed: bigint;
}

/** Tip that got others into the recent blocks, wei; every block is looked at once. */
export function createTipSuggester(chain: EvmChain): () => bigint {
  const samples = new LruMap<number, readonly bigint[]>(2 * FEE_SAMPLE_BLOCKS);
  const sampleOf = (number: number): readonly bigint[] => {
    const known = samples.get(number);
    if (known !== undefined) return known;
    const block = chain.store.block(number);
    const tips = block === undefined ? [] : paidTips(chain, block).map(({ tip }) => tip);
    const sample = tips.sort(compare).slice(0, TIPS_PER_BLOCK);
    samples.set(number, sample);
    return sample;
  };
  return () => {
    const head = chain.head().number;
    const tips: bigint[] = [];
    for (let i = 0; i < FEE_SAMPLE_BLOCKS && head - i >= chain.firstNumber(); i++) {
      tips.push(...sampleOf(head - i));
    }
    tips.sort(compare);
    return tips[Math.floor(((tips.length - 1) * SUGGESTED_PERCENTILE) / 100)] ?? TIP_DEFAULT;
  };
}

/** eth_feeHistory: `count` blocks up to `newest`. */
export async function feeHistory(
  chain: EvmChain,
  count: number,
  newest: StoredBlock,
  percentiles: readonly number[],
): Promise<Json> {
  if (percentiles.length > FEE_HISTORY_PERCENTILES_MAX) {
    throw invalidParams(`at most ${FEE_HISTORY_PERCENTILES_MAX} percentiles`);
  }
  for (const [i, percentile] of percentiles.entries()) {
    if (!(percentile >= 0 && percentile <= 100) || percentile < (percentiles[i - 1] ?? 0)) {
      throw invalidParams("percentiles: expected ascending numbers from 0 to 100");
    }
  }
  const available = newest.number - chain.firstNumber() + 1;
  const length = Math.min(count, FEE_HISTORY_BLOCKS_MAX, available);
  const oldest = newest.number - length + 1;
  const pacer = createPacer(EXECUTION_SLICE_MS);
  const baseFees: string[] = [];
  const blobBaseFees: string[] = [];
  const ratios: number[] = [];
  const blobRatios: number[] = [];
  const rewards: string[][] = [];
  for (let number = oldest; number <= newest.number; number++) {
    if (pacer.isDue()) await pacer.rest();
    const block = chain.store.block(number);
    if (block === undefined) continue;
    const { header } = block;
    baseFees.push(quantity(header.baseFeePerGas ?? 0n));
    blobBaseFees.push(quantity(header.getBlobGasPrice()));
    ratios.push(Number(header.gasUsed) / Number(header.gasLimit));
    blobRatios.push(0);
    if (percentiles.length > 0) {
      rewards.push(tipsAt(paidTips(chain, block), percentiles).map((tip) => quantity(tip)));
    }
  }
  const next = chain.store.block(newest.number + 1)?.header.baseFeePerGas;
  baseFees.push(quantity(next ?? chain.nextEnvironment(0n).baseFeePerGas));
  blobBaseFees.push(blobBaseFees.at(-1) ?? "0x1");
  return {
    oldestBlock: quantity(oldest),
    baseFeePerGas: baseFees,
    gasUsedRatio: ratios,
    baseFeePerBlobGas: blobBaseFees,
    blobGasUsedRatio: blobRatios,
    ...(percentiles.length > 0 ? { reward: rewards } : {}),
  };
}

function paidTips(chain: EvmChain, block: StoredBlock): PaidTip[] {
  const baseFee = block.header.baseFeePerGas ?? 0n;
  const receipts = chain.store.receipts(block.number) ?? [];
  return receipts.map((receipt) => ({
    tip: receipt.effectiveGasPrice - baseFee,
    gasUsed: receipt.gasUsed,
  }));
}

/** Tips at percentiles of the block's gas, as eth_feeHistory weighs them. */
function tipsAt(tips: PaidTip[], percentiles: readonly number[]): bigint[] {
  const sorted = tips.toSorted((a, b) => compare(a.tip, b.tip));
  const total = sorted.reduce((sum, { gasUsed }) => sum + gasUsed, 0n);
  return percentiles.map((percentile) => {
    const threshold = Number(total) * (percentile / 100);
    let gas = 0;
    for (const { tip, gasUsed } of sorted) {
      gas += Number(gasUsed);
      if (gas >= threshold) return tip;
    }
    return sorted.at(-1)?.tip ?? 0n;
  });
}

function compare(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
