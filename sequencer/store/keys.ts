/** Database keys: a one-letter prefix, then big-endian numbers, so that heights sort. */
import { utf8ToBytes } from "../../proto/bytes.ts";

const HEIGHT_BYTES = 8;
const INDEX_BYTES = 4;
const TWO_32 = 0x1_0000_0000;

export function heightKey(prefix: string, height: number): Uint8Array {
  const key = new Uint8Array(prefix.length + HEIGHT_BYTES);
  key.set(utf8ToBytes(prefix));
  writeHeight(key, prefix.length, height);
  return key;
}

export function partKey(prefix: string, height: number, index: number): Uint8Array {
  const key = new Uint8Array(prefix.length + HEIGHT_BYTES + INDEX_BYTES);
  key.set(utf8ToBytes(prefix));
  writeHeight(key, prefix.length, height);
  writeUint32(key, prefix.length + HEIGHT_BYTES, index);
  return key;
}

export function hashKey(prefix: string, hash: Uint8Array): Uint8Array {
  const key = new Uint8Array(prefix.length + hash.length);
  key.set(utf8ToBytes(prefix));
  key.set(hash, prefix.length);
  return key;
}

/** Byte by byte: a view of an array this short costs more than all of it (`IN_HEAP_BYTES_MAX`). */
function writeHeight(key: Uint8Array, at: number, height: number): void {
  writeUint32(key, at, Math.floor(height / TWO_32));
  writeUint32(key, at + 4, height % TWO_32);
}

function writeUint32(key: Uint8Array, at: number, value: number): void {
  key[at] = value >>> 24;
  key[at + 1] = value >>> 16;
  key[at + 2] = value >>> 8;
  key[at + 3] = value;
}
