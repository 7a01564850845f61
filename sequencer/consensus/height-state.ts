import { Round } from "../../proto/brands.ts";
import { bytesEqual } from "../../proto/bytes.ts";
import { assert } from "../../proto/errors.ts";
import { PartSet } from "../../proto/part-set.ts";
import type {
  Block,
  BlockId,
  PartSetHeader,
  Proposal,
  ValidatorSet,
  VoteType,
} from "../../proto/types.ts";
import { NIL_BLOCK_ID, SignedMsgType } from "../../proto/types.ts";
import type { BlockKey } from "./block-key.ts";
import type { ConsensusEffect } from "./effects.ts";
import { createElectorate, type Electorate, indexOfAddress } from "./electorate.ts";
import { HeightVoteSet } from "./height-vote-set.ts";
import type { IgnoreCode } from "./ignore-code.ts";
import type { HeightContext } from "./inputs.ts";
import { VALIDATIONS_MAX } from "./limits.ts";
import type { ConsensusCoreOptions } from "./options.ts";
import { Step } from "./step.ts";
import { type Ticker, type TimedStep, timeoutMs } from "./ticker.ts";
import type { VoteSet } from "./vote-set.ts";

/** A block we hold whole. Its id is made of what we hold, not of what a proposal said. */
export interface KnownBlock {
  readonly block: Block;
  readonly blockId: BlockId;
  readonly key: BlockKey;
  readonly parts: PartSet;
  /**
   * The parts hold the one encoding that the block has. Others may be decided, but no node that makes
   * the parts anew from the block, as block sync does, arrives at their id: such a block is prevoted nil.
   */
  readonly isCanonical: boolean;
}

/** What the engine found about a block; "pending" until it answers. */
export type Validation =
  | "pending"
  | { readonly isValid: boolean; readonly isAccepted: boolean; readonly reason: string };

export const NO_ROUND = Round(-1);

/** The mutable state of one height (spec §13.1); the next height begins with a new one. */
export interface HeightState {
  readonly options: ConsensusCoreOptions;
  readonly context: HeightContext;
  readonly electorate: Electorate;
  /** Our place in the validator set, -1 when we are not in it. */
  readonly ownIndex: number;
  readonly votes: HeightVoteSet;
  /** Precommits of the last height; undefined at the initial height. */
  readonly lastCommit: VoteSet | undefined;
  readonly ticker: Ticker;
  /** Effects of the input at hand, in order. */
  readonly effects: ConsensusEffect[];
  /** Requests without an answer, by a name that says what they are for. */
  readonly requests: Map<string, ConsensusEffect>;
  readonly validations: Map<BlockKey, Validation>;
  round: Round;
  step: Step;
  /** Validators with the priorities of this round. */
  validators: ValidatorSet;
  proposal: Proposal | undefined;
  /** Parts of the block we wait for: of the proposal, or of what a polka or commit fixed. */
  proposalParts: PartSet | undefined;
  proposalBlock: KnownBlock | undefined;
  lockedRound: Round;
  lockedBlock: KnownBlock | undefined;
  validRound: Round;
  validBlock: KnownBlock | undefined;
  commitRound: Round;
  /** What we propose in this round, once it is known. */
  ownBlock: KnownBlock | undefined;
  /** Block to prevote in this round as soon as it is found valid. */
  pendingPrevote: KnownBlock | undefined;
  /** Block to lock and precommit in this round as soon as it is found valid. */
  pendingPrecommit: KnownBlock | undefined;
  isPrecommitWaitTriggered: boolean;
  areTxsAvailable: boolean;
  /** Latest round whose polka was announced to peers. */
  announcedRound: number;
  /** The last vote asked for: round times two, plus one for a precommit. */
  lastVoteOrdinal: number;
  /** `commitBlock` was emitted; nothing but the next height moves us on. */
  isCommitted: boolean;
}

/** A height before its first round. */
export function createHeightState(
  options: ConsensusCoreOptions,
  context: HeightContext,
  lastCommit: VoteSet | undefined,
  shared: { readonly ticker: Ticker; readonly effects: ConsensusEffect[] },
): HeightState {
  const electorate = createElectorate(context.validators);
  return {
    options,
    context,
    electorate,
    ownIndex: indexOfAddress(electorate, options.ownAddress),
    votes: new HeightVoteSet(context.height, electorate, context.isExtended),
    lastCommit,
    ticker: shared.ticker,
    effects: shared.effects,
    requests: new Map(),
    validations: new Map(),
    round: Round(0),
    step: Step.NEW_HEIGHT,
    validators: context.validators,
    proposal: undefined,
    proposalParts: undefined,
    proposalBlock: undefined,
    lockedRound: NO_ROUND,
    lockedBlock: undefined,
    validRound: NO_ROUND,
    validBlock: undefined,
    commitRound: NO_ROUND,
    ownBlock: undefined,
    pendingPrevote: undefined,
    pendingPrecommit: undefined,
    isPrecommitWaitTriggered: false,
    areTxsAvailable: false,
    announcedRound: -1,
    lastVoteOrdinal: -1,
    isCommitted: false,
  };
}

export function emit(state: HeightState, effect: ConsensusEffect): void {
  state.effects.push(effect);
}

