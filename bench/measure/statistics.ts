/** Quantiles and rates. Pure; times and values in whatever unit they come in. */

export interface Quantiles {
  readonly count: number;
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly max: number;
}

/** Nearest-rank quantiles: each is a value that was measured. Zeros when there is none. */
export function quantiles(values: readonly number[]): Quantiles {
  const sorted = Float64Array.from(values).sort();
  return {
    count: sorted.length,
    p50: quantile(sorted, 0.5),
    p95: quantile(sorted, 0.95),
    p99: quantile(sorted, 0.99),
    max: sorted.at(-1) ?? 0,
  };
}

/** The middle value, or the mean of the two in the middle. Zero when there is none. */
export function median(values: readonly number[]): number {
  const sorted = Float64Array.from(values).sort();
  const [low, high] = [sorted[(sorted.length - 1) >> 1], sorted[sorted.length >> 1]];
  return ((low ?? 0) + (high ?? 0)) / 2;
}

function quantile(sorted: Float64Array, share: number): number {
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? 0;
}

/** A block as the generator saw it. */
export interface SeenBlock {
  readonly atMs: number;
  readonly payloads: number;
  readonly bytes: number;
  readonly round: number;
}

export interface Throughput {
  readonly seconds: number;
  readonly blocks: number;
  readonly payloads: number;
  readonly payloadsPerSecond: number;
  readonly megabytesPerSecond: number;
  readonly blocksPerSecond: number;
  readonly payloadsPerBlock: number;
  readonly intervalMs: Quantiles;
  /** Blocks that took more than one round. */
  readonly blocksOfLaterRounds: number;
}

/**
 * Rates over the blocks seen in [fromMs, toMs), from the first to the last of them: whole blocks over
 * the time that they took, so that the edges of the window do not matter.
 */
export function throughput(blocks: readonly SeenBlock[], fromMs: number, toMs: number): Throughput {
  const seen = blocks.filter(({ atMs }) => atMs >= fromMs && atMs < toMs);
  const counted = seen.slice(1);
  const seconds = ((seen.at(-1)?.atMs ?? 0) - (seen[0]?.atMs ?? 0)) / 1_000;
  const sum = (of: (block: SeenBlock) => number) =>
    counted.reduce((total, block) => total + of(block), 0);
  const perSecond = (value: number) => (seconds > 0 ? value / seconds : 0);
  const payloads = sum((block) => block.payloads);
  return {
    seconds,
    blocks: counted.length,
    payloads,
    payloadsPerSecond: perSecond(payloads),
    megabytesPerSecond: perSecond(sum((block) => block.bytes)) / 1e6,
    blocksPerSecond: perSecond(counted.length),
    payloadsPerBlock: counted.length > 0 ? payloads / counted.length : 0,
    intervalMs: quantiles(counted.map((block, i) => block.atMs - (seen[i]?.atMs ?? block.atMs))),
    blocksOfLaterRounds: counted.filter((block) => block.round > 0).length,
  };
}
