/**
 * What is sealed, and for what: content and label (docs/formats.md, "Sealed transactions: cryptography").
 *
 * Content is a canonical `SealedContent`, one part for each rollup; padded to a bucket it is the plaintext
 * of a ciphertext. Refusals of other people's bytes are `CodecError`s, as in `proto/codec`; `openContent`
 * gives them as a result.
 */
import { compareBytes, joinBytes, utf8ToBytes } from "../../proto/bytes.ts";
import { codecError } from "../../proto/codec/errors.ts";
import { decode, type Reader } from "../../proto/codec/reader.ts";
import { checkAscending } from "../../proto/codec/record.ts";
import { SEAL_BUCKET_MAX, SEAL_BUCKETS, SEALED_ROLLUPS_MAX } from "../../proto/codec/seal-tx.ts";
import {
  type Fee,
  type Replay,
  type RollupData,
  rollupData,
  SALT_BYTES_MAX,
  splitRollupData,
} from "../../proto/codec/weft-tx.ts";
import { checkLength, startSignBytes } from "../../proto/codec/weft-basics.ts";
import { encode, type Writer } from "../../proto/codec/writer.ts";
import type { Height } from "../../proto/brands.ts";
import { assert, faultOf } from "../../proto/errors.ts";
import { ADDRESS_BYTES, HASH_BYTES } from "../../proto/limits.ts";
import { u32, u64 } from "./hashes.ts";

/** Bytes in front of the content of a plaintext: its length. */
const LENGTH_BYTES = 4;
const LABEL_TAG = utf8ToBytes("weft/seal/label/v1");
const REPLAY_NONCE = 0;
const REPLAY_UNORDERED = 1;

/** All that a ciphertext is bound to: opened under another label it is nothing. */
export interface SealLabel extends Fee {
  readonly chainId: string;
  /** Number of the key that it is sealed for. */
  readonly key: number;
  /** 1 to 8 ids of 32 bytes, strictly ascending. */
  readonly rollupIds: readonly Uint8Array[];
  /** Address of the account that sends it, 20 bytes. */
  readonly sender: Uint8Array;
  readonly replay: Replay;
  readonly maxHeight: Height;
  /** One of `SEAL_BUCKETS`. */
  readonly bucket: number;
}

/** Data for one rollup. */
export interface ContentPart {
  /** 32 bytes. */
  readonly rollupId: Uint8Array;
  /** Its entries, none empty. */
  readonly data: readonly Uint8Array[];
}

/** A part as it was decoded, views into the input. */
export type DecodedPart = Omit<RollupData, "kind">;

/** What a plaintext says to the rollups that its label names. */
export type OpenedContent =
  /** One payload for each rollup, in the label's order. */
  | { readonly kind: "content"; readonly payloads: readonly Uint8Array[] }
  | { readonly kind: "invalid"; readonly reason: string };

/**
 * The label's bytes: lp("weft/seal/label/v1") ‖ lp(chain id) ‖ u64 key ‖ u8 count of rollups ‖ their ids ‖
 * sender ‖ replay ‖ u64 max height ‖ u64 max fee per byte ‖ u64 tip per byte ‖ u32 bucket, where replay is
 * u8 0 ‖ u64 nonce, or u8 1 ‖ u64 expiry height ‖ lp(salt).
 */
export function sealLabel(label: SealLabel): Uint8Array {
  checkRollupIds(label.rollupIds);
  assert(label.sender.length === ADDRESS_BYTES, `a sender has ${ADDRESS_BYTES} bytes`);
  assert(SEAL_BUCKETS.includes(label.bucket), `${label.bucket} is not the size of a bucket`);
  return joinBytes([
    startSignBytes(LABEL_TAG, label.chainId, 0).out,
    u64(BigInt(label.key)),
    Uint8Array.of(label.rollupIds.length),
    ...label.rollupIds,
    label.sender,
    replayBytes(label.replay),
    u64(BigInt(label.maxHeight)),
    u64(label.maxFeePerByte),
    u64(label.tipPerByte),
    u32(label.bucket),
  ]);
}

/** Content of parts in any order, each rollup once. Throws `CodecError` on what no decoder accepts. */
export function encodeContent(parts: readonly ContentPart[]): Uint8Array {
  const sorted = parts.toSorted((a, b) => compareBytes(a.rollupId, b.rollupId));
  const content = encode(writeContent, sorted);
  decodeContent(content);
  return content;
}

/** The parts of a canonical content, not padded. */
export function decodeContent(bytes: Uint8Array): readonly DecodedPart[] {
  const parts = decode(readContent, bytes, "strict");
  checkRollupIds(parts.map(({ rollupId }) => rollupId));
  return parts;
}

/** The smallest bucket for a content of this many bytes; undefined when it is too long for any. */
export function bucketOf(contentBytes: number): number | undefined {
  return SEAL_BUCKETS.find((bucket) => contentBytes + LENGTH_BYTES <= bucket);
}

