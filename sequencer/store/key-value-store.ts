/**
 * An ordered byte-keyed store: the one thing that the block store and the state store need of a
 * database. Keys sort lexicographically. Values handed out belong to the caller.
 */
export type KeyValueWrite =
  | { readonly type: "put"; readonly key: Uint8Array; readonly value: Uint8Array }
  | { readonly type: "del"; readonly key: Uint8Array };

export interface KeyValueRange {
  /** First key of the range. */
  readonly from: Uint8Array;
  /** First key after the range. */
  readonly to: Uint8Array;
  readonly limit?: number;
  readonly reverse?: boolean;
}

export interface KeyValueStore {
  get(key: Uint8Array): Promise<Uint8Array | undefined>;
  /** All writes or none. Durable when it resolves, unless `sync` is false. */
  write(writes: readonly KeyValueWrite[], options?: { readonly sync?: boolean }): Promise<void>;
  entries(range: KeyValueRange): AsyncIterable<readonly [Uint8Array, Uint8Array]>;
  close(): Promise<void>;
}
