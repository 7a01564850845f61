/** What an added vote sets off (spec §13.3). */
import { bytesEqual } from "../../proto/bytes.ts";
import { assert } from "../../proto/errors.ts";
import type { Vote } from "../../proto/types.ts";
import { SignedMsgType } from "../../proto/types.ts";
import { blockKey, isNil, NIL_KEY } from "./block-key.ts";
import {
  announceParts,
  emit,
  expectParts,
  type HeightState,
  ignore,
  isProposalComplete,
  voteRequestName,
} from "./height-state.ts";
import type { ConsensusInput, Origin } from "./inputs.ts";
import {
  continueComplete,
  enterCommit,
  enterNewRound,
  enterPrecommit,
  enterPrecommitWait,
  enterPrevote,
  enterPrevoteWait,
  unlock,
} from "./round-machine.ts";
import { Step } from "./step.ts";
import type { VoteOutcome, VoteSet } from "./vote-set.ts";

type Input<Kind extends ConsensusInput["kind"]> = Extract<ConsensusInput, { readonly kind: Kind }>;

/** A vote of this height, or a late precommit of the last one; ours or a peer's. */
export function handleVote(state: HeightState, vote: Vote, origin: Origin): void {
  const { height } = state.context;
  if (vote.height + 1 === height && vote.type === SignedMsgType.PRECOMMIT) {
    addLateCommitVote(state, vote, origin);
    return;
  }
  if (vote.height !== height) {
    ignore(state, "HEIGHT_MISMATCH", `vote of height ${vote.height}`);
    return;
  }
  if (!settle(state, vote, origin, state.votes.add(vote, origin ?? ""))) return;
  // A decided height collects further votes, but they change nothing.
  if (state.step === Step.COMMIT) return;
  if (vote.type === SignedMsgType.PREVOTE) onPrevote(state, vote);
  else onPrecommit(state, vote);
}

/**
 * Our signature has come. A vote counts whether or not it is still waited for, because a replayed
 * log and the signer may both bring it; the vote set knows it by then.
 */
export function handleVoteSigned(state: HeightState, input: Input<"voteSigned">): void {
  const { vote } = input;
  if (input.height === state.context.height) {
    state.requests.delete(voteRequestName(input.round, input.type));
  }
  if (vote === undefined) {
    ignore(state, "SIGNATURE_REFUSED", `${input.height}/${input.round}/${input.type}`);
    return;
  }
  assertLocked(state, vote);
  handleVote(state, vote, undefined);
}

/**
 * We lock what we precommit, when we ask for the signature. If our own precommit of this round comes
 * out of the log and there is no lock, then the log lacks what led to it, and to go on could fork.
 */
function assertLocked(state: HeightState, vote: Vote): void {
  const isOfRound = vote.height === state.context.height && vote.round === state.round;
  if (!isOfRound || vote.type !== SignedMsgType.PRECOMMIT || isNil(vote.blockId)) return;
  assert(
    state.lockedBlock?.key === blockKey(vote.blockId) && state.lockedRound === vote.round,
    `consensus failure: our precommit ${vote.height}/${vote.round} is for a block we did not lock; ` +
      "the log of this height is incomplete",
  );
}

export function handleClaim(state: HeightState, input: Input<"majorityClaimed">): void {
  const { round, type, origin, blockId } = input;
  const verdict = state.votes.claimMajority(round, type, origin, blockId);
  if (verdict === "conflict") {
    const reason = "claims two majorities in one round";
    emit(state, { kind: "peerMisbehaved", peer: origin, reason });
  } else if (verdict !== "accepted") {
    ignore(state, "CLAIM_NOT_TRACKED", `${verdict} ${round}/${type}`);
  }
}

