/**
 * Keys of the index. Numbers are big-endian, so that keys sort by height; texts carry their length,
 * so that no value can look like another key.
 *
 *     m                                    -> height                    last indexed
 *     b height                             -> transactions (u32)        every indexed height
 *     h hash                               -> height, index, ok (u8)
 *     T|B tag value height index sequence  -> (nothing)                 tx and block events
 *     j height                             -> keys to remove with it    when blocks are pruned
 */
import { Height } from "../../../proto/brands.ts";
import { INDEXED_TAG_BYTES_MAX, INDEXED_VALUE_BYTES_MAX } from "../limits.ts";

/** Which events an entry is about. */
export type EventSpace = "T" | "B";

export interface EventEntry {
  readonly value: string;
  readonly height: Height;
  readonly index: number;
  /** Number of the event within its transaction or block: conditions must meet in one event. */
  readonly sequence: number;
}

const POSITION_BYTES = 8 + 4 + 4;
export const LAST_KEY: Uint8Array = Buffer.from("m");

export function blockKey(height: number): Uint8Array {
  return withHeight("b", height);
}

export function journalKey(height: number): Uint8Array {
  return withHeight("j", height);
}

export function heightOfKey(key: Uint8Array): Height {
  return Height(Number(viewOf(key).readBigUInt64BE(1)));
}

export function hashKey(hash: Uint8Array): Uint8Array {
  return Buffer.concat([Buffer.from("h"), hash]);
}

/** Key of an attribute; undefined when tag or value is longer than is indexed. */
export function eventKey(
  space: EventSpace,
  tag: string,
  entry: EventEntry,
): Uint8Array | undefined {
  const value = Buffer.from(entry.value);
  if (Buffer.byteLength(tag) > INDEXED_TAG_BYTES_MAX) return undefined;
  if (value.length > INDEXED_VALUE_BYTES_MAX) return undefined;
  const prefix = valuePrefix(space, tag, entry.value);
  const key = Buffer.allocUnsafe(prefix.length + POSITION_BYTES);
  key.set(prefix, 0);
  key.writeBigUInt64BE(BigInt(entry.height), prefix.length);
  key.writeUInt32BE(entry.index, prefix.length + 8);
  key.writeUInt32BE(entry.sequence, prefix.length + 12);
  return key;
}

/** What all entries of a tag begin with. */
export function tagPrefix(space: EventSpace, tag: string): Uint8Array {
  const text = Buffer.from(tag);
  const prefix = Buffer.allocUnsafe(3 + text.length);
  prefix.write(space, 0, "latin1");
  prefix.writeUInt16BE(text.length, 1);
  prefix.set(text, 3);
  return prefix;
}

/** What all entries of a tag with one value begin with. */
export function valuePrefix(space: EventSpace, tag: string, value: string): Uint8Array {
  const text = Buffer.from(value);
  const length = Buffer.allocUnsafe(4);
  length.writeUInt32BE(text.length, 0);
  return Buffer.concat([tagPrefix(space, tag), length, text]);
}

/** Reads an entry back from a key of `tagPrefix`. */
export function parseEventKey(key: Uint8Array, prefixBytes: number): EventEntry {
  const view = viewOf(key);
  const valueStart = prefixBytes + 4;
  const position = view.length - POSITION_BYTES;
  return {
    value: view.toString("utf8", valueStart, position),
    height: Height(Number(view.readBigUInt64BE(position))),
    index: view.readUInt32BE(position + 8),
    sequence: view.readUInt32BE(position + 12),
  };
}

/** The first key after all that begin with `prefix`. */
export function endOfPrefix(prefix: Uint8Array): Uint8Array {
  const end = Buffer.from(prefix);
  for (let i = end.length - 1; i >= 0; i--) {
    const byte = end[i] ?? 0;
    if (byte === 0xff) continue;
    end[i] = byte + 1;
    return end.subarray(0, i + 1);
  }
  return Buffer.from([0xff]);
}

export function heightValue(height: number): Uint8Array {
  const value = Buffer.allocUnsafe(8);
  value.writeBigUInt64BE(BigInt(height), 0);
  return value;
}

export function parseHeightValue(value: Uint8Array): Height {
  return Height(Number(viewOf(value).readBigUInt64BE(0)));
}

export function countValue(count: number): Uint8Array {
  const value = Buffer.allocUnsafe(4);
  value.writeUInt32BE(count, 0);
  return value;
}

export function parseCountValue(value: Uint8Array): number {
  return viewOf(value).readUInt32BE(0);
}

export interface HashValue {
  readonly height: Height;
  readonly index: number;
  readonly isOk: boolean;
}

export function hashValue(value: HashValue): Uint8Array {
  const bytes = Buffer.allocUnsafe(13);
  bytes.writeBigUInt64BE(BigInt(value.height), 0);
  bytes.writeUInt32BE(value.index, 8);
  bytes.writeUInt8(value.isOk ? 1 : 0, 12);
  return bytes;
}

export function parseHashValue(bytes: Uint8Array): HashValue {
  const view = viewOf(bytes);
  return {
    height: Height(Number(view.readBigUInt64BE(0))),
    index: view.readUInt32BE(8),
    isOk: view.readUInt8(12) === 1,
  };
}

/** Keys one after another, each with its length. */
export function packKeys(keys: readonly Uint8Array[]): Uint8Array {
  const parts: Uint8Array[] = [];
  for (const key of keys) {
    const length = Buffer.allocUnsafe(2);
    length.writeUInt16BE(key.length, 0);
    parts.push(length, key);
  }
  return Buffer.concat(parts);
}

export function unpackKeys(packed: Uint8Array): readonly Uint8Array[] {
  const view = viewOf(packed);
  const keys: Uint8Array[] = [];
  for (let at = 0; at < view.length; ) {
    const length = view.readUInt16BE(at);
    keys.push(view.subarray(at + 2, at + 2 + length));
    at += 2 + length;
  }
  return keys;
}

function withHeight(prefix: string, height: number): Uint8Array {
  const key = Buffer.allocUnsafe(9);
  key.write(prefix, 0, "latin1");
  key.writeBigUInt64BE(BigInt(height), 1);
  return key;
}

function viewOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
