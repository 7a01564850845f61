/** How messages of a stream are compressed on the wire. */
import { weft } from "#proto-gen/weft.js";

const v1 = weft.rollup.v1;

export const Compression = { UNSPECIFIED: 0, GZIP: 1 } as const;
export type Compression = (typeof Compression)[keyof typeof Compression];

/** To the generated enum, by number. */
export const WIRE_COMPRESSIONS = [
  v1.Compression.COMPRESSION_UNSPECIFIED,
  v1.Compression.COMPRESSION_GZIP,
] as const;

/** What a later version asks for is not known here: then messages go as they are. */
export function toCompression(wire: number): Compression {
  return wire === Compression.GZIP ? Compression.GZIP : Compression.UNSPECIFIED;
}