/** Precommits of the last height are taken until its successor's first round starts. */
function addLateCommitVote(state: HeightState, vote: Vote, origin: Origin): void {
  const { lastCommit } = state;
  if (state.step !== Step.NEW_HEIGHT || lastCommit === undefined) {
    ignore(state, "HEIGHT_MISMATCH", "precommit of the last height");
    return;
  }
  if (vote.round !== lastCommit.round) {
    ignore(state, "ROUND_MISMATCH", `precommit of the last height, round ${vote.round}`);
    return;
  }
  if (!settle(state, vote, origin, lastCommit.add(vote))) return;
  if (state.options.skipTimeoutCommit && lastCommit.hasAll()) enterNewRound(state, 0);
}

/** Reports what came of adding a vote; true when it was added. */
function settle(state: HeightState, vote: Vote, origin: Origin, outcome: VoteOutcome): boolean {
  const { first } = outcome;
  const { ownAddress } = state.options;
  const isOwn = ownAddress !== undefined && bytesEqual(ownAddress, vote.validatorAddress);
  if (first !== undefined && isOwn) {
    ignore(state, "VOTE_OWN_CONFLICT", `${vote.height}/${vote.round}/${vote.type}`);
  } else if (first !== undefined) {
    emit(state, { kind: "conflictingVotes", first, second: vote });
  }
  if (!outcome.isAdded) {
    ignore(state, outcome.code, `${vote.height}/${vote.round}/${vote.type}/${vote.validatorIndex}`);
    return false;
  }
  emit(state, { kind: "gossipVote", vote, origin });
  return true;
}

function onPrevote(state: HeightState, vote: Vote): void {
  const prevotes = state.votes.prevotes(vote.round);
  if (prevotes.majorityKey() !== undefined) onPolka(state, prevotes);
  if (vote.round > state.round) {
    if (prevotes.hasTwoThirdsAny()) enterNewRound(state, vote.round);
  } else if (vote.round === state.round && state.step >= Step.PREVOTE) {
    const polka = prevotes.majorityKey();
    if (polka !== undefined && (polka === NIL_KEY || isProposalComplete(state))) {
      enterPrecommit(state, vote.round);
    } else if (prevotes.hasTwoThirdsAny()) {
      enterPrevoteWait(state, vote.round);
    }
  } else if (state.proposal?.polRound === vote.round && isProposalComplete(state)) {
    enterPrevote(state, state.round);
  }
}

/** Unlocks on a later polka for something else, and turns to the block that has a polka now. */
function onPolka(state: HeightState, prevotes: VoteSet): void {
  const key = prevotes.majorityKey();
  const blockId = prevotes.majority();
  if (blockId === undefined) return;
  const { round } = prevotes;
  const locked = state.lockedBlock;
  const isNewer = state.lockedRound < round && round <= state.round;
  if (locked !== undefined && locked.key !== key && isNewer) unlock(state);
  if (key === NIL_KEY || round !== state.round || state.validRound >= round) return;
  if (state.proposalBlock?.key === key) {
    state.validRound = round;
    state.validBlock = state.proposalBlock;
  } else {
    state.proposalBlock = undefined;
  }
  if (state.proposalParts?.hasHeader(blockId.partSetHeader) !== true) {
    expectParts(state, blockId.partSetHeader);
  }
  if (state.announcedRound < round) {
    state.announcedRound = round;
    announceParts(state);
  }
  if (state.validRound < round && state.proposalBlock?.key === key) continueComplete(state);
}

function onPrecommit(state: HeightState, vote: Vote): void {
  const { round } = vote;
  const precommits = state.votes.precommits(round);
  const key = precommits.majorityKey();
  if (key !== undefined) {
    // The majority may be of a later round than ours, or of an earlier one.
    enterNewRound(state, round);
    enterPrecommit(state, round);
    if (key === NIL_KEY) enterPrecommitWait(state, round);
    else enterCommit(state, round);
  } else if (state.round <= round && precommits.hasTwoThirdsAny()) {
    enterNewRound(state, round);
    enterPrecommitWait(state, round);
  }
}
