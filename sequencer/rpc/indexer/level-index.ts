import { Height } from "../../../proto/brands.ts";
import { txHash } from "../../../proto/hashes.ts";
import type { Block } from "../../../proto/types.ts";
import type { AbciEvent, FinalizeBlockResponse } from "../../abci/application.ts";
import type { KeyValueStore, KeyValueWrite } from "../../store/key-value-store.ts";
import { methodFailure } from "../errors.ts";
import { INDEX_BATCH_WRITES_MAX, INDEX_PRUNE_HEIGHTS_MAX, SLICE_MS } from "../limits.ts";
import type { Query } from "../query/query.ts";
import type { ChainIndex, TxPosition } from "./chain-index.ts";
import type { EventSpace } from "./keys.ts";
import {
  blockKey,
  countValue,
  eventKey,
  hashKey,
  hashValue,
  heightOfKey,
  heightValue,
  journalKey,
  LAST_KEY,
  packKeys,
  parseHashValue,
  parseHeightValue,
  unpackKeys,
} from "./keys.ts";
import { BLOCK_SPACE, heightsOf, search, TX_SPACE } from "./search.ts";

export interface IndexedBlock {
  readonly block: Block;
  readonly result: FinalizeBlockResponse;
}

/** An index that can be written. */
export interface WritableIndex extends ChainIndex {
  /** Adds a height; a crash in the middle leaves it to be added again. */
  addBlock(indexed: IndexedBlock): Promise<void>;
  /** Marks a height as done whose results are not known. */
  skipHeight(height: Height): Promise<void>;
  /** Forgets heights below `base`, a few at a time; searches never show them. */
  prune(base: Height): Promise<void>;
}

export interface IndexOptions {
  /** Notes what to remove with each height; needed when blocks are pruned, and costs space. */
  readonly isPrunable: boolean;
}

const NO_BYTES: Uint8Array = new Uint8Array(0);
/** Attributes with these names would pass for the reserved ones. */
const RESERVED_TAGS: ReadonlySet<string> = new Set(["tx.hash", "tx.height", "block.height"]);

/**
 * Opens the index kept in `store`, which it owns from then on. Transactions are not copied: the
 * index holds where they stand in their blocks.
 *
 * `blocks` says which heights can still be read; what lies below is not found.
 */
export async function openChainIndex(
  options: IndexOptions,
  deps: { readonly store: KeyValueStore; readonly blocks: { base(): Height } },
): Promise<WritableIndex> {
  const { store, blocks } = deps;
  const last = await store.get(LAST_KEY);
  let indexed = last === undefined ? Height(0) : parseHeightValue(last);
  const within = () => ({ min: Math.max(1, blocks.base()), max: indexed });

  async function txByHash(hash: Uint8Array): Promise<TxPosition | undefined> {
    const value = await store.get(hashKey(hash));
    if (value === undefined) return undefined;
    const { height, index } = parseHashValue(value);
    return height < blocks.base() ? undefined : { height, index };
  }

  return {
    indexedHeight: () => indexed,
    txByHash,

    async searchTxs(query) {
      const hash = wantedHash(query);
      if (hash === undefined) return search(store, TX_SPACE, query, within());
      const position = await txByHash(hash);
      return position === undefined ? [] : [position];
    },

    async searchBlocks(query) {
      return heightsOf(await search(store, BLOCK_SPACE, query, within()));
    },

    async addBlock({ block, result }) {
      const { height } = block.header;
      const batch = new Batches(store);
      const keys: Uint8Array[] = [];
      const put = (
        key: Uint8Array | undefined,
        value: Uint8Array = NO_BYTES,
      ): Promise<void> | undefined => {
        if (key === undefined) return undefined;
        if (options.isPrunable) keys.push(key);
        return batch.put(key, value);
      };
      for (const key of eventKeys("B", result.events, height, 0)) await put(key);
      for (const [index, tx] of block.txs.entries()) {
        const outcome = result.txResults[index];
        if (outcome === undefined) continue;
        const isOk = outcome.code === 0;
        const key = hashKey(txHash(tx));
        // An earlier success stays findable when the same bytes fail later.
        const isShadowed = !isOk && (await isSuccess(store, key));
        if (!isShadowed) await put(key, hashValue({ height, index, isOk }));
        for (const one of eventKeys("T", outcome.events, height, index)) await put(one);
      }
      await batch.put(blockKey(height), countValue(block.txs.length));
      if (options.isPrunable) await batch.put(journalKey(height), packKeys(keys));
      await batch.put(LAST_KEY, heightValue(height));
      await batch.flush();
      indexed = height;
    },

    async skipHeight(height) {
      await store.write([{ type: "put", key: LAST_KEY, value: heightValue(height) }], {
        sync: false,
      });
      indexed = height;
    },

    async prune(base) {
      if (!options.isPrunable) return;
      const range = { from: journalKey(0), to: journalKey(base), limit: INDEX_PRUNE_HEIGHTS_MAX };
      for await (const [journal, packed] of store.entries(range)) {
        const batch = new Batches(store);
        const height = heightOfKey(journal);
        for (const key of unpackKeys(packed)) {
          if (!(await isReplaced(store, key, height))) await batch.remove(key);
        }
        await batch.remove(blockKey(height));
        await batch.remove(journal);
        await batch.flush();
      }
    },
  };
}

