/**
 * What is sealed: content (docs/formats.md, "Sealed transactions: cryptography").
 *
 * Content is a canonical `SealedContent`, one part for each rollup; padded to a bucket it is the plaintext
 * of a ciphertext. Refusals of other people's bytes are `CodecError`s, as in `proto/codec`; `openContent`
 * gives them as a result.
 */
import { compareBytes, EMPTY_BYTES } from "../../proto/bytes.ts";
import { codecError } from "../../proto/codec/errors.ts";
import { decode, type Reader } from "../../proto/codec/reader.ts";
import { checkAscending } from "../../proto/codec/record.ts";
import { SEAL_BUCKET_MAX, SEAL_BUCKETS, SEALED_ROLLUPS_MAX } from "../../proto/codec/seal-tx.ts";
import { type RollupData, rollupData, splitRollupData } from "../../proto/codec/weft-tx.ts";
import { checkLength } from "../../proto/codec/weft-basics.ts";
import { encode, type Writer } from "../../proto/codec/writer.ts";
import { faultOf } from "../../proto/errors.ts";
import { HASH_BYTES } from "../../proto/limits.ts";
import { u32 } from "./hashes.ts";

/** Bytes in front of the content of a plaintext: its length. */
const LENGTH_BYTES = 4;

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
    parts.every(({ rollupId }, i) => compareBytes(rollupId, rollupIds[i] ?? EMPTY_BYTES) === 0);
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