export function ignore(state: HeightState, code: IgnoreCode, detail: string): void {
  state.effects.push({ kind: "inputIgnored", code, detail });
}

/** Emits an effect that is due an answer and remembers it until then. */
export function request(state: HeightState, name: string, effect: ConsensusEffect): void {
  state.requests.set(name, effect);
  state.effects.push(effect);
}

/** Forgets a request; one that was made by the same input is not even emitted. */
export function withdraw(state: HeightState, name: string): void {
  const effect = state.requests.get(name);
  if (effect === undefined) return;
  state.requests.delete(name);
  const index = state.effects.indexOf(effect);
  if (index >= 0) state.effects.splice(index, 1);
}

/** Moves to a step of the current round and says so. */
export function moveTo(state: HeightState, step: Step): void {
  state.step = step;
  const { height } = state.context;
  emit(state, { kind: "stepChanged", height, round: state.round, step });
}

export function schedule(state: HeightState, step: Step, durationMs: number): void {
  const timer = { height: state.context.height, round: state.round, step, durationMs };
  if (state.ticker.schedule(timer)) emit(state, { kind: "scheduleTimeout", ...timer });
}

/** Schedules the timeout of a step of the current round, of the length that the options say. */
export function scheduleStep(state: HeightState, step: TimedStep): void {
  schedule(state, step, timeoutMs(state.options.timeouts, step, state.round));
}

/** The proposal and its block are here, and the polka that the proposal refers to (spec §13.2). */
export function isProposalComplete(state: HeightState): boolean {
  const { proposal } = state;
  if (proposal === undefined || state.proposalBlock === undefined) return false;
  if (proposal.polRound < 0) return true;
  return state.votes.prevotes(proposal.polRound).majorityKey() !== undefined;
}

export function isProposer(state: HeightState): boolean {
  const { ownAddress } = state.options;
  return (
    state.ownIndex >= 0 &&
    ownAddress !== undefined &&
    bytesEqual(state.validators.proposer.address, ownAddress)
  );
}

/**
 * Waits for the parts of a block. A block we hold already, because of an earlier polka, is taken at
 * once; CometBFT fetches it again.
 */
export function expectParts(state: HeightState, header: PartSetHeader): void {
  const held = [state.lockedBlock, state.validBlock].find((known) =>
    known?.parts.hasHeader(header),
  );
  state.proposalBlock = held;
  state.proposalParts = held?.parts ?? new PartSet(header);
}

/** Tells peers which parts we hold of the block that a polka or commit fixed. */
export function announceParts(state: HeightState): void {
  const parts = state.proposalParts;
  assert(parts !== undefined, "parts to announce are expected");
  emit(state, {
    kind: "validBlockSeen",
    height: state.context.height,
    round: state.round,
    partSetHeader: parts.header,
    parts: parts.bitArray(),
    isCommit: state.step === Step.COMMIT,
  });
}

/**
 * A block that was refused may be good in a later round: its time was ahead of our clock, say. As in
 * CometBFT the application is asked again then. That a block breaks a rule holds for the height.
 */
export function forgetRefusals(state: HeightState): void {
  for (const [key, validation] of state.validations) {
    if (validation === "pending" || !validation.isValid || validation.isAccepted) continue;
    state.validations.delete(key);
  }
}

/** Asks for the validation of a block, once per height or, when it was refused, per round. */
export function requestValidation(state: HeightState, known: KnownBlock): void {
  if (state.validations.has(known.key)) return;
  if (state.validations.size >= VALIDATIONS_MAX) forgetOldestValidation(state);
  state.validations.set(known.key, "pending");
  request(state, `validate ${known.key}`, {
    kind: "validateBlock",
    height: state.context.height,
    round: state.round,
    blockId: known.blockId,
    block: known.block,
    withApplication: state.step !== Step.COMMIT,
  });
}

/**
 * Asks for our vote in the current round; `undefined` votes nil. The order of requests is asserted:
 * whatever the callers do, no round and type is ever asked for twice.
 */
export function requestVote(
  state: HeightState,
  type: VoteType,
  known: KnownBlock | undefined,
): void {
  if (state.ownIndex < 0) return;
  const isPrecommit = type === SignedMsgType.PRECOMMIT;
  const ordinal = state.round * 2 + (isPrecommit ? 1 : 0);
  assert(ordinal > state.lastVoteOrdinal, "a vote is asked for once, in the order of rounds");
  state.lastVoteOrdinal = ordinal;
  const latest = state.lockedBlock ?? known ?? state.proposalBlock;
  request(state, voteRequestName(state.round, type), {
    kind: "signVote",
    height: state.context.height,
    round: state.round,
    type,
    blockId: known?.blockId ?? NIL_BLOCK_ID,
    block: isPrecommit ? known?.block : undefined,
    earliestTime: latest?.block.header.time,
    validatorIndex: state.ownIndex,
  });
}

export function voteRequestName(round: Round, type: VoteType): string {
  return `vote ${round}/${type}`;
}

function forgetOldestValidation(state: HeightState): void {
  for (const [key, validation] of state.validations) {
    if (validation === "pending") continue;
    state.validations.delete(key);
    return;
  }
}
