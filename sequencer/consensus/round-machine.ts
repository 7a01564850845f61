/**
 * The steps of a round (spec §13.2), as CometBFT v0.38 takes them. Each `enter` returns silently when
 * its precondition does not hold; handlers call several in a row and rely on that.
 */
import { Round } from "../../proto/brands.ts";
import { AssertionFailure, assert } from "../../proto/errors.ts";
import { incrementProposerPriority } from "../../proto/validator-set.ts";
import { EMPTY_BYTES } from "../../proto/bytes.ts";
import { SignedMsgType, ZERO_TIME } from "../../proto/types.ts";
import { type BlockKey, NIL_KEY } from "./block-key.ts";
import {
  announceParts,
  expectParts,
  type HeightState,
  isProposalComplete,
  isProposer,
  type KnownBlock,
  moveTo,
  NO_ROUND,
  request,
  forgetRefusals,
  requestValidation,
  requestVote,
  schedule,
  scheduleStep,
  type Validation,
  withdraw,
} from "./height-state.ts";
import { Step } from "./step.ts";

/**
 * Starts a round. Unlike CometBFT, a decided height stays in Commit: there the decision and its
 * execution are one synchronous call, here execution is under way meanwhile.
 */
export function enterNewRound(state: HeightState, round: number): void {
  if (state.step === Step.COMMIT || round < state.round) return;
  if (round === state.round && state.step !== Step.NEW_HEIGHT) return;
  if (round > state.round) {
    state.validators = incrementProposerPriority(state.validators, round - state.round);
    withdrawProposal(state);
    forgetRefusals(state);
    state.round = Round(round);
  }
  state.step = Step.NEW_ROUND;
  // Round 0 keeps what arrived while the last height's timeout ran.
  if (round !== 0) {
    state.proposal = undefined;
    state.proposalParts = undefined;
    state.proposalBlock = undefined;
  }
  state.votes.trackUpTo(round + 1);
  state.isPrecommitWaitTriggered = false;
  state.pendingPrevote = undefined;
  state.pendingPrecommit = undefined;
  if (isWaitingForTxs(state)) {
    moveTo(state, Step.NEW_ROUND);
    const { createEmptyBlocksIntervalMs } = state.options;
    if (createEmptyBlocksIntervalMs > 0) {
      schedule(state, Step.NEW_ROUND, createEmptyBlocksIntervalMs);
    }
    return;
  }
  enterPropose(state, round);
}

export function enterPropose(state: HeightState, round: number): void {
  if (round !== state.round || state.step >= Step.PROPOSE) return;
  scheduleStep(state, Step.PROPOSE);
  moveTo(state, Step.PROPOSE);
  const isUndecided = state.proposal === undefined && state.ownBlock === undefined;
  if (isProposer(state) && isUndecided) decideProposal(state);
  if (isProposalComplete(state)) enterPrevote(state, round);
}

/** Asks for the signature of a proposal for a block that we hold. */
export function requestProposal(state: HeightState, known: KnownBlock, polRound: Round): void {
  state.ownBlock = known;
  request(state, `proposal ${state.round}`, {
    kind: "signProposal",
    proposal: {
      height: state.context.height,
      round: state.round,
      polRound,
      blockId: known.blockId,
      timestamp: ZERO_TIME,
      signature: EMPTY_BYTES,
    },
  });
}

export function enterPrevote(state: HeightState, round: number): void {
  if (round !== state.round || state.step >= Step.PREVOTE) return;
  moveTo(state, Step.PREVOTE);
  // A lock is prevoted whatever was proposed.
  const known = state.lockedBlock;
  if (known !== undefined) {
    requestVote(state, SignedMsgType.PREVOTE, known);
  } else if (state.proposalBlock === undefined) {
    requestVote(state, SignedMsgType.PREVOTE, undefined);
  } else {
    prevoteWhenValidated(state, state.proposalBlock);
  }
}

