/**
 * What a piece of evidence is about. CometBFT knows pieces by the hash of all their bytes, but a
 * validator signs neither its index nor the place of its extension in them: whoever has a piece can
 * make any number of others from it, all of them valid in a block. Here one offence is kept, sent and
 * proposed once, in one form; a block of others is judged by CometBFT's ids alone.
 */
import type { Height } from "../../../proto/brands.ts";
import { concatBytes, EMPTY_BYTES, toHex } from "../../../proto/bytes.ts";
import { isNilBlockId } from "../../../proto/codec/canonical.ts";
import { headerHash } from "../../../proto/hashes.ts";
import {
  type Evidence,
  SignedMsgType,
  type ValidatorSet,
  type Vote,
} from "../../../proto/types.ts";
import { validatorIndexByAddress } from "../../../proto/validator-set.ts";
import { ED25519_SIGNATURE_BYTES } from "../../../proto/verify/ed25519.ts";
import { heightKey } from "../../store/keys.ts";
import { EVIDENCE_EXTENSION_BYTES_MAX } from "./limits.ts";

/** The height whose facts a piece is held against, and from which its age counts. */
export function evidenceHeight(piece: Evidence): Height {
  return piece.kind === "duplicateVote" ? piece.voteA.height : piece.commonHeight;
}

/**
 * The last height that a node must have committed to judge a piece. An attack needs the commit of the
 * conflicting height, which stands in the block above it.
 */
export function judgeableFrom(piece: Evidence): number {
  return piece.kind === "duplicateVote"
    ? piece.voteA.height
    : piece.conflictingBlock.signedHeader.header.height + 1;
}

/** Sorts by height; of one double vote, or one forged header, whatever else the evidence says. */
export function offenceKey(prefix: string, piece: Evidence): Uint8Array {
  if (piece.kind === "lightClientAttack") {
    const { header } = piece.conflictingBlock.signedHeader;
    return concatBytes(heightKey(prefix, header.height), headerHash(header));
  }
  const { height, round, type, validatorAddress } = piece.voteA;
  const place = new Uint8Array(5);
  new DataView(place.buffer).setUint32(0, round);
  place[4] = type;
  return concatBytes(heightKey(prefix, height), place, validatorAddress);
}

/** Whose share of the pool a piece takes: a validator's address, or all attacks together. */
export function offenderOf(piece: Evidence): string {
  return piece.kind === "duplicateVote" ? toHex(piece.voteA.validatorAddress) : "attacks";
}

/**
 * The one form in which we keep a piece, as far as it goes without checking signatures: with the validator's
 * index, and without extensions that were never counted with their votes.
 */
export function normalised(piece: Evidence, validators: ValidatorSet): Evidence {
  if (piece.kind === "lightClientAttack") return piece;
  const index = validatorIndexByAddress(validators, piece.voteA.validatorAddress);
  const form = (vote: Vote): Vote => ({ ...withKeptExtension(vote), validatorIndex: index });
  return { ...piece, voteA: form(piece.voteA), voteB: form(piece.voteB) };
}

/**
 * A vote as evidence keeps it. Its extension proves nothing, but CometBFT knows the piece by its bytes: two
 * nodes that found one offence and differ in it would have it committed twice. A large one is left out.
 */
export function withKeptExtension(vote: Vote): Vote {
  const { type, blockId, extension, extensionSignature } = vote;
  const mayExtend = type === SignedMsgType.PRECOMMIT && !isNilBlockId(blockId);
  const isKept =
    mayExtend &&
    extension.length <= EVIDENCE_EXTENSION_BYTES_MAX &&
    extensionSignature.length === ED25519_SIGNATURE_BYTES;
  return isKept ? vote : withoutExtension(vote);
}

export function withoutExtension(vote: Vote): Vote {
  return { ...vote, extension: EMPTY_BYTES, extensionSignature: EMPTY_BYTES };
}
