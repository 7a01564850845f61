/**
 * Messages as tables: encoder, decoder and checks of a record follow from one list of its fields, so that
 * they cannot differ. Canonical and strict as everything of Weft's own (docs/formats.md, "Encoding").
 *
 *     const DELEGATION = defineRecord<DelegationState>({
 *       shares: [1, decimal(1n)],
 *       period: [2, uint],
 *       stake: [3, amount],
 *     });
 *     DELEGATION.decode(DELEGATION.encode(delegation));
 */
import { Height } from "../brands.ts";
import { compareBytes, EMPTY_BYTES, fromHex, toHex, utf8ToBytes } from "../bytes.ts";
import { assert } from "../errors.ts";
import { codecError } from "./errors.ts";
import { decode, type MessageDecoder, type Reader } from "./reader.ts";
import { checkAmount, checkLength, outOfRange } from "./weft-basics.ts";
import { encode, type MessageEncoder, type Writer } from "./writer.ts";

/** Bytes of a decimal. */
export const DECIMAL_BYTES_MAX = 32;

/** How a field is written, and which of its values are valid. */
export interface FieldKind<Value> {
  /** The value of a field that is not written; absent where it has to be. */
  readonly absent?: { readonly value: Value };
  readonly write: (writer: Writer, field: number, value: Value) => void;
  /** `before`: what earlier elements of a repeated field made. */
  readonly read: (reader: Reader, before: Value | undefined) => Value;
  /** Throws a `CodecError` that names the field. */
  readonly check?: (name: string, value: Value) => void;
}

export type RecordFields<Value> = {
  readonly [Name in keyof Value]-?: readonly [field: number, kind: FieldKind<Value[Name]>];
};

/** One message of the wire. */
export interface RecordCodec<Value> {
  /** Throws a `CodecError` for a value that the decoder would refuse. */
  readonly encode: (value: Value) => Uint8Array;
  /** Throws a `CodecError` unless `bytes` are what `encode` writes. Byte fields are copies. */
  readonly decode: (bytes: Uint8Array) => Value;
  /** As an embedded message. */
  readonly write: MessageEncoder<Value>;
  /** As an embedded message; byte fields are copies. */
  readonly read: MessageDecoder<Value>;
}

/** `check`: what must hold between fields; throws a `CodecError`. */
export function defineRecord<Value extends object>(
  fields: RecordFields<Value>,
  check?: (value: Value) => void,
): RecordCodec<Value> {
  const table = fieldTable(fields);
  const checkAll = (value: Record<string, unknown>): void => {
    for (const { name, wireName, kind } of table.inOrder) kind.check?.(wireName, value[name]);
    check?.(value as Value);
  };
  const write = (writer: Writer, value: Value): void => {
    const record = value as Record<string, unknown>;
    checkAll(record);
    for (const { name, field, kind } of table.inOrder) kind.write(writer, field, record[name]);
  };
  const read = (reader: Reader): Value => {
    const record: Record<string, unknown> = { ...table.absent };
    while (reader.next()) {
      const entry = table.byField[reader.field];
      if (entry === undefined) reader.unknown();
      else record[entry.name] = entry.kind.read(reader, record[entry.name]);
    }
    for (const name of table.required) {
      if (record[name] === undefined) throw reader.missing(snakeCase(name));
    }
    checkAll(record);
    return record as Value;
  };
  return recordCodec(write, read);
}

/** A message that is one of several, told by `kind`: a protobuf `oneof` and nothing else. */
export function defineUnion<Value extends { readonly kind: string }>(
  members: {
    readonly [Kind in Value["kind"]]: readonly [
      field: number,
      codec: RecordCodec<Omit<Extract<Value, { readonly kind: Kind }>, "kind">>,
    ];
  },
): UnionCodec<Value> {
  const byKind = members as Readonly<
    Record<string, readonly [number, RecordCodec<object>] | undefined>
  >;
  const byField: ({ readonly kind: string; readonly codec: RecordCodec<object> } | undefined)[] =
    [];
  for (const kind of Object.keys(members)) {
    const [field, codec] = byKind[kind] ?? assertMember(kind);
    assert(byField[field] === undefined, `field ${field} has two members`);
    byField[field] = { kind, codec };
  }
  const readMember = (reader: Reader): Value | undefined => {
    const member = byField[reader.field];
    if (member === undefined) return undefined;
    return { kind: member.kind, ...reader.oneofMessage(member.codec.read) } as unknown as Value;
  };
  const write = (writer: Writer, value: Value): void => {
    const [field, codec] = byKind[value.kind] ?? assertMember(value.kind);
    writer.message(field, value, codec.write);
  };
  const read = (reader: Reader): Value => {
    let value: Value | undefined;
    while (reader.next()) {
      if (value !== undefined) {
        throw codecError("CODEC_FIELD_ORDER", `field ${reader.field} is a second member`);
      }
      value = readMember(reader);
      if (value === undefined) reader.unknown();
    }
    if (value === undefined) throw reader.missing("the member of a oneof");
    return value;
  };
  const has = (value: { readonly kind: string }): value is Value =>
    Object.hasOwn(members, value.kind);
  return { ...recordCodec(write, read), has, readMember };
}

