import { createHash, hash } from "node:crypto";
import { joinBytes } from "./bytes.ts";

/** Up to this length, joining byte strings costs less than a hash object. */
const JOINED_BYTES_MAX = 4_096;

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

/** As `sha256Latin1`, of two byte strings one after the other. */
export function sha256Latin1OfPair(first: Uint8Array, second: Uint8Array): string {
  if (first.length + second.length <= JOINED_BYTES_MAX) {
    return hash("sha256", Buffer.concat([first, second]), "binary");
  }
  return createHash("sha256").update(first).update(second).digest("binary");
}

/** SHA-256 of the concatenation of several byte strings: 32 bytes. */
export function sha256Concat(...chunks: readonly Uint8Array[]): Uint8Array {
  const hasher = createHash("sha256");
  for (const chunk of chunks) hasher.update(chunk);
  return plain(hasher.digest());
}

/** SHA-512 of the concatenation of several byte strings: 64 bytes. */
export function sha512Concat(...chunks: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const chunk of chunks) length += chunk.length;
  if (length <= JOINED_BYTES_MAX) return plain(hash("sha512", joinBytes(chunks), "buffer"));
  const hasher = createHash("sha512");
  for (const chunk of chunks) hasher.update(chunk);
  return plain(hasher.digest());
}

/** A view without Buffer's overrides: its slice copies. */
function plain(digest: Uint8Array): Uint8Array {
  return new Uint8Array(digest.buffer, digest.byteOffset, digest.byteLength);
}
