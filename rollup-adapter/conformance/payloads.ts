/** Payloads of no rollup's language, and those of a file that are of one. */
import { readFile } from "node:fs/promises";
import { fromHex } from "../../proto/bytes.ts";
import { sha256 } from "../../proto/hash.ts";
import { conformanceError } from "./fault.ts";
import { FILE_PAYLOADS_MAX, LEGS_MIN } from "./limits.ts";

/** Legs that a rollup of level 1 can execute atomically. */
export interface LegMaterial {
  /** Executed before them, one sequencer block each. */
  readonly first: readonly (readonly Uint8Array[])[];
  /** Payloads of each. They touch nothing in common, and each locks two things at least. */
  readonly legs: readonly (readonly Uint8Array[])[];
}

/** Bytes that look random and are the same in every run. */
export function gibberish(seed: string, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let block = sha256(Buffer.from(seed));
  for (let at = 0; at < length; at += block.length) {
    bytes.set(block.subarray(0, Math.min(block.length, length - at)), at);
    block = sha256(block);
  }
  return bytes;
}

/** Shapes that have broken decoders: nothing, one byte of each kind, text, and what looks like an encoding. */
export function awkwardPayloads(): Uint8Array[] {
  const text = (value: string): Uint8Array => Buffer.from(value, "utf8");
  return [
    new Uint8Array(0),
    Uint8Array.of(0),
    Uint8Array.of(0xff),
    new Uint8Array(32),
    text("{}"),
    text('{"a":'),
    text("null"),
    text("../../etc/passwd"),
    text("'; DROP TABLE blocks; --"),
    text("\u0000\u0000 \r\n\u2028 \u{1f980}"),
    // UTF-8 that is cut off, a lone surrogate, an overlong slash.
    Uint8Array.of(0xf0, 0x9f, 0xa6),
    Uint8Array.of(0xed, 0xa0, 0x80),
    Uint8Array.of(0xc0, 0xaf),
    // A protobuf field that claims 2^32 - 1 bytes; an RLP list that claims more than came.
    Uint8Array.of(0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f),
    Uint8Array.of(0xfb, 0xff, 0xff, 0xff, 0xff),
    // First bytes of Ethereum's transaction types: legacy, access list, 1559, blob, and an OP deposit.
    Uint8Array.of(0xc0),
    Uint8Array.of(0x01, 0xc0),
    Uint8Array.of(0x02, 0xc0),
    Uint8Array.of(0x03, 0xc0),
    Uint8Array.of(0x7e, 0xc0),
    // Lists within lists, as deep as bytes allow.
    new Uint8Array(1_000).fill(0xc1),
    text("[".repeat(1_000)),
    ...[1, 31, 33, 255, 256, 1_024, 65_536].map((length) => gibberish(`length ${length}`, length)),
  ];
}

/**
 * Valid payloads of a rollup: one a line, in hex, in the order in which they are to be ordered; lines that begin
 * with # say something about them.
 * @throws WeftError CONFORMANCE_PAYLOADS
 */
export async function readPayloads(path: string): Promise<Uint8Array[]> {
  const lines = await readLines(path);
  if (lines.length === 0) throw fault(path, "expected payloads, one a line in hex");
  return lines.map((line) => bytesOf(path, line.number, line.text));
}

/**
 * Legs of atomic bundles: one a line, its payloads in hex with spaces between them. A line that begins with the word
 * `first` holds payloads that are executed before any leg. # as above.
 * @throws WeftError CONFORMANCE_PAYLOADS
 */
export async function readLegs(path: string): Promise<LegMaterial> {
  const lines = (await readLines(path)).map(({ text, number }) => {
    const words = text.split(/\s+/);
    const isFirst = words[0] === "first";
    const payloads = words.slice(isFirst ? 1 : 0).map((word) => bytesOf(path, number, word));
    return { isFirst, payloads };
  });
  const [legs, first] = [false, true].map((wanted) =>
    lines.filter(({ isFirst }) => isFirst === wanted).map(({ payloads }) => payloads),
  );
  if (legs === undefined || first === undefined || legs.length < LEGS_MIN) {
    throw fault(path, `expected ${LEGS_MIN} legs or more, one a line, got ${legs?.length ?? 0}`);
  }
  return { first, legs };
}

interface Line {
  readonly text: string;
  /** From 1. */
  readonly number: number;
}

async function readLines(path: string): Promise<readonly Line[]> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (cause) {
    throw conformanceError("CONFORMANCE_PAYLOADS", `cannot read ${path}`, cause);
  }
  const lines = text
    .split("\n")
    .map((line, index) => ({ text: line.trim(), number: index + 1 }))
    .filter((line) => line.text !== "" && !line.text.startsWith("#"));
  if (lines.length <= FILE_PAYLOADS_MAX) return lines;
  throw fault(path, `expected at most ${FILE_PAYLOADS_MAX} lines, got ${lines.length}`);
}

function bytesOf(path: string, line: number, word: string): Uint8Array {
  const hex = word.replace(/^0x/, "");
  if (/^([0-9a-fA-F]{2})+$/.test(hex)) return fromHex(hex);
  throw fault(path, `line ${line}: expected hex`);
}

function fault(path: string, what: string) {
  return conformanceError("CONFORMANCE_PAYLOADS", `${path}, ${what}`);
}
