/**
 * Blocks between our store and CometBFT's (`store/store.go`), height by height. Nothing is durable
 * before the caller syncs the files.
 */
import { Height } from "../../../proto/brands.ts";
import { bytesEqual, utf8ToBytes } from "../../../proto/bytes.ts";
import { decodeBlock, decodeBlockMeta, encodeBlockMeta } from "../../../proto/codec/block.ts";
import { decode } from "../../../proto/codec/reader.ts";
import { readPart, writePart } from "../../../proto/codec/types.ts";
import {
  decodeCommit,
  decodeExtendedCommit,
  encodeCommit,
  encodeExtendedCommit,
} from "../../../proto/codec/votes.ts";
import { encode } from "../../../proto/codec/writer.ts";
import { headerHash } from "../../../proto/hashes.ts";
import { PartSet } from "../../../proto/part-set.ts";
import type { Block, BlockMeta, Part } from "../../../proto/types.ts";
import type { BlockRecord, BlockStore } from "../../store/block-store.ts";
import { StoreError } from "../../store/errors.ts";
import type { KeyValueStore } from "../../store/key-value-store.ts";
import { BulkWriter } from "./bulk-writer.ts";
import {
  BLOCK_STORE_KEY,
  blockHashKey,
  commitKey,
  extendedCommitKey,
  metaKey,
  partKey,
  seenCommitKey,
} from "./comet-keys.ts";
import { type BlockRange, decodeBlockRange, encodeBlockRange } from "./comet-values.ts";
import { damaged } from "./errors.ts";
import { BLOCKS_PER_TURN_MAX, PROGRESS_HEIGHTS, TURN_BYTES_MAX } from "./limits.ts";

/** Told every so many heights: how far a conversion is. */
export type OnProgress = (height: number, last: number) => void;

/** Room for the proof beside a part's bytes. */
const PROOF_BYTES_MAX = 1_024;

/** Heights that CometBFT's block store holds; both 0 when it is empty. */
export async function cometBlockRange(store: KeyValueStore): Promise<BlockRange> {
  const bytes = await store.get(BLOCK_STORE_KEY);
  return bytes === undefined ? { base: Height(0), height: Height(0) } : decodeBlockRange(bytes);
}

/** @throws StoreError STORE_CORRUPTED when our store lacks something. */
export async function copyBlocksToComet(
  from: BlockStore,
  to: KeyValueStore,
  onProgress: OnProgress,
): Promise<void> {
  const out = new BulkWriter(to);
  const last = from.height();
  const base = from.base();
  for await (const metas of metasInTurns(base, last, (height) => from.meta(height))) {
    await Promise.all(metas.map((meta) => putBlock(from, meta, out)));
    noteProgress(metas, last, onProgress);
  }
  if (last > 0) await out.put(BLOCK_STORE_KEY, encodeBlockRange({ base, height: last }));
  await out.flush();
}

async function putBlock(from: BlockStore, meta: BlockMeta, out: BulkWriter): Promise<void> {
  const { height } = meta.header;
  const seen = await from.seenCommit(height);
  if (seen === undefined) throw lacking(height);
  for (let index = 0; index < meta.blockId.partSetHeader.total; index++) {
    const part = await from.part(height, index);
    if (part === undefined) throw lacking(height);
    const capacity = part.bytes.length + PROOF_BYTES_MAX;
    await out.put(partKey(height, index), encode(writePart, part, capacity));
  }
  const below = Height(height - 1);
  const commit = (await from.commit(below)) ?? (await from.block(height))?.lastCommit;
  if (commit === undefined) throw lacking(height);
  await out.put(commitKey(below), encodeCommit(commit));
  await out.put(metaKey(height), encodeBlockMeta(meta));
  await out.put(blockHashKey(meta.blockId.hash), utf8ToBytes(String(height)));
  await out.put(seenCommitKey(height), encodeCommit(seen));
  const extended = await from.extendedCommit(height);
  if (extended !== undefined) {
    await out.put(extendedCommitKey(height), encodeExtendedCommit(extended));
  }
}

