import { createHash, hash } from "node:crypto";

/** SHA-256 of one byte string: 32 bytes. */
export function sha256(bytes: Uint8Array): Uint8Array {
  return hash("sha256", bytes, "buffer");
}

/** SHA-256 of the concatenation of several byte strings: 32 bytes. */
export function sha256Concat(...chunks: readonly Uint8Array[]): Uint8Array {
  const hasher = createHash("sha256");
  for (const chunk of chunks) hasher.update(chunk);
  return hasher.digest();
}
