import type { YieldToLoop } from "../../ports/yield-to-loop.ts";

/** Writes that are put into a batch in one go: about 4 ms. */
const WRITES_PER_SLICE = 1_000;

/** One write of a batch; without a value the key is removed. */
export interface KeyValueWrite {
  readonly key: string;
  readonly value: Uint8Array | undefined;
}

/**
 * The database under the state: string keys in byte order, values as bytes. `write` is atomic, and
 * durable when its promise resolves unless `sync` is false: then it survives the process, and lost power
 * keeps what was written up to some moment, in order.
 */
export interface KeyValueStore {
  /** A private copy of the value, or undefined. Synchronous: execution does not await. */
  get(key: string): Uint8Array | undefined;
  /**
   * All pairs with `from <= key < to`, in order, as they are at the moment of the call: later writes do
   * not show. Read it to its end, or end the loop: until then it holds a view of the database.
   */
  range(from: string, to: string): AsyncIterable<readonly [key: string, value: Uint8Array]>;
  write(writes: readonly KeyValueWrite[], options?: { readonly sync: boolean }): Promise<void>;
}

/** What is used of an abstract-level database (classic-level, memory-level) with utf8 keys and `view` values. */
export interface LevelDatabase {
  open(): Promise<void>;
  getSync(key: string): Uint8Array | undefined;
  iterator(options: {
    readonly gte: string;
    readonly lt: string;
  }): AsyncIterable<[string, Uint8Array]>;
  batch(): LevelBatch;
}

export interface LevelBatch {
  put(key: string, value: Uint8Array): unknown;
  del(key: string): unknown;
  write(options: { readonly sync: boolean }): Promise<void>;
}

/** Opens a level database as a `KeyValueStore`. The caller closes it. */
export async function openKeyValueStore(
  database: LevelDatabase,
  yieldToLoop: YieldToLoop,
): Promise<KeyValueStore> {
  await database.open();
  return {
    get(key) {
      const value = database.getSync(key);
      return value && plain(value);
    },
    range(from, to) {
      // Made here, not at the first look: an iterator reads what there was when it was made.
      return plainPairs(database.iterator({ gte: from, lt: to }));
    },
    async write(writes, { sync } = { sync: true }) {
      const batch = database.batch();
      let slice = 0;
      for (const { key, value } of writes) {
        if (++slice % WRITES_PER_SLICE === 0) await yieldToLoop();
        if (value === undefined) batch.del(key);
        else batch.put(key, value);
      }
      await batch.write({ sync });
    },
  };
}

async function* plainPairs(
  pairs: AsyncIterable<[string, Uint8Array]>,
): AsyncIterable<readonly [string, Uint8Array]> {
  for await (const [key, value] of pairs) yield [key, plain(value)];
}

/** Level may answer with a Buffer, whose slices alias; a plain view's slices copy. */
function plain(value: Uint8Array): Uint8Array {
  return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
}