export function enterPrevoteWait(state: HeightState, round: number): void {
  if (round !== state.round || state.step >= Step.PREVOTE_WAIT) return;
  assert(state.votes.prevotes(round).hasTwoThirdsAny(), "prevote-wait needs +2/3 prevotes");
  moveTo(state, Step.PREVOTE_WAIT);
  scheduleStep(state, Step.PREVOTE_WAIT);
}

export function enterPrecommit(state: HeightState, round: number): void {
  if (round !== state.round || state.step >= Step.PRECOMMIT) return;
  moveTo(state, Step.PRECOMMIT);
  const polka = state.votes.prevotes(round).majorityKey();
  if (polka !== undefined && polka !== NIL_KEY) {
    precommitPolka(state, polka);
    return;
  }
  // No polka: the lock is kept. A polka for nil: it is given up.
  state.pendingPrevote = undefined;
  if (polka === NIL_KEY) unlock(state);
  requestVote(state, SignedMsgType.PRECOMMIT, undefined);
}

/** The step stays Precommit; only a flag says that the timer runs. */
export function enterPrecommitWait(state: HeightState, round: number): void {
  if (round !== state.round || state.step === Step.COMMIT) return;
  if (state.isPrecommitWaitTriggered) return;
  assert(state.votes.precommits(round).hasTwoThirdsAny(), "precommit-wait needs +2/3 precommits");
  state.isPrecommitWaitTriggered = true;
  scheduleStep(state, Step.PRECOMMIT_WAIT);
}

/** +2/3 precommits for a block in `commitRound`, which may be an earlier or the current round. */
export function enterCommit(state: HeightState, commitRound: Round): void {
  if (state.step === Step.COMMIT) return;
  const key = state.votes.precommits(commitRound).majorityKey();
  const blockId = state.votes.precommits(commitRound).majority();
  assert(
    key !== undefined && key !== NIL_KEY && blockId !== undefined,
    "a commit needs +2/3 precommits for a block",
  );
  withdrawProposal(state);
  state.pendingPrevote = undefined;
  state.commitRound = commitRound;
  moveTo(state, Step.COMMIT);
  const held = [state.lockedBlock, state.validBlock].find((known) => known?.key === key);
  if (held !== undefined) {
    state.proposalBlock = held;
    state.proposalParts = held.parts;
  }
  if (state.proposalBlock?.key !== key) {
    state.proposalBlock = undefined;
    if (state.proposalParts?.hasHeader(blockId.partSetHeader) !== true) {
      expectParts(state, blockId.partSetHeader);
    }
    announceParts(state);
  }
  tryFinalize(state);
}

/** Hands the block over once it is here and found valid; an invalid one halts (spec §13.7). */
export function tryFinalize(state: HeightState): void {
  if (state.step !== Step.COMMIT || state.isCommitted) return;
  const precommits = state.votes.precommits(state.commitRound);
  const known = state.proposalBlock;
  if (known === undefined || known.key !== precommits.majorityKey()) return;
  requestValidation(state, known);
  const validation = state.validations.get(known.key);
  if (validation === undefined || validation === "pending") return;
  assertValid(validation, "+2/3 precommitted an invalid block");
  state.isCommitted = true;
  request(state, "commit", {
    kind: "commitBlock",
    height: state.context.height,
    round: state.commitRound,
    block: known.block,
    blockId: known.blockId,
    parts: completeParts(known),
    commit: precommits.toExtendedCommit(),
  });
}

/** Continues what waited for the validation of a block. */
export function continueValidated(state: HeightState, key: BlockKey): void {
  const prevote = state.pendingPrevote;
  if (prevote?.key === key) {
    state.pendingPrevote = undefined;
    prevoteWhenValidated(state, prevote);
  }
  const precommit = state.pendingPrecommit;
  if (precommit?.key === key) {
    state.pendingPrecommit = undefined;
    lockAndPrecommit(state, precommit);
  }
  tryFinalize(state);
}

/**
 * The block that we wait for is here whole: validate it at once, note a polka for it, and go on as
 * far as it allows.
 */