/**
 * The plaintext of a content: u32 length ‖ content ‖ zeros up to `bucket`, or to the smallest one. A content
 * that does not fit throws `CodecError`.
 */
export function padContent(content: Uint8Array, bucket = bucketOf(content.length)): Uint8Array {
  if (bucket === undefined || content.length + LENGTH_BYTES > bucket) {
    const limit = (bucket ?? SEAL_BUCKET_MAX) - LENGTH_BYTES;
    throw codecError(
      "CODEC_TOO_LARGE",
      `sealed content: ${content.length} bytes, at most ${limit} fit; send less at once`,
    );
  }
  const plaintext = new Uint8Array(bucket);
  plaintext.set(u32(content.length));
  plaintext.set(content, LENGTH_BYTES);
  return plaintext;
}

/** The content of a plaintext, a view. Every byte behind it must be zero. */
export function unpadContent(plaintext: Uint8Array): Uint8Array {
  if (!SEAL_BUCKETS.includes(plaintext.length)) {
    throw codecError("CODEC_LENGTH", `sealed content: ${plaintext.length} bytes are no bucket`);
  }
  const view = new DataView(plaintext.buffer, plaintext.byteOffset, plaintext.byteLength);
  const end = LENGTH_BYTES + view.getUint32(0);
  if (end > plaintext.length) {
    throw codecError("CODEC_TRUNCATED", `sealed content: ends at ${end} of ${plaintext.length}`);
  }
  for (let at = end; at < plaintext.length; at++) {
    if (plaintext[at] !== 0) {
      throw codecError("CODEC_TRAILING_BYTES", `sealed content: byte ${at} of the padding is set`);
    }
  }
  return plaintext.subarray(LENGTH_BYTES, end);
}

/** What a decrypted plaintext says to exactly the rollups of its label. */
export function openContent(
  plaintext: Uint8Array,
  rollupIds: readonly Uint8Array[],
): OpenedContent {
  return opened(rollupIds, () => decodeContent(unpadContent(plaintext)));
}

/** As `openContent`, of a content that was not padded: what a commit's sender reveals. */
export function openBareContent(
  content: Uint8Array,
  rollupIds: readonly Uint8Array[],
): OpenedContent {
  return opened(rollupIds, () => decodeContent(content));
}

function opened(
  rollupIds: readonly Uint8Array[],
  decodeParts: () => readonly DecodedPart[],
): OpenedContent {
  let parts: readonly DecodedPart[] = [];
  const fault = faultOf(() => {
    parts = decodeParts();
  });
  if (fault !== undefined) return { kind: "invalid", reason: fault };
  const isSameSet =
    parts.length === rollupIds.length &&
    parts.every(({ rollupId }, i) => compareBytes(rollupId, rollupIds[i] ?? LABEL_TAG) === 0);
  if (!isSameSet) {
    return { kind: "invalid", reason: "the content names other rollups than its label" };
  }
  return { kind: "content", payloads: parts.map(({ payload }) => payload) };
}

function writeContent(writer: Writer, parts: readonly ContentPart[]): void {
  for (const part of parts) writer.message(1, part, writePart);
}

/** A part as an embedded message. */
export function writePart(writer: Writer, { rollupId, data }: ContentPart): void {
  writer.bytes(1, rollupId);
  writer.raw(rollupData(rollupId, data).payload);
}

function readContent(reader: Reader): readonly DecodedPart[] {
  const parts: DecodedPart[] = [];
  while (reader.next()) {
    if (reader.field !== 1) reader.unknown();
    if (parts.length === SEALED_ROLLUPS_MAX) {
      throw codecError("CODEC_TOO_MANY", `sealed content: over ${SEALED_ROLLUPS_MAX} parts`);
    }
    parts.push(splitRollupData("sealed content", reader.repeatedBytes(SEAL_BUCKET_MAX)));
  }
  return parts;
}

/** Throws a `CodecError` unless these are ids, ascending, 1 to so many. */
export function checkRollupIds(
  rollupIds: readonly Uint8Array[],
  countMax: number = SEALED_ROLLUPS_MAX,
): void {
  if (rollupIds.length === 0 || rollupIds.length > countMax) {
    throw codecError(
      "CODEC_OUT_OF_RANGE",
      `rollups: expected 1 to ${countMax}, got ${rollupIds.length}`,
    );
  }
  for (const id of rollupIds) checkLength("rollup id", id, HASH_BYTES);
  checkAscending("rollup ids", rollupIds, compareBytes);
}

function replayBytes(replay: Replay): Uint8Array {
  if (replay.kind === "nonce") return joinBytes([Uint8Array.of(REPLAY_NONCE), u64(replay.value)]);
  assert(replay.salt.length <= SALT_BYTES_MAX, `a salt has at most ${SALT_BYTES_MAX} bytes`);
  const head = Uint8Array.of(REPLAY_UNORDERED);
  const saltLength = Uint8Array.of(replay.salt.length);
  return joinBytes([head, u64(BigInt(replay.expiryHeight)), saltLength, replay.salt]);
}
