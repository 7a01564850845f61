import { EMPTY_BYTES } from "../bytes.ts";
import { assert } from "../errors.ts";
import { codecError, type CodecErrorCode } from "./errors.ts";
import { varintSize } from "./writer.ts";

const VARINT = 0;
const FIXED64 = 1;
const DELIMITED = 2;
const GROUP_START = 3;
const GROUP_END = 4;
const FIXED32 = 5;
const TWO_32 = 0x1_0000_0000;
/** Shorter spans are copied faster by hand than by a call. */
const COPIED_BY_BYTE_MAX = 32;

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * `lenient` reads as CometBFT's generated Go code does: any order, unknown fields skipped, the last
 * scalar wins, repeated occurrences of one embedded message merge, 32-bit fields keep the low bits.
 * `strict` accepts exactly what `Writer` writes, so that every accepted value has one encoding.
 */
export type ReadMode = "lenient" | "strict";

/** Reads the body of one message, to its end. */
export type MessageDecoder<T> = (reader: Reader) => T;

/**
 * A protobuf reader. A decoder loops over the fields and reads each with the method of its type:
 *
 *     while (reader.next()) {
 *       switch (reader.field) {
 *         case 1: key = reader.uint64(); break;
 *         case 2: value = reader.bytesCopy(32); break;
 *         default: reader.unknown();
 *       }
 *     }
 *
 * In strict mode the plain methods refuse a second occurrence and an explicit zero. `repeated...`
 * methods allow both; `...Element` and `oneofMessage` allow the zero only and serve oneof members.
 * What strict cannot see by itself: that an always-written embedded message is absent (check it
 * after the loop), and that a oneof has two members (check it in the loop).
 */
export class Reader {
  readonly strict: boolean;
  /** Number of the field at hand. */
  field = 0;
  readonly #buffer: Uint8Array;
  #position: number;
  #end: number;
  #wireType = 0;
  /** The message being read: where it starts, its last field, whether that field may repeat. */
  #start: number;
  #lastField = 0;
  #mayRepeat = false;
  /** Whether a later member of a oneof takes the place of what is read: nobody looks at it. */
  #isReplaced = false;
  /** Embedded messages of the message being read that occur more than once, by field. */
  #merged: Map<number, unknown> | undefined;
  /** The varint just read, as unsigned 32-bit halves. */
  #low = 0;
  #high = 0;

  constructor(bytes: Uint8Array, mode: ReadMode) {
    // A Buffer's slice and subarray make Buffers; a plain view keeps what we hand out plain.
    this.#buffer = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#position = 0;
    this.#start = 0;
    this.#end = this.#buffer.length;
    this.strict = mode === "strict";
  }

