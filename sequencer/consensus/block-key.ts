import { bytesEqual, toHex } from "../../proto/bytes.ts";
import { partSetHeadersEqual } from "../../proto/part-set.ts";
import type { BlockId } from "../../proto/types.ts";

/** A block id as a map key: both the hash and the part set header count (spec §7). */
export type BlockKey = string;

/** Key of the nil block id. */
export const NIL_KEY: BlockKey = "0::";

export function blockKey(blockId: BlockId): BlockKey {
  const { total, hash } = blockId.partSetHeader;
  return `${total}:${toHex(hash)}:${toHex(blockId.hash)}`;
}

export function isNil(blockId: BlockId): boolean {
  return blockId.hash.length === 0;
}

export function blockIdsEqual(a: BlockId, b: BlockId): boolean {
  return bytesEqual(a.hash, b.hash) && partSetHeadersEqual(a.partSetHeader, b.partSetHeader);
}
