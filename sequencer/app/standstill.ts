/** What the chain itself has put a stop to, as one node sees and shows it. */
import type { Logger } from "../ports/logger.ts";
import { haltFault, upgradeFault } from "./governance/halt.ts";
import type { AppMetrics } from "./metrics.ts";
import type { CommittedState } from "./state/committed-state.ts";
import { UPGRADE } from "./state/tables.ts";

/** Why this node takes no part in the next block, though nothing is broken. */
export interface Standstill {
  /** `halted`: it stays up, and waits for its operator. `upgradeNeeded`: this software cannot go on. */
  readonly kind: "halted" | "upgradeNeeded";
  /** The last block. */
  readonly height: number;
  /** What happened and what to do, for people. */
  readonly reason: string;
}

export interface StandstillOptions {
  /** The halt, by its height, after which this node goes on. */
  readonly resumeAfterHalt: number | undefined;
  readonly knownUpgrades: ReadonlySet<string>;
}

/** Tells operators once, and metrics always, that the chain stands on purpose or is going to. */
export class StandstillWatch {
  readonly #options: StandstillOptions;
  readonly #committed: CommittedState;
  readonly #logger: Logger;
  readonly #metrics: AppMetrics;
  #current: Standstill | undefined;
  /** Height of the upgrade that was warned of. */
  #warnedOf = 0;

  constructor(
    options: StandstillOptions,
    deps: {
      readonly committed: CommittedState;
      readonly logger: Logger;
      readonly metrics: AppMetrics;
    },
  ) {
    this.#options = options;
    this.#committed = deps.committed;
    this.#logger = deps.logger;
    this.#metrics = deps.metrics;
  }

  /** As it was after the last look. */
  get current(): Standstill | undefined {
    return this.#current;
  }

  /** After every change of the committed state. */
  look(): void {
    const before = this.#current;
    this.#current = this.#committed.terms === undefined ? undefined : this.#find();
    this.#metrics.halted.set(this.#current?.kind === "halted" ? 1 : 0);
    this.#metrics.upgradeHeight.set(this.#lookAhead());
    if (before?.kind === this.#current?.kind) return;
    if (this.#current === undefined) {
      this.#logger.info("the chain goes on", { height: this.#committed.nextHeight() - 1 });
    } else {
      const { height, reason } = this.#current;
      const message =
        this.#current.kind === "halted"
          ? "the chain is halted on purpose: this node makes and accepts no block, and answers queries"
          : "the next block needs an upgrade that this software does not have";
      this.#logger.error(message, { height, reason });
    }
  }

  #find(): Standstill | undefined {
    const { resumeAfterHalt, knownUpgrades } = this.#options;
    const next = this.#committed.nextHeight();
    const upgrade = upgradeFault(this.#committed, next, knownUpgrades);
    if (upgrade !== undefined) return { kind: "upgradeNeeded", height: next - 1, reason: upgrade };
    const halt = haltFault(this.#committed, next, resumeAfterHalt);
    return halt === undefined ? undefined : { kind: "halted", height: next - 1, reason: halt };
  }

  /** Height from which on this software is not enough; 0 when none is planned. */
  #lookAhead(): number {
    if (this.#committed.terms === undefined) return 0;
    const planned = this.#committed.record(UPGRADE, "");
    if (planned === undefined || this.#options.knownUpgrades.has(planned.name)) return 0;
    const { name, height, info } = planned;
    if (this.#warnedOf !== height && height > this.#committed.nextHeight()) {
      this.#warnedOf = height;
      this.#logger.warn(
        "an upgrade is planned that this software does not have: install it in time",
        {
          name,
          height,
          info,
        },
      );
    }
    return height;
  }
}
