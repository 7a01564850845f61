import { mkdir } from "node:fs/promises";
import { ClassicLevel } from "classic-level";
import { isLevelLocked } from "../ports/level-locked.ts";
import { StoreError } from "./errors.ts";
import type { KeyValueRange, KeyValueStore, KeyValueWrite } from "./key-value-store.ts";

/** What an abstract-level database must offer; `ClassicLevel` and `MemoryLevel` do. */
export interface LevelDatabase {
  open(): Promise<void>;
  close(): Promise<void>;
  get(key: Uint8Array): Promise<Uint8Array | undefined>;
  batch(
    writes: (
      | { type: "put"; key: Uint8Array; value: Uint8Array }
      | { type: "del"; key: Uint8Array }
    )[],
    options: { sync: boolean },
  ): Promise<void>;
  iterator(options: {
    gte: Uint8Array;
    lt: Uint8Array;
    limit: number;
    reverse: boolean;
  }): AsyncIterable<[Uint8Array, Uint8Array]>;
}

/** A `KeyValueStore` on an opened abstract-level database with `view` encodings. */
export function createLevelKeyValueStore(database: LevelDatabase): KeyValueStore {
  return {
    get: (key) => database.get(key),
    async write(writes, options = {}) {
      if (writes.length === 0) return;
      await database.batch(writes.map(copyWrite), { sync: options.sync ?? true });
    },
    entries: (range: KeyValueRange) =>
      database.iterator({
        gte: range.from,
        lt: range.to,
        limit: range.limit ?? -1,
        reverse: range.reverse ?? false,
      }),
    close: () => database.close(),
  };
}

function copyWrite(write: KeyValueWrite) {
  return write.type === "put"
    ? { type: write.type, key: write.key, value: write.value }
    : { type: write.type, key: write.key };
}

/**
 * Opens, or makes, a LevelDB directory.
 * @throws StoreError STORE_LOCKED when another process, or this one, has it open; STORE_NOT_OPENED
 */
export async function openLevelKeyValueStore(directory: string): Promise<KeyValueStore> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const database = new ClassicLevel<Uint8Array, Uint8Array>(directory, {
    keyEncoding: "view",
    valueEncoding: "view",
  });
  try {
    await database.open();
  } catch (cause) {
    if (isLevelLocked(cause)) {
      throw new StoreError(
        { code: "STORE_LOCKED", path: directory, pid: undefined },
        `the database ${directory} is in use by another process; stop it, or use another home`,
        { cause },
      );
    }
    const reason = cause instanceof Error && cause.cause instanceof Error ? cause.cause : cause;
    throw new StoreError(
      { code: "STORE_NOT_OPENED", path: directory },
      `cannot open the database ${directory}: ${reason instanceof Error ? reason.message : String(reason)}; make room on its disk, let this user write there, or, where it is damaged, restore the data directory or sync anew`,
      { cause },
    );
  }
  return createLevelKeyValueStore(database);
}
