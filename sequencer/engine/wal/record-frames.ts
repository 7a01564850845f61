/**
 * Framing of log records (spec/cometbft-v0.38.md §15.1): CRC-32C of the payload, 4 bytes big-endian;
 * payload length, 4 bytes big-endian; payload.
 */
import { crc32c } from "@node-rs/crc32";
import { WAL_PAYLOAD_BYTES_MAX } from "../limits.ts";
import { WalError } from "./errors.ts";

export const RECORD_HEADER_BYTES = 8;

/** One record as it stands in the file. */
export function frameRecord(payload: Uint8Array): Uint8Array {
  const frame = new Uint8Array(RECORD_HEADER_BYTES + payload.length);
  writeRecordHeader(frame, 0, payload);
  frame.set(payload, RECORD_HEADER_BYTES);
  return frame;
}

/** Writes what stands before the payload. */
export function writeRecordHeader(into: Uint8Array, at: number, payload: Uint8Array): void {
  if (payload.length === 0 || payload.length > WAL_PAYLOAD_BYTES_MAX) {
    throw new WalError(
      { code: "WAL_RECORD_TOO_LARGE", bytes: payload.length },
      `a log record has 1 to ${WAL_PAYLOAD_BYTES_MAX} bytes, got ${payload.length}`,
    );
  }
  const view = new DataView(into.buffer, into.byteOffset + at, RECORD_HEADER_BYTES);
  view.setUint32(0, crc32c(payload));
  view.setUint32(4, payload.length);
}

export interface FrameScan {
  /** Payloads of the good records, as views into the input. */
  readonly payloads: readonly Uint8Array[];
  /** Bytes of the good prefix. */
  readonly goodBytes: number;
  /**
   * `whole`: nothing follows the good prefix. `tornTail`: what follows is one record that a crash
   * cut short. `corrupted`: good records follow a bad one to the file's end, which no crash does.
   */
  readonly end: "whole" | "tornTail" | "corrupted";
}

/** Reads records from the start of a file until the first that is not good. */
export function scanFrames(file: Uint8Array): FrameScan {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const payloads: Uint8Array[] = [];
  let offset = 0;
  while (offset < file.length) {
    const payload = payloadAt(file, view, offset);
    if (payload === undefined) {
      const end = hasChainAfter(file, view, offset + 1) ? "corrupted" : "tornTail";
      return { payloads, goodBytes: offset, end };
    }
    payloads.push(payload);
    offset += RECORD_HEADER_BYTES + payload.length;
  }
  return { payloads, goodBytes: offset, end: "whole" };
}

/** A zero length is never good: a run of zeros, which a lost page leaves behind, is no record. */
function payloadAt(file: Uint8Array, view: DataView, offset: number): Uint8Array | undefined {
  const start = offset + RECORD_HEADER_BYTES;
  if (start > file.length) return undefined;
  const length = view.getUint32(offset + 4);
  if (length === 0 || length > WAL_PAYLOAD_BYTES_MAX || start + length > file.length) {
    return undefined;
  }
  const payload = file.subarray(start, start + length);
  return crc32c(payload) === view.getUint32(offset) ? payload : undefined;
}

/**
 * Whether a good record starts after `from` and ends with the file: the last one of any chain of good
 * records that fills the file to its end. A good record elsewhere proves nothing: whoever writes
 * transactions can put the bytes of one into a torn block part. Only bytes that claim to end there
 * are summed up, since transactions can hold what looks like the headers of many large records.
 */
function hasChainAfter(file: Uint8Array, view: DataView, from: number): boolean {
  const earliest = file.length - RECORD_HEADER_BYTES - WAL_PAYLOAD_BYTES_MAX;
  for (let start = Math.max(from, earliest); start + RECORD_HEADER_BYTES < file.length; start++) {
    const length = file.length - start - RECORD_HEADER_BYTES;
    if (view.getUint32(start + 4) !== length) continue;
    if (payloadAt(file, view, start) !== undefined) return true;
  }
  return false;
}
