/** What all of Weft's own formats share: sizes, limits of amounts, the head of sign bytes (docs/formats.md). */
import { utf8ToBytes } from "../bytes.ts";
import { assert } from "../errors.ts";
import { codecError } from "./errors.ts";

export const PUBLIC_KEY_BYTES = 32;
export const SIGNATURE_BYTES = 64;
export const BASIS_POINTS = 10_000;
/** Amounts (nweft) and fee rates (nweft per byte) stay below this. */
export const AMOUNT_LIMIT = 1n << 63n;

/** lp(tag) ‖ lp(chain id), the head of all of Weft's sign bytes, and room for `restBytes` from `at` on. */
export function startSignBytes(
  tag: Uint8Array,
  chainId: string,
  restBytes: number,
): { readonly out: Uint8Array; readonly at: number } {
  const chain = utf8ToBytes(chainId);
  assert(tag.length <= 255 && chain.length <= 255, "lp() takes at most 255 bytes");
  const at = 2 + tag.length + chain.length;
  const out = new Uint8Array(at + restBytes);
  out[0] = tag.length;
  out.set(tag, 1);
  out[1 + tag.length] = chain.length;
  out.set(chain, 2 + tag.length);
  return { out, at };
}

export function checkLength(what: string, bytes: Uint8Array, length: number): void {
  if (bytes.length !== length) {
    throw codecError("CODEC_LENGTH", `${what}: expected ${length} bytes, got ${bytes.length}`);
  }
}

export function checkAmount(what: string, amount: bigint): void {
  if (amount < 0n || amount >= AMOUNT_LIMIT) throw outOfRange(what, "below 2^63", amount);
}

export function outOfRange(what: string, expected: string, got: bigint | number | string): Error {
  return codecError("CODEC_OUT_OF_RANGE", `${what}: expected ${expected}, got ${String(got)}`);
}
