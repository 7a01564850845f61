/**
 * ECDSA over secp256k1 as CometBFT verifies it (`crypto/secp256k1`): R ‖ S of 64 bytes, S in the lower
 * half, over the SHA-256 of the message, compressed key. No validator of ours may have such a key, but the
 * forged set in evidence of an attack on light clients may, and CometBFT takes it.
 */
import { secp256k1 } from "@noble/curves/secp256k1.js";

export const SECP256K1_PUBLIC_KEY_BYTES = 33;
export const SECP256K1_SIGNATURE_BYTES = 64;

/** On the calling thread: about 1 ms. */
export function verifySecp256k1Sync(
  publicKey: Uint8Array,
  message: Uint8Array,
  signature: Uint8Array,
): boolean {
  if (signature.length !== SECP256K1_SIGNATURE_BYTES) return false;
  if (publicKey.length !== SECP256K1_PUBLIC_KEY_BYTES) return false;
  try {
    return secp256k1.verify(signature, message, publicKey, {
      format: "compact",
      lowS: true,
      prehash: true,
    });
  } catch {
    // A key that is no point, or a scalar out of range: no signature of anybody.
    return false;
  }
}
