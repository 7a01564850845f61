import type { AbciEvent } from "../../abci/application.ts";
import type { BodyStore } from "../proposal/body-store.ts";
import type { CommittedState } from "../state/committed-state.ts";
import { LISTINGS } from "../state/tables.ts";
import {
  OBLIGATION_ARMED,
  OBLIGATION_EXCUSED,
  OBLIGATION_FORGOTTEN,
  OBLIGATION_MET,
  OBLIGATION_WITHDRAWN,
} from "./events.ts";
import type { InclusionMetrics } from "./metrics.ts";

/** What is shown; the committed state. */
type ShownState = Pick<CommittedState, "terms" | "recordKeys" | "due">;

/** Shows inclusion lists in metrics: what waits after each block, what blocks met by their events. */
export class InclusionGauges {
  readonly #committed: ShownState;
  readonly #bodies: Pick<BodyStore, "bytes">;
  readonly #metrics: InclusionMetrics;

  constructor(committed: ShownState, bodies: Pick<BodyStore, "bytes">, metrics: InclusionMetrics) {
    this.#committed = committed;
    this.#bodies = bodies;
    this.#metrics = metrics;
  }

  /** When the state was read anew. */
  reset(): void {
    if (this.#committed.terms === undefined) return;
    this.#metrics.listItems.set(this.#committed.recordKeys(LISTINGS.prefix, "", {}).length);
    this.#metrics.dueItems.set(this.#committed.due().txs.length);
    this.#metrics.bodiesKeptBytes.set(this.#bodies.bytes);
  }

  /** After a commit of the block at `height`; the committed state is the new one already. */
  advance(height: number, events: Iterable<readonly AbciEvent[]>): void {
    this.reset();
    for (const list of events) for (const event of list) this.#count(height, event);
  }

  #count(height: number, { type, attributes }: AbciEvent): void {
    const metrics = this.#metrics;
    const value = (key: string) => attributes.find((one) => one.key === key)?.value ?? "";
    switch (type) {
      case OBLIGATION_ARMED:
        return metrics.obligationsArmed.inc();
      case OBLIGATION_MET:
        metrics.obligationsMet.inc();
        metrics.obligationInclusionBlocks.observe(height - Number(value("first_height")));
        return;
      case OBLIGATION_EXCUSED:
        return metrics.obligationsExcused.inc({ code: value("code") });
      case OBLIGATION_WITHDRAWN:
        return metrics.obligationsWithdrawn.inc(undefined, Number(value("count")));
      case OBLIGATION_FORGOTTEN:
        return metrics.obligationsForgotten.inc();
      default:
    }
  }
}
