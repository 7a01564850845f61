/** Codecs with random bytes that they write: for property tests, golden bytes and fuzzing. */
import type * as fc from "fast-check";
import type { RecordCodec } from "../../proto/codec/record.ts";

/** A codec with bytes that it writes. */
export interface CodecSample {
  /** As it is exported. */
  readonly name: string;
  /** Where it is exported. */
  readonly path: string;
  readonly codec: Pick<RecordCodec<unknown>, "decode">;
  readonly bytes: fc.Arbitrary<Uint8Array>;
  /** What the bytes mean, written again. */
  readonly again: (input: Uint8Array) => Uint8Array;
}

/** Adds the file that the codecs stand in. */
export function inFile(
  file: string,
  samples: readonly Omit<CodecSample, "path">[],
): readonly CodecSample[] {
  return samples.map((one) => ({ ...one, path: `proto/codec/${file}.ts` }));
}

/** What a codec writes of random values, and how it is written again. */
export function sample<Value>(
  name: string,
  codec: RecordCodec<Value>,
  values: fc.Arbitrary<Value>,
): Omit<CodecSample, "path"> {
  return {
    name,
    codec,
    bytes: values.map(codec.encode),
    again: (input) => codec.encode(codec.decode(input)),
  };
}
