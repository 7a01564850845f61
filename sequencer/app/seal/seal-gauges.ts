import { POINT_BYTES } from "../../../proto/codec/seal-tx.ts";
import type { AbciEvent } from "../../abci/application.ts";
import { METRIC_VALIDATORS_MAX } from "../limits.ts";
import type { CommittedState } from "../state/committed-state.ts";
import { SEAL_COMMITS, SEAL_GENERATION } from "../state/tables.ts";
import {
  SEAL_DISPUTED,
  SEAL_EXPIRED,
  SEAL_INVALID,
  SEAL_OPENED,
  SEAL_REVEALED,
  SEAL_SHARES_MISSING,
  SEAL_VOID,
} from "./events.ts";
import type { SealMetrics } from "./metrics.ts";
import { askAt, keyInForce, sealedBatch, sealKey, sealState, unresolvedHeights } from "./reader.ts";

/** What is shown; the committed state. */
type ShownState = Pick<CommittedState, "terms" | "staking">;

/**
 * Shows sealed transactions in metrics: keys and what waits after each block, what blocks settled by their
 * events. Validators are labels: the first `METRIC_VALIDATORS_MAX` that owed shares and brought none.
 */
export class SealGauges {
  readonly #committed: ShownState;
  readonly #metrics: SealMetrics;
  readonly #blamed = new Set<string>();

  constructor(committed: ShownState, metrics: SealMetrics) {
    this.#committed = committed;
    this.#metrics = metrics;
  }

  /** When the state was read anew. */
  reset(): void {
    if (this.#committed.terms !== undefined) this.#showState();
  }

  /** After a commit of the block at `height`; the committed state is the new one already. */
  advance(height: number, events: Iterable<readonly AbciEvent[]>): void {
    this.#showState();
    for (const list of events) for (const event of list) this.#count(height, event);
  }

  #showState(): void {
    const reader = this.#committed.staking;
    const metrics = this.#metrics;
    const next = reader.height;
    const number = keyInForce(reader, next);
    const key = number === 0 ? undefined : sealKey(reader, number);
    const { isOpen, nextKey, nextKeyHeight } = sealState(reader);
    metrics.sealKey.set(number);
    metrics.sealKeyHeight.set(key?.activeHeight ?? 0);
    metrics.sealKeyMembers.set(key?.members.length ?? 0);
    metrics.sealNextKeyHeight.set(nextKey === 0 || nextKey === number ? 0 : nextKeyHeight);
    metrics.sealOpen.set(isOpen && number !== 0 ? 1 : 0);
    metrics.sealGeneration.set(reader.records.get(SEAL_GENERATION, "")?.key ?? 0);

    let items = 0;
    for (const height of unresolvedHeights(reader)) {
      items += sealedBatch(reader, height)?.items.length ?? 0;
    }
    metrics.sealPendingItems.set(items);
    const { batches, disputes } = askAt(reader, next) ?? { batches: [], disputes: [] };
    const points = batches.reduce((sum, batch) => sum + batch.points.length, 0);
    metrics.sealAskedItems.set(points / POINT_BYTES + disputes.length);
    let commits = 0;
    for (const at of reader.records.keys(SEAL_COMMITS)) {
      commits += reader.records.get(SEAL_COMMITS, at)?.items.length ?? 0;
    }
    metrics.sealPendingCommits.set(commits);
  }

  #count(height: number, { type, attributes }: AbciEvent): void {
    const metrics = this.#metrics;
    const value = (key: string) => attributes.find((one) => one.key === key)?.value ?? "";
    switch (type) {
      case SEAL_OPENED:
        metrics.sealResolved.inc({ kind: "sealed", outcome: "opened" });
        metrics.sealRevealBlocks.observe(height - Number(value("height")));
        return;
      case SEAL_INVALID:
        return metrics.sealResolved.inc({ kind: "sealed", outcome: "invalid" });
      case SEAL_EXPIRED:
        return metrics.sealResolved.inc({ kind: "sealed", outcome: "expired" });
      case SEAL_DISPUTED:
        return metrics.sealDisputes.inc();
      case SEAL_REVEALED:
        return metrics.sealResolved.inc({ kind: "commit", outcome: value("outcome") });
      case SEAL_VOID:
        return metrics.sealResolved.inc({ kind: "commit", outcome: "void" });
      case SEAL_SHARES_MISSING:
        return this.#blame(value("validator"));
      default:
    }
  }

  #blame(validator: string): void {
    if (!this.#blamed.has(validator)) {
      if (this.#blamed.size >= METRIC_VALIDATORS_MAX) return;
      this.#blamed.add(validator);
    }
    this.#metrics.sealMissingShares.inc({ validator });
  }
}
