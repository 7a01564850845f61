/**
 * Transactions to be sent, in the order they came. Peers hold a cursor into it instead of a queue
 * each, so that memory does not depend on the number or the speed of peers.
 */
import type { NodeId } from "../../../proto/brands.ts";

export interface LoggedTx {
  readonly tx: Uint8Array;
  /** SHA-256, as a latin1 string. */
  readonly key: string;
  /** The peer it came from first; undefined: a client of ours. */
  readonly origin: NodeId | undefined;
  readonly atMs: number;
  /** Further peers that sent it to us. */
  senders: Set<NodeId> | undefined;
  /** In a block, or pushed out: not to be sent any more. */
  isRemoved: boolean;
}

export class TxLog {
  readonly #countMax: number;
  readonly #bytesMax: number;
  readonly #byKey = new Map<string, LoggedTx>();
  /** Entries from sequence number `#base` on; the first `#head` are gone. */
  #entries: (LoggedTx | undefined)[] = [];
  #base = 0;
  #head = 0;
  #bytes = 0;

  constructor(options: { readonly countMax: number; readonly bytesMax: number }) {
    this.#countMax = options.countMax;
    this.#bytesMax = options.bytesMax;
  }

  /** Sequence numbers of the oldest entry and of the next one. */
  get start(): number {
    return this.#base + this.#head;
  }
  get end(): number {
    return this.#base + this.#entries.length;
  }
  get count(): number {
    return this.#byKey.size;
  }
  get bytes(): number {
    return this.#bytes;
  }

  get(key: string): LoggedTx | undefined {
    return this.#byKey.get(key);
  }

  at(sequence: number): LoggedTx | undefined {
    return this.#entries[sequence - this.#base];
  }

  /** Adds an entry, in the place of one with its key, pushing out the oldest ones when full. Returns how many. */
  push(entry: LoggedTx): number {
    this.remove(entry.key);
    this.#entries.push(entry);
    this.#byKey.set(entry.key, entry);
    this.#bytes += entry.tx.length;
    let pushedOut = 0;
    while (this.#byKey.size > this.#countMax || this.#bytes > this.#bytesMax) {
      const oldest = this.#entries[this.#head];
      if (oldest === undefined || oldest === entry) break;
      this.remove(oldest.key);
      pushedOut += 1;
    }
    return pushedOut;
  }

  remove(key: string): void {
    const entry = this.#byKey.get(key);
    if (entry === undefined) return;
    entry.isRemoved = true;
    this.#byKey.delete(key);
    this.#bytes -= entry.tx.length;
    this.#trim();
  }

  /** Forgets removed entries at the front. */
  #trim(): void {
    while (this.#head < this.#entries.length && this.#entries[this.#head]?.isRemoved !== false) {
      this.#entries[this.#head] = undefined;
      this.#head += 1;
    }
    // A removed entry in the middle keeps its place until the ones before it are gone.
    const isMostlyEmpty = this.#entries.length > 4 * this.#countMax;
    if (this.#head > 1_024 && this.#head * 2 >= this.#entries.length) {
      this.#entries = this.#entries.slice(this.#head);
      this.#base += this.#head;
      this.#head = 0;
    } else if (isMostlyEmpty) {
      const oldest = this.#entries[this.#head];
      if (oldest !== undefined) this.remove(oldest.key);
    }
  }
}
