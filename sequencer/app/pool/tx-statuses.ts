import type { Digest } from "../state-tree/node.ts";
import type { TransactionStatus } from "../weft-application.ts";

/** A fate: everything but "in the pool now" and "never seen". */
export type TxFate = Exclude<TransactionStatus, { readonly state: "unknown" | "pending" }>;

/** What became of transactions that have left the pool, or never got in; the oldest are forgotten. */
export class TxStatuses {
  readonly #countMax: number;
  readonly #fates = new Map<Digest, TxFate>();

  constructor(countMax: number) {
    this.#countMax = countMax;
  }

  get(id: Digest): TxFate | undefined {
    return this.#fates.get(id);
  }

  /** Sets the fate; what a block did to a transaction is never overwritten by what a pool says. */
  set(id: Digest, fate: TxFate): void {
    const before = this.#fates.get(id);
    if (isFinal(before) && !isFinal(fate)) return;
    this.#fates.delete(id);
    this.#fates.set(id, fate);
    if (this.#fates.size <= this.#countMax) return;
    // One walk drops an eighth: a map's iterator steps over everything deleted before its start.
    let surplus = this.#fates.size - this.#countMax + (this.#countMax >> 3);
    for (const oldest of this.#fates.keys()) {
      if (surplus-- <= 0) break;
      this.#fates.delete(oldest);
    }
  }
}

/** True for what a block decided. */
export function isFinal(fate: TxFate | undefined): boolean {
  return fate !== undefined && (fate.state === "committed" || fate.state === "failed");
}
