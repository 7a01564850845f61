/** Many writes that become durable together: the caller syncs the files when all is written. */
import type { KeyValueStore, KeyValueWrite } from "../../store/key-value-store.ts";
import { BULK_WRITE_BYTES_MAX } from "./limits.ts";

export class BulkWriter {
  readonly #store: KeyValueStore;
  #writes: KeyValueWrite[] = [];
  #bytes = 0;

  constructor(store: KeyValueStore) {
    this.#store = store;
  }

  /** Takes a value over; it may reach the database with a later call. */
  async put(key: Uint8Array, value: Uint8Array): Promise<void> {
    this.#writes.push({ type: "put", key, value });
    this.#bytes += key.length + value.length;
    if (this.#bytes >= BULK_WRITE_BYTES_MAX) await this.flush();
  }

  async flush(): Promise<void> {
    const writes = this.#writes;
    this.#writes = [];
    this.#bytes = 0;
    await this.#store.write(writes, { sync: false });
  }
}

/** A store whose writes wait for no disk. */
export function withoutSync(store: KeyValueStore): KeyValueStore {
  return {
    get: (key) => store.get(key),
    write: (writes) => store.write(writes, { sync: false }),
    entries: (range) => store.entries(range),
    close: () => store.close(),
  };
}
