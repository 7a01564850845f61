import type { AbciEvent } from "../../abci/application.ts";
import { ROLLUP_LABELS_MAX } from "../limits.ts";
import {
  ATOMIC_DECIDED,
  ATOMIC_DROPPED,
  ATOMIC_REPORT,
  ATOMIC_VOTE,
  EXECUTOR_JAILED,
  EXECUTOR_SLASHED,
} from "./events.ts";
import type { AtomicMetrics } from "./metrics.ts";

/** Shows what became of atomic bundles, and of their executors, in metrics: from the events of blocks. */
export class AtomicGauges {
  readonly #metrics: AtomicMetrics;
  readonly #rollups = new Set<string>();

  constructor(metrics: AtomicMetrics) {
    this.#metrics = metrics;
  }

  /** After a commit of the block at `height`. */
  advance(height: number, events: Iterable<readonly AbciEvent[]>): void {
    for (const list of events) for (const event of list) this.#count(height, event);
  }

  #count(height: number, { type, attributes }: AbciEvent): void {
    const { atomicDecisions, atomicDecisionBlocks, atomicVotes, atomicReports, executorFaults } =
      this.#metrics;
    const value = (key: string) => attributes.find((one) => one.key === key)?.value ?? "";
    switch (type) {
      case ATOMIC_DECIDED: {
        const result = value("outcome") === "COMMIT" ? "commit" : value("reason").toLowerCase();
        atomicDecisions.inc({ result });
        atomicDecisionBlocks.observe(height - Number(value("height")));
        return;
      }
      case ATOMIC_DROPPED:
        atomicDecisions.inc({ result: "dropped" });
        return;
      case ATOMIC_VOTE:
        atomicVotes.inc({ verdict: value("verdict").toLowerCase() });
        return;
      case ATOMIC_REPORT:
        atomicReports.inc();
        return;
      case EXECUTOR_SLASHED:
      case EXECUTOR_JAILED: {
        const fault = type === EXECUTOR_SLASHED ? "slashed" : "jailed";
        executorFaults.inc({ fault, rollup: this.#labelOf(value("rollup")) });
        return;
      }
      default:
        return;
    }
  }

  /** Whoever was seen first has a label of its own. */
  #labelOf(rollup: string): string {
    if (!this.#rollups.has(rollup) && this.#rollups.size >= ROLLUP_LABELS_MAX) return "others";
    this.#rollups.add(rollup);
    return rollup;
  }
}
