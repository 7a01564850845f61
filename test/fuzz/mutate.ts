/** Changes to inputs: of bytes, of protobuf fields and of JSON values, none of them always valid. */
import { concatBytes, joinBytes, utf8ToBytes } from "../../proto/bytes.ts";
import type { Random } from "../support/random.ts";
import type { Format } from "./target.ts";

/** A mutant of `input`, at most `bytesMax` long; `others` are inputs to splice with. */
export function mutate(
  input: Uint8Array,
  others: readonly Uint8Array[],
  format: Format,
  random: Random,
  bytesMax: number,
): Uint8Array {
  let mutant = input;
  for (let left = 1 + random.below(3); left > 0; left--) {
    const isStructured = random.chance(60);
    if (isStructured && format === "protobuf") mutant = mutateProtobuf(mutant, random, bytesMax);
    else if (isStructured && format === "json") mutant = mutateJson(mutant, random, bytesMax);
    else if (isStructured && format === "text") mutant = mutateText(mutant, random, bytesMax);
    else mutant = mutateBytes(mutant, others, random, bytesMax);
  }
  return mutant.length > bytesMax ? mutant.slice(0, bytesMax) : mutant;
}

const INTERESTING_BYTES = [0, 1, 0x7f, 0x80, 0xff, 0x0a, 0x12, 0x1a, 0x22, 0x5b, 0x7b, 0x22];

function mutateBytes(
  input: Uint8Array,
  others: readonly Uint8Array[],
  random: Random,
  bytesMax: number,
): Uint8Array {
  const at = random.below(input.length + 1);
  const end = Math.min(input.length, at + 1 + random.below(random.chance(80) ? 8 : 200));
  switch (random.below(10)) {
    case 0:
    case 1: {
      const copy = input.slice();
      if (copy.length > 0) {
        const place = random.below(copy.length);
        copy[place] = (copy[place] ?? 0) ^ (1 << random.below(8));
      }
      return copy;
    }
    case 2: {
      const copy = input.slice();
      if (copy.length > 0) copy[random.below(copy.length)] = interestingByte(random);
      return copy;
    }
    case 3:
      return concatBytes(input.subarray(0, at), bytesOf(random, 8), input.subarray(at));
    case 4:
      return concatBytes(input.subarray(0, at), input.subarray(end));
    case 5:
      return input.slice(0, at);
    case 6:
      return repeat(input, at, end, random, bytesMax);
    case 7: {
      const other = random.pick(others) ?? input;
      return concatBytes(input.subarray(0, at), other.subarray(random.below(other.length + 1)));
    }
    case 8: {
      // A big-endian or little-endian integer where one may stand.
      const copy = input.slice();
      const width = [2, 4, 8][random.below(3)] ?? 4;
      const value = random.pick(INTEGERS) ?? 0n;
      for (let i = 0; i < width && at + i < copy.length; i++) {
        copy[at + i] = Number((value >> BigInt(8 * i)) & 0xffn);
      }
      return copy;
    }
    default: {
      const from = random.below(input.length + 1);
      return concatBytes(
        input.subarray(0, at),
        input.subarray(from, from + 1 + random.below(40)),
        input.subarray(at),
      );
    }
  }
}

function interestingByte(random: Random): number {
  return random.chance(50) ? random.below(256) : (random.pick(INTERESTING_BYTES) ?? 0);
}

function bytesOf(random: Random, max: number): Uint8Array {
  return Uint8Array.from({ length: 1 + random.below(max) }, () => interestingByte(random));
}

/** Inputs as large or as deep as there is room for are rare: each costs as much as hundreds of others. */
function isCommon(random: Random): boolean {
  return random.below(250) !== 0;
}

