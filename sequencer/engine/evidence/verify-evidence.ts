/** Whether a piece of evidence holds against our chain (spec/cometbft-v0.38.md §11.3, §11.4). */
import type { Height } from "../../../proto/brands.ts";
import { bytesEqual } from "../../../proto/bytes.ts";
import { voteSignBytes } from "../../../proto/sign-bytes.ts";
import { compareTime, timeToNanos } from "../../../proto/time.ts";
import type {
  DuplicateVoteEvidence,
  Evidence,
  LightClientAttackEvidence,
  SignedHeader,
  Timestamp,
  ValidatorSet,
} from "../../../proto/types.ts";
import { blockIdKey } from "../../../proto/validate-basic.ts";
import { validatorIndexByAddress } from "../../../proto/validator-set.ts";
import type { SignatureVerifier } from "../../../proto/verify/ed25519.ts";
import { findAttackFault, findStrangerFault } from "../../../proto/verify/light-client-attack.ts";
import type { BlockStore } from "../../store/block-store.ts";
import type { ChainState } from "../../store/chain-state.ts";
import type { StateStore } from "../../store/state-store.ts";
import { evidenceHeight } from "./offence.ts";

/** A verdict on one piece. In a block everything but "valid" is a fault. */
export type EvidenceVerdict =
  | { readonly kind: "valid" }
  /** It proves nothing, whoever judges: who sent it lies, or did not look. */
  | { readonly kind: "invalid"; readonly message: string }
  /** We cannot judge it, or may not take it; its sender need not know that. */
  | {
      readonly kind: "unjudgeable";
      readonly message: string;
      /**
       * Nodes may differ about it: those that have a block which we lack, or took the piece before it was
       * too old. When +2/3 decided a block with it, that is no reason to stop.
       */
      readonly isTolerable: boolean;
    };

/** What the evidence of a height is measured with. */
export interface HeightFacts {
  readonly time: Timestamp;
  readonly validators: ValidatorSet;
}

export interface EvidenceJudgeDeps {
  readonly blockStore: Pick<BlockStore, "meta" | "commit">;
  readonly stateStore: Pick<StateStore, "validators">;
}

/**
 * Judges a piece that passed `validateEvidence`. `state` bounds what is looked at: a block that is
 * being stored already is not yet part of the chain that other nodes judge by.
 */
export async function judgeEvidence(
  state: ChainState,
  piece: Evidence,
  deps: EvidenceJudgeDeps,
  verifier: SignatureVerifier,
): Promise<EvidenceVerdict> {
  const height = evidenceHeight(piece);
  const facts = await heightFacts(state, height, deps);
  if (facts === undefined) {
    const isBehind = height > state.lastBlockHeight;
    return unjudgeable(`block ${height} is not in our store`, !isBehind);
  }
  if (compareTime(piece.timestamp, facts.time) !== 0) {
    return invalid(`its time is not that of block ${height}`);
  }
  if (isExpired(state, height, piece.timestamp)) return unjudgeable("it is too old", true);
  return piece.kind === "duplicateVote"
    ? judgeDuplicateVote(state.chainId, piece, facts.validators, verifier)
    : judgeAttack(state, piece, facts.validators, deps, verifier);
}

/**
 * A first look at what a stranger sent, before anything is done that takes long: "valid" says that it is
 * worth `validateEvidence` and `judgeEvidence`.
 */
export async function judgeStrangers(
  state: ChainState,
  piece: Evidence,
  deps: EvidenceJudgeDeps,
  verifier: SignatureVerifier,
): Promise<EvidenceVerdict> {
  if (piece.kind === "duplicateVote") return { kind: "valid" };
  const { commonHeight } = piece;
  const facts = await heightFacts(state, commonHeight, deps);
  if (facts === undefined) return unjudgeable(`block ${commonHeight} is not in our store`);
  const { chainId } = state;
  const chain = { chainId, commonHeight, commonValidators: facts.validators };
  const fault = await findStrangerFault(piece, chain, verifier);
  return fault === undefined ? { kind: "valid" } : invalid(fault);
}

