/**
 * Whose turn it is at a height far above the one where its set is stored: the rotation in between is worked out
 * in pieces, and the sets after them are kept, so that nobody's question is worth a second of the event loop.
 */
import { continueRotation, incrementProposerPriority } from "../../proto/validator-set.ts";
import type { ValidatorSet } from "../../proto/types.ts";
import type { YieldToLoop } from "../ports/yield-to-loop.ts";
import { ROTATION_HEIGHTS, ROTATIONS_KEPT_MAX } from "./limits.ts";

export class Rotations {
  readonly #yieldToLoop: YieldToLoop | undefined;
  /** Sets by the height at which their start is stored, and their own. */
  readonly #kept = new Map<string, ValidatorSet>();

  constructor(yieldToLoop: YieldToLoop | undefined) {
    this.#yieldToLoop = yieldToLoop;
  }

  /** The set of `height`, stored at `storedAt`: as one `incrementProposerPriority` over the whole way gives it. */
  async advance(stored: ValidatorSet, storedAt: number, height: number): Promise<ValidatorSet> {
    const distance = height - storedAt;
    let done = distance - (distance % ROTATION_HEIGHTS);
    while (done > 0 && !this.#kept.has(keyOf(storedAt, done))) done -= ROTATION_HEIGHTS;
    let set = this.#kept.get(keyOf(storedAt, done)) ?? stored;
    while (done < distance) {
      const piece = Math.min(ROTATION_HEIGHTS, distance - done);
      set = done === 0 ? incrementProposerPriority(set, piece) : continueRotation(set, piece);
      done += piece;
      if (piece < ROTATION_HEIGHTS) break;
      this.#keep(keyOf(storedAt, done), set);
      await this.#yieldToLoop?.();
    }
    return set;
  }

  #keep(key: string, set: ValidatorSet): void {
    this.#kept.set(key, set);
    if (this.#kept.size <= ROTATIONS_KEPT_MAX) return;
    const [oldest] = this.#kept.keys();
    if (oldest !== undefined) this.#kept.delete(oldest);
  }
}

function keyOf(storedAt: number, done: number): string {
  return `${storedAt}+${done}`;
}
