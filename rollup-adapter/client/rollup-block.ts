/** A streamed block with its header, commit and set decoded: form only, `block-verifier.ts` checks truth. */
import type { Height } from "../../proto/brands.ts";
import { decodeSignedHeader } from "../../proto/codec/block.ts";
import { decodeValidatorSet } from "../../proto/codec/types.ts";
import { WeftError } from "../../proto/errors.ts";
import type { RollupBlock as WireRollupBlock } from "../../proto/grpc/rollup-block.ts";
import type { SignedHeader, ValidatorSet } from "../../proto/types.ts";
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

/** @throws WeftError<StreamErrorInfo> when the message is not a block. */
export function decodeRollupBlock(message: WireRollupBlock): RollupBlock {
  const { height, manifest, manifestProof, slice, filling } = message;
  try {
    return {
      height,
      ...decodeHeader(message),
      slice: { manifest, manifestProof, slice },
      filling: filling && { ...filling, headers: filling.headers.map(decodeHeader) },
    };
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
    signedHeader: decodeSignedHeader(signedHeader),
    validatorSet: validatorSet.length === 0 ? undefined : decodeValidatorSet(validatorSet),
  };
}
