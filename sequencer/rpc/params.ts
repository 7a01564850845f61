/**
 * Arguments of methods: what each is called, its type, and how it is read from JSON and from a URI.
 * Types and words follow CometBFT (`rpc/jsonrpc/server/{http_json,http_uri}_handler.go`).
 */
import { utf8ToBytes } from "../../proto/bytes.ts";
import { assertNever } from "../../proto/errors.ts";
import { invalidParams } from "./errors.ts";

/** Go's type of an argument, and what a method gets for it. */
export interface ParamKinds {
  int64: bigint;
  int: bigint;
  uint: bigint;
  string: string;
  bool: boolean;
  /** `[]byte`: base64 in JSON. */
  bytes: Uint8Array;
  /** `HexBytes`: hex in JSON. */
  hex: Uint8Array;
  /** Any JSON value, for the method to look into. */
  json: unknown;
}
export type ParamKind = keyof ParamKinds;

export interface Param<K extends ParamKind = ParamKind, Optional extends boolean = boolean> {
  readonly kind: K;
  /** A pointer in Go: absent is not the same as zero. */
  readonly isOptional: Optional;
}

export type ParamSpec = Readonly<Record<string, Param>>;

export type Args<S extends ParamSpec> = {
  readonly [N in keyof S]: S[N] extends Param<infer K, infer O>
    ? true extends O
      ? ParamKinds[K] | undefined
      : ParamKinds[K]
    : never;
};

export function param<K extends ParamKind>(kind: K): Param<K, false> {
  return { kind, isOptional: false };
}

export function optional<K extends ParamKind>(kind: K): Param<K, true> {
  return { kind, isOptional: true };
}

type Values = Record<string, unknown>;

/**
 * Arguments from the `params` of a JSON-RPC request: an object, an array, null or nothing.
 * @throws RpcError `RPC_INVALID_PARAMS`
 */
export function argsFromJson(spec: ParamSpec, params: unknown): Values {
  const names = Object.keys(spec);
  const given = new Map<string, unknown>();
  if (Array.isArray(params)) {
    if (params.length !== names.length) {
      const list = params.map((value) => JSON.stringify(value)).join(" ");
      throw jsonFailure(
        `expected ${names.length} parameters ([${names.join(" ")}]), got ${params.length} ([${list}])`,
      );
    }
    names.forEach((name, i) => given.set(name, params[i]));
  } else if (typeof params === "object" && params !== null) {
    for (const [name, value] of Object.entries(params)) given.set(name, value);
  } else if (params !== undefined && params !== null) {
    throw jsonFailure(
      `unknown type for JSON params: json: cannot unmarshal ${jsonType(params)} into Go value of type []json.RawMessage. Expected map or array`,
    );
  }
  return fill(spec, (name, { kind }) => {
    const value = given.get(name);
    return value === undefined || value === null ? undefined : fromJson(kind, value, jsonFailure);
  });
}

/**
 * Arguments from the query of a URI: bare integers, `"quoted strings"`, `0x` hex, true and false.
 * @throws RpcError `RPC_INVALID_PARAMS`
 */
export function argsFromUri(spec: ParamSpec, query: ReadonlyMap<string, string>): Values {
  return fill(spec, (name, { kind }) => {
    const text = query.get(name) ?? "";
    return text === "" ? undefined : fromUriText(kind, text);
  });
}

function fill(spec: ParamSpec, read: (name: string, param: Param) => unknown): Values {
  const values: Values = {};
  for (const [name, one] of Object.entries(spec)) {
    const value = read(name, one);
    values[name] = value === undefined && !one.isOptional ? zeroOf(one.kind) : value;
  }
  return values;
}

function zeroOf(kind: ParamKind): unknown {
  switch (kind) {
    case "int64":
    case "int":
    case "uint":
      return 0n;
    case "string":
      return "";
    case "bool":
      return false;
    case "bytes":
    case "hex":
      return new Uint8Array(0);
    case "json":
      return undefined;
    default:
      return assertNever(kind, "argument type");
  }
}

type Fail = (message: string) => Error;

function jsonFailure(message: string): Error {
  return invalidParams(`error converting json params to arguments: ${message}`);
}

function uriFailure(message: string): Error {
  return invalidParams(`error converting http params to arguments: ${message}`);
}

function fromJson(kind: ParamKind, value: unknown, fail: Fail): unknown {
  switch (kind) {
    case "int64":
    case "int":
    case "uint":
      if (typeof value !== "string") {
        const text = JSON.stringify(JSON.stringify(value));
        throw fail(`invalid 64-bit integer encoding ${text}, expected string`);
      }
      return integerFromText(kind, value, fail);
    case "string":
      if (typeof value !== "string") throw fail(wrongType(value, "string"));
      return value;
    case "bool":
      if (typeof value !== "boolean") throw fail(wrongType(value, "bool"));
      return value;
    case "bytes":
      if (typeof value !== "string") throw fail(wrongType(value, "[]uint8"));
      return bytesFromBase64(value, fail);
    case "hex":
      if (typeof value !== "string") throw fail(`invalid hex string: ${JSON.stringify(value)}`);
      return bytesFromHex(value, fail);
    case "json":
      return value;
    default:
      return assertNever(kind, "argument type");
  }
}

