import { createHash, hash } from "node:crypto";

/** Up to this length, joining byte strings costs less than a hash object. */
const JOINED_BYTES_MAX = 4_096;
/** Where they are joined: an array of more than 64 bytes costs more than the hash of what is in it. */
const joined = new Uint8Array(JOINED_BYTES_MAX);

/** SHA-256 of one byte string: 32 bytes. */
export function sha256(bytes: Uint8Array): Uint8Array {
  return digestToBytes(hash("sha256", bytes, "binary"));
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
  return concatDigest("sha256", [first, second]);
}

/** SHA-256 of the concatenation of several byte strings: 32 bytes. */
export function sha256Concat(...chunks: readonly Uint8Array[]): Uint8Array {
  return digestToBytes(concatDigest("sha256", chunks));
}

/** SHA-512 of the concatenation of several byte strings: 64 bytes. */
export function sha512Concat(...chunks: readonly Uint8Array[]): Uint8Array {
  return digestToBytes(concatDigest("sha512", chunks));
}

/** The bytes of a digest of Latin-1 characters, as `sha256Latin1` gives them. */
export function digestToBytes(digest: string): Uint8Array {
  // Up to 64 bytes an array lies in V8's own heap: half the cost of a digest that Node makes as a Buffer.
  const bytes = new Uint8Array(digest.length);
  for (let i = 0; i < digest.length; i++) bytes[i] = digest.charCodeAt(i);
  return bytes;
}

/** A digest as `sha256Latin1` gives it, of its bytes. */
export function bytesToDigest({ buffer, byteOffset, length }: Uint8Array): string {
  return Buffer.from(buffer, byteOffset, length).toString("latin1");
}

function concatDigest(algorithm: "sha256" | "sha512", chunks: readonly Uint8Array[]): string {
  let length = 0;
  for (const chunk of chunks) length += chunk.length;
  if (length <= JOINED_BYTES_MAX) {
    let at = 0;
    for (const chunk of chunks) {
      joined.set(chunk, at);
      at += chunk.length;
    }
    return hash(algorithm, joined.subarray(0, length), "binary");
  }
  const hasher = createHash(algorithm);
  for (const chunk of chunks) hasher.update(chunk);
  return hasher.digest("binary");
}
