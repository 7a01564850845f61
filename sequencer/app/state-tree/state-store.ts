import { copyBytes, utf8ToBytes } from "../../../proto/bytes.ts";
import { assert, WeftError } from "../../../proto/errors.ts";
import { digestToBytes, sha256Latin1 } from "../../../proto/hash.ts";
import type { YieldToLoop } from "../../ports/yield-to-loop.ts";
import { RESIDENT_NODES_MAX, VALUE_CACHE_BYTES_MAX } from "../limits.ts";
import { encodeCommitmentProof, type Ics23Existence } from "./ics23.ts";
import type { KeyValueStore, KeyValueWrite } from "./key-value-store.ts";
import {
  type Digest,
  EMPTY,
  createLeaf,
  EMPTY_DIGEST,
  type Inner,
  PAGE_BITS,
  pathPrefix,
  type ResidentNode,
  type Stub,
} from "./node.ts";
import { countResident, decodePage, diffPages, type PageWrite, trimTree } from "./pages.ts";
import { type LeafProof, proveTree } from "./proof.ts";
import { type TreeChange, updateTree } from "./update.ts";
import { ValueCache } from "./value-cache.ts";

/** Why the state database cannot be used, or a proof cannot be given. */
export type StateStoreError =
  /** The database was written by a version with another layout. */
  | { readonly code: "STATE_LAYOUT_UNKNOWN"; readonly layout: number }
  /** What is stored contradicts itself: restore the database from a snapshot or replay. */
  | { readonly code: "STATE_DAMAGED" };

/** Layout of the database below; another number is refused at start. */
const LAYOUT = 1;
/** Database keys: `m` meta, `v` + key a value, `k` + hex of H(key) its key, `t` + name a page. */
const META = "m";
/** All that belongs to the state lies in these ranges. */
const RANGES = [
  ["k", "l"],
  ["m", "n"],
  ["t", "u"],
  ["v", "w"],
] as const;
const NODES_PER_PAGE = 16;
const META_BYTES = 42;
/** Changes that are hashed in one go: a few milliseconds. */
const CHANGES_PER_SLICE = 500;
/** Keys that one write removes when a state is cleared. */
const REMOVALS_PER_WRITE = 5_000;

/** Memory limits; `limits.ts` has the defaults. */
export interface StateStoreOptions {
  readonly residentNodesMax?: number;
  readonly valueCacheBytesMax?: number;
}

export interface StateStoreDependencies {
  readonly database: KeyValueStore;
  readonly yieldToLoop: YieldToLoop;
}

/** What a commit stores beside the values: the height, and the root of the tree. */
export interface StateVersion {
  readonly height: number;
  readonly root: Uint8Array;
}

/** Changes on top of the committed state; `undefined` removes a key. */
export type StateChanges = ReadonlyMap<string, Uint8Array | undefined>;

export interface CommitExtras {
  /** Writes outside the state that belong to the same batch. */
  readonly alsoWrite?: readonly KeyValueWrite[];
  /** Called when reads begin to see the new state. */
  readonly onVisible?: () => void;
  /** False: lost power may take this commit back, and those before it since one that was synced. */
  readonly sync?: boolean;
}

/** The outcome of changes that are not committed: their root, and what a commit needs. */
export interface StagedState {
  readonly root: Uint8Array;
  readonly changes: StateChanges;
  readonly tree: ResidentNode;
  /** Height of the state that it builds on; it can be committed on that state only. */
  readonly baseHeight: number;
}

/**
 * The committed state: values by ASCII key, and the sparse Merkle tree over them
 * (docs/formats.md, "State tree"). Only the latest version is kept. Reads are synchronous.
 *
 *     const staged = await store.stage(new Map([["params", bytes]]));
 *     await store.commit(staged, height);
 */
export class StateStore {
  readonly #database: KeyValueStore;
  readonly #yieldToLoop: YieldToLoop;
  #cache: ValueCache;
  readonly #valueCacheBytesMax: number;
  readonly #residentNodesMax: number;
  #root: ResidentNode;
  #height: number;
  #residentNodes = 0;
  /** A commit whose write is under way: the database may still give the old values. */
  #writing: { readonly changes: StateChanges; readonly done: Promise<void> } | undefined;

  private constructor(
    options: StateStoreOptions,
    { database, yieldToLoop }: StateStoreDependencies,
    root: ResidentNode,
    height: number,
  ) {
    this.#database = database;
    this.#yieldToLoop = yieldToLoop;
    this.#root = root;
    this.#height = height;
    this.#valueCacheBytesMax = options.valueCacheBytesMax ?? VALUE_CACHE_BYTES_MAX;
    this.#cache = new ValueCache(this.#valueCacheBytesMax);
    this.#residentNodesMax = options.residentNodesMax ?? RESIDENT_NODES_MAX;
  }

