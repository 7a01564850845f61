/** Keys and values of the state store: shared with whoever converts it. */
import { Height } from "../../proto/brands.ts";
import { utf8ToBytes } from "../../proto/bytes.ts";
import { decodeConsensusParams, decodeValidatorSet } from "../../proto/codec/types.ts";
import type { ConsensusParams, ValidatorSet } from "../../proto/types.ts";
import { heightKey } from "./keys.ts";

export const STATE_KEY = utf8ToBytes("Z");
/** First height that was not pruned. */
export const PRUNED_KEY = utf8ToBytes("Y");
/** Digest of the genesis document that the chain began with. */
export const GENESIS_KEY = utf8ToBytes("G");
/** Validators by height: 8 bytes with the height of the last change, then the set if it is here. */
export const VALIDATORS = "V";
export const PARAMS = "N";
export const RESPONSE = "F";

/** A value that is in force from `storedAt` on: in full at that height, else only where it is. */
export function encodeEntry(
  storedAt: number,
  height: number,
  encodeValue: () => Uint8Array,
): Uint8Array {
  const pointer = heightKey("", storedAt);
  if (storedAt !== height) return pointer;
  const value = encodeValue();
  const bytes = new Uint8Array(pointer.length + value.length);
  bytes.set(pointer);
  bytes.set(value, pointer.length);
  return bytes;
}

export function decodeValidatorsEntry(bytes: Uint8Array): {
  readonly storedAt: Height;
  readonly set: ValidatorSet | undefined;
} {
  const set = bytes.length > 8 ? decodeValidatorSet(bytes.subarray(8)) : undefined;
  return { storedAt: readHeightBytes(bytes), set };
}

export function decodeParamsEntry(bytes: Uint8Array): {
  readonly storedAt: Height;
  readonly params: ConsensusParams | undefined;
} {
  const params = bytes.length > 8 ? decodeConsensusParams(bytes.subarray(8)) : undefined;
  return { storedAt: readHeightBytes(bytes), params };
}

export function readHeightBytes(bytes: Uint8Array): Height {
  return Height(Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0)));
}
