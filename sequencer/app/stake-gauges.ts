import type { AbciEvent } from "../abci/application.ts";
import { BASIS_POINTS } from "../../proto/codec/weft-basics.ts";
import { METRIC_VALIDATORS_MAX } from "./limits.ts";
import type { AppMetrics } from "./metrics.ts";
import { POOLS } from "./staking/context.ts";
import type { CommittedState } from "./state/committed-state.ts";
import { EPOCH, HALT_VOTES, PROPOSAL_QUEUE, SIGNING, VALIDATORS } from "./state/tables.ts";

const EVENT_SLASH = "slash";
/** Label of all validators that have none of their own. */
const OTHER_VALIDATORS = "others";

/** What is shown; the committed state. */
export type ShownState = Pick<CommittedState, "terms" | "requireTerms" | "validators" | "staking">;

/**
 * Shows stake in metrics: all of it once, then what a block has changed. Validators are labels: those that
 * have been in the set while this process ran, the first `METRIC_VALIDATORS_MAX` of them.
 */
export class StakeGauges {
  readonly #committed: ShownState;
  readonly #metrics: AppMetrics;
  readonly #shown = new Set<string>();

  constructor(committed: ShownState, metrics: AppMetrics) {
    this.#committed = committed;
    this.#metrics = metrics;
  }

  /** When the state was read anew. */
  reset(): void {
    if (this.#committed.terms === undefined) return;
    for (const validator of this.#committed.validators()) this.#show(validator);
    this.#showTotals();
  }

  /** After a commit; the committed state is the new one already. */
  advance(
    changes: ReadonlyMap<string, Uint8Array | undefined>,
    events: Iterable<readonly AbciEvent[]>,
  ): void {
    const changed = new Set<string>();
    for (const key of changes.keys()) {
      for (const { prefix } of [VALIDATORS, SIGNING]) {
        if (key.startsWith(prefix)) changed.add(key.slice(prefix.length));
      }
    }
    for (const validator of changed) this.#show(validator);
    this.#showTotals();
    for (const list of events) for (const event of list) this.#count(event);
  }

  /** The validator as metrics name it, `OTHER_VALIDATORS` for one that they do not. `validator`: consensus address, in hex. */
  labelOf(validator: string): string {
    return this.#shown.has(validator) ? validator.toUpperCase() : OTHER_VALIDATORS;
  }

  #show(validator: string): void {
    const { records } = this.#committed.staking;
    const state = records.get(VALIDATORS, validator);
    if (!this.#shown.has(validator)) {
      // One that never had power says nothing that an operator has to see.
      if (state === undefined || state.power === 0n) return;
      if (this.#shown.size >= METRIC_VALIDATORS_MAX) return;
      this.#shown.add(validator);
    }
    const labels = { validator: validator.toUpperCase() };
    const metrics = this.#metrics;
    metrics.validatorPower.set(Number(state?.power ?? 0n), labels);
    const jailed = state?.jailed === true ? 1 : 0;
    metrics.validatorJailed.set(state?.tombstoned === true ? 2 : jailed, labels);
    const rate = (state?.commission.rateBps ?? 0) / BASIS_POINTS;
    metrics.validatorCommission.set(rate, labels);
    metrics.validatorMissedBlocks.set(records.get(SIGNING, validator)?.missed ?? 0, labels);
  }

  #showTotals(): void {
    const { supply } = this.#committed.requireTerms();
    const { records } = this.#committed.staking;
    for (const pool of POOLS) this.#metrics.poolAmount.set(Number(supply[pool]), { pool });
    this.#metrics.burned.set(Number(supply.burned));
    this.#metrics.epoch.set(records.get(EPOCH, "")?.number ?? 0);
    this.#metrics.openProposals.set(records.keys(PROPOSAL_QUEUE).length);
    this.#metrics.haltVotes.set(records.keys(HALT_VOTES).length);
  }

  #count({ type, attributes }: AbciEvent): void {
    if (type !== EVENT_SLASH) return;
    const value = (key: string) => attributes.find((one) => one.key === key)?.value ?? "";
    const labels = { reason: value("reason") };
    this.#metrics.slashes.inc(labels);
    this.#metrics.slashedAmount.inc(labels, Number(value("burned")) + Number(value("reward")));
  }
}