/** A stretch again and again: mostly a few times, sometimes as often as there is room for. */
function repeat(
  input: Uint8Array,
  at: number,
  end: number,
  random: Random,
  bytesMax: number,
): Uint8Array {
  const stretch = input.subarray(at, end);
  if (stretch.length === 0) return input;
  const room = Math.floor((bytesMax - input.length) / stretch.length);
  const times = Math.max(1, Math.min(room, isCommon(random) ? 1 + random.below(8) : bytesMax));
  return joinBytes([
    input.subarray(0, end),
    ...Array.from({ length: times }, () => stretch),
    input.subarray(end),
  ]);
}

export const INTEGERS: readonly bigint[] = [
  0n,
  1n,
  2n,
  127n,
  128n,
  255n,
  256n,
  (1n << 31n) - 1n,
  1n << 31n,
  (1n << 32n) - 1n,
  1n << 32n,
  (1n << 53n) - 1n,
  1n << 53n,
  (1n << 53n) + 1n,
  (1n << 63n) - 1n,
  1n << 63n,
  (1n << 64n) - 1n,
];

/** A field of a protobuf message as it stands in the bytes. */
interface Field {
  readonly start: number;
  /** After the tag. */
  readonly valueStart: number;
  /** After the length of a delimited field. */
  readonly bodyStart: number;
  readonly end: number;
  readonly wireType: number;
  readonly number: number;
}

function readVarint(
  bytes: Uint8Array,
  at: number,
  end: number,
): readonly [number, number] | undefined {
  let value = 0;
  for (let i = 0, scale = 1; i < 10 && at + i < end; i++, scale *= 128) {
    const byte = bytes[at + i] ?? 0;
    value += (byte & 0x7f) * scale;
    if (byte < 0x80) return [value, at + i + 1];
  }
  return undefined;
}

function varint(value: bigint): Uint8Array {
  const bytes: number[] = [];
  let rest = value;
  while (rest >= 0x80n) {
    bytes.push(Number(rest & 0x7fn) | 0x80);
    rest >>= 7n;
  }
  bytes.push(Number(rest));
  return new Uint8Array(bytes);
}

/** The fields of `bytes[start, end)`; undefined when it is no message. */
function fieldsOf(bytes: Uint8Array, start: number, end: number): Field[] | undefined {
  const fields: Field[] = [];
  let at = start;
  while (at < end) {
    const tag = readVarint(bytes, at, end);
    if (tag === undefined) return undefined;
    const [key, valueStart] = tag;
    const wireType = key % 8;
    const number = Math.floor(key / 8);
    if (number === 0) return undefined;
    let bodyStart = valueStart;
    let next: number;
    if (wireType === 0) {
      const value = readVarint(bytes, valueStart, end);
      if (value === undefined) return undefined;
      next = value[1];
    } else if (wireType === 1) next = valueStart + 8;
    else if (wireType === 5) next = valueStart + 4;
    else if (wireType === 2) {
      const length = readVarint(bytes, valueStart, end);
      if (length === undefined) return undefined;
      bodyStart = length[1];
      next = length[1] + length[0];
    } else return undefined;
    if (next > end) return undefined;
    fields.push({ start: at, valueStart, bodyStart, end: next, wireType, number });
    at = next;
  }
  return fields;
}

/** Changes one field at some depth; the lengths around it mostly follow. */
function mutateProtobuf(input: Uint8Array, random: Random, bytesMax: number): Uint8Array {
  // Some messages come with their own length before them.
  const prefix = readVarint(input, 0, input.length);
  if (prefix !== undefined && prefix[1] + prefix[0] === input.length && random.chance(85)) {
    const body = mutateMessage(input.slice(prefix[1]), random, bytesMax, 0);
    return concatBytes(lengthOf(body, random), body);
  }
  return mutateMessage(input, random, bytesMax, 0);
}

function lengthOf(body: Uint8Array, random: Random): Uint8Array {
  if (random.chance(93)) return varint(BigInt(body.length));
  const lie = random.chance(50)
    ? BigInt(Math.max(0, body.length + random.below(5) - 2))
    : (random.pick(INTEGERS) ?? 0n);
  return varint(lie);
}

