import {
  type KeyRange,
  type RecordBase,
  Records,
  type RecordType,
} from "../../sequencer/app/state/records.ts";

/**
 * Records that are written to a store of bytes by `commit` and read from it afterwards, as a chain does
 * between blocks.
 */
export class StoredRecords extends Records {
  #store: ReadonlyMap<string, Uint8Array> = new Map();
  #block: Records;

  constructor() {
    const none: RecordBase = { record: () => undefined, recordKeys: () => [] };
    super(none);
    this.#block = new Records(none);
  }

  override get<Value>(type: RecordType<Value>, key: string): Value | undefined {
    return this.#block.get(type, key);
  }

  override set<Value>(type: RecordType<Value>, key: string, value: Value | undefined): void {
    this.#block.set(type, key, value);
  }

  override keys<Value>(type: RecordType<Value>, within = "", range: KeyRange = {}) {
    return this.#block.keys(type, within, range);
  }

  /** All that is there, by whole key. */
  override changes(): ReadonlyMap<string, Uint8Array | undefined> {
    const all = new Map(this.#store);
    for (const [key, value] of this.#block.changes()) {
      if (value === undefined) all.delete(key);
      else all.set(key, value);
    }
    return all;
  }

  /** Ends a block. */
  commit(): void {
    const store = new Map<string, Uint8Array>();
    for (const [key, value] of this.changes()) if (value !== undefined) store.set(key, value);
    const sorted = [...store.keys()].sort();
    const decoded = new Map<string, unknown>();
    this.#store = store;
    this.#block = new Records({
      record: <Value>(type: RecordType<Value>, key: string): Value | undefined => {
        const whole = type.prefix + key;
        const bytes = store.get(whole);
        if (bytes === undefined) return undefined;
        if (!decoded.has(whole)) decoded.set(whole, type.decode(bytes));
        // A key has one type: its table's.
        return decoded.get(whole) as Value;
      },
      recordKeys: (prefix, within, { after = "", max = Number.POSITIVE_INFINITY }) => {
        const keys: string[] = [];
        for (const whole of sorted) {
          if (!whole.startsWith(prefix + within)) continue;
          const key = whole.slice(prefix.length);
          if (key > after && keys.length < max) keys.push(key);
        }
        return keys;
      },
    });
  }
}
