/**
 * What stands in a part of an own block as the name of a transaction, and the way back (ADR 0028). Nothing
 * here is trusted: what comes of the pieces is a part like any other, whose proof the core checks.
 */
import { bytesBeforeTxs } from "../../../proto/codec/block.ts";
import { varintSize } from "../../../proto/codec/writer.ts";
import { txHashes } from "../../../proto/hashes.ts";
import { BLOCK_PART_SIZE_BYTES } from "../../../proto/limits.ts";
import type { Block, Part } from "../../../proto/types.ts";
import { COMPACT_SPARED_BYTES_MIN, COMPACT_TX_BYTES_MIN } from "../limits.ts";
import { isTxPiece, type Piece, pieceBytes } from "./messages.ts";

/** Where the bytes of a transaction stand in its block. */
export interface TxPlace {
  /** SHA-256 as a latin1 string. */
  readonly key: string;
  /** From `start` to before `end`, in bytes of the encoded block. */
  readonly start: number;
  readonly end: number;
}

/** Bytes of a transaction's name in a piece: hash, tags and range. */
const NAME_BYTES = 48;

/** The transactions of `block` that are large enough and that `isNamed` lets through, in their order. */
export function txPlaces(block: Block, isNamed: (key: string) => boolean): readonly TxPlace[] {
  if (!block.txs.some(({ length }) => length >= COMPACT_TX_BYTES_MIN)) return [];
  let at = bytesBeforeTxs(block).length;
  const keys = txHashes(block.txs);
  const places: TxPlace[] = [];
  for (const [i, { length }] of block.txs.entries()) {
    const start = at + 1 + varintSize(length);
    at = start + length;
    const key = keys[i];
    if (length < COMPACT_TX_BYTES_MIN || key === undefined || !isNamed(key)) continue;
    places.push({ key, start, end: at });
  }
  return places;
}

/** The pieces of a part; undefined when that would spare too little. `places` are those of its block. */
export function compactPieces(
  part: Part,
  places: readonly TxPlace[],
): readonly Piece[] | undefined {
  const from = part.index * BLOCK_PART_SIZE_BYTES;
  const to = from + part.bytes.length;
  const pieces: Piece[] = [];
  let at = from;
  let spared = 0;
  for (const { key, start, end } of places) {
    if (end <= from || start >= to) continue;
    const first = Math.max(start, from);
    const last = Math.min(end, to);
    if (last - first <= NAME_BYTES) continue;
    if (first > at) pieces.push(part.bytes.subarray(at - from, first - from));
    pieces.push({ key, start: first - start, end: last - start });
    spared += last - first - NAME_BYTES;
    at = last;
  }
  if (spared < COMPACT_SPARED_BYTES_MIN) return undefined;
  if (at < to) pieces.push(part.bytes.subarray(at - from));
  return pieces;
}

/** `part` with the bytes that its pieces stand for; undefined when a transaction of them is not held. */
export function rebuildPart(
  part: Part,
  pieces: readonly Piece[],
  txOf: (key: string) => Uint8Array | undefined,
): Part | undefined {
  const found: Uint8Array[] = [];
  for (const piece of pieces) {
    if (!isTxPiece(piece)) {
      found.push(piece);
      continue;
    }
    const tx = txOf(piece.key);
    if (tx === undefined || tx.length < piece.end) return undefined;
    found.push(tx.subarray(piece.start, piece.end));
  }
  const bytes = new Uint8Array(pieces.reduce((sum, piece) => sum + pieceBytes(piece), 0));
  let at = 0;
  for (const one of found) {
    bytes.set(one, at);
    at += one.length;
  }
  return { ...part, bytes };
}
