/** Small helpers for byte strings. Hashing helpers live in `hash.ts`. */
export const EMPTY_BYTES: Uint8Array = new Uint8Array(0);

/**
 * Arrays of at most so many bytes lie in V8's own heap. To make a longer one, or to ask a short one for its
 * `buffer`, as everything in C++ does, costs a microsecond: more than most of what is done with them.
 */
export const IN_HEAP_BYTES_MAX = 64;

/** Byte strings longer than this are compared by native code, which a call costs more than short ones. */
const COMPARED_HERE_MAX = 64;

const HEX_OF_BYTE = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));
const utf8 = new TextEncoder();

export function bytesEqual(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  if (a.length > COMPARED_HERE_MAX) return Buffer.compare(a, b) === 0;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** Lexicographic byte order: negative, zero or positive. A prefix sorts first. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

export function concatBytes(...chunks: readonly Uint8Array[]): Uint8Array {
  return joinBytes(chunks);
}

/** As `concatBytes`, for any number of chunks: a call takes only so many arguments. */
export function joinBytes(chunks: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const chunk of chunks) length += chunk.length;
  const out = new Uint8Array(length);
  let offset = 0;
  for (const chunk of chunks) {
    out.set(chunk, offset);
    offset += chunk.length;
  }
  return out;
}

/** Lower-case hex. */
export function toHex(bytes: Uint8Array): string {
  if (bytes.length <= IN_HEAP_BYTES_MAX) {
    let hex = "";
    for (const byte of bytes) hex += HEX_OF_BYTE[byte];
    return hex;
  }
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("hex");
}

/** Bytes of a hex string of either case, without a prefix. Throws on anything else. */
export function fromHex(hex: string): Uint8Array {
  if (hex.length % 2 !== 0 || !/^[0-9a-fA-F]*$/.test(hex)) {
    throw new RangeError(
      `expected an even number of hex digits, got ${JSON.stringify(hex.slice(0, 80))}`,
    );
  }
  return new Uint8Array(Buffer.from(hex, "hex"));
}

export function toBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64");
}

/** Bytes of a canonical base64 string. Throws on anything else, which it does not repeat: keys come in base64. */
export function fromBase64(text: string): Uint8Array {
  const bytes = Buffer.from(text, "base64");
  if (bytes.toString("base64") !== text) {
    throw new RangeError(`expected base64, got ${text.length} characters that are not`);
  }
  return new Uint8Array(bytes);
}

export function utf8ToBytes(text: string): Uint8Array {
  if (text.length > IN_HEAP_BYTES_MAX) return utf8.encode(text);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code > 0x7f) return utf8.encode(text);
    bytes[i] = code;
  }
  return bytes;
}

/** A private copy: what is kept must not pin or alias a receive buffer. */
export function copyBytes(bytes: Uint8Array): Uint8Array {
  // Not bytes.slice(): a Buffer's slice shares its memory.
  return new Uint8Array(bytes);
}

/**
 * Bytes to keep that their owner will not change: as they are when they fill at least half of their
 * buffer, else a private copy, so that a few bytes never keep a large receive buffer alive.
 */
export function keepBytes(bytes: Uint8Array): Uint8Array {
  const { buffer, byteOffset, length } = bytes;
  if (length * 2 < buffer.byteLength) return copyBytes(bytes);
  return new Uint8Array(buffer, byteOffset, length);
}
