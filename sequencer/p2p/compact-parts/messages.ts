/**
 * Compact parts, between Weft nodes that announce channel 0x73: a part of a block in which transactions that
 * its receiver holds already are named by their hashes (ADR 0028).
 *
 *     message CompactPart { int64 height = 1; int32 round = 2; Part part = 3; repeated Piece pieces = 4; }
 *     message Piece { bytes bytes = 1; bytes tx = 2; uint32 start = 3; uint32 end = 4; }
 *     message WantedPart { int64 height = 1; int32 round = 2; uint32 index = 3; }
 *
 * `part` has no bytes; the pieces in their order are its bytes. A piece is either bytes, or those from
 * `start` to before `end` of the transaction with that SHA-256. A CompactPart is field 115 of the consensus
 * Message and travels on the data channel, behind its proposal as any part does. Who lacks a transaction of
 * it sends WantedPart on channel 0x73, and gets the BlockPart.
 */
import { Height, Round } from "../../../proto/brands.ts";
import { EMPTY_BYTES } from "../../../proto/bytes.ts";
import { readHeight, readPart, readRound, writePart } from "../../../proto/codec/types.ts";
import { Reader } from "../../../proto/codec/reader.ts";
import { Writer } from "../../../proto/codec/writer.ts";
import { bytesToDigest, digestToBytes } from "../../../proto/hash.ts";
import { BLOCK_PART_SIZE_BYTES, BLOCK_PARTS_MAX, HASH_BYTES } from "../../../proto/limits.ts";
import type { Part } from "../../../proto/types.ts";
import { P2pError } from "../errors.ts";
import { COMPACT_PIECES_MAX, TX_BYTES_MAX } from "../limits.ts";
import type { ChannelDescriptor } from "../reactor.ts";

/** Bytes of a transaction, named by its SHA-256 as a latin1 string. */
export interface TxPiece {
  readonly key: string;
  readonly start: number;
  readonly end: number;
}

export type Piece = Uint8Array | TxPiece;

export interface CompactPart {
  readonly height: Height;
  readonly round: Round;
  /** Without its bytes. */
  readonly part: Part;
  readonly pieces: readonly Piece[];
}

/** Which part of which block is wanted whole. */
export interface WantedPart {
  readonly height: Height;
  readonly round: Round;
  readonly index: number;
}

export const COMPACT_CHANNEL: ChannelDescriptor = {
  id: 0x73,
  name: "compact_parts",
  priority: 6,
  sendQueueMessagesMax: 100,
  receiveMessageBytesMax: 64,
};

/** Of the consensus Message; CometBFT's members end at 9. */
const COMPACT_PART_FIELD = 115;
/** Its tag, which no message of CometBFT begins with. */
const COMPACT_PART_TAG = [0x9a, 0x07] as const;
/** Bytes of a CompactPart beside its pieces: most of them are the proof's. */
const FRAME_BYTES = 1_024;
/** Bytes of a piece beside its own. */
const PIECE_FRAME_BYTES = HASH_BYTES + 16;

/** Whether a message of the data channel is a CompactPart. */
export function isCompactPart(bytes: Uint8Array): boolean {
  return bytes[0] === COMPACT_PART_TAG[0] && bytes[1] === COMPACT_PART_TAG[1];
}

export function isTxPiece(piece: Piece): piece is TxPiece {
  return !(piece instanceof Uint8Array);
}

/** Bytes of the part that a piece stands for. */
export function pieceBytes(piece: Piece): number {
  return isTxPiece(piece) ? piece.end - piece.start : piece.length;
}

export function encodeCompactPart(message: CompactPart): Uint8Array {
  let capacity = FRAME_BYTES;
  for (const piece of message.pieces) {
    capacity += PIECE_FRAME_BYTES + (isTxPiece(piece) ? 0 : piece.length);
  }
  const writer = new Writer(capacity);
  writer.message(COMPACT_PART_FIELD, message, (body, { height, round, part, pieces }) => {
    body.int(1, height);
    body.int32(2, round);
    body.message(3, { ...part, bytes: EMPTY_BYTES }, writePart);
    for (const piece of pieces) body.message(4, piece, writePiece);
  });
  return writer.finish();
}

