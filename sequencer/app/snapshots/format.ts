/**
 * Format 1 of snapshots (docs/formats.md, "Snapshots"). Canonical: nodes with the same state make the
 * same bytes, so that peers can tell that they have the same snapshot.
 */
import type { Height } from "../../../proto/brands.ts";
import { bytesEqual, joinBytes, utf8ToBytes } from "../../../proto/bytes.ts";
import { sha256Concat } from "../../../proto/hash.ts";
import type { Snapshot } from "../../abci/application.ts";
import { SNAPSHOT_CHUNK_BYTES, SNAPSHOT_CHUNK_BYTES_MAX, SNAPSHOT_CHUNKS_MAX } from "../limits.ts";

/** The one format that this version makes and restores. */
export const SNAPSHOT_FORMAT = 1;

const HASH_BYTES = 32;
const DOMAIN = utf8ToBytes("weft/snapshot/v1");
/** u16 length of the key, u32 length of the value. */
const ENTRY_OVERHEAD_BYTES = 6;
const KEY_BYTES_MAX = 0xffff;

/** A pair of the state. */
export type Entry = readonly [key: string, value: Uint8Array];

/** What is announced of a snapshot with these chunks, by their SHA-256. */
export function describeSnapshot(height: Height, chunkHashes: readonly Uint8Array[]): Snapshot {
  const metadata = joinBytes(chunkHashes);
  return {
    height,
    format: SNAPSHOT_FORMAT,
    chunks: chunkHashes.length,
    hash: snapshotHash(height, metadata),
    metadata,
  };
}

/** The hashes of an announced snapshot's chunks; undefined when it contradicts itself. */
export function chunkHashesOf(snapshot: Snapshot): readonly Uint8Array[] | undefined {
  const { height, chunks, hash, metadata } = snapshot;
  if (chunks === 0 || chunks > SNAPSHOT_CHUNKS_MAX) return undefined;
  if (metadata.length !== chunks * HASH_BYTES) return undefined;
  if (!bytesEqual(hash, snapshotHash(height, metadata))) return undefined;
  return Array.from({ length: chunks }, (_, i) =>
    metadata.slice(i * HASH_BYTES, (i + 1) * HASH_BYTES),
  );
}

/** Gathers entries into chunks. */
export class ChunkBuilder {
  #entries: Uint8Array[] = [];
  #bytes = 0;

  /** The chunk that is complete without the entry, if one is. */
  add([key, value]: Entry): Uint8Array | undefined {
    const bytes = encodeEntry(key, value);
    const complete =
      this.#bytes > 0 && this.#bytes + bytes.length > SNAPSHOT_CHUNK_BYTES
        ? this.finish()
        : undefined;
    this.#entries.push(bytes);
    this.#bytes += bytes.length;
    return complete;
  }

  /** What is left; undefined when nothing is. */
  finish(): Uint8Array | undefined {
    if (this.#bytes === 0) return undefined;
    const chunk = joinBytes(this.#entries);
    this.#entries = [];
    this.#bytes = 0;
    return chunk;
  }
}

/**
 * The entries of a chunk, values as views; undefined when the bytes are no chunk that comes after the
 * key `after` (empty: the first one).
 */
export function decodeChunk(chunk: Uint8Array, after: string): readonly Entry[] | undefined {
  if (chunk.length === 0 || chunk.length > SNAPSHOT_CHUNK_BYTES_MAX) return undefined;
  const view = new DataView(chunk.buffer, chunk.byteOffset, chunk.byteLength);
  const text = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
  const entries: Entry[] = [];
  let last = after;
  let at = 0;
  while (at < chunk.length) {
    if (at + ENTRY_OVERHEAD_BYTES > chunk.length) return undefined;
    const keyBytes = view.getUint16(at);
    const valueBytes = view.getUint32(at + 2);
    at += ENTRY_OVERHEAD_BYTES;
    if (at + keyBytes + valueBytes > chunk.length) return undefined;
    const key = text.toString("latin1", at, at + keyBytes);
    // Keys of the state are printable ASCII, and sort as their bytes do.
    if (!/^[\x21-\x7e]+$/.test(key) || key <= last) return undefined;
    at += keyBytes;
    entries.push([key, chunk.subarray(at, at + valueBytes)]);
    at += valueBytes;
    last = key;
  }
  return entries;
}

function encodeEntry(key: string, value: Uint8Array): Uint8Array {
  const keyBytes = utf8ToBytes(key);
  if (keyBytes.length > KEY_BYTES_MAX) throw new RangeError(`a key of ${keyBytes.length} bytes`);
  const bytes = new Uint8Array(ENTRY_OVERHEAD_BYTES + keyBytes.length + value.length);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, keyBytes.length);
  view.setUint32(2, value.length);
  bytes.set(keyBytes, ENTRY_OVERHEAD_BYTES);
  bytes.set(value, ENTRY_OVERHEAD_BYTES + keyBytes.length);
  return bytes;
}

/** H(domain tag ‖ u64 height ‖ metadata). */
function snapshotHash(height: Height, metadata: Uint8Array): Uint8Array {
  const prefix = new Uint8Array(8);
  new DataView(prefix.buffer).setBigUint64(0, BigInt(height));
  return sha256Concat(DOMAIN, prefix, metadata);
}