export function continueComplete(state: HeightState): void {
  const known = state.proposalBlock;
  assert(known !== undefined, "a complete block is held");
  requestValidation(state, known);
  const polka = state.votes.prevotes(state.round).majorityKey();
  if (polka === known.key && state.validRound < state.round) {
    state.validRound = state.round;
    state.validBlock = known;
  }
  if (state.step === Step.COMMIT) {
    tryFinalize(state);
  } else if (isProposalComplete(state)) {
    enterPrevote(state, state.round);
    if (polka !== undefined) enterPrecommit(state, state.round);
  }
}

export function unlock(state: HeightState): void {
  state.lockedRound = NO_ROUND;
  state.lockedBlock = undefined;
}

function isWaitingForTxs(state: HeightState): boolean {
  const { createEmptyBlocks, createEmptyBlocksIntervalMs } = state.options;
  const isPatient = !createEmptyBlocks || createEmptyBlocksIntervalMs > 0;
  if (!isPatient || state.areTxsAvailable) return false;
  return state.round === 0 && !state.context.needsProofBlock;
}

/** A valid block is proposed again with its polka; otherwise a new one is made. */
function decideProposal(state: HeightState): void {
  if (state.validBlock !== undefined) {
    requestProposal(state, state.validBlock, state.validRound);
    return;
  }
  request(state, `block ${state.round}`, {
    kind: "createBlock",
    height: state.context.height,
    round: state.round,
    lastCommit: state.lastCommit?.toExtendedCommit(),
  });
}

/** Once the round is over, neither a block for it nor its proposal is of use. */
function withdrawProposal(state: HeightState): void {
  withdraw(state, `block ${state.round}`);
  withdraw(state, `proposal ${state.round}`);
  state.ownBlock = undefined;
}

function prevoteWhenValidated(state: HeightState, known: KnownBlock): void {
  requestValidation(state, known);
  const validation = state.validations.get(known.key);
  if (validation === undefined || validation === "pending") {
    state.pendingPrevote = known;
    return;
  }
  const isGood = validation.isValid && validation.isAccepted && known.isCanonical;
  requestVote(state, SignedMsgType.PREVOTE, isGood ? known : undefined);
}

function precommitPolka(state: HeightState, polka: BlockKey): void {
  // A prevote still waiting for validation goes first if it is for this very block.
  if (state.pendingPrevote?.key !== polka) state.pendingPrevote = undefined;
  const locked = state.lockedBlock;
  if (locked?.key === polka) {
    state.lockedRound = state.round;
    requestVote(state, SignedMsgType.PRECOMMIT, locked);
    return;
  }
  if (state.proposalBlock?.key === polka) {
    lockAndPrecommit(state, state.proposalBlock);
    return;
  }
  // A polka for a block we lack: give up the lock, fetch the block, precommit nil.
  unlock(state);
  state.pendingPrevote = undefined;
  const blockId = state.votes.prevotes(state.round).majority();
  assert(blockId !== undefined, "a polka has a block id");
  if (state.proposalParts?.hasHeader(blockId.partSetHeader) !== true) {
    expectParts(state, blockId.partSetHeader);
  }
  requestVote(state, SignedMsgType.PRECOMMIT, undefined);
}

function lockAndPrecommit(state: HeightState, known: KnownBlock): void {
  requestValidation(state, known);
  const validation = state.validations.get(known.key);
  if (validation === undefined || validation === "pending") {
    state.pendingPrecommit = known;
    return;
  }
  assertValid(validation, "+2/3 prevoted an invalid block");
  state.lockedRound = state.round;
  state.lockedBlock = known;
  requestVote(state, SignedMsgType.PRECOMMIT, known);
}

function assertValid(validation: Exclude<Validation, "pending">, what: string): void {
  if (validation.isValid) return;
  throw new AssertionFailure(`consensus failure: ${what}: ${validation.reason}`);
}

function completeParts(known: KnownBlock) {
  const { parts } = known;
  return Array.from({ length: parts.header.total }, (_, index) => {
    const part = parts.get(index);
    assert(part !== undefined, "a known block has all its parts");
    return part;
  });
}