/**
 * @param onBlock told of each block, in order.
 * @throws CometStoreError STORE_COMETBFT_DAMAGED
 */
export async function copyBlocksFromComet(
  from: KeyValueStore,
  to: BlockStore,
  onBlock: (block: Block) => Promise<void>,
  onProgress: OnProgress,
): Promise<void> {
  const { base, height: last } = await cometBlockRange(from);
  const metaOf = (height: Height) => required(from, metaKey(height), decodeBlockMeta);
  for await (const metas of metasInTurns(base, last, metaOf)) {
    for (const record of await Promise.all(metas.map((meta) => readBlock(from, meta)))) {
      await to.save(record);
      await onBlock(record.block);
    }
    noteProgress(metas, last, onProgress);
  }
}

/**
 * What is kept of all blocks, in order, as many at a time as may be in memory: a database answers many
 * questions at once much sooner than one after the other.
 */
async function* metasInTurns(
  base: Height,
  last: Height,
  metaOf: (height: Height) => Promise<BlockMeta | undefined>,
): AsyncIterable<readonly BlockMeta[]> {
  let turn: BlockMeta[] = [];
  let bytes = 0;
  for (let first = base as number; first > 0 && first <= last; first += BLOCKS_PER_TURN_MAX) {
    const count = Math.min(BLOCKS_PER_TURN_MAX, last - first + 1);
    const heights = Array.from({ length: count }, (_, i) => Height(first + i));
    for (const [i, meta] of (await Promise.all(heights.map(metaOf))).entries()) {
      if (meta === undefined) throw lacking(heights[i] ?? base);
      turn.push(meta);
      bytes += meta.blockSizeBytes;
      if (bytes < TURN_BYTES_MAX && turn.length < BLOCKS_PER_TURN_MAX) continue;
      yield turn;
      turn = [];
      bytes = 0;
    }
  }
  if (turn.length > 0) yield turn;
}

function noteProgress(metas: readonly BlockMeta[], last: number, onProgress: OnProgress): void {
  const height = metas.find(({ header }) => header.height % PROGRESS_HEIGHTS === 0)?.header.height;
  if (height !== undefined) onProgress(height, last);
}

async function readBlock(
  from: KeyValueStore,
  { header, blockId }: BlockMeta,
): Promise<BlockRecord> {
  const { height } = header;
  const partSet = new PartSet(blockId.partSetHeader);
  const indices = Array.from({ length: blockId.partSetHeader.total }, (_, index) => index);
  const readOne = (index: number): Promise<Part> =>
    required(from, partKey(height, index), (bytes) => decode(readPart, bytes, "lenient"));
  const parts = await Promise.all(indices.map(readOne));
  // The proofs are checked here: what is read is what was decided.
  for (const part of parts) partSet.add(part);
  const block = decodeBlock(partSet.bytes());
  if (!bytesEqual(headerHash(block.header), blockId.hash)) throw damaged(`block ${height}`);
  const extended = await from.get(extendedCommitKey(height));
  return {
    block,
    blockId,
    parts,
    seenCommit: await required(from, seenCommitKey(height), decodeCommit),
    extendedCommit: extended && decodeExtendedCommit(extended),
  };
}

/** @throws CometStoreError STORE_COMETBFT_DAMAGED when it is missing or does not decode. */
export async function required<T>(
  store: KeyValueStore,
  key: Uint8Array,
  decoder: (bytes: Uint8Array) => T,
): Promise<T> {
  const place = new TextDecoder().decode(key);
  const bytes = await store.get(key);
  if (bytes === undefined) throw damaged(place);
  try {
    return decoder(bytes);
  } catch (cause) {
    throw damaged(place, cause);
  }
}

function lacking(height: Height): Error {
  return new StoreError(
    { code: "STORE_CORRUPTED", key: `block ${height}` },
    `the block store lacks something of block ${height}: expected all of it; see weft db check`,
  );
}
