/** Messages of services as tables of the canonical codec, read as protobuf is elsewhere: fields of later versions are skipped. */
import { decode } from "../codec/reader.ts";
import { defineRecord, type FieldKind, type RecordFields } from "../codec/record.ts";
import type { MessageCodec } from "./wire.ts";

/** Bytes of any length: the service says itself what is wrong with them. */
export const anyBytes: FieldKind<Uint8Array> = {
  absent: { value: new Uint8Array(0) },
  write: (writer, field, value) => writer.bytes(field, value),
  read: (reader) => reader.bytesCopy(Number.MAX_SAFE_INTEGER),
};

export function recordMessage<Value extends object>(
  fields: RecordFields<Value>,
): MessageCodec<Value> {
  const codec = defineRecord<Value>(fields);
  return {
    encode: (value) => {
      const { buffer, byteOffset, byteLength } = codec.encode(value);
      return Buffer.from(buffer, byteOffset, byteLength);
    },
    decode: (input) => decode(codec.read, input, "lenient"),
  };
}