/** Time and validators of a committed height; undefined when we do not have them. */
export async function heightFacts(
  state: ChainState,
  height: Height,
  { blockStore, stateStore }: EvidenceJudgeDeps,
): Promise<HeightFacts | undefined> {
  if (height > state.lastBlockHeight) return undefined;
  if (height === state.lastBlockHeight && state.lastValidators !== undefined) {
    return { time: state.lastBlockTime, validators: state.lastValidators };
  }
  const meta = await blockStore.meta(height);
  const validators = await stateStore.validators(height);
  return meta && validators && { time: meta.header.time, validators };
}

/** Both in blocks and in time (§11.3). */
export function isExpired(state: ChainState, height: Height, time: Timestamp): boolean {
  const { maxAgeBlocks, maxAgeDurationNanos } = state.consensusParams.evidence;
  const ageBlocks = BigInt(state.lastBlockHeight - height);
  const ageNanos = timeToNanos(state.lastBlockTime) - timeToNanos(time);
  return ageBlocks > maxAgeBlocks && ageNanos > maxAgeDurationNanos;
}

async function judgeDuplicateVote(
  chainId: string,
  piece: DuplicateVoteEvidence,
  validators: ValidatorSet,
  verifier: SignatureVerifier,
): Promise<EvidenceVerdict> {
  const { voteA, voteB } = piece;
  const index = validatorIndexByAddress(validators, voteA.validatorAddress);
  const validator = validators.validators[index];
  if (validator === undefined) return invalid("its signer was not a validator");
  if (
    voteA.height !== voteB.height ||
    voteA.round !== voteB.round ||
    voteA.type !== voteB.type ||
    !bytesEqual(voteA.validatorAddress, voteB.validatorAddress)
  ) {
    return invalid("its votes are not of one height, round, type and validator");
  }
  if (bytesEqual(blockIdKey(voteA.blockId), blockIdKey(voteB.blockId))) {
    return invalid("its votes are for the same block");
  }
  if (
    piece.validatorPower !== validator.votingPower ||
    piece.totalVotingPower !== validators.totalVotingPower
  ) {
    return invalid("its powers are not those of the validator set");
  }
  for (const vote of [voteA, voteB]) {
    const message = voteSignBytes(chainId, vote);
    const isSigned = await verifier.verify(validator.publicKey.bytes, message, vote.signature);
    if (!isSigned) return invalid("a signature does not verify");
  }
  return { kind: "valid" };
}

async function judgeAttack(
  state: ChainState,
  piece: LightClientAttackEvidence,
  commonValidators: ValidatorSet,
  deps: EvidenceJudgeDeps,
  verifier: SignatureVerifier,
): Promise<EvidenceVerdict> {
  const { commonHeight, conflictingBlock, byzantineValidators } = piece;
  const { height } = conflictingBlock.signedHeader.header;
  // CometBFT reads the commit of both heights from the blocks above them. So it refuses a conflicting
  // block at or above the last height, and with it every forward lunatic attack (ADR 0005).
  const common = await signedHeader(state, commonHeight, deps);
  if (common === undefined) return missing(state, commonHeight);
  const trusted = height === commonHeight ? common : await signedHeader(state, height, deps);
  if (trusted === undefined) return missing(state, height);
  const chain = { chainId: state.chainId, commonHeight, commonValidators, trusted };
  const fault = await findAttackFault(piece, chain, verifier);
  if (fault !== undefined) return invalid(fault);
  if (byzantineValidators.length === 0) {
    // Read from the wire, its empty list is not the "nil" that CometBFT wants of amnesia (ADR 0005).
    return unjudgeable("it blames nobody, which CometBFT refuses in a block");
  }
  return { kind: "valid" };
}

/** A header and the commit for it in the block above. */
async function signedHeader(
  state: ChainState,
  height: Height,
  { blockStore }: EvidenceJudgeDeps,
): Promise<SignedHeader | undefined> {
  if (height >= state.lastBlockHeight) return undefined;
  const meta = await blockStore.meta(height);
  const commit = await blockStore.commit(height);
  return meta && commit && { header: meta.header, commit };
}

function invalid(message: string): EvidenceVerdict {
  return { kind: "invalid", message };
}

function unjudgeable(message: string, isTolerable = false): EvidenceVerdict {
  return { kind: "unjudgeable", message, isTolerable };
}

/** A block below the last one that our store does not hold: pruned, or from before a snapshot. */
function missing(state: ChainState, height: Height): EvidenceVerdict {
  if (height < state.lastBlockHeight)
    return unjudgeable(`block ${height} is not in our store`, true);
  return unjudgeable(`block ${height} has no commit yet`);
}
