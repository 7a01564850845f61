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
import type { Block, Part } from "../../../proto/types.ts";
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
import { PROGRESS_HEIGHTS } from "./limits.ts";

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
  for (let number = base as number; number > 0 && number <= last; number++) {
    await putBlock(from, Height(number), out);
    if (number % PROGRESS_HEIGHTS === 0) onProgress(number, last);
  }
  if (last > 0) await out.put(BLOCK_STORE_KEY, encodeBlockRange({ base, height: last }));
  await out.flush();
}

async function putBlock(from: BlockStore, height: Height, out: BulkWriter): Promise<void> {
  const meta = await from.meta(height);
  const seen = await from.seenCommit(height);
  if (meta === undefined || seen === undefined) throw lacking(height);
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
  for (let number = base as number; number > 0 && number <= last; number++) {
    const record = await readBlock(from, Height(number));
    await to.save(record);
    await onBlock(record.block);
    if (number % PROGRESS_HEIGHTS === 0) onProgress(number, last);
  }
}

async function readBlock(from: KeyValueStore, height: Height): Promise<BlockRecord> {
  const meta = await required(from, metaKey(height), decodeBlockMeta);
  const { blockId } = meta;
  const partSet = new PartSet(blockId.partSetHeader);
  const parts: Part[] = [];
  for (let index = 0; index < blockId.partSetHeader.total; index++) {
    const key = partKey(height, index);
    const part = await required(from, key, (bytes) => decode(readPart, bytes, "lenient"));
    // The proof is checked here: what is read is what was decided.
    partSet.add(part);
    parts.push(part);
  }
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