/** Keys of all attributes that ask to be indexed. */
function* eventKeys(
  space: EventSpace,
  events: readonly AbciEvent[],
  height: Height,
  index: number,
): Generator<Uint8Array | undefined> {
  for (const [sequence, event] of events.entries()) {
    if (event.type === "") continue;
    for (const attribute of event.attributes) {
      const tag = `${event.type}.${attribute.key}`;
      if (!attribute.index || attribute.key === "" || RESERVED_TAGS.has(tag)) continue;
      yield eventKey(space, tag, { value: attribute.value, height, index, sequence });
    }
  }
}

/** The hash that a query names; it then means that transaction, whatever else it says. */
function wantedHash(query: Query): Uint8Array | undefined {
  for (const condition of query.conditions) {
    if (condition.tag !== "tx.hash" || condition.operator !== "=") continue;
    const bad = /[^0-9a-fA-F]/u.exec(condition.text)?.[0];
    if (bad !== undefined || condition.text.length % 2 !== 0) {
      const code = (bad?.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0");
      const what =
        bad === undefined
          ? "encoding/hex: odd length hex string"
          : `encoding/hex: invalid byte: U+${code} '${bad}'`;
      throw methodFailure(`error during searching for a hash in the query: ${what}`);
    }
    return new Uint8Array(Buffer.from(condition.text, "hex"));
  }
  return undefined;
}

async function isSuccess(store: KeyValueStore, key: Uint8Array): Promise<boolean> {
  const value = await store.get(key);
  return value !== undefined && parseHashValue(value).isOk;
}

/** Whether a hash now belongs to another height than the one that goes. */
async function isReplaced(store: KeyValueStore, key: Uint8Array, height: Height): Promise<boolean> {
  if (key[0] !== HASH_PREFIX) return false;
  const value = await store.get(key);
  return value !== undefined && parseHashValue(value).height !== height;
}

const HASH_PREFIX = hashKey(NO_BYTES)[0];

/** Collects writes, writes them in pieces, and lets the loop turn in between. */
class Batches {
  readonly #store: KeyValueStore;
  #writes: KeyValueWrite[] = [];
  #sliceEndMs = performance.now() + SLICE_MS;

  constructor(store: KeyValueStore) {
    this.#store = store;
  }

  /** A promise only when there is something to wait for. */
  put(key: Uint8Array, value: Uint8Array): Promise<void> | undefined {
    this.#writes.push({ type: "put", key, value });
    return this.#pause();
  }

  remove(key: Uint8Array): Promise<void> | undefined {
    this.#writes.push({ type: "del", key });
    return this.#pause();
  }

  async flush(): Promise<void> {
    const writes = this.#writes;
    this.#writes = [];
    // Not synced: what a crash takes away, the block store gives back.
    await this.#store.write(writes, { sync: false });
    this.#sliceEndMs = performance.now() + SLICE_MS;
  }

  #pause(): Promise<void> | undefined {
    if (this.#writes.length >= INDEX_BATCH_WRITES_MAX) return this.flush();
    if (performance.now() < this.#sliceEndMs) return undefined;
    this.#sliceEndMs = performance.now() + SLICE_MS;
    return new Promise((resolve) => setImmediate(resolve));
  }
}
