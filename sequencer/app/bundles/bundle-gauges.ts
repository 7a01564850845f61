/** Shows in metrics what became of bundles and bids, from what pools drop and what blocks say. */
import { toHex } from "../../../proto/bytes.ts";
import { SealedItemKind } from "../../../proto/codec/seal-state.ts";
import type { AbciEvent } from "../../abci/application.ts";
import { BID_LOST, BID_WON } from "../auction/events.ts";
import type { CodeName, Failure } from "../codes.ts";
import type { DecodedTx } from "../execution/decoded-tx.ts";
import { STATUSES_MAX } from "../limits.ts";
import { SEAL_EXPIRED, SEAL_INVALID, SEAL_OPENED } from "../seal/events.ts";
import { sealedBatch } from "../seal/reader.ts";
import type { StakingReader } from "../staking/context.ts";
import type { BundleMetrics } from "./metrics.ts";

const REPLACED: ReadonlySet<CodeName> = new Set(["BUNDLE_SUPERSEDED", "POOL_REPLACED"]);
const EXPIRED: ReadonlySet<CodeName> = new Set([
  "UNORDERED_EXPIRED",
  "SEAL_TOO_LATE",
  "SEAL_KEY_OLD",
  "BUNDLE_LATE",
  "POOL_TIMED_OUT",
]);

/** Whether a transaction is a bundle or a bid. */
export function isOfSearcher({ tx }: Pick<DecodedTx, "tx">): boolean {
  const { kind } = tx.body.action;
  return kind === "bundle" || kind === "sealedBundle" || kind === "bid";
}

export class BundleGauges {
  readonly #metrics: BundleMetrics;
  /** What sealed bundles and bids in blocks are that are not resolved, by transaction id, hex; the oldest are forgotten. */
  readonly #waiting = new Map<string, SealedItemKind>();

  constructor(metrics: BundleMetrics) {
    this.#metrics = metrics;
  }

  /** The pool has let go of it. */
  dropped(tx: DecodedTx, { code }: Failure): void {
    if (!isOfSearcher(tx)) return;
    const isCancelled = code === "BUNDLE_CANCELLED";
    const end = REPLACED.has(code) ? "REPLACED" : EXPIRED.has(code) ? "EXPIRED" : "INVALID";
    this.#come(isCancelled ? "CANCELLED" : end);
  }

  /** After a commit of the block at `height`; `reader` has its state already. */
  advance(
    height: number,
    txs: readonly (DecodedTx | undefined)[],
    events: readonly (readonly AbciEvent[])[],
    reader: StakingReader,
  ): void {
    for (const tx of txs) {
      if (tx?.tx.body.action.kind === "bundle") this.#come("INCLUDED");
    }
    for (const list of events) for (const event of list) this.#count(event);
    if (!txs.some((tx) => tx !== undefined && isOfSearcher(tx))) return;
    for (const { id, kind } of sealedBatch(reader, height)?.items ?? []) {
      if (kind === SealedItemKind.SEALED) continue;
      this.#come("SEALED");
      this.#waiting.set(toHex(id), kind);
    }
    for (const oldest of this.#waiting.keys()) {
      if (this.#waiting.size <= STATUSES_MAX) break;
      this.#waiting.delete(oldest);
    }
  }

  #count({ type, attributes }: AbciEvent): void {
    const id = attributes.find(({ key }) => key === "id")?.value ?? "";
    const kind = this.#waiting.get(id);
    if (kind === undefined) return;
    const isBid = kind === SealedItemKind.BID;
    switch (type) {
      case SEAL_OPENED:
        // What it is worth is said when its auction is settled.
        return isBid ? this.#come("REVEALED") : this.#end(id, "INCLUDED");
      case SEAL_INVALID:
        return this.#end(id, "INVALID");
      case SEAL_EXPIRED:
        return this.#end(id, "EXPIRED");
      case BID_WON:
        return this.#end(id, "INCLUDED");
      case BID_LOST:
        return this.#end(id, "LOST_AUCTION");
      default:
    }
  }

  #end(id: string, state: string): void {
    this.#waiting.delete(id);
    this.#come(state);
  }

  #come(state: string): void {
    this.#metrics.bundleStates.inc({ state });
  }
}