function mutateMessage(
  message: Uint8Array,
  random: Random,
  bytesMax: number,
  depth: number,
): Uint8Array {
  const fields = fieldsOf(message, 0, message.length);
  const field = fields === undefined ? undefined : random.pick(fields);
  if (fields === undefined || field === undefined) {
    return mutateBytes(message, [], random, bytesMax);
  }
  const before = message.subarray(0, field.start);
  const whole = message.subarray(field.start, field.end);
  const after = message.subarray(field.end);
  const body = message.subarray(field.bodyStart, field.end);
  const isDeep = field.wireType === 2 && depth < 12 && random.chance(70);
  if (isDeep && fieldsOf(body, 0, body.length) !== undefined && body.length > 0) {
    const inner = mutateMessage(body.slice(), random, bytesMax, depth + 1);
    return concatBytes(before, tag(field.number, 2), lengthOf(inner, random), inner, after);
  }
  switch (random.below(10)) {
    case 0:
      return concatBytes(before, whole, whole, after);
    case 1:
      return concatBytes(before, after);
    case 2: {
      const other = random.pick(fields) ?? field;
      return concatBytes(before, message.subarray(other.start, other.end), after);
    }
    case 3: {
      const other = random.pick(fields) ?? field;
      return concatBytes(before, after, message.subarray(other.start, other.end));
    }
    case 4:
      return concatBytes(
        before,
        tag(field.number, random.below(8)),
        whole.subarray(field.valueStart - field.start),
        after,
      );
    case 5:
      return concatBytes(
        before,
        tag(1 + random.below(20), field.wireType),
        whole.subarray(field.valueStart - field.start),
        after,
      );
    case 6: {
      const times = isCommon(random)
        ? 2 + random.below(6)
        : Math.floor(bytesMax / (whole.length + 1));
      const room = Math.max(1, Math.floor((bytesMax - message.length) / Math.max(1, whole.length)));
      const copies = Array.from({ length: Math.min(times, room) }, () => whole);
      return joinBytes([before, ...copies, after]);
    }
    case 7: {
      // Nested in itself.
      let nested: Uint8Array = whole;
      const levels = isCommon(random) ? 1 + random.below(6) : 2_000;
      for (let i = 0; i < levels && nested.length < bytesMax / 2; i++) {
        nested = concatBytes(tag(field.number, 2), varint(BigInt(nested.length)), nested);
      }
      return concatBytes(before, nested, after);
    }
    case 8: {
      // Not minimal: the same value with more bytes.
      const value = random.pick(INTEGERS) ?? 0n;
      const long = varint(value);
      long[long.length - 1] = (long.at(-1) ?? 0) | 0x80;
      return concatBytes(
        before,
        tag(field.number, 0),
        long,
        new Uint8Array(random.below(3)),
        new Uint8Array(1),
        after,
      );
    }
    default:
      if (field.wireType === 2) {
        const changed = mutateBytes(body, [], random, bytesMax);
        return concatBytes(before, tag(field.number, 2), lengthOf(changed, random), changed, after);
      }
      return concatBytes(before, tag(field.number, 0), varint(random.pick(INTEGERS) ?? 0n), after);
  }
}

function tag(number: number, wireType: number): Uint8Array {
  return varint(BigInt(number) * 8n + BigInt(wireType));
}

const utf8 = new TextDecoder("utf-8");
const JSON_VALUES: readonly unknown[] = [
  null,
  true,
  0,
  -1,
  1e308,
  -0,
  2 ** 53,
  1.5,
  "",
  "0",
  "-1",
  "9223372036854775807",
  "18446744073709551616",
  "99999999999999999999999999",
  "AA==",
  "0x",
  "zz",
  "\u0000",
  "\ud800",
  [],
  {},
  [[]],
  "1970-01-01T00:00:00Z",
  "tendermint/PubKeyEd25519",
];
const JSON_NAMES = ["", "__proto__", "constructor", "toString", "length", "0", "type", "value"];

