import { IN_HEAP_BYTES_MAX } from "../bytes.ts";
import { assert } from "../errors.ts";
import { codecError } from "./errors.ts";

const VARINT = 0;
const FIXED64 = 1;
const DELIMITED = 2;
const VARINT_BYTES_MAX = 10;
const TWO_32 = 0x1_0000_0000;
const UINT64_MAX = 0xffff_ffff_ffff_ffffn;
const INT64_MIN = -0x8000_0000_0000_0000n;
const INT64_MAX = 0x7fff_ffff_ffff_ffffn;

/** Share of a buffer that may stay unused behind what was written. */
const UNUSED_SHARE_MAX = 0.125;
/** Bytes of the writer that short messages share: a buffer for each costs more than they do. */
const SHARED_BYTES = 2_048;
/** Bytes of the slabs that messages above `IN_HEAP_BYTES_MAX` share, and of the largest that does: one that is kept keeps its slab. */
const SLAB_BYTES = 4_096;
const SLAB_MESSAGE_BYTES_MAX = 512;
/** Strings up to this length are written character by character while they are ASCII. */
const SHORT_STRING_MAX = 80;

const utf8 = new TextEncoder();

/** Writes the body of one message; the caller has written tag and length around it. */
export type MessageEncoder<T> = (writer: Writer, value: T) => void;

/**
 * A protobuf writer whose output is canonical (spec/cometbft-v0.38.md §2) when fields are written in
 * ascending order: minimal varints, zero scalars left out, no padding.
 *
 * Methods named after a scalar leave out the zero value; `...Element` methods always write and serve
 * repeated fields and oneof members. `message` always writes: skip the call for an absent message.
 *
 *     encode((writer, pair) => { writer.uint64(1, pair.key); writer.bytes(2, pair.value); }, pair)
 */
export class Writer {
  #buffer: Uint8Array;
  #position = 0;

  /** `capacity` in bytes is a hint: a writer that guesses right copies nothing. */
  constructor(capacity = 128) {
    this.#buffer = new Uint8Array(capacity);
  }

  /** Bytes written so far. */
  get length(): number {
    return this.#position;
  }

  /** Bytes that it can hold without growing. */
  get capacity(): number {
    return this.#buffer.length;
  }

  /**
   * The bytes written, possibly as a view into a slightly larger buffer: copying a block for the sake
   * of a few unused bytes costs more than they do. The writer must not be used afterwards.
   */
  finish(): Uint8Array {
    const { length } = this.#buffer;
    const used = this.#position;
    if (used === length) return this.#buffer;
    const isNearlyFull = length - used <= length * UNUSED_SHARE_MAX;
    return isNearlyFull ? this.#buffer.subarray(0, used) : this.#buffer.slice(0, used);
  }

  /** What was written so far, as a view that the next `reset` makes worthless. */
  written(): Uint8Array {
    return this.#buffer.subarray(0, this.#position);
  }

  /** Begins anew in the same buffer. What `finish` gave may be overwritten. */
  reset(): void {
    this.#position = 0;
  }

