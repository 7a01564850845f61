/**
 * A database of a simulated disk: atomic batches, in order. Those that were not synced survive a crash
 * of the process; a loss of power keeps a prefix of them. The one under way happened, or did not.
 */
import type { KeyValueStore as StateDatabase } from "../../sequencer/app/state-tree/key-value-store.ts";
import type { KeyValueStore } from "../../sequencer/store/key-value-store.ts";
import type { Random } from "../support/random.ts";
import type { Life } from "./life.ts";
import { diskError, type DiskManner } from "./sim-files.ts";

/** Keys are byte strings, one character for each byte, so that they sort as bytes. */
interface Write {
  readonly key: string;
  readonly value: Uint8Array | undefined;
}

export class SimDatabase {
  readonly #random: Random;
  readonly #current = new Map<string, Uint8Array>();
  readonly #durable = new Map<string, Uint8Array>();
  #sortedKeys: string[] | undefined;
  #unsynced: (readonly Write[])[] = [];
  #underWay: (readonly Write[])[] = [];
  #tail: Promise<void> = Promise.resolve();
  /** LevelDB writes nothing more after an error, until it is opened again. */
  #hasFailed = false;

  constructor(random: Random) {
    this.#random = random;
  }

  /** The store of blocks, state or evidence as one life of the node sees it. */
  mount(life: Life, speed: DiskManner): KeyValueStore {
    return {
      get: async (key) => this.#current.get(bytesToKey(key))?.slice(),
      write: (writes, options) => {
        if (writes.length === 0) return Promise.resolve();
        const batch = writes.map((write) => ({
          key: bytesToKey(write.key),
          value: write.type === "put" ? write.value.slice() : undefined,
        }));
        return this.#write(batch, options?.sync ?? true, life, speed);
      },
      entries: ({ from, to, limit, reverse }) => {
        const keys = this.#keys(bytesToKey(from), bytesToKey(to));
        const ordered = reverse === true ? keys.toReversed() : keys;
        return this.#pairs(ordered.slice(0, limit ?? ordered.length), keyToBytes);
      },
      close: async () => {},
    };
  }

  /** The application's state as one life of the node sees it. */
  mountState(life: Life, speed: DiskManner): StateDatabase {
    return {
      get: (key) => this.#current.get(key)?.slice(),
      range: (from, to) => this.#pairs(this.#keys(from, to), (key) => key),
      write: (writes, { sync } = { sync: true }) =>
        this.#write(
          writes.map(({ key, value }) => ({ key, value: value?.slice() })),
          sync,
          life,
          speed,
        ),
    };
  }

  /** Values whose keys begin with `prefix`, as last written. */
  *values(prefix: string): Iterable<Uint8Array> {
    for (const [key, value] of this.#current) if (key.startsWith(prefix)) yield value;
  }

  /** An empty disk in the place of this one. */
  wipe(): void {
    this.#current.clear();
    this.#durable.clear();
    this.#unsynced = [];
    this.#sortedKeys = undefined;
  }

  crash(losesPower: boolean): void {
    this.#hasFailed = false;
    for (const batch of this.#underWay) {
      if (!this.#random.chance(50)) break;
      this.#apply(batch);
    }
    this.#underWay = [];
    this.#tail = Promise.resolve();
    if (!losesPower) {
      // LevelDB, opened again, writes what its log holds into a table and syncs that.
      this.#synced(this.#unsynced.length);
      return;
    }
    this.#synced(this.#random.below(this.#unsynced.length + 1));
    this.#unsynced = [];
    this.#current.clear();
    for (const [key, value] of this.#durable) this.#current.set(key, value);
    this.#sortedKeys = undefined;
  }

  #write(batch: readonly Write[], isSync: boolean, life: Life, speed: DiskManner): Promise<void> {
    // The rest of the turn in which the node died: no killed process runs that.
    if (life.isOver) return new Promise(() => {});
    this.#underWay.push(batch);
    const done = this.#tail.then(async () => {
      await life.wait(isSync ? speed.syncMs() : 0, "write");
      this.#underWay.shift();
      if (this.#hasFailed || speed.fails(isSync ? "sync" : "write")) {
        this.#hasFailed = true;
        throw diskError("write of a batch");
      }
      this.#apply(batch);
      if (isSync) this.#synced(this.#unsynced.length);
    });
    this.#tail = done.catch(() => {}); // each caller hears of its own batch
    return done;
  }

  #apply(batch: readonly Write[]): void {
    this.#unsynced.push(batch);
    for (const { key, value } of batch) {
      if (value === undefined ? this.#current.has(key) : !this.#current.has(key)) {
        this.#sortedKeys = undefined;
      }
      put(this.#current, key, value);
    }
  }

  #synced(count: number): void {
    for (const batch of this.#unsynced.splice(0, count)) {
      for (const { key, value } of batch) put(this.#durable, key, value);
    }
  }

  #keys(from: string, to: string): readonly string[] {
    this.#sortedKeys ??= [...this.#current.keys()].sort();
    return this.#sortedKeys.filter((key) => key >= from && key < to);
  }

  #pairs<K>(
    keys: readonly string[],
    keyOf: (key: string) => K,
  ): AsyncIterable<readonly [K, Uint8Array]> {
    // As of the call: an iterator of the database reads a snapshot.
    return pairsOf(keys.map((key) => [keyOf(key), this.#current.get(key)]));
  }
}

async function* pairsOf<K>(
  pairs: readonly (readonly [K, Uint8Array | undefined])[],
): AsyncIterable<readonly [K, Uint8Array]> {
  for (const [key, value] of pairs) if (value !== undefined) yield [key, value.slice()];
}

function put(map: Map<string, Uint8Array>, key: string, value: Uint8Array | undefined): void {
  if (value === undefined) map.delete(key);
  else map.set(key, value);
}

function bytesToKey(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
}

function keyToBytes(key: string): Uint8Array {
  return Uint8Array.from(Buffer.from(key, "latin1"));
}
