/**
 * What waits for the core: our own answers and timeouts first, then peers' messages. The peers' side
 * is bounded and refuses when full; our own side is bounded by what the core asks for.
 */
import { assert } from "../../proto/errors.ts";
import type { ConsensusInput } from "../consensus/inputs.ts";
import { OWN_INPUT_QUEUE_MAX, PEER_INPUT_QUEUE_MAX } from "./limits.ts";

export class InputQueue {
  #own: ConsensusInput[] = [];
  #peer: ConsensusInput[] = [];
  #wake: (() => void) | undefined;

  pushOwn(input: ConsensusInput): void {
    assert(this.#own.length < OWN_INPUT_QUEUE_MAX, "the core asks for less than its queue holds");
    this.#own.push(input);
    this.wake();
  }

  /** False when there is no room: the message is dropped, gossip brings it again. */
  pushPeer(input: ConsensusInput): boolean {
    if (this.#peer.length >= PEER_INPUT_QUEUE_MAX) return false;
    this.#peer.push(input);
    this.wake();
    return true;
  }

  /** Up to `countMax` inputs, in the order to handle them. */
  take(countMax: number): readonly ConsensusInput[] {
    const own = this.#own.splice(0, countMax);
    const room = countMax - own.length;
    return room === 0 ? own : [...own, ...this.#peer.splice(0, room)];
  }

  /** Forgets what waits: it is of a height that was decided elsewhere. */
  clear(): void {
    this.#own = [];
    this.#peer = [];
  }

  /** Resolves when something waits, or when `wake` is called. */
  async wait(): Promise<void> {
    if (this.#own.length + this.#peer.length > 0) return;
    await new Promise<void>((resolve) => (this.#wake = resolve));
  }

  wake(): void {
    this.#wake?.();
    this.#wake = undefined;
  }

  get depths(): { readonly own: number; readonly peer: number } {
    return { own: this.#own.length, peer: this.#peer.length };
  }
}
