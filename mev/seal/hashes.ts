/**
 * The hash functions of sealed transactions (docs/formats.md, "Sealed transactions: cryptography").
 *
 * H(name; a, b, ...) = SHA-512(lp("weft/seal/v1/" + name) ‖ a ‖ b ‖ ...). All inputs of a function but the
 * last have fixed lengths, so no two inputs make one string. Hs is H, little-endian, modulo the group
 * order; H32 is the first 32 bytes of H.
 */
import { joinBytes, utf8ToBytes } from "../../proto/bytes.ts";
import { assert } from "../../proto/errors.ts";
import { sha256, sha512Concat } from "../../proto/hash.ts";
import { type Group, SCALAR_BYTES } from "./group/group.ts";

const DOMAIN = "weft/seal/v1/";
/** Bytes of a random weight: 2^-128 is the chance that a wrong equation passes. */
export const WEIGHT_BYTES = 16;
const WEIGHTS_PER_HASH = 4;

/** lp(domain tag), what every hash begins with. */
export function sealTag(name: string): Uint8Array {
  const tag = utf8ToBytes(DOMAIN + name);
  return joinBytes([Uint8Array.of(tag.length), tag]);
}

const LABEL = sealTag("label");
const EXPAND = sealTag("expand");

/** A label in 32 bytes: SHA-256(lp(tag "label") ‖ L). It stands in every hash of a ciphertext. */
export function labelHash(label: Uint8Array): Uint8Array {
  return sha256(joinBytes([LABEL, label]));
}

/** H: 64 bytes. `tag` is a `sealTag`. */
export function hashSeal(tag: Uint8Array, ...parts: readonly Uint8Array[]): Uint8Array {
  return sha512Concat(tag, ...parts);
}

/** Hs: a scalar. */
export function hashToScalar(
  group: Group,
  tag: Uint8Array,
  ...parts: readonly Uint8Array[]
): Uint8Array {
  const wide = sha512Concat(tag, ...parts);
  const scalar = group.scalars.reduceWide(wide);
  wide.fill(0);
  return scalar;
}

/**
 * `count` weights of 128 bits as scalars: weight i is bytes 16 (i mod 4) to 16 (i mod 4) + 16 of
 * H("expand"; seed, u32 floor(i / 4)), little-endian. `seed` has 64 bytes and is a hash of all that the
 * weights are for.
 */
export function expandWeights(seed: Uint8Array, count: number): Uint8Array {
  const weights = new Uint8Array(count * SCALAR_BYTES);
  const input = joinBytes([EXPAND, seed, u32(0)]);
  const counter = new DataView(input.buffer, input.length - 4);
  let block = seed;
  for (let i = 0; i < count; i++) {
    const at = i % WEIGHTS_PER_HASH;
    if (at === 0) {
      counter.setUint32(0, i / WEIGHTS_PER_HASH);
      block = sha512Concat(input);
    }
    const weight = block.subarray(at * WEIGHT_BYTES, (at + 1) * WEIGHT_BYTES);
    weights.set(weight, i * SCALAR_BYTES);
  }
  return weights;
}

/** Big-endian. */
export function u32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value);
  return bytes;
}

/** Big-endian. */
export function u64(value: bigint): Uint8Array {
  assert(value >= 0n && value < 1n << 64n, `expected a u64, got ${value}`);
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, value);
  return bytes;
}

/** u32(length) ‖ bytes: an input of any length that is not the last one. */
export function prefixed(bytes: Uint8Array): Uint8Array {
  return joinBytes([u32(bytes.length), bytes]);
}
