/**
 * Typed reading of CometBFT's JSON (spec/cometbft-v0.38.md §19.2): int64 as decimal strings, byte
 * slices in base64, hashes and addresses in hex, absent bytes as null. Throws JSON_SHAPE with the
 * path of what is wrong.
 */
import { Height, Round } from "./brands.ts";
import { EMPTY_BYTES, fromBase64, fromHex } from "./bytes.ts";
import { isWeftError, WeftError } from "./errors.ts";
import { JSON_DEPTH_MAX } from "./limits.ts";
import { parseTime } from "./time.ts";
import type { Timestamp } from "./types.ts";

/** A value that is not what its place demands. */
export type JsonError = WeftError<{ readonly code: "JSON_SHAPE"; readonly path: string }>;

/** A value of parsed JSON and where it stands. */
export class JsonNode {
  readonly path: string;
  readonly #value: unknown;

  constructor(value: unknown, path = "$") {
    this.#value = value;
    this.path = path;
  }

  /** Absent or null. */
  get isAbsent(): boolean {
    return this.#value === undefined || this.#value === null;
  }

  /** The plain value, unchecked: to pass it on. */
  get raw(): unknown {
    return this.#value;
  }

  /** The member of that name; an absent node when there is none. Throws on what is no object. */
  get(name: string): JsonNode {
    const value = this.#value;
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      throw this.error("an object");
    }
    const member: unknown = Object.hasOwn(value, name) ? Reflect.get(value, name) : undefined;
    return new JsonNode(member, `${this.path}.${name}`);
  }

  /** The first of several names that is there: one field has had more than one. */
  getAny(...names: readonly string[]): JsonNode {
    const found = names.map((name) => this.get(name)).find((node) => !node.isAbsent);
    return found ?? this.get(names[0] ?? "");
  }

  /** Elements of an array; null and absent are empty. */
  items(): readonly JsonNode[] {
    if (this.isAbsent) return [];
    if (!Array.isArray(this.#value)) throw this.error("an array");
    const elements: readonly unknown[] = this.#value;
    return elements.map((element, i) => new JsonNode(element, `${this.path}[${i}]`));
  }

  string(): string {
    if (typeof this.#value !== "string") throw this.error("a string");
    return this.#value;
  }

  /** A string; absent is empty. */
  text(): string {
    return this.isAbsent ? "" : this.string();
  }

  boolean(): boolean {
    if (typeof this.#value !== "boolean") throw this.error("true or false");
    return this.#value;
  }

  /** An int64 as a decimal string, or as a number that is a safe integer. Absent is 0. */
  bigint(): bigint {
    const value = this.#decimal();
    if (BigInt.asIntN(64, value) !== value) {
      throw this.error("a decimal integer from -2^63 to 2^63 - 1");
    }
    return value;
  }

  /** A uint64, written as `bigint` is. Absent is 0. */
  unsigned(): bigint {
    const value = this.#decimal();
    // Go reads no sign there, not even that of "-0".
    if (BigInt.asUintN(64, value) !== value || String(this.#value).startsWith("-")) {
      throw this.error("a decimal integer from 0 to 2^64 - 1");
    }
    return value;
  }

  /** As `bigint`, where a safe integer is wanted. */
  integer(): number {
    const value = Number(this.bigint());
    if (!Number.isSafeInteger(value)) throw this.error("a safe integer");
    return value;
  }

  height(): Height {
    const value = this.integer();
    if (value < 0) throw this.error("a height >= 0");
    return Height(value);
  }

  round(): Round {
    const value = this.integer();
    if (value < -1 || value > 0x7fff_ffff) throw this.error("a round >= -1");
    return Round(value);
  }

  /** A count or index >= 0, of `max` at most. */
  count(max = Number.MAX_SAFE_INTEGER): number {
    const value = this.integer();
    if (value < 0) throw this.error("an integer >= 0");
    if (value > max) throw this.error(`an integer of ${max} at most`);
    return value;
  }

  /** Hex of either case; absent is empty. */
  hex(): Uint8Array {
    return this.#bytes(fromHex, "hex digits");
  }

  /** Base64; absent is empty. */
  base64(): Uint8Array {
    return this.#bytes(fromBase64, "base64");
  }

  time(): Timestamp {
    const text = this.string();
    try {
      return parseTime(text);
    } catch (cause) {
      if (!isWeftError(cause)) throw cause;
      throw this.error("a time of RFC 3339", cause);
    }
  }

  error(expected: string, cause?: unknown): JsonError {
    const got = describe(this.#value);
    const info = { code: "JSON_SHAPE", path: this.path } as const;
    return new WeftError(info, `${this.path}: expected ${expected}, got ${got}`, { cause });
  }

  #decimal(): bigint {
    const value = this.#value;
    if (this.isAbsent) return 0n;
    if (typeof value === "string" && /^-?(0|[1-9]\d{0,19})$/.test(value)) return BigInt(value);
    if (typeof value === "number" && Number.isSafeInteger(value)) return BigInt(value);
    throw this.error("a decimal integer");
  }

  #bytes(read: (text: string) => Uint8Array, expected: string): Uint8Array {
    if (this.isAbsent) return EMPTY_BYTES;
    const text = this.string();
    try {
      return read(text);
    } catch (cause) {
      if (!(cause instanceof RangeError)) throw cause;
      throw this.error(expected, cause);
    }
  }
}

/** A value in few words: never all of a large one, and nothing of what is nested, which may be too deep. */
function describe(value: unknown): string {
  if (value === undefined) return "nothing";
  if (Array.isArray(value)) return `an array of ${value.length}`;
  if (typeof value === "object" && value !== null) return "an object";
  return JSON.stringify(typeof value === "string" ? value.slice(0, 80) : value);
}

/**
 * Whether a text, if it is JSON, nests values at most JSON_DEPTH_MAX deep. The parser takes a hundred
 * times as long for brackets as for other text, and writing what it made overruns the stack.
 */
export function isShallowJson(text: string): boolean {
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) at = stringEnd(text, at);
    else if (code === OPEN_ARRAY || code === OPEN_OBJECT) {
      depth += 1;
      if (depth > JSON_DEPTH_MAX) return false;
    } else if (code === CLOSE_ARRAY || code === CLOSE_OBJECT) depth -= 1;
  }
  return true;
}

const [QUOTE, BACKSLASH] = [0x22, 0x5c];
const [OPEN_ARRAY, CLOSE_ARRAY, OPEN_OBJECT, CLOSE_OBJECT] = [0x5b, 0x5d, 0x7b, 0x7d];

/** Index of the quote that ends the string which starts at `start`; the text's end when none does. */
function stringEnd(text: string, start: number): number {
  for (let at = text.indexOf('"', start + 1); at !== -1; at = text.indexOf('"', at + 1)) {
    let backslashes = 0;
    while (text.charCodeAt(at - 1 - backslashes) === BACKSLASH) backslashes += 1;
    if (backslashes % 2 === 0) return at;
  }
  return text.length;
}

/** Parses a JSON text nested at most JSON_DEPTH_MAX deep. Throws JSON_SHAPE on anything else. */
export function parseJson(text: string): JsonNode {
  if (!isShallowJson(text)) {
    const info = { code: "JSON_SHAPE", path: "$" } as const;
    throw new WeftError(info, `expected JSON nested at most ${JSON_DEPTH_MAX} deep`);
  }
  try {
    return new JsonNode(JSON.parse(text));
  } catch (cause) {
    const info = { code: "JSON_SHAPE", path: "$" } as const;
    throw new WeftError(info, "expected JSON text", { cause });
  }
}