  /** Moves to the next field of this message; false at its end. */
  next(): boolean {
    if (this.#position >= this.#end) return false;
    this.#tag();
    if (this.strict) {
      if (this.field < this.#lastField || (this.field === this.#lastField && !this.#mayRepeat)) {
        throw codecError(
          "CODEC_FIELD_ORDER",
          `field ${this.field} after field ${this.#lastField}: expected ascending, at most once`,
        );
      }
      this.#lastField = this.field;
    }
    this.#mayRepeat = false;
    return true;
  }

  /** A uint64 that must be a safe integer. */
  uint(): number {
    return this.#nonZero(this.uintElement());
  }

  uintElement(): number {
    this.#varintField();
    const value = this.#high * TWO_32 + this.#low;
    return this.#high > 0x1f_ffff ? this.#unsafe() : value;
  }

  /** An int64 that must be a safe integer. */
  int(): number {
    return this.#nonZero(this.intElement());
  }

  intElement(): number {
    this.#varintField();
    const value = (this.#high | 0) * TWO_32 + this.#low;
    return Number.isSafeInteger(value) ? value : this.#unsafe();
  }

  uint32(): number {
    return this.#nonZero(this.uint32Element());
  }

  uint32Element(): number {
    this.#varintField();
    if (this.strict && this.#high !== 0) throw this.#outOfRange("uint32");
    return this.#low;
  }

  /** int32 and enums. */
  int32(): number {
    return this.#nonZero(this.int32Element());
  }

  int32Element(): number {
    this.#varintField();
    const value = this.#low | 0;
    if (this.strict && this.#high !== (value < 0 ? 0xffff_ffff : 0)) {
      throw this.#outOfRange("int32");
    }
    return value;
  }

  uint64(): bigint {
    return this.#nonZeroBigint(this.uint64Element());
  }

  uint64Element(): bigint {
    this.#varintField();
    return this.#high === 0 ? BigInt(this.#low) : (BigInt(this.#high) << 32n) | BigInt(this.#low);
  }

  int64(): bigint {
    return this.#nonZeroBigint(this.int64Element());
  }

  int64Element(): bigint {
    this.#varintField();
    return this.#high === 0
      ? BigInt(this.#low)
      : (BigInt(this.#high | 0) << 32n) | BigInt(this.#low);
  }

  bool(): boolean {
    this.#varintField();
    const value = this.#low !== 0 || this.#high !== 0;
    if (this.strict && (this.#low !== 1 || this.#high !== 0)) {
      throw value ? this.#outOfRange("bool") : this.#explicitZero();
    }
    return value;
  }

  sfixed64(): bigint {
    this.#expect(FIXED64);
    const at = this.#advance(8);
    let value = 0n;
    for (let i = 7; i >= 0; i--) value = (value << 8n) | BigInt(this.#buffer[at + i] ?? 0);
    return this.#nonZeroBigint(BigInt.asIntN(64, value));
  }

  /** A view into the input, of at most `lengthMax` bytes. Copy what outlives the input. */
  bytes(lengthMax: number): Uint8Array {
    const value = this.#view(lengthMax);
    if (this.strict && value.length === 0) throw this.#explicitZero();
    return value;
  }

  /** A view, empty ones included: a oneof member. */
  bytesElement(lengthMax: number): Uint8Array {
    return this.#view(lengthMax);
  }

  /** A view of one element of a repeated field. */
  repeatedBytes(lengthMax: number): Uint8Array {
    this.#mayRepeat = true;
    return this.#view(lengthMax);
  }

  /** A private copy of at most `lengthMax` bytes. */
  bytesCopy(lengthMax: number): Uint8Array {
    return this.bytes(lengthMax).slice();
  }

  bytesElementCopy(lengthMax: number): Uint8Array {
    return this.bytesElement(lengthMax).slice();
  }

  repeatedBytesCopy(lengthMax: number): Uint8Array {
    return this.repeatedBytes(lengthMax).slice();
  }

  /** UTF-8 text of at most `lengthMax` bytes. */
  string(lengthMax: number): string {
    return this.#text(this.bytes(lengthMax));
  }

  stringElement(lengthMax: number): string {
    return this.#text(this.bytesElement(lengthMax));
  }

  repeatedString(lengthMax: number): string {
    return this.#text(this.repeatedBytes(lengthMax));
  }

  /**
   * A singular embedded message. In lenient mode its occurrences merge, which is decoding their
   * concatenation: so does Go, and a block that relies on it has to mean the same here.
   */
  message<T>(decode: MessageDecoder<T>): T {
    const start = this.#delimitedStart();
    const end = this.#position;
    const { field } = this;
    // Once per field: looking for all occurrences at each of them would be quadratic, and whoever
    // sends a message chooses how many there are.
    if (this.#merged?.has(field) === true) return this.#merged.get(field) as T;
    const joined = this.strict ? undefined : this.#joinedOccurrences();
    if (joined !== undefined) {
      const reader = new Reader(joined, "lenient");
      reader.#isReplaced = this.#isReplaced;
      const value = decode(reader);
      assert(!reader.next(), "a message decoder reads its message to the end");
      this.#merged ??= new Map();
      this.#merged.set(field, value);
      return value;
    }
    return this.#nested(start, end, decode);
  }

  /** A singular embedded message of which the last occurrence wins: Go's stdtime, stdduration. */
  messageLast<T>(decode: MessageDecoder<T>): T {
    const start = this.#delimitedStart();
    return this.#nested(start, this.#position, decode);
  }

  /**
   * A oneof member: a later one replaces it, nothing merges.
   *
   * @param lastMember the members are the fields from 1 to it. Of one that is replaced only the wire format counts, and
   * its value is none: a block that relies on it has to mean the same here. Left out: such a one is judged as any other.
   */
  oneofMessage<T>(decode: MessageDecoder<T>, lastMember = 0): T {
    const start = this.#delimitedStart();
    const end = this.#position;
    const wasReplaced = this.#isReplaced;
    this.#isReplaced ||= !this.strict && lastMember > 0 && this.#occursLater(1, lastMember);
    const value = this.#nested(start, end, decode);
    this.#isReplaced = wasReplaced;
    return value;
  }

  /** One element of a repeated embedded message. */
  repeatedMessage<T>(decode: MessageDecoder<T>): T {
    this.#mayRepeat = true;
    return this.messageLast(decode);
  }

  /**
   * A repeated uint64, appended to `into`: packed, or (lenient) one by one. Strict takes only the
   * packed form.
   */
  repeatedUint64(into: bigint[], countMax: number): void {
    this.#mayRepeat = !this.strict;
    if (this.#wireType === VARINT && !this.strict) {
      this.#checkCount(into.length, countMax);
      into.push(this.uint64Element());
      return;
    }
    const start = this.#delimitedStart();
    const end = this.#position;
    if (this.strict && start === end) throw this.#explicitZero();
    this.#position = start;
    while (this.#position < end) {
      this.#checkCount(into.length, countMax);
      this.#varint(end);
      into.push((BigInt(this.#high) << 32n) | BigInt(this.#low));
    }
  }

  /** Refuses (strict) or skips (lenient) a field that the message does not have. */
  unknown(): void {
    if (this.strict) {
      throw codecError("CODEC_UNKNOWN_FIELD", `field ${this.field} is not part of the message`);
    }
    this.#skip();
  }

  /**
   * Refuses the value at hand, or what the message came to in its end. In lenient mode not where a later occurrence
   * replaces it (that of a repeated field does not): Go judges a message when it has read all of it. The caller goes
   * on with any value then.
   *
   * @throws CodecError
   */
  refuse(code: CodecErrorCode, message: string, cause?: unknown): void {
    const isReplaced =
      this.#isReplaced ||
      (!this.strict && !this.#mayRepeat && this.#occursLater(this.field, this.field));
    if (!isReplaced) throw codecError(code, message, cause);
  }

  /**
   * An embedded message or oneof that must be there, unless it is part of what is replaced: nobody looks at that.
   *
   * @throws CodecError CODEC_MISSING_FIELD
   */
  required<T>(value: T | undefined, what: string): T {
    if (value === undefined && !this.#isReplaced) throw this.missing(what);
    return value as T;
  }

  /** The error for an embedded message or oneof that must be there. */
  missing(what: string): Error {
    return codecError("CODEC_MISSING_FIELD", `${what} is missing`);
  }

  #tag(): void {
    const start = this.#position;
    this.#varint(this.#end);
    this.#wireType = this.#low & 7;
    if (this.#high === 0) {
      this.field = this.#low >>> 3;
    } else {
      // Go takes the tag as a uint64 and keeps the low 32 bits of the number.
      this.field = (this.#low >>> 3) | (this.#high << 29) | 0;
      if (this.strict) throw codecError("CODEC_TAG", `tag at byte ${start} is too large`);
    }
    if (this.field <= 0 || this.#wireType === GROUP_END || this.#wireType > FIXED32) {
      throw codecError(
        "CODEC_TAG",
        `tag at byte ${start}: field ${this.field}, wire type ${this.#wireType}`,
      );
    }
  }

  /** Reads a varint below `end` into the two halves; bits above 64 are dropped, as in Go. */
  #varint(end: number): void {
    const buffer = this.#buffer;
    const start = this.#position;
    let at = start;
    let low = 0;
    let high = 0;
    let byte = 0x80;
    for (let shift = 0; byte >= 0x80; shift += 7) {
      if (shift >= 70) throw codecError("CODEC_VARINT", `varint at byte ${start}: over 10 bytes`);
      if (at >= end) throw codecError("CODEC_TRUNCATED", `varint at byte ${start} is cut off`);
      byte = buffer[at++] ?? 0;
      const bits = byte & 0x7f;
      if (shift < 28) {
        low |= bits << shift;
      } else if (shift === 28) {
        low |= bits << 28;
        high |= bits >>> 4;
      } else {
        high |= bits << (shift - 32);
      }
    }
    if (this.strict && at - start > 1 && (byte === 0 || (at - start === 10 && byte > 1))) {
      throw codecError("CODEC_VARINT", `varint at byte ${start} is not minimal`);
    }
    this.#position = at;
    this.#low = low >>> 0;
    this.#high = high >>> 0;
  }

  #varintField(): void {
    this.#expect(VARINT);
    this.#varint(this.#end);
  }

  #expect(wireType: number): void {
    if (this.#wireType !== wireType) {
      throw codecError(
        "CODEC_TAG",
        `field ${this.field}: expected wire type ${wireType}, got ${this.#wireType}`,
      );
    }
  }

  /** Moves over `count` bytes and returns where they start. */
  #advance(count: number): number {
    const at = this.#position;
    if (count > this.#end - at) {
      throw codecError(
        "CODEC_TRUNCATED",
        `field ${this.field}: needs ${count} bytes at byte ${at}, ${this.#end - at} are left`,
      );
    }
    this.#position = at + count;
    return at;
  }

  /** Moves over a length-delimited value and returns where it starts. */
  #delimitedStart(): number {
    this.#expect(DELIMITED);
    this.#varint(this.#end);
    return this.#advance(this.#high * TWO_32 + this.#low);
  }

  #view(lengthMax: number): Uint8Array {
    const start = this.#delimitedStart();
    const length = this.#position - start;
    if (length > lengthMax) {
      const allowed = `at most ${lengthMax} are allowed`;
      this.refuse("CODEC_TOO_LARGE", `field ${this.field}: ${length} bytes, ${allowed}`);
      return EMPTY_BYTES;
    }
    return this.#buffer.subarray(start, this.#position);
  }

  #text(bytes: Uint8Array): string {
    try {
      return utf8.decode(bytes);
    } catch (cause) {
      this.refuse("CODEC_UTF8", `field ${this.field} is not UTF-8`, cause);
      return "";
    }
  }

  #nested<T>(start: number, end: number, decode: MessageDecoder<T>): T {
    const outerStart = this.#start;
    const outerEnd = this.#end;
    const outerMayRepeat = this.#mayRepeat;
    const outerField = this.field;
    const outerMerged = this.#merged;
    this.#start = start;
    this.#position = start;
    this.#end = end;
    this.#lastField = 0;
    this.#mayRepeat = false;
    this.#merged = undefined;
    const value = decode(this);
    assert(this.#position === end, "a message decoder reads its message to the end");
    this.#start = outerStart;
    this.#end = outerEnd;
    this.#mayRepeat = outerMayRepeat;
    this.#lastField = outerField;
    this.#merged = outerMerged;
    this.field = outerField;
    return value;
  }

  /**
   * The delimited occurrences of the current field in this message, joined; undefined when there is
   * only this one. Each must be well-formed by itself. Moves nothing, and makes no object per
   * occurrence: a megabyte may hold half a million of them.
   */
  #joinedOccurrences(): Uint8Array | undefined {
    const { field } = this;
    const [position, messageEnd] = [this.#position, this.#end];
    let count = 0;
    let length = 0;
    this.#position = this.#start;
    while (this.#toOccurrence(field)) {
      count++;
      const start = this.#delimitedStart();
      length += this.#position - start;
    }
    let joined: Uint8Array | undefined;
    if (count > 1) {
      joined = new Uint8Array(length);
      let at = 0;
      this.#position = this.#start;
      while (this.#toOccurrence(field)) {
        const start = this.#delimitedStart();
        const end = this.#position;
        this.#position = start;
        this.#end = end;
        while (this.#position < end) {
          this.#tag();
          this.#skip();
        }
        this.#end = messageEnd;
        if (end - start > COPIED_BY_BYTE_MAX) joined.set(this.#buffer.subarray(start, end), at);
        else for (let i = start; i < end; i++) joined[at + i - start] = this.#buffer[i] ?? 0;
        at += end - start;
      }
    }
    this.field = field;
    this.#wireType = DELIMITED;
    this.#position = position;
    return joined;
  }

  /**
   * Whether a field with a number from `first` to `last` follows in this message. Moves nothing; who asks again at each of
   * many occurrences is answered at the next one, so that all answers together take one walk for each number.
   */
  #occursLater(first: number, last: number): boolean {
    const { field } = this;
    const [position, wireType] = [this.#position, this.#wireType];
    let isFound = false;
    while (!isFound && this.#position < this.#end) {
      this.#tag();
      isFound = this.field >= first && this.field <= last;
      if (!isFound) this.#skip();
    }
    this.field = field;
    this.#position = position;
    this.#wireType = wireType;
    return isFound;
  }

  /** Moves to the value of the next delimited occurrence of `field`; false at the message's end. */
  #toOccurrence(field: number): boolean {
    while (this.#position < this.#end) {
      this.#tag();
      if (this.field === field && this.#wireType === DELIMITED) return true;
      this.#skip();
    }
    return false;
  }

  /** Skips the value of the current field; groups, which nothing here uses, with all they hold. */
  #skip(): void {
    let depth = 0;
    for (;;) {
      if (this.#wireType === VARINT) this.#varint(this.#end);
      else if (this.#wireType === FIXED64) this.#advance(8);
      else if (this.#wireType === DELIMITED) this.#delimitedStart();
      else if (this.#wireType === FIXED32) this.#advance(4);
      else if (this.#wireType === GROUP_START) depth++;
      else depth--;
      if (depth === 0) return;
      if (this.#position >= this.#end) {
        throw codecError("CODEC_TRUNCATED", `field ${this.field}: a group without its end`);
      }
      this.#varint(this.#end);
      this.#wireType = this.#low & 7;
      if (this.#wireType > FIXED32) {
        throw codecError("CODEC_TAG", `wire type ${this.#wireType} does not exist`);
      }
    }
  }

  #checkCount(count: number, countMax: number): void {
    if (count >= countMax) {
      throw codecError("CODEC_TOO_MANY", `field ${this.field}: more than ${countMax} elements`);
    }
  }

  #nonZero(value: number): number {
    if (this.strict && value === 0) throw this.#explicitZero();
    return value;
  }

  #nonZeroBigint(value: bigint): bigint {
    if (this.strict && value === 0n) throw this.#explicitZero();
    return value;
  }

  #explicitZero(): Error {
    return codecError("CODEC_EXPLICIT_ZERO", `field ${this.field}: zero must be left out`);
  }

  #unsafe(): number {
    this.refuse("CODEC_OUT_OF_RANGE", `field ${this.field}: the number is not a safe integer`);
    return 0;
  }

  #outOfRange(type: string): Error {
    return codecError("CODEC_OUT_OF_RANGE", `field ${this.field}: the number is not ${type}`);
  }
}

/** Reads all of `bytes` as one message. */
export function decode<T>(decoder: MessageDecoder<T>, bytes: Uint8Array, mode: ReadMode): T {
  const reader = new Reader(bytes, mode);
  const value = decoder(reader);
  assert(!reader.next(), "a message decoder reads its message to the end");
  return value;
}

/** Where the body of a delimited message lies. */
export interface DelimitedRange {
  readonly start: number;
  readonly end: number;
}

/**
 * Finds the body of a delimited message that starts at `offset`; undefined when its length is not
 * there in full. The body itself may still be incomplete: compare `end` with `bytes.length`.
 * A length over `lengthMax` is refused at once, so nobody waits for or allocates it.
 */
export function delimitedRange(
  bytes: Uint8Array,
  offset: number,
  lengthMax: number,
): DelimitedRange | undefined {
  let length = 0;
  for (let at = offset, scale = 1; at < bytes.length; at++, scale *= 128) {
    const byte = bytes[at] ?? 0;
    length += (byte & 0x7f) * scale;
    if (length > lengthMax || at - offset > 9) {
      throw codecError("CODEC_TOO_LARGE", `a message of at most ${lengthMax} bytes is expected`);
    }
    if (byte < 0x80) return { start: at + 1, end: at + 1 + length };
  }
  return undefined;
}

/** Reads all of `bytes` as one delimited message of at most `lengthMax` bytes. */
export function decodeDelimited<T>(
  decoder: MessageDecoder<T>,
  bytes: Uint8Array,
  mode: ReadMode,
  lengthMax: number,
): T {
  const range = delimitedRange(bytes, 0, lengthMax);
  if (range === undefined || range.end > bytes.length) {
    throw codecError("CODEC_TRUNCATED", "a delimited message is cut off");
  }
  if (range.end < bytes.length) {
    throw codecError("CODEC_TRAILING_BYTES", `${bytes.length - range.end} bytes after the message`);
  }
  if (mode === "strict" && range.start !== varintSize(range.end - range.start)) {
    throw codecError("CODEC_VARINT", "the length of a delimited message is not minimal");
  }
  return decode(decoder, bytes.subarray(range.start), mode);
}