  /** Whether what was written so far stands in `bytes` from `at` on. */
  isAt(bytes: Uint8Array, at: number): boolean {
    for (let i = 0; i < this.#position; i++) {
      if (this.#buffer[i] !== bytes[at + i]) return false;
    }
    return true;
  }

  /** A safe integer >= 0. */
  uint(field: number, value: number): void {
    if (value !== 0) this.uintElement(field, value);
  }

  uintElement(field: number, value: number): void {
    if (!Number.isSafeInteger(value) || value < 0) throw outOfRange(field, "uint", value);
    this.#tag(field, VARINT);
    this.#varintNumber(value);
  }

  /** A safe integer of either sign; a negative one takes 10 bytes, as int32 and int64 do. */
  int(field: number, value: number): void {
    if (value !== 0) this.intElement(field, value);
  }

  intElement(field: number, value: number): void {
    if (!Number.isSafeInteger(value)) throw outOfRange(field, "int", value);
    this.#tag(field, VARINT);
    this.#varintSigned(value);
  }

  uint32(field: number, value: number): void {
    if (value > 0xffff_ffff) throw outOfRange(field, "uint32", value);
    this.uint(field, value);
  }

  /** int32 and enums. */
  int32(field: number, value: number): void {
    if (value !== (value | 0)) throw outOfRange(field, "int32", value);
    this.int(field, value);
  }

  uint64(field: number, value: bigint): void {
    if (value !== 0n) this.uint64Element(field, value);
  }

  uint64Element(field: number, value: bigint): void {
    if (value < 0n || value > UINT64_MAX) throw outOfRange(field, "uint64", value);
    this.#tag(field, VARINT);
    this.#varintBigint(value);
  }

  int64(field: number, value: bigint): void {
    if (value !== 0n) this.int64Element(field, value);
  }

  int64Element(field: number, value: bigint): void {
    if (value < INT64_MIN || value > INT64_MAX) throw outOfRange(field, "int64", value);
    this.#tag(field, VARINT);
    this.#varintBigint(BigInt.asUintN(64, value));
  }

  bool(field: number, value: boolean): void {
    if (!value) return;
    this.#tag(field, VARINT);
    this.#reserve(1);
    this.#buffer[this.#position++] = 1;
  }

  /** Little-endian two's complement, 8 bytes; zero is left out like any other zero. */
  sfixed64(field: number, value: bigint | number): void {
    const wide = BigInt(value);
    if (wide === 0n) return;
    if (wide < INT64_MIN || wide > INT64_MAX) throw outOfRange(field, "sfixed64", value);
    this.#tag(field, FIXED64);
    this.#reserve(8);
    let rest = BigInt.asUintN(64, wide);
    for (let i = 0; i < 8; i++) {
      this.#buffer[this.#position++] = Number(rest & 0xffn);
      rest >>= 8n;
    }
  }

  bytes(field: number, value: Uint8Array): void {
    if (value.length !== 0) this.bytesElement(field, value);
  }

  bytesElement(field: number, value: Uint8Array): void {
    this.#tag(field, DELIMITED);
    this.#varintNumber(value.length);
    this.raw(value);
  }

  string(field: number, value: string): void {
    if (value !== "") this.stringElement(field, value);
  }

  stringElement(field: number, value: string): void {
    if (value.length <= SHORT_STRING_MAX && this.#shortAscii(field, value)) return;
    this.bytesElement(field, utf8.encode(value));
  }

  /** An embedded message, written even when its body is empty ("nn" of spec §2). */
  message<T>(field: number, value: T, encode: MessageEncoder<T>): void {
    this.#tag(field, DELIMITED);
    const start = this.#openLength();
    encode(this, value);
    this.#closeLength(start);
  }

  /** An embedded message without any field. */
  emptyMessage(field: number): void {
    this.#tag(field, DELIMITED);
    this.#varintNumber(0);
  }

  /** A packed repeated uint64; left out when empty. */
  packedUint64(field: number, values: readonly bigint[]): void {
    if (values.length === 0) return;
    this.#tag(field, DELIMITED);
    const start = this.#openLength();
    for (const value of values) {
      if (value < 0n || value > UINT64_MAX) throw outOfRange(field, "uint64", value);
      this.#varintBigint(value);
    }
    this.#closeLength(start);
  }

  /** A packed repeated uint32; left out when empty. */
  packedUint32(field: number, values: readonly number[]): void {
    if (values.length === 0) return;
    this.#tag(field, DELIMITED);
    const start = this.#openLength();
    for (const value of values) {
      if (!Number.isInteger(value) || value < 0 || value > 0xffff_ffff) {
        throw outOfRange(field, "uint32", value);
      }
      this.#varintNumber(value);
    }
    this.#closeLength(start);
  }

  /** A message with its length in front, without a field tag: a record of a stream, or sign bytes. */
  delimited<T>(value: T, encode: MessageEncoder<T>): void {
    const start = this.#openLength();
    encode(this, value);
    this.#closeLength(start);
  }

  /** Bytes as they are, without tag and length. */
  raw(value: Uint8Array): void {
    const { length } = value;
    this.#reserve(length);
    if (length <= 32) {
      for (let i = 0; i < length; i++) this.#buffer[this.#position + i] = value[i] ?? 0;
    } else {
      this.#buffer.set(value, this.#position);
    }
    this.#position += length;
  }

  /** A bare unsigned varint, without a tag. */
  varint(value: number): void {
    assert(Number.isSafeInteger(value) && value >= 0, `a length is a safe integer >= 0: ${value}`);
    this.#varintNumber(value);
  }

  #tag(field: number, wireType: number): void {
    if (field < 16) {
      this.#reserve(1);
      this.#buffer[this.#position++] = (field << 3) | wireType;
    } else {
      this.#varintNumber(field * 8 + wireType);
    }
  }

  /** Writes nothing and returns false when a character is not ASCII. */
  #shortAscii(field: number, value: string): boolean {
    const start = this.#position;
    const { length } = value;
    this.#tag(field, DELIMITED);
    this.#reserve(1 + length);
    this.#buffer[this.#position++] = length;
    for (let i = 0; i < length; i++) {
      const code = value.charCodeAt(i);
      if (code > 0x7f) {
        this.#position = start;
        return false;
      }
      this.#buffer[this.#position++] = code;
    }
    return true;
  }

