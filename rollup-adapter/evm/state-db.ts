/**
 * The node store under the state tries. What a block writes stays in memory until the executor takes
 * it for its one batch; so a block is on disk as a whole or not at all. Nodes are named by their
 * hash: whoever reads at an older root is never disturbed by what is pending.
 */
import type { BatchDBOp, DB } from "@ethereumjs/util";
import { fromHex } from "../../proto/bytes.ts";
import { STATE_NODE_BYTES_CACHED } from "./limits.ts";
import { LruMap } from "./lru.ts";
import { reachableNodes } from "./state-sweep.ts";

/** Reads a node or a code by its hex key from disk. May throw; that is an I/O failure. */
export type ReadNode = (keyHex: string) => Uint8Array | undefined;

type Value = string | Uint8Array;

/** What an entry costs beside its bytes: key and objects, roughly. */
const NODE_OVERHEAD_BYTES = 200;

export class StateDb implements DB<string, Value> {
  readonly #read: ReadNode;
  readonly #pending = new Map<string, Uint8Array>();
  readonly #cache = new LruMap<string, Uint8Array>(
    STATE_NODE_BYTES_CACHED,
    (node) => node.length + NODE_OVERHEAD_BYTES,
  );
  #failure: unknown;

  constructor(read: ReadNode) {
    this.#read = read;
  }

  /** The first I/O failure since the last `discard`; what was executed since then means nothing. */
  get failure(): unknown {
    return this.#failure;
  }

  get(key: string): Promise<Uint8Array | undefined> {
    try {
      return Promise.resolve(this.lookup(key));
    } catch (cause) {
      this.#failure ??= cause;
      return Promise.reject(cause);
    }
  }

  lookup(key: string): Uint8Array | undefined {
    const held = this.#pending.get(key) ?? this.#cache.get(key);
    if (held !== undefined) return held;
    const value = this.#read(key);
    if (value !== undefined) this.#cache.set(key, value);
    return value;
  }

  put(key: string, value: Value): Promise<void> {
    this.#hold(key, value);
    return Promise.resolve();
  }

  /** Nodes are never deleted: an older state may share them. */
  del(): Promise<void> {
    return Promise.resolve();
  }

  batch(operations: BatchDBOp<string, Value>[]): Promise<void> {
    for (const operation of operations) {
      if (operation.type === "put") this.#hold(operation.key, operation.value);
    }
    return Promise.resolve();
  }

  shallowCopy(): DB<string, Value> {
    return this;
  }

  open(): Promise<void> {
    return Promise.resolve();
  }

  /** Pending nodes that the state at `root` needs; leaves out those of intermediate states. */
  collect(root: Uint8Array): Map<string, Uint8Array> {
    return reachableNodes(this.#pending, root);
  }

  /** After the batch is on disk: `written` are known now, the rest was never needed. */
  settle(written: ReadonlyMap<string, Uint8Array>): void {
    for (const [key, value] of written) this.#cache.set(key, value);
    this.#pending.clear();
  }

  discard(): void {
    this.#pending.clear();
    this.#failure = undefined;
  }

  #hold(key: string, value: Value): void {
    // The trie writes back every node it has read; those are on disk already.
    if (this.#cache.has(key)) return;
    this.#pending.set(key, typeof value === "string" ? fromHex(value) : value);
  }
}
