/**
 * CometBFT's JSON ("amino JSON", spec §19.2): 64-bit integers are strings, 32-bit ones numbers,
 * hashes upper-case hex, other bytes base64 with null for none, times RFC 3339 with nanoseconds.
 */
import { toBase64, toHex } from "../../proto/bytes.ts";
import { formatTime } from "../../proto/time.ts";
import type { PublicKey, Timestamp } from "../../proto/types.ts";

export type Json =
  | string
  | number
  | boolean
  | null
  | undefined
  | readonly Json[]
  | { readonly [key: string]: Json };

/** JSON text that is ready: sent as it is, encoded once however often. */
export class RawJson {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** An int64, uint64, int or uint. */
export function integer(value: bigint | number): string {
  return value.toString();
}

/** HexBytes: hashes and addresses. */
export function hex(bytes: Uint8Array): string {
  return toHex(bytes).toUpperCase();
}

/** A byte slice; Go's nil slice is null, and we have no other empty one. */
export function bytes(value: Uint8Array): string | null {
  return value.length === 0 ? null : toBase64(value);
}

/** RFC 3339 in UTC with as many digits of nanoseconds as are not zero at the end. */
export function time(value: Timestamp): string {
  return formatTime(value);
}

const KEY_TYPES = {
  ed25519: "tendermint/PubKeyEd25519",
  secp256k1: "tendermint/PubKeySecp256k1",
} as const;

export function publicKey(key: PublicKey): Json {
  return { type: KEY_TYPES[key.type], value: toBase64(key.bytes) };
}

/** Go's `omitempty`: zero values are not written. */
export function omitEmpty(object: { readonly [key: string]: Json }): { [key: string]: Json } {
  const out: { [key: string]: Json } = {};
  for (const [key, value] of Object.entries(object)) {
    const isEmpty =
      value === null ||
      value === undefined ||
      value === "" ||
      value === 0 ||
      value === false ||
      value === "0" ||
      (Array.isArray(value) && value.length === 0);
    if (!isEmpty) out[key] = value;
  }
  return out;
}
