/** A streamed block with its header, commit and set decoded: form only, `block-verifier.ts` checks truth. */
import type { Height } from "../../proto/brands.ts";
import { bytesEqual, EMPTY_BYTES } from "../../proto/bytes.ts";
import { decodeSignedHeader, encodeSignedHeader } from "../../proto/codec/block.ts";
import { codecError } from "../../proto/codec/errors.ts";
import { decodeValidatorSet, encodeValidatorSet } from "../../proto/codec/types.ts";
import { WeftError } from "../../proto/errors.ts";
import {
  Level,
  rollupBlock,
  type RollupBlock as WireRollupBlock,
} from "../../proto/grpc/rollup-block.ts";
import type { SignedHeader, ValidatorSet } from "../../proto/types.ts";
import { hashedValidatorSet } from "../../proto/validator-set.ts";
import type { Content, FillingBlock } from "../../proto/verify/fills.ts";
import type { RollupSlice } from "../../proto/verify/manifest.ts";

export type StreamErrorInfo =
  /** The message is not a block: a field is missing or cannot be decoded. */
  { readonly code: "STREAM_MALFORMED" };

export interface RollupBlock {
  readonly height: Height;
  readonly signedHeader: SignedHeader;
  /** Set of this height; undefined when it is that of the previous message. */
  readonly validatorSet: ValidatorSet | undefined;
  readonly slice: RollupSlice;
  /** What became of the block's sealed entries; undefined when nobody says. */
  readonly filling: Filling | undefined;
}

export interface Filling {
  /** From the last header on that the stream held before, without gap. */
  readonly headers: readonly FollowingHeader[];
  readonly blocks: readonly FillingBlock[];
  readonly contents: readonly Content[];
  /** Positions of shuffled entries in the order of execution; empty where nothing was decided. */
  readonly order: readonly number[];
}

export interface FollowingHeader {
  readonly signedHeader: SignedHeader;
  /** Undefined when it is the set of the header one below. */
  readonly validatorSet: ValidatorSet | undefined;
}

/**
 * A message of StreamBlocks as it came. @param level the one that was asked for
 * @throws WeftError<StreamErrorInfo> when the bytes are not a block of that level
 */
export function readRollupBlock(bytes: Buffer, level: Level): RollupBlock {
  return decodeRollupBlock(
    orMalformed(() => rollupBlock.decode(bytes)),
    level,
  );
}

/**
 * @param level the one that was asked for
 * @throws WeftError<StreamErrorInfo> when the message is not a block of that level
 */
export function decodeRollupBlock(message: WireRollupBlock, level = message.level): RollupBlock {
  const { height, manifest, manifestProof, slice, filling } = message;
  if (message.level !== level || (level !== Level.FILLED && filling !== undefined)) {
    throw new WeftError<StreamErrorInfo>(
      { code: "STREAM_MALFORMED" },
      `expected a block at level ${level}, got one at ${message.level}${filling === undefined ? "" : " with a filling"}`,
    );
  }
  return orMalformed(() => ({
    height,
    ...decodeHeader(message),
    slice: { manifest, manifestProof, slice },
    filling: filling && { ...filling, headers: filling.headers.map(decodeHeader) },
  }));
}

function orMalformed<T>(read: () => T): T {
  try {
    return read();
  } catch (cause) {
    // Whatever a peer sends that is no block is one kind of fault: the peer's.
    throw new WeftError<StreamErrorInfo>(
      { code: "STREAM_MALFORMED" },
      `the sequencer sent something that is not a block: ${cause instanceof Error ? cause.message : "unreadable"}`,
      { cause },
    );
  }
}

function decodeHeader({
  signedHeader,
  validatorSet,
}: Pick<WireRollupBlock, "signedHeader" | "validatorSet">): FollowingHeader {
  return {
    signedHeader: canonical(signedHeader, decodeSignedHeader, encodeSignedHeader),
    validatorSet:
      validatorSet.length === 0
        ? undefined
        : // The hash covers keys and powers; nothing else may be said of a set.
          canonical(validatorSet, decodeValidatorSet, (set) =>
            set.validators.length === 0 ? EMPTY_BYTES : encodeValidatorSet(hashedValidatorSet(set)),
          ),
  };
}

/** CometBFT reads bytes that it would not write; here each value has one form. */
function canonical<T>(
  bytes: Uint8Array,
  decode: (bytes: Uint8Array) => T,
  encode: (value: T) => Uint8Array,
): T {
  const value = decode(bytes);
  if (bytesEqual(encode(value), bytes)) return value;
  throw codecError("CODEC_NOT_CANONICAL", "the bytes are not those that the value has");
}
