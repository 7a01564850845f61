/**
 * What waits for the core: our own answers and timeouts first, then peers' messages. The peers' side
 * is bounded, as is each peer's share of it; our own side is bounded by what the core asks for.
 */
import type { NodeId } from "../../proto/brands.ts";
import { assert } from "../../proto/errors.ts";
import type { ConsensusInput, Origin } from "../consensus/inputs.ts";
import { OWN_INPUT_QUEUE_MAX, PEER_INPUT_QUEUE_MAX } from "./limits.ts";

/** What a peer sent. */
export type PeerInput = Extract<ConsensusInput, { readonly origin: Origin }> & {
  readonly origin: NodeId;
};

interface PeerEntry {
  readonly input: PeerInput;
  readonly key: string | undefined;
}

export class InputQueue {
  #own: ConsensusInput[] = [];
  #peer: PeerEntry[] = [];
  /** How many of them each peer sent. */
  readonly #ofPeer = new Map<NodeId, number>();
  /** Keys of what waits, and of what was taken last, which the core may not have seen yet. */
  readonly #keys = new Set<string>();
  #takenKeys: readonly string[] = [];
  #wake: (() => void) | undefined;

  pushOwn(input: ConsensusInput): void {
    assert(this.#own.length < OWN_INPUT_QUEUE_MAX, "the core asks for less than its queue holds");
    this.#own.push(input);
    this.wake();
  }

  /**
   * False when there is no room: the message is dropped, gossip brings it again. A peer may have as many
   * waiting as there are places left, so that none, nor several, can keep out the others.
   * @param key names all that the input says: `holds` tells of it until the core has taken it in
   */
  pushPeer(input: PeerInput, key?: string): boolean {
    const ofPeer = this.#ofPeer.get(input.origin) ?? 0;
    if (ofPeer >= PEER_INPUT_QUEUE_MAX - this.#peer.length) return false;
    this.#ofPeer.set(input.origin, ofPeer + 1);
    this.#peer.push({ input, key });
    if (key !== undefined) this.#keys.add(key);
    this.wake();
    return true;
  }

  /** Whether an input of this key is on its way to the core: another one would only take its place from others. */
  holds(key: string): boolean {
    return this.#keys.has(key);
  }

  /** Up to `countMax` inputs, in the order to handle them; those taken before have been handled. */
  take(countMax: number): readonly ConsensusInput[] {
    for (const key of this.#takenKeys) this.#keys.delete(key);
    const own = this.#own.splice(0, countMax);
    const peer = this.#peer.splice(0, countMax - own.length);
    for (const { input } of peer) this.#leaves(input.origin);
    this.#takenKeys = peer.flatMap(({ key }) => (key === undefined ? [] : [key]));
    return peer.length === 0 ? own : [...own, ...peer.map(({ input }) => input)];
  }

  /** Forgets what waits: it is of a height that was decided elsewhere. */
  clear(): void {
    this.#own = [];
    this.#peer = [];
    this.#ofPeer.clear();
    this.#keys.clear();
    this.#takenKeys = [];
  }

  #leaves(origin: NodeId): void {
    const left = (this.#ofPeer.get(origin) ?? 0) - 1;
    if (left > 0) this.#ofPeer.set(origin, left);
    else this.#ofPeer.delete(origin);
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
