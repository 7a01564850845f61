import { Height } from "../../proto/brands.ts";
import { bytesEqual, EMPTY_BYTES, utf8ToBytes } from "../../proto/bytes.ts";
import { decodeBlock, decodeBlockMeta, encodeBlockMeta } from "../../proto/codec/block.ts";
import { decode } from "../../proto/codec/reader.ts";
import { readPart, writePart } from "../../proto/codec/types.ts";
import {
  decodeCommit,
  decodeExtendedCommit,
  encodeCommit,
  encodeExtendedCommit,
} from "../../proto/codec/votes.ts";
import { encode } from "../../proto/codec/writer.ts";
import { assert } from "../../proto/errors.ts";
import { BLOCK_PART_SIZE_BYTES } from "../../proto/limits.ts";
import { merkleLeafHash } from "../../proto/merkle.ts";
import type { BlockMeta, Commit, Part } from "../../proto/types.ts";
import type { FileSystem } from "../ports/file-system.ts";
import { NODE_FILE_SYSTEM } from "../ports/node-file-system.ts";
import { openBlobFiles, type BlobFiles, type BlobPlace } from "./blob-files.ts";
import type { BlockRecord, BlockStore } from "./block-store.ts";
import { StoreError } from "./errors.ts";
import type { KeyValueStore, KeyValueWrite } from "./key-value-store.ts";
import { hashKey, heightKey, partKey } from "./keys.ts";
import { PRUNE_BLOCKS_PER_STEP_MAX } from "./limits.ts";

const RANGE_KEY = utf8ToBytes("R");
const META = "H";
const PART = "P";
const COMMIT = "C";
const SEEN_COMMIT = "S";
const EXTENDED_COMMIT = "E";
const BY_HASH = "B";
/** Where the bytes of a large block lie: file and offset. The proof of each part tells whether they are whole. */
const PLACE = "L";
const BLOBS_END_KEY = utf8ToBytes("T");
/** Room for the proof beside a part's bytes. */
const PROOF_BYTES_MAX = 1_024;

export interface BlockStoreOptions {
  readonly blobDirectory?: string;
  readonly blobFileBytesMax?: number;
}

/**
 * A block store on a key-value store, which it takes over: `close` closes it. With `blobDirectory`,
 * the bytes of blocks of several parts lie in append-only files there.
 */
export async function openBlockStore(
  store: KeyValueStore,
  options: BlockStoreOptions = {},
  { fileSystem }: { readonly fileSystem: FileSystem } = { fileSystem: NODE_FILE_SYSTEM },
): Promise<BlockStore> {
  const range = await store.get(RANGE_KEY);
  const view = range && new DataView(range.buffer, range.byteOffset, range.byteLength);
  const { blobDirectory, blobFileBytesMax } = options;
  const end = await store.get(BLOBS_END_KEY);
  const blobs =
    blobDirectory === undefined
      ? undefined
      : await openBlobFiles(
          blobDirectory,
          end && decodePlace(end),
          { fileBytesMax: blobFileBytesMax },
          fileSystem,
        );
  return new LevelBlockStore(
    store,
    blobs,
    Height(Number(view?.getBigUint64(0) ?? 0n)),
    Height(Number(view?.getBigUint64(8) ?? 0n)),
  );
}

class LevelBlockStore implements BlockStore {
  readonly #store: KeyValueStore;
  readonly #blobs: BlobFiles | undefined;
  #base: Height;
  #height: Height;

  constructor(store: KeyValueStore, blobs: BlobFiles | undefined, base: Height, height: Height) {
    this.#store = store;
    this.#blobs = blobs;
    this.#base = base;
    this.#height = height;
  }

  base(): Height {
    return this.#base;
  }

  height(): Height {
    return this.#height;
  }

