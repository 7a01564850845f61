/** A streamed block with its header, commit and set decoded: form only, `block-verifier.ts` checks truth. */
import { Height } from "../../proto/brands.ts";
import { bytesEqual, EMPTY_BYTES } from "../../proto/bytes.ts";
import {
  decodeHeader,
  decodeSignedHeader,
  encodeHeader,
  encodeSignedHeader,
} from "../../proto/codec/block.ts";
import { codecError } from "../../proto/codec/errors.ts";
import { decodeValidatorSet, encodeValidatorSet } from "../../proto/codec/types.ts";
import { WeftError } from "../../proto/errors.ts";
import {
  type Filling as WireFilling,
  Level,
  rollupBlock,
  type RollupBlock as WireRollupBlock,
} from "../../proto/grpc/rollup-block.ts";
import type { Header, SignedHeader, ValidatorSet } from "../../proto/types.ts";
import { hashedValidatorSet } from "../../proto/validator-set.ts";
import type { RollupSlice } from "../../proto/verify/manifest.ts";
import type { OmittedSlice } from "../../proto/verify/omitted.ts";

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
  /** Heights below, without a message of their own, that hold nothing for the stream's rollups. */
  readonly omitted: readonly OmittedBlock[];
  /** Of the stream's further rollups, in ascending order. */
  readonly more: readonly RollupPart[];
}

/** What the block holds for one more rollup, under the same manifest. */
export interface RollupPart extends Pick<RollupSlice, "slice"> {
  readonly filling: Filling | undefined;
}

export interface OmittedBlock extends OmittedSlice {
  readonly header: Header;
}

export interface Filling extends Omit<WireFilling, "headers"> {
  /** From the last header on that the stream held before, without gap. */
  readonly headers: readonly FollowingHeader[];
}

export interface FollowingHeader {
  readonly signedHeader: SignedHeader;
  /** Undefined when it is the set of the header one below. */
  readonly validatorSet: ValidatorSet | undefined;
}

/** What was asked for: a message of another form is no answer. */
export interface StreamForm {
  readonly level: Level;
  /** How many rollups there are in each message. */
  readonly rollups: number;
  readonly omitsEmpty: boolean;
}

/**
 * A message of StreamBlocks as it came.
 * @throws WeftError<StreamErrorInfo> when the bytes are not a block of that form
 */
export function readRollupBlock(bytes: Buffer, form: StreamForm): RollupBlock {
  const message = orMalformed(() => rollupBlock.decode(bytes));
  const rollups = 1 + message.more.length;
  if (rollups !== form.rollups) {
    throw malformed(`expected a block for ${form.rollups} rollups, got one for ${rollups}`);
  }
  if (!form.omitsEmpty && message.omitted.length > 0) {
    throw malformed(`expected every height, ${message.omitted.length} were left out`);
  }
  return decodeRollupBlock(message, form.level);
}

/**
 * @param level the one that was asked for
 * @throws WeftError<StreamErrorInfo> when the message is not a block of that level
 */
export function decodeRollupBlock(message: WireRollupBlock, level = message.level): RollupBlock {
  const { height, manifest, manifestProof, slice, omitted, more } = message;
  const isFilled = [message, ...more].some(({ filling }) => filling !== undefined);
  if (message.level !== level || (level !== Level.FILLED && isFilled)) {
    const got = `${message.level}${isFilled ? " with a filling" : ""}`;
    throw malformed(`expected a block at level ${level}, got one at ${got}`);
  }
  if (omitted.length >= height) {
    throw malformed(`${omitted.length} blocks are said to be below block ${height}`);
  }
  return orMalformed(() => ({
    height,
    ...decodeSignedSet(message),
    slice: { manifest, manifestProof, slice },
    filling: decodeFilling(message),
    omitted: omitted.map((block) => ({ ...block, header: decodeHeaderAlone(block.header) })),
    more: more.map((part) => ({ slice: part.slice, filling: decodeFilling(part) })),
  }));
}

/** The first height that a message speaks of. */
export function firstHeightOf({ height, omitted }: RollupBlock): Height {
  return Height(height - omitted.length);
}

export function orMalformed<T>(read: () => T): T {
  try {
    return read();
  } catch (cause) {
    // Whatever a peer sends that is no block is one kind of fault: the peer's.
    throw malformed(
      `the sequencer sent something that is not a block: ${cause instanceof Error ? cause.message : "unreadable"}`,
      cause,
    );
  }
}

export function malformed(reason: string, cause?: unknown): WeftError<StreamErrorInfo> {
  return new WeftError<StreamErrorInfo>({ code: "STREAM_MALFORMED" }, reason, { cause });
}

function decodeFilling({ filling }: Pick<WireRollupBlock, "filling">): Filling | undefined {
  return filling && { ...filling, headers: filling.headers.map(decodeSignedSet) };
}

export function decodeHeaderAlone(bytes: Uint8Array): Header {
  return canonical(bytes, decodeHeader, encodeHeader);
}

export function decodeSignedSet({
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
