import { createHash, hash } from "node:crypto";

/** SHA-256 of one byte string: 32 bytes. */
export function sha256(bytes: Uint8Array): Uint8Array {
  return plain(hash("sha256", bytes, "buffer"));
}

/**
 * SHA-256 as 32 Latin-1 characters: a map key, and less than half the cost of a byte array, for
 * code that hashes thousands of small inputs.
 */
export function sha256Latin1(bytes: Uint8Array): string {
  return hash("sha256", bytes, "binary");
}

/** SHA-256 of the concatenation of several byte strings: 32 bytes. */
export function sha256Concat(...chunks: readonly Uint8Array[]): Uint8Array {
  const hasher = createHash("sha256");
  for (const chunk of chunks) hasher.update(chunk);
  return plain(hasher.digest());
}

/** A view without Buffer's overrides: its slice copies. */
function plain(digest: Uint8Array): Uint8Array {
  return new Uint8Array(digest.buffer, digest.byteOffset, digest.byteLength);
}
