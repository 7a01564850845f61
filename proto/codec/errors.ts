import { WeftError } from "../errors.ts";

/** Why bytes were refused, or a value could not be written. */
export type CodecErrorCode =
  /** The bytes end inside a field. */
  | "CODEC_TRUNCATED"
  /** Bytes are left after the value. */
  | "CODEC_TRAILING_BYTES"
  /** A varint is longer than 10 bytes, or (strict) than its value needs or its type allows. */
  | "CODEC_VARINT"
  /** A tag has field number 0, or a wire type that does not exist or does not fit its field. */
  | "CODEC_TAG"
  /** Strict: fields are not in ascending order, or a singular field occurs twice. */
  | "CODEC_FIELD_ORDER"
  /** Strict: a zero scalar, an empty string or an empty byte string is written out. */
  | "CODEC_EXPLICIT_ZERO"
  /** Strict: a field that the message does not have. */
  | "CODEC_UNKNOWN_FIELD"
  /** A field without which the message means nothing is absent. */
  | "CODEC_MISSING_FIELD"
  /** A number outside what its field may hold here. */
  | "CODEC_OUT_OF_RANGE"
  /** A byte string, string or message longer than its limit. */
  | "CODEC_TOO_LARGE"
  /** More repeated elements than their limit. */
  | "CODEC_TOO_MANY"
  /** A byte string that must have one exact length has another. */
  | "CODEC_LENGTH"
  /** Repeated elements that must ascend strictly do not. */
  | "CODEC_ELEMENT_ORDER"
  /** A string that is not UTF-8. */
  | "CODEC_UTF8"
  /** The bytes are not those that the value is written as: a field unknown, doubled, moved, empty or longer than needed. */
  | "CODEC_NOT_CANONICAL"
  /** The generated code of a service's message refuses the bytes; `cause` says why. */
  | "CODEC_MALFORMED";

export type CodecError = WeftError<{ readonly code: CodecErrorCode }>;

export function codecError(code: CodecErrorCode, message: string, cause?: unknown): CodecError {
  return new WeftError({ code }, message, cause === undefined ? undefined : { cause });
}

/** True for the errors that codecs throw on bytes that they refuse. */
export function isCodecError(error: unknown): error is CodecError {
  return error instanceof WeftError && String(error.code).startsWith("CODEC_");
}