function mutateJson(input: Uint8Array, random: Random, bytesMax: number): Uint8Array {
  let value: unknown;
  try {
    value = JSON.parse(utf8.decode(input));
  } catch {
    return mutateText(input, random, bytesMax);
  }
  if (!isCommon(random)) return nestedJson(random, bytesMax);
  try {
    const text: string | undefined = JSON.stringify(mutateValue(value, random, bytesMax, 0));
    return utf8ToBytes(text ?? "");
  } catch {
    // Too deep to be written; the text can still be changed.
    return mutateText(input, random, bytesMax);
  }
}

/** Brackets as deep as there is room for, alone or as a member. */
function nestedJson(random: Random, bytesMax: number): Uint8Array {
  const [open, close] = random.chance(50) ? ["[", "]"] : ['{"a":', "}"];
  const depth = 1 + random.below(Math.floor((bytesMax - 100) / (open.length + 1)));
  const nested = `${open.repeat(depth)}1${close.repeat(depth)}`;
  const name = random.pick(["id", "method", "params", "jsonrpc", "value", "height"]) ?? "id";
  return utf8ToBytes(random.chance(30) ? nested : `{"jsonrpc":"2.0","id":1,"${name}":${nested}}`);
}

function mutateValue(value: unknown, random: Random, bytesMax: number, depth: number): unknown {
  if (Array.isArray(value) && value.length > 0 && random.chance(85)) {
    const copy = value.slice() as unknown[];
    const at = random.below(copy.length);
    if (random.chance(70)) copy[at] = mutateValue(copy[at], random, bytesMax, depth + 1);
    else if (random.chance(50)) copy.splice(at, 1);
    else if (isCommon(random)) copy.splice(at, 0, copy[random.below(copy.length)]);
    else while (copy.length < bytesMax / 100) copy.push(copy[at]);
    return copy;
  }
  if (typeof value === "object" && value !== null && random.chance(85)) {
    const entries = Object.entries(value);
    const at = random.below(entries.length);
    const [name, member] = entries[at] ?? ["", undefined];
    if (random.chance(75)) entries[at] = [name, mutateValue(member, random, bytesMax, depth + 1)];
    else if (random.chance(50)) entries.splice(at, 1);
    else entries.push([random.pick(JSON_NAMES) ?? "", random.pick(JSON_VALUES)]);
    return Object.fromEntries(entries);
  }
  if (typeof value === "string" && random.chance(50)) {
    return utf8.decode(mutateText(utf8ToBytes(value), random, bytesMax));
  }
  return random.pick(JSON_VALUES);
}

const WORDS = [
  "AND",
  " = ",
  "EXISTS",
  "CONTAINS",
  "TIME ",
  "DATE ",
  "'",
  '"',
  "\\",
  "\n",
  "[[",
  "]]",
  "{}",
  "=",
  ":",
  "@",
  "-",
  ".",
  "0",
  "9".repeat(400),
  "\u{1f600}",
  "1e999",
  "s",
  "h",
  "%00",
  "&",
  "?",
  "0x",
];

function mutateText(input: Uint8Array, random: Random, bytesMax: number): Uint8Array {
  const at = random.below(input.length + 1);
  const end = Math.min(input.length, at + 1 + random.below(12));
  switch (random.below(4)) {
    case 0: {
      const word = utf8ToBytes(random.pick(WORDS) ?? "");
      return concatBytes(input.subarray(0, at), word, input.subarray(random.chance(50) ? at : end));
    }
    case 1:
      return repeat(input, at, end, random, bytesMax);
    case 2:
      return concatBytes(input.subarray(0, at), input.subarray(end));
    default:
      return mutateBytes(input, [], random, bytesMax);
  }
}