export interface UnionCodec<Value extends { readonly kind: string }> extends RecordCodec<Value> {
  /** Whether a value of a wider union is one of these. */
  readonly has: (value: { readonly kind: string }) => value is Value;
  /** Inside a message with other fields: reads the field at hand; undefined when it is no member. */
  readonly readMember: (reader: Reader) => Value | undefined;
}

/** "baseFeeMin" as "base_fee_min": how a member is called in messages and in genesis.json. */
export function snakeCase<Name extends string>(name: Name): SnakeCase<Name> {
  return name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`) as SnakeCase<Name>;
}

/** What `snakeCase` makes of a name. */
export type SnakeCase<Name extends string> = Name extends `${infer First}${infer Rest}`
  ? `${First extends Lowercase<First> ? First : `_${Lowercase<First>}`}${SnakeCase<Rest>}`
  : Name;

/** nweft, below 2^63. */
export const amount: FieldKind<bigint> = {
  absent: { value: 0n },
  write: (writer, field, value) => writer.uint64(field, value),
  read: (reader) => reader.uint64(),
  check: checkAmount,
};

/** nweft, 1 to 2^63 - 1. */
export const positiveAmount: FieldKind<bigint> = {
  ...amount,
  check: (name, value) => {
    checkAmount(name, value);
    if (value === 0n) throw outOfRange(name, "at least 1", value);
  },
};

/** A safe integer of either sign; both bounds inclusive. */
export function int(min: number, max: number): FieldKind<number> {
  return {
    absent: { value: 0 },
    write: (writer, field, value) => writer.int(field, value),
    read: (reader) => reader.int(),
    check: (name, value) => {
      if (value < min || value > max) throw outOfRange(name, `${min} to ${max}`, value);
    },
  };
}

/** int64 of either sign; both bounds inclusive. */
export function int64(min: bigint, max: bigint): FieldKind<bigint> {
  return {
    absent: { value: 0n },
    write: (writer, field, value) => writer.int64(field, value),
    read: (reader) => reader.int64(),
    check: (name, value) => {
      if (value < min || value > max) throw outOfRange(name, `${min} to ${max}`, value);
    },
  };
}

/** Units of 10^-18, at least `min`: unsigned big-endian bytes without leading zeros. */
export function decimal(min = 0n): FieldKind<bigint> {
  return {
    absent: { value: 0n },
    write: (writer, field, value) => writer.bytes(field, decimalToBytes(value)),
    read: (reader) => bytesToDecimal(reader.field, reader.bytes(DECIMAL_BYTES_MAX)),
    check: (name, value) => {
      if (value < min) throw outOfRange(name, `a decimal of at least ${min}`, value);
    },
  };
}

/** A safe integer >= 0: an id, a period, seconds. */
export const uint: FieldKind<number> = {
  absent: { value: 0 },
  write: (writer, field, value) => writer.uint(field, value),
  read: (reader) => reader.uint(),
};

/** An id: a safe integer from 1 on. */
export const positiveUint: FieldKind<number> = {
  ...uint,
  check: (name, value) => {
    if (value < 1) throw outOfRange(name, "at least 1", value);
  },
};

export const height: FieldKind<Height> = {
  absent: { value: Height(0) },
  write: (writer, field, value) => writer.uint(field, value),
  read: (reader) => Height(reader.uint()),
};

/** Both inclusive. */
export function uint32(min = 0, max = 0xffff_ffff): FieldKind<number> {
  return {
    absent: { value: 0 },
    write: (writer, field, value) => writer.uint32(field, value),
    read: (reader) => reader.uint32(),
    check: (name, value) => {
      if (value < min || value > max) throw outOfRange(name, `${min} to ${max}`, value);
    },
  };
}

/** One of the values of an `as const` table; none of them is 0. */
export function choice<Value extends number>(
  values: Readonly<Record<string, Value>>,
): FieldKind<Value> {
  const known: readonly number[] = Object.values(values);
  assert(!known.includes(0), "0 is what an absent field says");
  return {
    write: (writer, field, value) => writer.uint32(field, value),
    read: (reader) => reader.uint32() as Value,
    check: (name, value) => {
      if (!known.includes(value)) throw outOfRange(name, `one of ${known.join(", ")}`, value);
    },
  };
}

export const flag: FieldKind<boolean> = {
  absent: { value: false },
  write: (writer, field, value) => writer.bool(field, value),
  read: (reader) => reader.bool(),
};

/** UTF-8 of `min` to `max` bytes. */
export function text(max: number, min = 0): FieldKind<string> {
  return {
    absent: { value: "" },
    write: (writer, field, value) => writer.string(field, value),
    read: (reader) => reader.string(max),
    check: (name, value) => {
      const { length } = utf8ToBytes(value);
      if (length < min || length > max) {
        throw codecError("CODEC_LENGTH", `${name}: expected ${min} to ${max} bytes, got ${length}`);
      }
    },
  };
}

/** Exactly `length` bytes. */
export function fixedBytes(length: number): FieldKind<Uint8Array> {
  return {
    absent: { value: EMPTY_BYTES },
    write: (writer, field, value) => writer.bytes(field, value),
    read: (reader) => reader.bytesCopy(length),
    check: (name, value) => checkLength(name, value, length),
  };
}

/** `length` bytes or none. */
export function optionalBytes(length: number): FieldKind<Uint8Array> {
  return {
    ...fixedBytes(length),
    check: (name, value) => {
      if (value.length !== 0) checkLength(name, value, length);
    },
  };
}

/** `min` to `max` bytes, both inclusive, a multiple of `unit`. */
export function bytesWithin(max: number, min = 0, unit = 1): FieldKind<Uint8Array> {
  return {
    absent: { value: EMPTY_BYTES },
    write: (writer, field, value) => writer.bytes(field, value),
    read: (reader) => reader.bytesCopy(max),
    check: (name, { length }) => {
      if (length >= min && length <= max && length % unit === 0) return;
      const expected = unit === 1 ? `${min} to ${max} bytes` : `${min} to ${max}, whole ${unit}s`;
      throw codecError("CODEC_LENGTH", `${name}: expected ${expected}, got ${length}`);
    },
  };
}

/** `min` to `max` byte strings of `length` each, strictly ascending. */
export function ascendingBytes(
  length: number,
  max: number,
  min = 0,
): FieldKind<readonly Uint8Array[]> {
  const none: readonly Uint8Array[] = [];
  return {
    absent: { value: none },
    write: (writer, field, values) => {
      for (const value of values) writer.bytesElement(field, value);
    },
    read: (reader, before = none) => {
      if (before.length >= max) {
        throw codecError("CODEC_TOO_MANY", `field ${reader.field}: at most ${max} elements`);
      }
      const element = reader.repeatedBytesCopy(length);
      if (before === none) return [element];
      // As in `list`: nobody else has the array yet.
      (before as Uint8Array[]).push(element);
      return before;
    },
    check: (name, values) => {
      checkCount(name, values, min, max);
      for (const value of values) checkLength(name, value, length);
      checkAscending(name, values, compareBytes);
    },
  };
}

/** `min` to `max` amounts of nweft, packed. */
export function amounts(max: number, min = 0): FieldKind<readonly bigint[]> {
  return {
    absent: { value: [] },
    write: (writer, field, values) => writer.packedUint64(field, values),
    read: (reader) => {
      const values: bigint[] = [];
      reader.repeatedUint64(values, max);
      return values;
    },
    check: (name, values) => {
      checkCount(name, values, min, max);
      for (const value of values) checkAmount(name, value);
    },
  };
}

/** For `check` of a list: throws unless it has `min` to `max` elements. */
export function checkCount(
  name: string,
  { length }: readonly unknown[],
  min: number,
  max: number,
): void {
  if (length >= min && length <= max) return;
  throw codecError("CODEC_TOO_MANY", `${name}: expected ${min} to ${max}, got ${length}`);
}

/** `min` to `max` numbers below 2^32, packed. */
export function uints(max: number, min = 0): FieldKind<readonly number[]> {
  return {
    absent: { value: [] },
    write: (writer, field, values) => writer.packedUint64(field, values.map(BigInt)),
    read: (reader) => {
      const values: bigint[] = [];
      reader.repeatedUint64(values, max);
      return values.map(Number);
    },
    check: (name, values) => {
      checkCount(name, values, min, max);
      for (const value of values) {
        if (value < 0 || value > 0xffff_ffff) throw outOfRange(name, "below 2^32", value);
      }
    },
  };
}

/** For `check` of a record: throws unless each element is above the one before it. */
export function checkAscending<Value>(
  name: string,
  values: readonly Value[],
  compare: (a: Value, b: Value) => number,
): void {
  let previous: Value | undefined;
  for (const value of values) {
    if (previous !== undefined && compare(previous, value) >= 0) {
      throw codecError("CODEC_ELEMENT_ORDER", `${name} must ascend and be unique`);
    }
    previous = value;
  }
}

/** An embedded message that is always written. */
export function nested<Value>(codec: RecordCodec<Value>): FieldKind<Value> {
  return {
    write: (writer, field, value) => writer.message(field, value, codec.write),
    read: (reader) => reader.message(codec.read),
  };
}

/** An embedded message that may be missing. */
export function optional<Value>(codec: RecordCodec<Value>): FieldKind<Value | undefined> {
  return {
    absent: { value: undefined },
    write: (writer, field, value) => {
      if (value !== undefined) writer.message(field, value, codec.write);
    },
    read: (reader) => reader.message(codec.read),
  };
}

/** `min` to `max` embedded messages. */
export function list<Value>(
  codec: RecordCodec<Value>,
  max: number,
  min = 0,
): FieldKind<readonly Value[]> {
  const none: readonly Value[] = [];
  return {
    absent: { value: none },
    write: (writer, field, values) => {
      for (const value of values) writer.message(field, value, codec.write);
    },
    read: (reader, before = none) => {
      if (before.length >= max) {
        throw codecError("CODEC_TOO_MANY", `field ${reader.field}: at most ${max} elements`);
      }
      const element = reader.repeatedMessage(codec.read);
      // The first element makes the array, the others join it: nobody else has it yet.
      if (before === none) return [element];
      (before as Value[]).push(element);
      return before;
    },
    check: (name, values) => checkCount(name, values, min, max),
  };
}

interface FieldEntry {
  readonly name: string;
  readonly wireName: string;
  readonly field: number;
  readonly kind: FieldKind<unknown>;
}

interface FieldTable {
  readonly inOrder: readonly FieldEntry[];
  readonly byField: readonly (FieldEntry | undefined)[];
  readonly absent: Readonly<Record<string, unknown>>;
  readonly required: readonly string[];
}

function fieldTable<Value>(fields: RecordFields<Value>): FieldTable {
  const given = Object.entries(fields) as [string, readonly [number, FieldKind<unknown>]][];
  const inOrder = given
    .map(([name, [field, kind]]) => ({ name, wireName: snakeCase(name), field, kind }))
    .sort((a, b) => a.field - b.field);
  const byField: (FieldEntry | undefined)[] = [];
  for (const entry of inOrder) {
    assert(byField[entry.field] === undefined, `two fields have number ${entry.field}`);
    byField[entry.field] = entry;
  }
  return {
    inOrder,
    byField,
    // In the order of the table, so that all values of a record have one shape.
    absent: Object.fromEntries(given.map(([name, [, kind]]) => [name, kind.absent?.value])),
    required: inOrder.filter(({ kind }) => kind.absent === undefined).map(({ name }) => name),
  };
}

function recordCodec<Value>(
  write: MessageEncoder<Value>,
  read: MessageDecoder<Value>,
): RecordCodec<Value> {
  return {
    write,
    read,
    encode: (value) => encode(write, value),
    decode: (bytes) => decode(read, bytes, "strict"),
  };
}

function decimalToBytes(value: bigint): Uint8Array {
  if (value === 0n) return EMPTY_BYTES;
  const hex = value.toString(16);
  const bytes = fromHex(hex.length % 2 === 0 ? hex : `0${hex}`);
  if (bytes.length > DECIMAL_BYTES_MAX) {
    throw outOfRange("a decimal", `at most ${DECIMAL_BYTES_MAX} bytes`, value);
  }
  return bytes;
}

function bytesToDecimal(field: number, bytes: Uint8Array): bigint {
  if (bytes[0] === 0) {
    throw codecError("CODEC_EXPLICIT_ZERO", `field ${field}: a decimal has no leading zero`);
  }
  return BigInt(`0x${toHex(bytes)}`);
}

function assertMember(kind: string): never {
  throw codecError("CODEC_MISSING_FIELD", `${kind} is no member of the oneof`);
}
