/** Database keys: a one-letter prefix, then big-endian numbers, so that heights sort. */
import { utf8ToBytes } from "../../proto/bytes.ts";

export function heightKey(prefix: string, height: number): Uint8Array {
  const key = new Uint8Array(prefix.length + 8);
  key.set(utf8ToBytes(prefix));
  new DataView(key.buffer).setBigUint64(prefix.length, BigInt(height));
  return key;
}

export function partKey(prefix: string, height: number, index: number): Uint8Array {
  const key = new Uint8Array(prefix.length + 12);
  key.set(heightKey(prefix, height));
  new DataView(key.buffer).setUint32(prefix.length + 8, index);
  return key;
}

export function hashKey(prefix: string, hash: Uint8Array): Uint8Array {
  const key = new Uint8Array(prefix.length + hash.length);
  key.set(utf8ToBytes(prefix));
  key.set(hash, prefix.length);
  return key;
}
