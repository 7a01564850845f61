/** A database of the engine or the indexer that lives in memory. */
import { MemoryLevel } from "memory-level";
import type { KeyValueStore } from "../../sequencer/store/key-value-store.ts";
import { createLevelKeyValueStore } from "../../sequencer/store/level-key-value-store.ts";

export function memoryStore(): KeyValueStore {
  return createLevelKeyValueStore(
    new MemoryLevel<Uint8Array, Uint8Array>({ keyEncoding: "view", valueEncoding: "view" }),
  );
}