  async bootstrap(seenCommit: Commit): Promise<void> {
    assert(this.#height === 0, "a store that holds blocks is not begun anew");
    const { height } = seenCommit;
    await this.#store.write([
      { type: "put", key: heightKey(SEEN_COMMIT, height), value: encodeCommit(seenCommit) },
    ]);
  }

  async save(record: BlockRecord): Promise<void> {
    const { block, blockId, parts } = record;
    const { height } = block.header;
    if (this.#height !== 0 && height !== this.#height + 1) {
      throw new StoreError(
        { code: "STORE_HEIGHT_GAP", expected: this.#height + 1, got: height },
        `the block store ends at ${this.#height}: expected block ${this.#height + 1}, got ${height}`,
      );
    }
    assert(parts.length === blockId.partSetHeader.total, "a saved block has all of its parts");
    assert(record.seenCommit.height === height, "the seen commit is for the saved block");
    const meta: BlockMeta = {
      blockId,
      blockSizeBytes: parts.reduce((sum, part) => sum + part.bytes.length, 0),
      header: block.header,
      txCount: block.txs.length,
    };
    const base = this.#base === 0 ? height : this.#base;
    const writes: KeyValueWrite[] = [];
    const put = (key: Uint8Array, value: Uint8Array) => writes.push({ type: "put", key, value });
    const isLarge = this.#blobs !== undefined && parts.length > 1;
    if (isLarge && this.#blobs !== undefined) {
      const place = await this.#blobs.append(parts.map((part) => part.bytes));
      put(heightKey(PLACE, height), encodePlace(place));
      put(BLOBS_END_KEY, encodePlace(this.#blobs.end()));
    }
    for (const part of parts) {
      const kept = isLarge ? { ...part, bytes: EMPTY_BYTES } : part;
      const capacity = kept.bytes.length + PROOF_BYTES_MAX;
      put(partKey(PART, height, part.index), encode(writePart, kept, capacity));
    }
    put(heightKey(META, height), encodeBlockMeta(meta));
    put(hashKey(BY_HASH, blockId.hash), heightBytes(height));
    put(heightKey(SEEN_COMMIT, height), encodeCommit(record.seenCommit));
    if (record.extendedCommit !== undefined) {
      put(heightKey(EXTENDED_COMMIT, height), encodeExtendedCommit(record.extendedCommit));
    }
    if (this.#height !== 0) put(heightKey(COMMIT, height - 1), encodeCommit(block.lastCommit));
    put(RANGE_KEY, rangeBytes(base, height));
    await this.#store.write(writes);
    this.#base = base;
    this.#height = height;
  }

  meta(height: Height) {
    return this.#read(heightKey(META, height), decodeBlockMeta);
  }

  async block(height: Height) {
    const bytes = await this.blockBytes(height);
    return bytes && this.#decoded(`block ${height}`, bytes, decodeBlock);
  }

  async blockBytes(height: Height) {
    const meta = await this.meta(height);
    if (meta === undefined) return undefined;
    const bytes = new Uint8Array(meta.blockSizeBytes);
    let offset = 0;
    for (let index = 0; index < meta.blockId.partSetHeader.total; index++) {
      const part = await this.part(height, index);
      if (part === undefined || offset + part.bytes.length > bytes.length) {
        throw corrupted(`part ${index} of block ${height}`);
      }
      bytes.set(part.bytes, offset);
      offset += part.bytes.length;
    }
    if (offset !== bytes.length) throw corrupted(`block ${height}`);
    return bytes;
  }

  async part(height: Height, index: number): Promise<Part | undefined> {
    const part = await this.#read(partKey(PART, height, index), (bytes) =>
      decode(readPart, bytes, "lenient"),
    );
    if (part === undefined || part.bytes.length > 0) return part;
    const meta = await this.meta(height);
    const place = await this.#store.get(heightKey(PLACE, height));
    if (meta === undefined || place === undefined || this.#blobs === undefined) {
      throw corrupted(`part ${index} of block ${height}`);
    }
    const start = index * BLOCK_PART_SIZE_BYTES;
    const length = Math.min(BLOCK_PART_SIZE_BYTES, meta.blockSizeBytes - start);
    const { file, offset } = decodePlace(place);
    const bytes = await this.#blobs.read({ file, offset: offset + start }, length);
    if (!bytesEqual(merkleLeafHash(bytes), part.proof.leafHash)) {
      throw corrupted(`part ${index} of block ${height}`);
    }
    return { ...part, bytes };
  }

  heightByHash(blockHash: Uint8Array) {
    return this.#read(hashKey(BY_HASH, blockHash), heightFromBytes);
  }

  async commit(height: Height) {
    return this.#read(heightKey(COMMIT, height), decodeCommit);
  }

  seenCommit(height: Height) {
    return this.#read(heightKey(SEEN_COMMIT, height), decodeCommit);
  }

  extendedCommit(height: Height) {
    return this.#read(heightKey(EXTENDED_COMMIT, height), decodeExtendedCommit);
  }

  async prune(retainHeight: Height): Promise<number> {
    assert(retainHeight <= this.#height, "the last block is never pruned");
    const from = this.#base;
    const to = Math.min(retainHeight, from + PRUNE_BLOCKS_PER_STEP_MAX);
    if (from === 0 || to <= from) return 0;
    const writes: KeyValueWrite[] = [];
    const del = (key: Uint8Array) => writes.push({ type: "del", key });
    for (let height = from as number; height < to; height++) {
      const meta = await this.meta(Height(height));
      if (meta === undefined) throw corrupted(`block ${height}`);
      for (const key of this.#keysOf(meta)) del(key);
    }
    // A save that ran meanwhile moved the upper end: it is read at the very last moment.
    writes.push({
      type: "put",
      key: RANGE_KEY,
      value: rangeBytes(Height(to), this.#height),
    });
    this.#base = Height(to);
    await this.#store.write(writes);
    await this.#removeOldBlobs(Height(to));
    return to - from;
  }

  async removeLast(): Promise<void> {
    const height = this.#height;
    assert(height > this.#base, "the only block is not removed");
    const meta = await this.meta(height);
    if (meta === undefined) throw corrupted(`block ${height}`);
    const place = await this.#store.get(heightKey(PLACE, height));
    const writes: KeyValueWrite[] = this.#keysOf(meta).map((key) => ({ type: "del", key }));
    // The commit for the block below came with this one.
    writes.push({ type: "del", key: heightKey(COMMIT, height - 1) });
    const before = Height(height - 1);
    writes.push({ type: "put", key: RANGE_KEY, value: rangeBytes(this.#base, before) });
    // Its bytes are cut off at the next opening.
    if (place !== undefined) writes.push({ type: "put", key: BLOBS_END_KEY, value: place });
    await this.#store.write(writes);
    this.#height = before;
  }

  async close(): Promise<void> {
    await this.#blobs?.close();
    await this.#store.close();
  }

  /** All that is kept under a block's height and hash. */
  #keysOf({ header: { height }, blockId }: BlockMeta): readonly Uint8Array[] {
    const parts = Array.from({ length: blockId.partSetHeader.total }, (_, i) =>
      partKey(PART, height, i),
    );
    return [
      heightKey(META, height),
      hashKey(BY_HASH, blockId.hash),
      ...parts,
      heightKey(COMMIT, height),
      heightKey(SEEN_COMMIT, height),
      heightKey(EXTENDED_COMMIT, height),
      heightKey(PLACE, height),
    ];
  }

  /** Files that only pruned blocks lie in. */
  async #removeOldBlobs(base: Height): Promise<void> {
    if (this.#blobs === undefined) return;
    const range = { from: heightKey(PLACE, base), to: heightKey(PLACE, Number.MAX_SAFE_INTEGER) };
    for await (const [, place] of this.#store.entries({ ...range, limit: 1 })) {
      await this.#blobs.removeBefore(decodePlace(place).file);
    }
  }

  async #read<T>(key: Uint8Array, decoder: (bytes: Uint8Array) => T): Promise<T | undefined> {
    const bytes = await this.#store.get(key);
    return bytes && this.#decoded(new TextDecoder().decode(key), bytes, decoder);
  }

  #decoded<T>(name: string, bytes: Uint8Array, decoder: (bytes: Uint8Array) => T): T {
    try {
      return decoder(bytes);
    } catch (cause) {
      throw corrupted(name, cause);
    }
  }
}

function corrupted(key: string, cause?: unknown): StoreError {
  return new StoreError(
    { code: "STORE_CORRUPTED", key },
    `the block store is damaged at ${JSON.stringify(key)}: expected what was written; check the disk and restore the data directory, or sync anew`,
    { cause },
  );
}

const PLACE_BYTES = 16;

function encodePlace({ file, offset }: BlobPlace): Uint8Array {
  const bytes = new Uint8Array(PLACE_BYTES);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, BigInt(file));
  view.setBigUint64(8, BigInt(offset));
  return bytes;
}

function decodePlace(bytes: Uint8Array): BlobPlace {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return { file: Number(view.getBigUint64(0)), offset: Number(view.getBigUint64(8)) };
}

function heightBytes(height: Height): Uint8Array {
  return heightKey("", height);
}

function heightFromBytes(bytes: Uint8Array): Height {
  return Height(Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0)));
}

function rangeBytes(base: Height, height: Height): Uint8Array {
  const bytes = new Uint8Array(16);
  bytes.set(heightBytes(base));
  bytes.set(heightBytes(height), 8);
  return bytes;
}