  /** Opens the state in `database`; an empty database is the empty state at height 0. */
  static async open(
    options: StateStoreOptions,
    dependencies: StateStoreDependencies,
  ): Promise<StateStore> {
    const { database } = dependencies;
    const meta = database.get(META);
    if (meta === undefined) return new StateStore(options, dependencies, EMPTY, 0);
    const { height, rootHash } = decodeMeta(meta);
    if (rootHash === EMPTY_DIGEST) return new StateStore(options, dependencies, EMPTY, height);
    const page = database.get("t");
    if (page !== undefined) {
      return new StateStore(options, dependencies, decodePage(page, rootHash, "root"), height);
    }
    // A tree with one key has no page; its leaf is made again.
    for await (const [, keyBytes] of database.range("k", "l")) {
      const key = Buffer.from(keyBytes).toString("latin1");
      const value = database.get(`v${key}`);
      if (value === undefined) break;
      const leaf = createLeaf(hashKey(key), sha256Latin1(value));
      if (leaf.hash === rootHash) return new StateStore(options, dependencies, leaf, height);
    }
    throw damaged("the root of the state tree is missing");
  }

  /** Height and root of the last commit. */
  get version(): StateVersion {
    return { height: this.#height, root: digestToBytes(this.#root.hash) };
  }

  /** The committed value of a key. Do not modify it. */
  get(key: string): Uint8Array | undefined {
    const writing = this.#writing?.changes;
    if (writing?.has(key) === true) return writing.get(key);
    return this.#cache.getOrLoad(key, this.#loadValue);
  }

  /**
   * All committed pairs whose key starts with `prefix`, in byte order, or those after the key `prefix +
   * after`; waits for a write under way.
   */
  async *entries(
    prefix: string,
    after?: string,
  ): AsyncIterable<readonly [key: string, value: Uint8Array]> {
    while (this.#writing !== undefined) await this.#writing.done;
    const from = after === undefined ? `v${prefix}` : `v${prefix}${after}\u{0}`;
    for await (const [key, value] of this.#database.range(from, `v${prefix}\u{7f}`)) {
      yield [key.slice(1), value];
    }
  }

  /**
   * All committed pairs in byte order of their keys, as they are now: commits that follow do not show.
   * Not while a commit is under way.
   */
  view(): AsyncIterable<readonly [key: string, value: Uint8Array]> {
    assert(this.#writing === undefined, "a state is looked at when it is written");
    return withoutTag(this.#database.range("v", "w"));
  }

  /** Becomes the empty state at height 0. Durable step by step: mark first what is under way. */
  async clear(): Promise<void> {
    assert(this.#writing === undefined, "a state is cleared when it is written");
    this.#root = EMPTY;
    this.#height = 0;
    this.#residentNodes = 0;
    this.#cache = new ValueCache(this.#valueCacheBytesMax);
    await clearState(this.#database);
  }

  /** Applies changes to the tree in memory. Nothing is stored; forget the result to discard it. */
  async stage(changes: StateChanges): Promise<StagedState> {
    const baseHeight = this.#height;
    const treeChanges: TreeChange[] = [];
    for (const [key, value] of changes) {
      treeChanges.push({
        path: hashKey(key),
        valueHash: value === undefined ? undefined : sha256Latin1(value),
      });
      if (treeChanges.length % CHANGES_PER_SLICE === 0) await this.#yieldToLoop();
    }
    treeChanges.sort((a, b) => (a.path < b.path ? -1 : 1));
    let tree = this.#root;
    for (let at = 0; at < treeChanges.length; at += CHANGES_PER_SLICE) {
      if (at !== 0) await this.#yieldToLoop();
      tree = updateTree(tree, treeChanges.slice(at, at + CHANGES_PER_SLICE), this.#load);
    }
    assert(baseHeight === this.#height, "nothing commits while a state is staged");
    return { root: digestToBytes(tree.hash), changes, tree, baseHeight };
  }

  /**
   * Makes a staged state the committed one in one atomic write, synced unless told otherwise. Reads see
   * it, whole, from the moment `onVisible` is called; it is written when the promise resolves. A failed
   * write is fatal: the node has to stop.
   */
  async commit(
    staged: StagedState,
    height: number,
    { alsoWrite = [], onVisible, sync = true }: CommitExtras = {},
  ): Promise<void> {
    assert(this.#writing === undefined, "one commit at a time");
    assert(
      staged.baseHeight === this.#height,
      `the staged state builds on height ${staged.baseHeight}, the state is at ${this.#height}`,
    );
    const writes = [...(await this.#writesFor(staged, height)), ...alsoWrite];
    const written = this.#database.write(writes, { sync });
    const { changes } = staged;
    // Waiters go on whatever the outcome; the caller gets the error.
    this.#writing = { changes, done: written.catch(() => {}) };
    this.#root = staged.tree;
    this.#height = height;
    for (const [key, value] of changes) this.#cache.set(key, value);
    onVisible?.();
    await written;
    this.#writing = undefined;
    if (this.#residentNodes > this.#residentNodesMax) {
      // The levels that stay hold at most half of the limit, in whole pages.
      const levels = Math.floor(Math.log2(this.#residentNodesMax / 2) / PAGE_BITS) * PAGE_BITS;
      this.#root = trimTree(this.#root, Math.max(levels, PAGE_BITS));
      this.#residentNodes = countResident(this.#root);
    }
  }

  /**
   * `cosmos.ics23.v1.CommitmentProof` that the committed root holds `key` with its value, or does not
   * hold it. Undefined while the tree is empty, which ICS-23 cannot prove.
   */
  prove(key: string): Uint8Array | undefined {
    const proof = proveTree(this.#root, hashKey(key), this.#load);
    if (proof.kind === "exists") {
      return encodeCommitmentProof({ kind: "exists", proof: this.#existence(proof.at, key) });
    }
    if (proof.left === undefined && proof.right === undefined) return undefined;
    const neighbour = (at: LeafProof | undefined) =>
      at === undefined ? undefined : this.#existence(at, this.#keyOf(at.leaf.path));
    return encodeCommitmentProof({
      kind: "absent",
      proof: {
        key: utf8ToBytes(key),
        left: neighbour(proof.left),
        right: neighbour(proof.right),
      },
    });
  }

  async #writesFor(staged: StagedState, height: number): Promise<KeyValueWrite[]> {
    const writes: KeyValueWrite[] = [];
    let slice = 0;
    for (const [key, value] of staged.changes) {
      if (++slice % CHANGES_PER_SLICE === 0) await this.#yieldToLoop();
      const existed = this.get(key) !== undefined;
      if (value === undefined && !existed) continue;
      writes.push({ key: `v${key}`, value });
      if (value === undefined) writes.push({ key: pathKey(hashKey(key)), value: undefined });
      else if (!existed) writes.push({ key: pathKey(hashKey(key)), value: utf8ToBytes(key) });
    }
    const pages: PageWrite[] = [];
    this.#residentNodes += await diffPages(this.#root, staged.tree, pages, this.#yieldToLoop);
    for (const { name, page } of pages) writes.push({ key: `t${name}`, value: page });
    writes.push({ key: META, value: encodeMeta(height, staged.tree.hash) });
    return writes;
  }

  #existence(at: LeafProof, key: string): Ics23Existence {
    const value = this.get(key);
    if (value === undefined) throw damaged(`the value of ${key} is missing`);
    return { key: utf8ToBytes(key), value: copyBytes(value), path: at.path };
  }

  #keyOf(path: Digest): string {
    const stored = this.#database.get(pathKey(path));
    if (stored !== undefined) return Buffer.from(stored).toString("latin1");
    // A key of the commit under way is not in the database yet.
    for (const key of this.#writing?.changes.keys() ?? []) if (hashKey(key) === path) return key;
    throw damaged("a leaf of the state tree has no key");
  }

  readonly #loadValue = (key: string): Uint8Array | undefined => this.#database.get(`v${key}`);

  readonly #load = (stub: Stub, path: Digest, depth: number): Inner => {
    const name = pathPrefix(path, depth / PAGE_BITS);
    const page = this.#database.get(`t${name}`);
    if (page === undefined) throw damaged(`page ${name} of the state tree is missing`);
    this.#residentNodes += NODES_PER_PAGE;
    return decodePage(page, stub.hash, name);
  };
}

/** Removes a state, whole or not, from its database; for one that cannot be opened. */
export async function clearState(database: KeyValueStore): Promise<void> {
  for (const [from, to] of RANGES) {
    let removals: KeyValueWrite[] = [];
    for await (const [key] of database.range(from, to)) {
      removals.push({ key, value: undefined });
      if (removals.length < REMOVALS_PER_WRITE) continue;
      await database.write(removals);
      removals = [];
    }
    if (removals.length > 0) await database.write(removals);
  }
}

async function* withoutTag(
  pairs: AsyncIterable<readonly [key: string, value: Uint8Array]>,
): AsyncIterable<readonly [key: string, value: Uint8Array]> {
  for await (const [key, value] of pairs) yield [key.slice(1), value];
}

/** H(key) as a path. */
function hashKey(key: string): Digest {
  return sha256Latin1(utf8ToBytes(key));
}

function pathKey(path: Digest): string {
  return `k${Buffer.from(path, "latin1").toString("hex")}`;
}

/** u16 layout ‖ u64 height ‖ root hash (32). */
function encodeMeta(height: number, root: Digest): Uint8Array {
  const meta = Buffer.alloc(META_BYTES);
  meta.writeUInt16BE(LAYOUT, 0);
  meta.writeBigUInt64BE(BigInt(height), 2);
  meta.write(root, 10, 32, "latin1");
  return meta;
}

function decodeMeta(bytes: Uint8Array): { readonly height: number; readonly rootHash: Digest } {
  const meta = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const layout = meta.length === META_BYTES ? meta.readUInt16BE(0) : -1;
  if (layout !== LAYOUT) {
    throw new WeftError<StateStoreError>(
      { code: "STATE_LAYOUT_UNKNOWN", layout },
      `the state database has layout ${layout}, this version reads ${LAYOUT}; restore a snapshot or replay the chain`,
    );
  }
  return { height: Number(meta.readBigUInt64BE(2)), rootHash: meta.toString("latin1", 10, 42) };
}

function damaged(what: string): WeftError<StateStoreError> {
  return new WeftError<StateStoreError>(
    { code: "STATE_DAMAGED" },
    `the state database is damaged: ${what}; restore a snapshot or replay the chain`,
  );
}
