/** Protobuf messages taken apart without their types, and altered in what a reader may read in more than one way. */
import { concatBytes } from "../../proto/bytes.ts";

/** Fields below are those of an embedded message, where the bytes can be one. */
export type WireField =
  | { readonly number: number; readonly wire: 0; readonly value: bigint; readonly padding?: number }
  | { readonly number: number; readonly wire: 2; readonly bytes: Uint8Array }
  | { readonly number: number; readonly wire: 2; readonly fields: readonly WireField[] };

/** A number from 0 to `below` - 1, drawn. */
export type Draw = (below: number) => number;

/** Around the limits of types and of rules. */
const NUMBERS: readonly bigint[] = [
  ...[0, 1, 2, 3, 4, 5, 31, 32, 63, 64, 127, 128, 255, 256, 258, 65_535, 999_999_999].map(BigInt),
  ...[31n, 32n, 63n].flatMap((bits) => [(1n << bits) - 1n, 1n << bits]),
  ...[1n, 2n, 1n << 31n, 62_135_596_800n, 62_135_596_801n].map((below) => (1n << 64n) - below),
  253_402_300_799n,
  253_402_300_800n,
];
const LENGTHS = [0, 1, 19, 20, 21, 31, 32, 33, 63, 64, 65];
/** Lengths of hashes, addresses and signatures, whose bytes are no message. */
const OPAQUE_LENGTHS: ReadonlySet<number> = new Set([20, 32, 64]);
const DEPTH_MAX = 8;

/** Undefined: the bytes are no message. */
export function splitFields(bytes: Uint8Array, depth = 0): readonly WireField[] | undefined {
  const fields: WireField[] = [];
  let at = 0;
  const varint = (): bigint | undefined => {
    let value = 0n;
    for (let shift = 0n; shift < 64n; shift += 7n) {
      const byte = bytes[at++];
      if (byte === undefined) return undefined;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    return undefined;
  };
  while (at < bytes.length) {
    const tag = varint();
    const number = tag === undefined ? 0 : Number(tag >> 3n);
    if (tag === undefined || number === 0 || number > 60) return undefined;
    const value = varint();
    if (value === undefined) return undefined;
    const wire = Number(tag & 7n);
    if (wire === 0) fields.push({ number, wire, value });
    else if (wire === 2) {
      const end = at + Number(value);
      if (end > bytes.length) return undefined;
      const inner = bytes.slice(at, end);
      at = end;
      const isOpaque = depth >= DEPTH_MAX || OPAQUE_LENGTHS.has(inner.length);
      const below = isOpaque ? undefined : splitFields(inner, depth + 1);
      fields.push(
        below === undefined ? { number, wire, bytes: inner } : { number, wire, fields: below },
      );
    } else return undefined;
  }
  return fields;
}

export function joinFields(fields: readonly WireField[]): Uint8Array {
  return concatBytes(
    ...fields.map((field) => {
      const tag = varintBytes(BigInt((field.number << 3) | field.wire));
      if (field.wire === 0) return concatBytes(tag, varintBytes(field.value, field.padding));
      const inner = "fields" in field ? joinFields(field.fields) : field.bytes;
      return concatBytes(tag, varintBytes(BigInt(inner.length)), inner);
    }),
  );
}

/** The message with one field, at any depth, dropped, doubled, moved, emptied, altered or added. */
export function alterFields(fields: readonly WireField[], draw: Draw): readonly WireField[] {
  const at = draw(fields.length + 1);
  const field = fields[at];
  if (field === undefined) return [...fields, anyField(draw)];
  const deeper = "fields" in field && draw(4) > 0;
  if (deeper) return fields.with(at, { ...field, fields: alterFields(field.fields, draw) });
  switch (draw(7)) {
    case 0:
      return fields.toSpliced(at, 1);
    case 1:
      return fields.toSpliced(draw(fields.length + 1), 0, field);
    case 2:
      return fields.toSpliced(at, 1).toSpliced(draw(fields.length), 0, field);
    // Another value before it, after it, and in its place.
    case 3:
      return fields.toSpliced(at, 0, altered(field, draw));
    case 4:
      return fields.toSpliced(at + 1, 0, altered(field, draw));
    case 5:
      return fields.toSpliced(at, 0, { ...anyField(draw), number: field.number });
    default:
      return fields.with(at, altered(field, draw));
  }
}

function altered(field: WireField, draw: Draw): WireField {
  if (field.wire === 0) {
    return draw(4) === 0
      ? { ...field, padding: 1 + draw(3) }
      : { ...field, value: NUMBERS[draw(NUMBERS.length)] ?? 0n };
  }
  if ("fields" in field) return { ...field, fields: alterFields(field.fields, draw) };
  const { bytes } = field;
  if (draw(2) === 0) return { ...field, bytes: new Uint8Array(LENGTHS[draw(LENGTHS.length)] ?? 0) };
  const flipped = bytes.slice();
  const at = draw(bytes.length + 1);
  flipped[at] = (bytes[at] ?? 0) ^ (1 << draw(8));
  return { ...field, bytes: flipped };
}

function anyField(draw: Draw): WireField {
  const number = 1 + draw(16);
  if (draw(2) === 0) return { number, wire: 0, value: NUMBERS[draw(NUMBERS.length)] ?? 0n };
  return { number, wire: 2, bytes: new Uint8Array(LENGTHS[draw(LENGTHS.length)] ?? 0) };
}

function varintBytes(value: bigint, padding = 0): Uint8Array {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 0x7fn; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
  bytes.push(Number(rest));
  for (let i = 0; i < padding && bytes.length < 10; i++) {
    bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) | 0x80;
    bytes.push(0);
  }
  return Uint8Array.from(bytes);
}