  #varintNumber(value: number): void {
    if (this.#position + VARINT_BYTES_MAX > this.#buffer.length) this.#reserve(varintSize(value));
    let rest = value;
    while (rest >= TWO_32) {
      this.#buffer[this.#position++] = (rest % 128) | 0x80;
      rest = Math.floor(rest / 128);
    }
    rest >>>= 0;
    while (rest > 0x7f) {
      this.#buffer[this.#position++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    this.#buffer[this.#position++] = rest;
  }

  #varintSigned(value: number): void {
    if (value >= 0) this.#varintNumber(value);
    else this.#varintBigint(BigInt.asUintN(64, BigInt(value)));
  }

  #varintBigint(value: bigint): void {
    if (value <= 0x1f_ffff_ffff_ffffn) {
      this.#varintNumber(Number(value));
      return;
    }
    this.#reserve(10);
    let rest = value;
    while (rest > 0x7fn) {
      this.#buffer[this.#position++] = Number(rest & 0x7fn) | 0x80;
      rest >>= 7n;
    }
    this.#buffer[this.#position++] = Number(rest);
  }

  /** Leaves one byte for a length that is known only afterwards; most messages need no more. */
  #openLength(): number {
    this.#reserve(1);
    return ++this.#position;
  }

  #closeLength(start: number): void {
    const length = this.#position - start;
    if (length < 128) {
      this.#buffer[start - 1] = length;
      return;
    }
    const extra = varintSize(length) - 1;
    this.#reserve(extra);
    this.#buffer.copyWithin(start + extra, start, this.#position);
    this.#position += extra;
    let at = start - 1;
    for (let rest = length; ; rest >>>= 7) {
      if (rest <= 0x7f) {
        this.#buffer[at] = rest;
        return;
      }
      this.#buffer[at++] = (rest & 0x7f) | 0x80;
    }
  }

  #reserve(count: number): void {
    const needed = this.#position + count;
    if (needed <= this.#buffer.length) return;
    const grown = new Uint8Array(Math.max(needed, this.#buffer.length * 2));
    grown.set(this.#buffer.subarray(0, this.#position));
    this.#buffer = grown;
  }
}

/** The one in which short messages are written; undefined while one is, for those inside of it. */
let shared: Writer | undefined = new Writer(SHARED_BYTES);

/**
 * Bytes of one message. `capacity` as for `Writer`. The array may be a view of a buffer that other messages
 * share: copy what goes to another thread by transfer.
 */
export function encode<T>(encoder: MessageEncoder<T>, value: T, capacity?: number): Uint8Array {
  const writer = shared;
  if (writer === undefined || (capacity ?? 0) > SHARED_BYTES) {
    const own = new Writer(capacity);
    encoder(own, value);
    return own.finish();
  }
  shared = undefined;
  try {
    encoder(writer, value);
    // One that has grown belongs to its long message: what it wrote is not copied once more.
    return writer.capacity > SHARED_BYTES ? writer.finish() : kept(writer.written());
  } finally {
    writer.reset();
    shared = writer.capacity > SHARED_BYTES ? new Writer(SHARED_BYTES) : writer;
  }
}

let slab = new Uint8Array(SLAB_BYTES);
let slabUsed = 0;

/** A copy: of a short message in a slab that it shares with others, so that it costs no buffer of its own. */
function kept(bytes: Uint8Array): Uint8Array {
  const { length } = bytes;
  if (length <= IN_HEAP_BYTES_MAX || length > SLAB_MESSAGE_BYTES_MAX) return bytes.slice();
  if (slabUsed + length > SLAB_BYTES) {
    slab = new Uint8Array(SLAB_BYTES);
    slabUsed = 0;
  }
  const copy = slab.subarray(slabUsed, slabUsed + length);
  copy.set(bytes);
  slabUsed += length;
  return copy;
}

/** Bytes of one message with its length in front (spec §2.10). */
export function encodeDelimited<T>(
  encoder: MessageEncoder<T>,
  value: T,
  capacity?: number,
): Uint8Array {
  const writer = new Writer(capacity);
  writer.delimited(value, encoder);
  return writer.finish();
}

/** Bytes that a safe integer >= 0 takes as a varint. */
export function varintSize(value: number): number {
  let size = 1;
  for (let rest = value; rest > 127; rest = Math.floor(rest / 128)) size++;
  return size;
}

function outOfRange(field: number, type: string, value: bigint | number): Error {
  return codecError("CODEC_OUT_OF_RANGE", `field ${field}: expected ${type}, got ${value}`);
}
