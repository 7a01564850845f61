import { EMPTY_BYTES, toHex } from "../../../proto/bytes.ts";
import type { KeyValueStore, KeyValueWrite } from "../state-tree/key-value-store.ts";

/** Keys of the log in the application's database; the state tree uses k, m, t and v. */
const PREFIX = "x";
const PREFIX_END = "y";

/**
 * Own vote extensions by height and block hash, on disk before they are used, so that a validator that
 * crashed answers the same again. Entries of committed heights are removed.
 */
export class ExtensionLog {
  readonly #database: KeyValueStore;
  readonly #answers: Map<string, Uint8Array>;

  private constructor(database: KeyValueStore, answers: Map<string, Uint8Array>) {
    this.#database = database;
    this.#answers = answers;
  }

  static async open(database: KeyValueStore): Promise<ExtensionLog> {
    const answers = new Map<string, Uint8Array>();
    for await (const [key, value] of database.range(PREFIX, PREFIX_END)) answers.set(key, value);
    return new ExtensionLog(database, answers);
  }

  get(height: number, blockHash: Uint8Array): Uint8Array | undefined {
    return this.#answers.get(keyOf(height, blockHash));
  }

  /** Durable when the promise resolves, and so is what is written with it. */
  async put(
    height: number,
    blockHash: Uint8Array,
    extension: Uint8Array,
    alsoWrite: readonly KeyValueWrite[] = [],
  ): Promise<void> {
    const key = keyOf(height, blockHash);
    await this.#database.write([...alsoWrite, { key, value: extension }]);
    this.#answers.set(key, extension);
  }

  /** Forgets the answers of `height` and below; the writes that do so on disk are the caller's. */
  forget(height: number): readonly KeyValueWrite[] {
    const end = keyOf(height + 1, EMPTY_BYTES);
    const writes: KeyValueWrite[] = [];
    for (const key of this.#answers.keys()) {
      if (key >= end) continue;
      writes.push({ key, value: undefined });
      this.#answers.delete(key);
    }
    return writes;
  }
}

function keyOf(height: number, blockHash: Uint8Array): string {
  return `${PREFIX}${height.toString().padStart(16, "0")}/${toHex(blockHash)}`;
}
