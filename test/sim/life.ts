/**
 * One life of a node, from a start to a crash. Whatever it waits for goes through here: after the
 * crash nothing is ever answered, so its promises hang for good, as they do when a process dies.
 */
import { addNanos } from "../../proto/time.ts";
import type { Timestamp } from "../../proto/types.ts";
import type { Cancel, Clock } from "../../sequencer/ports/clock.ts";
import type { YieldToLoop } from "../../sequencer/ports/yield-to-loop.ts";
import type { Random } from "../support/random.ts";
import type { Scheduler } from "./scheduler.ts";

export class Life {
  readonly name: string;
  readonly #scheduler: Scheduler;
  #isOver = false;

  constructor(name: string, scheduler: Scheduler) {
    this.name = name;
    this.#scheduler = scheduler;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  end(): void {
    this.#isOver = true;
  }

  after(delayMs: number, label: string, task: () => void): Cancel {
    return this.#scheduler.after(delayMs, `${this.name} ${label}`, () => {
      if (!this.#isOver) task();
    });
  }

  /** Resolves after `delayMs`; never when the node dies before. */
  wait(delayMs: number, label: string): Promise<void> {
    return new Promise((resolve) => this.after(delayMs, label, resolve));
  }
}

/** How a node's clocks differ from virtual time. */
export interface Skew {
  /** Wall time ahead of the others', in ms; changes when the clock is set. */
  offsetMs: number;
  /** Speed of its quartz. */
  readonly rate: number;
}

/** Wall time at virtual time 0. */
export const EPOCH: Timestamp = { seconds: 1_700_000_000n, nanos: 0 };

/** Wall time ahead of `EPOCH`, so that no clock shows a time before genesis. */
const LEAD_MS = 120_000;

export function createSimClock(life: Life, scheduler: Scheduler, skew: Skew): Clock {
  return {
    now() {
      const ms = LEAD_MS + scheduler.nowMs * skew.rate + skew.offsetMs;
      return addNanos(EPOCH, BigInt(Math.round(ms * 1_000)) * 1_000n);
    },
    monotonicMs: () => scheduler.nowMs * skew.rate,
    after: (delayMs, task) => life.after(delayMs / skew.rate, "timer", task),
  };
}

/** The next turn of a busy loop comes late. */
export function createSimYield(life: Life, random: Random, lagMsMax: number): YieldToLoop {
  return () => life.wait(lagMsMax === 0 ? 0 : random.below(lagMsMax * 10) / 10, "turn");
}
