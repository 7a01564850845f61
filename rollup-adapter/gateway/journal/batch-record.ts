/** A signed submission as the journal keeps it: the bytes that are sent again, and what is signed anew if they expire. */
import { WeftError } from "../../../proto/errors.ts";

export type JournalRecordErrorInfo =
  /** A record of the journal is not one that this version writes. */
  { readonly code: "GATEWAY_JOURNAL_DAMAGED"; readonly key: string };

export interface BatchRecord {
  /** The encoded block item, as it was and will be sent. */
  readonly item: Uint8Array;
  /** Order in which submissions were signed. */
  readonly sequence: number;
  /** The chain's height when it was signed: no block up to it holds it. */
  readonly signedHeight: number;
  /** From this block on nothing of it can be ordered. */
  readonly expiryHeight: number;
  /** Number of the key that it is sealed for; undefined: it is not. */
  readonly key: number | undefined;
  readonly payloads: readonly Uint8Array[];
  /** Times that each payload was submitted before. */
  readonly attempts: readonly number[];
  /** It was ordered, and nobody opened it: its payloads are to be submitted again. */
  readonly isVoid: boolean;
}

export function encodeBatchRecord(record: BatchRecord): Uint8Array {
  const { item, payloads, ...rest } = record;
  return Buffer.from(
    JSON.stringify({ ...rest, item: base64(item), payloads: payloads.map(base64) }),
  );
}

/** @throws WeftError<JournalRecordErrorInfo> */
export function decodeBatchRecord(id: string, bytes: Uint8Array): BatchRecord {
  const fields = jsonRecord(id, bytes);
  const { item, sequence, signedHeight, expiryHeight, key, payloads, attempts, isVoid } = fields;
  if (
    typeof item !== "string" ||
    typeof sequence !== "number" ||
    typeof signedHeight !== "number" ||
    typeof expiryHeight !== "number" ||
    typeof isVoid !== "boolean" ||
    !(key === undefined || typeof key === "number") ||
    !isListOf(payloads, "string") ||
    !isListOf(attempts, "number") ||
    payloads.length !== attempts.length
  ) {
    throw damaged(id);
  }
  return {
    item: fromBase64(item),
    sequence,
    signedHeight,
    expiryHeight,
    key,
    payloads: payloads.map(fromBase64),
    attempts,
    isVoid,
  };
}

/** A wallet's transaction that was accepted and is not executed yet. */
export interface TransactionRecord {
  readonly raw: Uint8Array;
  /** Wall time at which it was accepted, in ms since 1970. */
  readonly acceptedMs: number;
  /** Whose quota it counts for; undefined: nobody's. */
  readonly requester: string | undefined;
}

export function encodeTransactionRecord(record: TransactionRecord): Uint8Array {
  return Buffer.from(JSON.stringify({ ...record, raw: base64(record.raw) }));
}

/** @throws WeftError<JournalRecordErrorInfo> */
export function decodeTransactionRecord(hash: string, bytes: Uint8Array): TransactionRecord {
  const { raw, acceptedMs, requester } = jsonRecord(hash, bytes);
  if (
    typeof raw !== "string" ||
    typeof acceptedMs !== "number" ||
    !(requester === undefined || typeof requester === "string")
  ) {
    throw damaged(hash);
  }
  return { raw: fromBase64(raw), acceptedMs, requester };
}

/** @throws WeftError<JournalRecordErrorInfo> */
export function jsonRecord(key: string, bytes: Uint8Array): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(bytes).toString("utf8"));
  } catch (cause) {
    throw damaged(key, cause);
  }
  if (typeof value !== "object" || value === null) throw damaged(key);
  return { ...value };
}

export function damaged(key: string, cause?: unknown): WeftError<JournalRecordErrorInfo> {
  return new WeftError<JournalRecordErrorInfo>(
    { code: "GATEWAY_JOURNAL_DAMAGED", key },
    `record ${key} of the gateway's journal is not one that this version writes; keep the folder, and start with an empty one`,
    { cause },
  );
}

function isListOf(value: unknown, type: "string"): value is readonly string[];
function isListOf(value: unknown, type: "number"): value is readonly number[];
function isListOf(value: unknown, type: string): boolean {
  return Array.isArray(value) && value.every((one: unknown) => typeof one === type);
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64");
}

function fromBase64(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text, "base64"));
}
