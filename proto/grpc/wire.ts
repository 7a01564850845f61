/**
 * Between our types and those of the generated codecs: numbers without loss, bytes without copies. Only
 * the services use these codecs; nothing that is hashed or signed is written by them.
 */
import protobuf from "protobufjs/minimal.js";
import type { weft } from "#proto-gen/weft.js";
import { Height } from "../brands.ts";
import { EMPTY_BYTES } from "../bytes.ts";
import { codecError } from "../codec/errors.ts";
import { FILE_DESCRIPTORS } from "../gen/descriptors.ts";

/** A uint64 or int64 as the generated code has it. */
export type WireInteger = NonNullable<weft.rollup.v1.GetAccountResponse.$Properties["balance"]>;
type WireLong = Exclude<WireInteger, number>;

/** One method of a service, as `grpc.ServiceDefinition` and `grpc.Client` take it. */
export interface Method<Request, Response> {
  /** `/package.Service/Method`. */
  readonly path: string;
  readonly requestStream: boolean;
  readonly responseStream: boolean;
  readonly requestSerialize: (value: Request) => Buffer;
  readonly requestDeserialize: (bytes: Buffer) => Request;
  readonly responseSerialize: (value: Response) => Buffer;
  readonly responseDeserialize: (bytes: Buffer) => Response;
}

/** Writes and reads one message. Reading keeps views into the bytes that came and throws a CodecError. */
export interface MessageCodec<T> {
  readonly encode: (value: T) => Buffer;
  readonly decode: (bytes: Buffer) => T;
}

const WRITER_SLACK_BYTES = 64;
/** Shorter messages are written where the writer begins by itself. */
const POOLED_BYTES_MAX = 4_096;

/** What the generated code offers for one message: `weft.rollup.v1.SubmitRequest` and the like. */
interface GeneratedMessage<Properties, Instance> {
  encode(value: Properties, writer: protobuf.Writer): protobuf.Writer;
  decode(bytes: Uint8Array): Instance;
}

/**
 * @param bytesOf about how long a message is encoded, for kinds that may be large: a writer that starts small
 *   doubles its buffer again and again
 */
export function messageCodec<T, Properties, Instance>(
  generated: GeneratedMessage<Properties, Instance>,
  toWire: (value: T) => Properties,
  fromWire: (message: Instance) => T,
  bytesOf: (value: T) => number = () => 0,
): MessageCodec<T> {
  return {
    encode: (value) => encodeGenerated(generated, toWire(value), bytesOf(value)),
    decode: (bytes) => fromWire(decodeGenerated(generated, bytes)),
  };
}

/**
 * As `messageCodec`, for messages whose every byte counts: what is not written as this codec writes it, unknown fields
 * included, is refused. A field that a later version adds is sent only to those who ask for it.
 */
export function canonicalCodec<T, Properties, Instance>(
  generated: GeneratedMessage<Properties, Instance>,
  toWire: (value: T) => Properties,
  fromWire: (message: Instance) => T,
  bytesOf?: (value: T) => number,
): MessageCodec<T> {
  const codec = messageCodec(generated, toWire, fromWire, bytesOf);
  return {
    encode: codec.encode,
    decode(bytes) {
      const value = codec.decode(bytes);
      if (!encodeGenerated(generated, toWire(value), bytes.length).equals(bytes)) {
        throw codecError("CODEC_NOT_CANONICAL", "the bytes are not those that the message has");
      }
      return value;
    },
  };
}

