import type { InjectedLists } from "../../../mev/injected-commit.ts";
import { listingKey, parseDueKey } from "../../../mev/inclusion/keys.ts";
import { toHex } from "../../../proto/bytes.ts";
import type { Timestamp } from "../../../proto/types.ts";
import type { DecodedTx } from "../execution/decoded-tx.ts";
import type { ExecutedBlock } from "../execution/execute-block.ts";
import { METRIC_ROLLUPS_MAX, RECEIVE_TIMES_MAX, REORDERED_TXS_MAX } from "../limits.ts";
import type { InclusionMetrics } from "./metrics.ts";

/** How much one block counts in a proposer's score. */
const SCORE_WEIGHT = 0.1;
/** Label of all rollups that have none of their own. */
const OTHER_ROLLUPS = "others";

type WatchedBlock = Pick<ExecutedBlock, "input" | "lists" | "txs">;

/**
 * Shows what no rule can hold a proposer to: how far the order of a block is from the one in which validators
 * say that they received its transactions, and how much a proposer leaves out of what more than 2/3 of the
 * power know before it is due. Receive times are the word of validators; they enter no state.
 */
export class OrderWatch {
  readonly #dueKeys: () => readonly string[];
  readonly #blockBytesMax: () => number;
  readonly #metrics: InclusionMetrics;
  readonly #labelOf: (validator: string) => string;
  /** When validators say that they received a listing, by its key: ms of block time, by validator. */
  readonly #received = new Map<string, Map<number, number>>();
  /** Listings that were armed before the next block. */
  #armed: ReadonlySet<string> = new Set();
  readonly #scores = new Map<string, number>();
  readonly #rollups = new Set<string>();

  /**
   * @param dueKeys keys of what is armed in the committed state (`DUE`)
   * @param blockBytesMax bytes that a block may have
   */
  constructor(
    dueKeys: () => readonly string[],
    blockBytesMax: () => number,
    metrics: InclusionMetrics,
    labelOf: (validator: string) => string,
  ) {
    this.#dueKeys = dueKeys;
    this.#blockBytesMax = blockBytesMax;
    this.#metrics = metrics;
    this.#labelOf = labelOf;
  }

  /** When the state was read anew. */
  reset(): void {
    this.#received.clear();
    this.#readArmed();
  }

  /** The committed state is that after the block. */
  advance({ input, lists, txs }: WatchedBlock): void {
    this.#hear(lists, input.time);
    const included = txs.filter((tx) => tx !== undefined);
    this.#score(toHex(input.proposerAddress), included);
    this.#measure(included);
    this.#readArmed();
  }

  #readArmed(): void {
    this.#armed = new Set(this.#dueKeys().map((key) => listingKey(parseDueKey(key))));
  }

  /** `time`: of the block, which is when the votes were cast that these lists came with. */
  #hear(lists: readonly InjectedLists[], time: Timestamp): void {
    const nowMs = Number(time.seconds) * 1_000 + time.nanos / 1e6;
    for (const { validatorIndex, lists: said } of lists) {
      for (const listed of said.listed) {
        const key = listingKey(listed);
        let times = this.#received.get(key);
        if (times === undefined) this.#received.set(key, (times = new Map()));
        if (!times.has(validatorIndex)) times.set(validatorIndex, nowMs - listed.receivedAgoMs);
      }
    }
    for (const oldest of this.#received.keys()) {
      if (this.#received.size <= RECEIVE_TIMES_MAX) break;
      this.#received.delete(oldest);
    }
  }

  /** What it left out, though more than 2/3 of the power have listed it and there was room: an average over its blocks. */
  #score(proposer: string, included: readonly DecodedTx[]): void {
    if (this.#armed.size === 0) return;
    let held = 0;
    let bytes = 0;
    for (const tx of included) {
      bytes += tx.item.length;
      if (this.#armed.has(keyOf(tx))) held++;
    }
    // What pays less waits where room is scarce, whoever proposes.
    if (bytes > this.#blockBytesMax() / 2) return;
    const leftOut = 1 - held / this.#armed.size;
    const label = this.#labelOf(proposer);
    const score = (this.#scores.get(label) ?? 0) * (1 - SCORE_WEIGHT) + leftOut * SCORE_WEIGHT;
    this.#scores.set(label, score);
    this.#metrics.censorshipScore.set(score, { validator: label });
  }

  /** Pairs of a rollup's transactions that stand the other way round than they were received, of all pairs. */
  #measure(included: readonly DecodedTx[]): void {
    if (this.#received.size === 0) return;
    const medians = new Map<string, number[]>();
    for (const tx of included) {
      const key = keyOf(tx);
      const times = this.#received.get(key);
      if (times === undefined) continue;
      this.#received.delete(key);
      if (tx.rollupId === "") continue;
      const known = medians.get(tx.rollupId);
      if (known === undefined) medians.set(tx.rollupId, [median([...times.values()])]);
      else if (known.length < REORDERED_TXS_MAX) known.push(median([...times.values()]));
    }
    for (const [rollup, times] of medians) {
      if (times.length < 2) continue;
      this.#metrics.reorderDistance.observe(inversions(times), {
        rollup: this.#rollupLabel(rollup),
      });
    }
  }

  #rollupLabel(rollup: string): string {
    if (!this.#rollups.has(rollup)) {
      if (this.#rollups.size >= METRIC_ROLLUPS_MAX) return OTHER_ROLLUPS;
      this.#rollups.add(rollup);
    }
    return rollup;
  }
}

function keyOf({ id, item }: DecodedTx): string {
  return listingKey({ id, size: item.length });
}

/** The lower one of the middle. */
function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[(sorted.length - 1) >> 1] ?? 0;
}

/** 0: ascending; 1: the other way round (Kendall's tau, normalized). */
function inversions(values: readonly number[]): number {
  let count = 0;
  for (const [at, value] of values.entries()) {
    for (let before = 0; before < at; before++) if ((values[before] ?? 0) > value) count++;
  }
  return (2 * count) / (values.length * (values.length - 1));
}