function writePiece(writer: Writer, piece: Piece): void {
  if (!isTxPiece(piece)) {
    writer.bytes(1, piece);
    return;
  }
  writer.bytes(2, digestToBytes(piece.key));
  writer.uint32(3, piece.start);
  writer.uint32(4, piece.end);
}

/**
 * Pieces of bytes are views of `bytes`.
 * @throws WeftError for bytes that are no CompactPart, or of which the pieces are more than a part
 */
export function decodeCompactPart(bytes: Uint8Array): CompactPart {
  const reader = new Reader(bytes, "lenient");
  let message: CompactPart | undefined;
  while (reader.next()) {
    if (reader.field === COMPACT_PART_FIELD) message = reader.oneofMessage(readCompactPart);
    else reader.unknown();
  }
  if (message === undefined) throw invalid("a CompactPart", "another message");
  return message;
}

function readCompactPart(reader: Reader): CompactPart {
  let height = Height(0);
  let round = Round(0);
  let part: Part | undefined;
  const pieces: Piece[] = [];
  let total = 0;
  while (reader.next()) {
    if (reader.field === 1) height = readHeight(reader);
    else if (reader.field === 2) round = readRound(reader);
    else if (reader.field === 3) part = reader.message(readPart);
    else if (reader.field !== 4) reader.unknown();
    else {
      if (pieces.length === COMPACT_PIECES_MAX) {
        throw invalid(`at most ${COMPACT_PIECES_MAX} pieces`, "more");
      }
      const piece = reader.repeatedMessage(readPiece);
      total += pieceBytes(piece);
      if (total > BLOCK_PART_SIZE_BYTES) {
        throw invalid(`pieces of at most ${BLOCK_PART_SIZE_BYTES} bytes`, `${total}`);
      }
      pieces.push(piece);
    }
  }
  if (part === undefined) throw reader.missing("the part");
  if (part.bytes.length > 0) throw invalid("a part without bytes", `${part.bytes.length} bytes`);
  return { height, round, part, pieces };
}

function readPiece(reader: Reader): Piece {
  let bytes = EMPTY_BYTES;
  let tx = EMPTY_BYTES;
  let [start, end] = [0, 0];
  while (reader.next()) {
    if (reader.field === 1) bytes = reader.bytes(BLOCK_PART_SIZE_BYTES);
    else if (reader.field === 2) tx = reader.bytes(HASH_BYTES);
    else if (reader.field === 3) start = reader.uint32();
    else if (reader.field === 4) end = reader.uint32();
    else reader.unknown();
  }
  if (tx.length === 0) {
    if (bytes.length === 0) throw invalid("bytes or a transaction in every piece", "neither");
    return bytes;
  }
  if (tx.length !== HASH_BYTES) throw invalid(`a hash of ${HASH_BYTES} bytes`, `${tx.length}`);
  if (bytes.length > 0 || start >= end || end > TX_BYTES_MAX) {
    throw invalid(`a range of a transaction, up to ${TX_BYTES_MAX}`, `${start} to ${end}`);
  }
  return { key: bytesToDigest(tx), start, end };
}

export function encodeWantedPart({ height, round, index }: WantedPart): Uint8Array {
  const writer = new Writer(32);
  writer.int(1, height);
  writer.int32(2, round);
  writer.uint32(3, index);
  return writer.finish();
}

/** @throws WeftError for bytes that name no part */
export function decodeWantedPart(bytes: Uint8Array): WantedPart {
  const reader = new Reader(bytes, "lenient");
  let height = Height(0);
  let round = Round(0);
  let index = 0;
  while (reader.next()) {
    if (reader.field === 1) height = readHeight(reader);
    else if (reader.field === 2) round = readRound(reader);
    else if (reader.field === 3) index = reader.uint32();
    else reader.unknown();
  }
  if (height < 1 || round < 0 || index >= BLOCK_PARTS_MAX) {
    throw invalid("a height, a round and a part", `${height}/${round}/${index}`);
  }
  return { height, round, index };
}

function invalid(expected: string, got: string): P2pError {
  return new P2pError("P2P_MESSAGE_INVALID", `compact part: expected ${expected}, got ${got}`);
}