function encodeGenerated<Properties, Instance>(
  generated: GeneratedMessage<Properties, Instance>,
  message: Properties,
  bytesExpected: number,
): Buffer {
  const writer = protobuf.Writer.create();
  // The writer asks for room for the longest form of what it writes next.
  const room = bytesExpected + WRITER_SLACK_BYTES;
  if (room > POOLED_BYTES_MAX) writer.buf = Buffer.allocUnsafeSlow(room);
  generated.encode(message, writer);
  // A copy of its own for a message that leaves much of its buffer empty.
  const bytes = writer.finish(writer.pos * 4 >= writer.buf.length * 3);
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** The generated code refuses with errors of all kinds, none of them ours. */
function decodeGenerated<Properties, Instance>(
  generated: GeneratedMessage<Properties, Instance>,
  bytes: Uint8Array,
): Instance {
  try {
    return generated.decode(bytes);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw codecError("CODEC_MALFORMED", `the bytes are not the message: ${why}`, cause);
  }
}

export function method<Request, Response>(
  path: string,
  stream: { readonly request: boolean; readonly response: boolean },
  request: MessageCodec<Request>,
  response: MessageCodec<Response>,
): Method<Request, Response> {
  return {
    path,
    requestStream: stream.request,
    responseStream: stream.response,
    requestSerialize: request.encode,
    requestDeserialize: request.decode,
    responseSerialize: response.encode,
    responseDeserialize: response.decode,
  };
}

export const UNARY = { request: false, response: false } as const;
export const SERVER_STREAM = { request: false, response: true } as const;
export const BIDI_STREAM = { request: true, response: true } as const;

/**
 * Encoded `FileDescriptorProto`s of our services, for `@grpc/reflection`:
 * `new ReflectionService({ weft: { format: "...", type: {}, fileDescriptorProtos: weftFileDescriptors() } })`.
 */
export function weftFileDescriptors(): Buffer[] {
  return Object.values(FILE_DESCRIPTORS).map((text) => Buffer.from(text, "base64"));
}

/** A uint64 for the wire: protobufjs writes a bigint as 0 without a word. */
export function toUint64(value: bigint): WireInteger {
  if (value >= 0n && value <= 0x1f_ffff_ffff_ffffn) return Number(value);
  if (value < 0n || value > 0xffff_ffff_ffff_ffffn) {
    throw codecError("CODEC_OUT_OF_RANGE", `expected a uint64, got ${value}`);
  }
  return toLong(value, true);
}

/** An int64 for the wire. */
export function toInt64(value: bigint): WireInteger {
  if (value < -0x8000_0000_0000_0000n || value > 0x7fff_ffff_ffff_ffffn) {
    throw codecError("CODEC_OUT_OF_RANGE", `expected an int64, got ${value}`);
  }
  return toLong(value, false);
}

/** Any 64-bit integer from the wire, exactly. */
export function toBigint(value: WireInteger): bigint {
  if (typeof value === "number") return BigInt(value);
  const bits = (BigInt(value.high >>> 0) << 32n) | BigInt(value.low >>> 0);
  return value.unsigned ? bits : BigInt.asIntN(64, bits);
}

/** A 64-bit integer from the wire that must be a safe one. */
export function toNumber(value: WireInteger): number {
  const number = Number(toBigint(value));
  if (!Number.isSafeInteger(number)) {
    throw codecError("CODEC_OUT_OF_RANGE", `expected a safe integer, got ${toBigint(value)}`);
  }
  return number;
}

export function toHeight(value: WireInteger): Height {
  const number = toNumber(value);
  if (number < 0) throw codecError("CODEC_OUT_OF_RANGE", `expected a height, got ${number}`);
  return Height(number);
}

/** A plain view: a Buffer's `slice` would alias where ours copies. */
export function toBytes(bytes: Uint8Array | null | undefined): Uint8Array {
  if (bytes === null || bytes === undefined || bytes.length === 0) return EMPTY_BYTES;
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** An embedded message that must be there. */
export function required<T>(value: T | null | undefined, what: string): T {
  if (value === null || value === undefined) {
    throw codecError("CODEC_MISSING_FIELD", `${what} is missing`);
  }
  return value;
}

function toLong(value: bigint, isUnsigned: boolean): WireLong {
  const bits = BigInt.asUintN(64, value);
  const low = Number(bits & 0xffff_ffffn) | 0;
  const high = Number(bits >> 32n) | 0;
  return new protobuf.util.Long(low, high, isUnsigned) as WireLong;
}
