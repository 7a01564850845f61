import { listingPrefix } from "../../../mev/inclusion/keys.ts";
import type { DecodedTx } from "../execution/decoded-tx.ts";
import { LISTED_BODIES_BYTES_MAX } from "../limits.ts";
import type { Pool } from "../pool/pool.ts";
import type { CommittedState } from "../state/committed-state.ts";
import { LISTINGS } from "../state/tables.ts";
import type { KeyValueStore, KeyValueWrite } from "../state-tree/key-value-store.ts";
import type { Digest } from "../state-tree/node.ts";

/** Keys of bodies in the application's database; the state tree uses k, m, t and v, the log of extensions x. */
const PREFIX = "b";
const PREFIX_END = "c";
/**
 * Bytes of what others have listed and that is not due: anybody who lists can have it made of transactions that
 * no account pays for, and what this node lists itself has to find room beside that.
 */
const OTHERS_BYTES_MAX = LISTED_BODIES_BYTES_MAX / 2;
/** Heights that a body is kept for at least, since this node has listed it or asked for it. */
const KEEP_BLOCKS = 20;

interface Body {
  readonly tx: DecodedTx;
  readonly isOnDisk: boolean;
  /** Height at which it was last listed, or came. */
  readonly height: number;
}

/** Where a transaction of an id is that is held. */
export type FindTx = (id: Digest) => DecodedTx | undefined;

/**
 * Transactions that this node has listed, or that others have and the pool would not take: as long as
 * somebody may have to put them into a block, they are here, whatever the pool does. What this node listed
 * is on disk before it says so, so that a crash of all nodes loses nothing that is due.
 */
export class BodyStore {
  readonly #pool: Pick<Pool, "get">;
  readonly #bodies = new Map<Digest, Body>();
  #bytes = 0;
  /** Of those that are not on disk: others have listed them. */
  #othersBytes = 0;

  constructor(pool: Pick<Pool, "get">) {
    this.#pool = pool;
  }

  /** What the database kept; once the chain has begun. */
  async load(database: KeyValueStore, committed: BodyStoreState): Promise<void> {
    const { terms } = committed;
    if (terms === undefined) return;
    const { txDecoder } = committed;
    const height = terms.lastBlock?.height ?? 0;
    for await (const [, item] of database.range(PREFIX, PREFIX_END)) {
      const decoded = txDecoder.decode(item);
      if (!("code" in decoded)) this.#set({ tx: decoded.decoded, isOnDisk: true, height });
    }
  }

  get bytes(): number {
    return this.#bytes;
  }

  get count(): number {
    return this.#bodies.size;
  }

  /** In the pool or here. */
  readonly find: FindTx = (id) => this.#pool.get(id) ?? this.#bodies.get(id)?.tx;

  /** Whether there is room for one more beside `reserved` bytes; what is kept already needs none. */
  hasRoom(tx: DecodedTx, reserved = 0): boolean {
    return this.#bytes + reserved + this.bytesFor(tx) <= LISTED_BODIES_BYTES_MAX;
  }

  /** Bytes that it would take to keep it: none if it is kept. */
  bytesFor({ idKey, item }: DecodedTx): number {
    return this.#bodies.has(idKey) ? 0 : item.length;
  }

  /** Keeps what this node lists in its vote on the block at `height`; the writes are the caller's, before it signs. */
  keep(txs: readonly DecodedTx[], height: number): readonly KeyValueWrite[] {
    const writes: KeyValueWrite[] = [];
    for (const tx of txs) {
      if (!this.hasRoom(tx)) continue;
      if (this.#bodies.get(tx.idKey)?.isOnDisk !== true) {
        writes.push({ key: PREFIX + tx.idText, value: tx.item });
      }
      this.#set({ tx, isOnDisk: true, height });
    }
    return writes;
  }

  /**
   * Takes what somebody has listed and the pool does not take; its signatures hold. `isDue`: more than 2/3 of the
   * power has. False: no room.
   */
  add(tx: DecodedTx, height: number, isDue: boolean): boolean {
    if (this.#bodies.has(tx.idKey)) return true;
    if (!this.hasRoom(tx)) return false;
    if (!isDue && this.#othersBytes + tx.item.length > OTHERS_BYTES_MAX) return false;
    this.#set({ tx, isOnDisk: false, height });
    return true;
  }

  /**
   * Lets go of what stands in the block at `height`, and of what nobody lists any more in `records`, the
   * state after it; the writes are the caller's.
   */
  forget(
    height: number,
    included: Iterable<DecodedTx | undefined>,
    records: ListingKeys,
  ): readonly KeyValueWrite[] {
    if (this.#bodies.size === 0) return NO_WRITES;
    const writes: KeyValueWrite[] = [];
    const remove = (id: Digest, { tx, isOnDisk }: Body): void => {
      this.#bodies.delete(id);
      this.#bytes -= tx.item.length;
      if (isOnDisk) writes.push({ key: PREFIX + tx.idText, value: undefined });
      else this.#othersBytes -= tx.item.length;
    };
    for (const tx of included) {
      const body = tx && this.#bodies.get(tx.idKey);
      if (tx !== undefined && body !== undefined) remove(tx.idKey, body);
    }
    for (const [id, body] of this.#bodies) {
      if (body.height + KEEP_BLOCKS >= height) continue;
      const prefix = listingPrefix(body.tx.id);
      if (records.keys(LISTINGS, prefix, { max: 1 }).length === 0) remove(id, body);
    }
    return writes;
  }

  #set(body: Body): void {
    const { idKey, item } = body.tx;
    const before = this.#bodies.get(idKey);
    if (before === undefined) this.#bytes += item.length;
    if (before?.isOnDisk === false) this.#othersBytes -= item.length;
    if (!body.isOnDisk) this.#othersBytes += item.length;
    this.#bodies.set(idKey, body);
  }
}

type BodyStoreState = Pick<CommittedState, "terms" | "txDecoder">;
type ListingKeys = {
  keys(type: typeof LISTINGS, within: string, range: { readonly max: number }): readonly string[];
};
const NO_WRITES: readonly KeyValueWrite[] = [];
