/** What is fuzzed: a decoder, inputs to begin with, and what it may do with any bytes. */
import { bytesEqual, toHex } from "../../proto/bytes.ts";
import { isCodecError } from "../../proto/codec/errors.ts";
import { isWeftError } from "../../proto/errors.ts";

export type Format = "protobuf" | "json" | "text" | "binary";

/** What became of an input; the shape of a refusal steers the search to new ones. */
export type Verdict = "accepted" | `refused ${string}`;

export interface Target {
  readonly name: string;
  /** Decoders it drives: `path#export` for each. */
  readonly covers: readonly string[];
  readonly format: Format;
  /** Valid inputs, the same for the same seed. */
  readonly seeds: (seed: number) => readonly Uint8Array[];
  /** Throws what no input may cause. */
  readonly run: (bytes: Uint8Array) => Verdict | Promise<Verdict>;
  /** Share of the inputs, 1 by default: less for what goes through files or cryptography. */
  readonly weight?: number;
  /** Longest input made, bytes. */
  readonly bytesMax?: number;
  /** What is too slow for it, instead of SLOW_MS. */
  readonly slowMs?: number;
  /** Frees what `run` holds. */
  readonly stop?: () => void;
}

/** Something that no input may cause. */
export class Finding extends Error {
  constructor(message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.name = "Finding";
  }
}

/** Whether an error is a declared answer to bad bytes. */
export type IsRefusal = (error: unknown) => boolean;

/** Any error of ours with a code that begins so. */
export function coded(...prefixes: readonly string[]): IsRefusal {
  return (error) => isWeftError(error) && prefixes.some((prefix) => error.code.startsWith(prefix));
}

export const codec: IsRefusal = isCodecError;

/** Runs a decoder; its declared errors are verdicts, any other error goes on. */
export function attempt(decode: () => unknown, isRefusal: IsRefusal): Verdict {
  try {
    decode();
    return "accepted";
  } catch (error) {
    return refusalOf(error, isRefusal);
  }
}

/** As `attempt`, for what answers later. */
export async function attemptAsync(
  decode: () => Promise<unknown>,
  isRefusal: IsRefusal,
): Promise<Verdict> {
  try {
    await decode();
    return "accepted";
  } catch (error) {
    return refusalOf(error, isRefusal);
  }
}

function refusalOf(error: unknown, isRefusal: IsRefusal): Verdict {
  if (!isRefusal(error)) throw error;
  const code = isWeftError(error) ? error.code : "";
  const words = error instanceof Error ? error.message : "";
  // Numbers and what is repeated of the input make no new kind of refusal.
  const kind = words.replace(/ got .*/s, "").replace(/[0-9a-fA-F]{2,}|\d|"[^"]*"?/g, "#");
  return `refused ${code} ${kind.slice(0, 60)}`;
}

interface CodecFields<T> {
  readonly name: string;
  readonly covers: readonly string[];
  readonly decode: (bytes: Uint8Array) => T;
  readonly encode: (value: T) => Uint8Array;
  readonly seeds: (seed: number) => readonly Uint8Array[];
  readonly isRefusal?: IsRefusal;
  readonly format?: Format;
  readonly weight?: number;
  readonly bytesMax?: number;
}

/** A codec whose accepted bytes are the only encoding of their value. */
export function strictCodec<T>(fields: CodecFields<T>): Target {
  const { decode, encode, isRefusal = codec } = fields;
  return {
    format: "protobuf",
    ...fields,
    run(bytes) {
      let value: T | undefined;
      const verdict = attempt(() => (value = decode(bytes)), isRefusal);
      if (value === undefined) return verdict;
      const again = encode(value);
      if (!bytesEqual(again, bytes)) {
        throw new Finding(
          `accepted bytes are not their own encoding: ${toHex(again).slice(0, 200)}`,
        );
      }
      return verdict;
    },
  };
}

/** A codec that reads as Go does: what it made of the bytes has an encoding that reads back the same. */
export function lenientCodec<T>(fields: CodecFields<T>): Target {
  const { decode, encode, isRefusal = codec } = fields;
  return {
    format: "protobuf",
    ...fields,
    run(bytes) {
      let value: T | undefined;
      const verdict = attempt(() => (value = decode(bytes)), isRefusal);
      if (value === undefined) return verdict;
      const once = encode(value);
      const twice = encode(decode(once));
      if (!bytesEqual(once, twice)) {
        throw new Finding(`an encoding does not read back: ${toHex(once).slice(0, 200)}`);
      }
      return verdict;
    },
  };
}

/** A decoder alone: any value, or a declared error. */
export function plainDecoder(fields: {
  readonly name: string;
  readonly covers: readonly string[];
  readonly format: Format;
  readonly decode: (bytes: Uint8Array) => unknown;
  readonly seeds: (seed: number) => readonly Uint8Array[];
  readonly isRefusal: IsRefusal;
  readonly weight?: number;
  readonly bytesMax?: number;
}): Target {
  return {
    ...fields,
    run(bytes) {
      let value: unknown;
      const verdict = attempt(() => (value = fields.decode(bytes)), fields.isRefusal);
      return verdict === "accepted" ? answerOf(value) : verdict;
    },
  };
}

/** Some answer with a refusal instead of throwing one. */
function answerOf(value: unknown): Verdict {
  const codes = [value].flat().map((one: unknown) => {
    if (typeof one !== "object" || one === null || !("code" in one)) return "";
    return typeof one.code === "string" ? one.code : "";
  });
  const text = codes.join(" ").trim();
  return text === "" ? "accepted" : `refused ${text}`;
}

const utf8 = new TextDecoder("utf-8");

/** What a text decoder is given of bytes: UTF-8, faults replaced, as Node gives it the body of a request. */
export function toText(bytes: Uint8Array): string {
  return utf8.decode(bytes);
}
