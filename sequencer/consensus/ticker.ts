import type { Height, Round } from "../../proto/brands.ts";
import { assertNever } from "../../proto/errors.ts";
import type { ConsensusTimeouts } from "./options.ts";
import { Step } from "./step.ts";

/** One timer: the moment in the round it is for, and its length. */
export interface Timer {
  readonly height: Height;
  readonly round: Round;
  readonly step: Step;
  readonly durationMs: number;
}

/** The rules by which one timer replaces another (spec §13.4). */
export class Ticker {
  #last: Timer | undefined;
  #isRunning = false;

  /** Starts a timer unless the last one is for the same or a later moment; true when started. */
  schedule(timer: Timer): boolean {
    if (this.#last !== undefined && !isLater(timer, this.#last)) return false;
    this.#last = timer;
    this.#isRunning = true;
    return true;
  }

  /** Notes that a timer fired. */
  elapsed(height: Height, round: Round, step: Step): void {
    const last = this.#last;
    if (last?.height === height && last.round === round && last.step === step) {
      this.#isRunning = false;
    }
  }

  /** The timer that has not fired yet. */
  running(): Timer | undefined {
    return this.#isRunning ? this.#last : undefined;
  }

  describe(): string {
    const last = this.#last;
    if (last === undefined) return "no timer";
    return `${last.height}/${last.round}/${last.step} ${this.#isRunning}`;
  }
}

/** Steps whose timeout has a length of its own. */
export type TimedStep = typeof Step.PROPOSE | typeof Step.PREVOTE_WAIT | typeof Step.PRECOMMIT_WAIT;

/** Length of a step's timeout in a round: it grows by its delta each round. */
export function timeoutMs(timeouts: ConsensusTimeouts, step: TimedStep, round: number): number {
  switch (step) {
    case Step.PROPOSE:
      return timeouts.proposeMs + timeouts.proposeDeltaMs * round;
    case Step.PREVOTE_WAIT:
      return timeouts.prevoteMs + timeouts.prevoteDeltaMs * round;
    case Step.PRECOMMIT_WAIT:
      return timeouts.precommitMs + timeouts.precommitDeltaMs * round;
    default:
      return assertNever(step, "timed step");
  }
}

function isLater(timer: Timer, last: Timer): boolean {
  if (timer.height !== last.height) return timer.height > last.height;
  if (timer.round !== last.round) return timer.round > last.round;
  return timer.step > last.step;
}
