/** StreamHeaders of weft.rollup.v1: signed headers without what their blocks hold. */
import { weft } from "#proto-gen/weft.js";
import type { Height } from "../brands.ts";
import { Compression, toCompression, WIRE_COMPRESSIONS } from "./compression.ts";
import { canonicalCodec, messageCodec, toBytes, toHeight } from "./wire.ts";

const v1 = weft.rollup.v1;

export interface StreamHeadersRequest {
  /** 0: the next block. */
  readonly fromHeight: Height;
  /** Last height wanted; 0 or left out: the stream does not end. */
  readonly untilHeight?: Height;
  /** UNSPECIFIED when left out. */
  readonly compression?: Compression;
  /** One commit for several headers; false when left out. */
  readonly sparseCommits?: boolean;
}

/** A signed header, and those below it that come without a commit of their own. */
export interface HeaderUpdate {
  readonly height: Height;
  /** tendermint.types.SignedHeader, encoded. */
  readonly signedHeader: Uint8Array;
  /** tendermint.types.ValidatorSet, encoded; empty when it is the previous message's. */
  readonly validatorSet: Uint8Array;
  /** tendermint.types.Header each, encoded, up to `height` - 1. */
  readonly headers: readonly Uint8Array[];
}

export const streamHeadersRequest = messageCodec(
  v1.StreamHeadersRequest,
  ({ fromHeight, untilHeight, compression, sparseCommits }: StreamHeadersRequest) => ({
    fromHeight,
    untilHeight: untilHeight ?? 0,
    compression: WIRE_COMPRESSIONS[compression ?? Compression.UNSPECIFIED],
    sparseCommits: sparseCommits ?? false,
  }),
  (wire): StreamHeadersRequest => ({
    fromHeight: toHeight(wire.fromHeight),
    untilHeight: toHeight(wire.untilHeight),
    compression: toCompression(wire.compression),
    sparseCommits: wire.sparseCommits,
  }),
);

export const headerUpdate = canonicalCodec(
  v1.HeaderUpdate,
  ({ headers, ...value }: HeaderUpdate) => ({ ...value, headers: [...headers] }),
  (wire): HeaderUpdate => ({
    height: toHeight(wire.height),
    signedHeader: toBytes(wire.signedHeader),
    validatorSet: toBytes(wire.validatorSet),
    headers: wire.headers.map(toBytes),
  }),
);
