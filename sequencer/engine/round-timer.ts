/** The one timeout of consensus that is being measured (spec/cometbft-v0.38.md §13.4). */
import type { Cancel, Clock } from "../ports/clock.ts";
import { isIdleWait, type TimeoutEffect, type WaitView } from "./idle-wait.ts";

export class RoundTimer {
  readonly #clock: Clock;
  readonly #onElapsed: (timeout: TimeoutEffect) => void;
  #timer: Cancel | undefined;
  #timeout: TimeoutEffect | undefined;

  constructor(deps: {
    readonly clock: Clock;
    readonly onElapsed: (timeout: TimeoutEffect) => void;
  }) {
    this.#clock = deps.clock;
    this.#onElapsed = deps.onElapsed;
  }

  /** Measures this one from now on, instead of whatever was measured before. */
  start(timeout: TimeoutEffect): void {
    this.cancel();
    this.#timeout = timeout;
    this.#timer = this.#clock.after(Math.max(0, timeout.durationMs), () => this.#elapse(timeout));
  }

  cancel(): void {
    this.#timer?.cancel();
    this.#timeout = undefined;
  }

  /** Lets a wait for votes that are all in elapse now. */
  endIdleWait(view: WaitView): void {
    const timeout = this.#timeout;
    if (timeout === undefined || !isIdleWait(view, timeout)) return;
    this.#timer?.cancel();
    this.#elapse(timeout);
  }

  #elapse(timeout: TimeoutEffect): void {
    this.#timeout = undefined;
    this.#onElapsed(timeout);
  }
}