function fromUriText(kind: ParamKind, text: string): unknown {
  const isInteger = kind === "int64" || kind === "int" || kind === "uint";
  if (text === "null") return undefined;
  if (isInteger && /^-?[0-9]+$/.test(text)) return integerFromText(kind, text, uriFailure);
  const isBytes = kind === "bytes" || kind === "hex";
  if (/^0x/i.test(text)) {
    if (!isBytes && kind !== "string") {
      throw uriFailure(
        `got a hex string arg, but expected '${kind === "json" ? "interface" : kind}'`,
      );
    }
    const value = bytesFromHex(text.slice(2), uriFailure);
    return isBytes ? value : Buffer.from(value).toString("utf8");
  }
  if (kind === "hex" && !isQuoted(text)) throw uriFailure(`invalid hex string: ${text}`);
  if (isInteger && !isQuoted(text)) {
    throw uriFailure(`invalid 64-bit integer encoding ${JSON.stringify(text)}, expected string`);
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw uriFailure(syntaxFault(text));
  }
  if (value === null) return undefined;
  // A quoted string stands for its own bytes here, not for base64 or hex.
  if (isBytes && typeof value === "string") return utf8ToBytes(value);
  return fromJson(kind, value, uriFailure);
}

function isQuoted(text: string): boolean {
  return text.length >= 2 && text.startsWith('"') && text.endsWith('"');
}

const INTEGER_RANGES = {
  int64: [-(1n << 63n), (1n << 63n) - 1n],
  int: [-(1n << 63n), (1n << 63n) - 1n],
  uint: [0n, (1n << 64n) - 1n],
} as const;

function integerFromText(kind: "int64" | "int" | "uint", text: string, fail: Fail): bigint {
  const trimmed = text.trim();
  // The length bound keeps the conversion cheap; no 64-bit number is longer.
  if (/^-?(0|[1-9][0-9]*)$/.test(trimmed)) {
    const value = trimmed.length <= 20 ? BigInt(trimmed) : undefined;
    const [low, high] = INTEGER_RANGES[kind];
    if (value !== undefined && value >= low && value <= high) return value;
  }
  if (/^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$/.test(trimmed)) {
    throw fail(`json: cannot unmarshal number ${trimmed} into Go value of type ${kind}`);
  }
  if (trimmed === "") throw fail("unexpected end of JSON input");
  throw fail(syntaxFault(trimmed));
}

/** What Go says of a text that is no JSON value, where it stumbles over its beginning. */
function syntaxFault(text: string): string {
  const number = /^-?(?:0|[1-9][0-9]*)/.exec(text)?.[0];
  const rest = text.slice(number?.length);
  if (number !== undefined && /^[^.eE]/.test(rest)) {
    return `invalid character ${quoteRune(rest)} after top-level value`;
  }
  const literal = ["true", "false", "null"].find((word) => word[0] === text[0]) ?? "";
  const at = Array.from(literal).findIndex((letter, i) => letter !== text[i]);
  if (at >= 0 && at < text.length) {
    const got = quoteRune(text.slice(at));
    return `invalid character ${got} in literal ${literal} (expecting '${literal[at]}')`;
  }
  return `invalid character ${quoteRune(text)} looking for beginning of value`;
}

/** The first character of a text as Go quotes it. */
function quoteRune(text: string): string {
  const rune = String.fromCodePoint(text.codePointAt(0) ?? 0);
  return rune === "'" ? "'\\''" : `'${rune}'`;
}

function bytesFromBase64(text: string, fail: Fail): Uint8Array {
  // As the encoder writes it, which most do: the decoder of Node skips what it does not know.
  const bytes = Buffer.from(text, "base64");
  if (bytes.toString("base64") === text) return new Uint8Array(bytes);
  const clean = text.replace(/[\r\n]/g, "");
  const bad = clean.search(/[^A-Za-z0-9+/=]/);
  if (bad >= 0) throw fail(`illegal base64 data at input byte ${bad}`);
  const padding = clean.indexOf("=");
  if (clean.length % 4 !== 0 || (padding >= 0 && !/^={1,2}$/.test(clean.slice(padding)))) {
    const at = padding >= 0 ? padding : clean.length - (clean.length % 4);
    throw fail(`illegal base64 data at input byte ${at}`);
  }
  return new Uint8Array(Buffer.from(clean, "base64"));
}

function bytesFromHex(text: string, fail: Fail): Uint8Array {
  const rune = /[^0-9a-fA-F]/u.exec(text)?.[0];
  if (rune !== undefined) {
    const code = (rune.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0");
    throw fail(`encoding/hex: invalid byte: U+${code} '${rune}'`);
  }
  if (text.length % 2 !== 0) throw fail("encoding/hex: odd length hex string");
  return new Uint8Array(Buffer.from(text, "hex"));
}

function wrongType(value: unknown, type: string): string {
  return `json: cannot unmarshal ${jsonType(value)} into Go value of type ${type}`;
}

/** The name Go's `encoding/json` has for a kind of value. */
export function jsonType(value: unknown): string {
  if (Array.isArray(value)) return "array";
  if (typeof value === "boolean") return "bool";
  return typeof value;
}
