/** The form of data for a rollup, wherever it stands: in rollup data, in a leg of a bundle, in sealed content. */
import { codecError } from "./errors.ts";

export const ROLLUP_DATA_ENTRIES_MAX = 10_000;

/** Tag byte of `RollupData.data`: field 2, length-delimited. */
const DATA_TAG = 0x12;

/**
 * Walks (12 ‖ uvarint(length) ‖ bytes)*, the encoded `data` fields; the number of entries. Throws a
 * `CodecError` unless it is canonical. `into` takes the entries as views.
 */
export function scanRollupData(payload: Uint8Array, into?: Uint8Array[]): number {
  const end = payload.length;
  let count = 0;
  for (let at = 0; at < end; ) {
    if (payload[at] !== DATA_TAG) {
      throw codecError("CODEC_UNKNOWN_FIELD", `rollup_data: byte ${at} does not begin an entry`);
    }
    if (++count > ROLLUP_DATA_ENTRIES_MAX) {
      throw codecError("CODEC_TOO_MANY", `rollup_data: over ${ROLLUP_DATA_ENTRIES_MAX} entries`);
    }
    at++;
    let length = 0;
    let byte = 0x80;
    for (let scale = 1; byte >= 0x80; scale *= 128) {
      // Four length bytes hold 256 MiB, more than any block.
      if (at >= end || scale > 2_097_152) {
        throw codecError("CODEC_TRUNCATED", `rollup_data: entry ${count - 1} is cut off`);
      }
      byte = payload[at++] ?? 0;
      length += (byte & 0x7f) * scale;
      if (byte === 0 && scale > 1) {
        throw codecError("CODEC_VARINT", `rollup_data: length of entry ${count - 1} is padded`);
      }
    }
    if (length === 0) {
      throw codecError("CODEC_LENGTH", `rollup_data: entry ${count - 1} is empty`);
    }
    if (length > end - at) {
      throw codecError("CODEC_TRUNCATED", `rollup_data: entry ${count - 1} is cut off`);
    }
    into?.push(payload.subarray(at, at + length));
    at += length;
  }
  if (count === 0) throw codecError("CODEC_MISSING_FIELD", "rollup_data: no entries");
  return count;
}
