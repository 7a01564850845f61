/**
 * Virtual time. Everything that happens in a simulated network is an event here: a message that
 * arrives, a timer, a write that ends, the next turn of a node's loop. Between two events all promises
 * that can go on have gone on, so the order of events, which the seed draws, is the order of the run.
 */
import { createHash } from "node:crypto";
import { assert } from "../../proto/errors.ts";
import type { Cancel } from "../../sequencer/ports/clock.ts";

/** Characters of the trace that are hashed together. */
const NOTED_MAX = 16_384;
/** Events between two turns of the process's own loop. */
const LOOP_TURN_EVENTS = 32;

interface ScheduledEvent {
  readonly atMs: number;
  readonly order: number;
  readonly label: string;
  task: (() => void) | undefined;
}

export class Scheduler {
  nowMs = 0;
  eventCount = 0;
  readonly #heap: ScheduledEvent[] = [];
  readonly #trace = createHash("sha256");
  /** Of the trace, what is not hashed yet. */
  #noted = "";
  #order = 0;

  /** Runs `task` at `delayMs` from now, after everything that was asked for that time before. */
  after(delayMs: number, label: string, task: () => void): Cancel {
    assert(delayMs >= 0, `a delay is not negative, got ${delayMs}`);
    const event: ScheduledEvent = {
      atMs: this.nowMs + delayMs,
      order: this.#order++,
      label,
      task,
    };
    this.#push(event);
    return { cancel: () => (event.task = undefined) };
  }

  /** Runs the next event and everything that follows from it at once; false when there is none. */
  async step(): Promise<boolean> {
    // From here on it goes from promise to promise, whoever called: `drain` counts on that.
    if (this.eventCount === 0) await loopTurn();
    for (;;) {
      const event = this.#pop();
      if (event === undefined) return false;
      const { task } = event;
      if (task === undefined) continue;
      assert(event.atMs >= this.nowMs, "time does not run backwards");
      this.nowMs = event.atMs;
      this.eventCount += 1;
      this.note(event.label);
      task();
      await (this.eventCount % LOOP_TURN_EVENTS === 0 ? loopTurn() : drain());
      return true;
    }
  }

  /** Adds to the digest of the run. */
  note(text: string): void {
    this.#noted += `${this.nowMs} ${text}\n`;
    if (this.#noted.length > NOTED_MAX) this.#hashNoted();
  }

  /** What the run was so far: the same for the same seed. */
  digest(): string {
    this.#hashNoted();
    return this.#trace.copy().digest("hex");
  }

  #hashNoted(): void {
    this.#trace.update(this.#noted);
    this.#noted = "";
  }

  #push(event: ScheduledEvent): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(event);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = heap[parent];
      if (above === undefined || !isBefore(event, above)) break;
      heap[at] = above;
      at = parent;
    }
    heap[at] = event;
  }

  #pop(): ScheduledEvent | undefined {
    const heap = this.#heap;
    const [first] = heap;
    const last = heap.pop();
    if (first === undefined || last === undefined || heap.length === 0) return first;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      const left = heap[child];
      const right = heap[child + 1];
      if (left === undefined) break;
      let least = left;
      if (right !== undefined && isBefore(right, left)) {
        least = right;
        child += 1;
      }
      if (!isBefore(least, last)) break;
      heap[at] = least;
      at = child;
    }
    heap[at] = last;
    return first;
  }
}

function isBefore(a: ScheduledEvent, b: ScheduledEvent): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}

const nextTurn = setImmediate;
const nextTick = process.nextTick.bind(process);

/**
 * Lets all promises go on: called from one that goes on, its tick runs when no other promise can. The
 * code under test has no ticks of its own, so that ours is the next one.
 */
function drain(): Promise<void> {
  return new Promise((resolve) => {
    nextTick(resolve);
  });
}

/** The same, and the process hears of rejected promises and of its parent. */
function loopTurn(): Promise<void> {
  return new Promise((resolve) => {
    nextTurn(resolve);
  });
}
