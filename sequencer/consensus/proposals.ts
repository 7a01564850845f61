/** Proposals, block parts and the answers about our own proposal (spec §13.2). */
import { decodeBlock, isCanonicalBlock } from "../../proto/codec/block.ts";
import { bytesEqual } from "../../proto/bytes.ts";
import { isWeftError } from "../../proto/errors.ts";
import { headerHash } from "../../proto/hashes.ts";
import { BLOCK_PART_SIZE_BYTES } from "../../proto/limits.ts";
import { PartSet } from "../../proto/part-set.ts";
import type { Block, Part, Proposal } from "../../proto/types.ts";
import { blockKey } from "./block-key.ts";
import {
  announceParts,
  emit,
  expectParts,
  type HeightState,
  ignore,
  isProposer,
  type KnownBlock,
  NO_ROUND,
} from "./height-state.ts";
import type { IgnoreCode } from "./ignore-code.ts";
import type { ConsensusInput, Origin } from "./inputs.ts";
import { continueComplete, requestProposal } from "./round-machine.ts";
import { Step } from "./step.ts";

type Input<Kind extends ConsensusInput["kind"]> = Extract<ConsensusInput, { readonly kind: Kind }>;

export function handleProposal(state: HeightState, input: Input<"proposalReceived">): void {
  const { proposal, signer, origin } = input;
  const fault = proposalFault(state, proposal, signer);
  if (fault !== undefined) {
    if (fault === "PROPOSAL_DUPLICATE") reportConflict(state, proposal, signer);
    ignore(state, fault, `proposal ${proposal.height}/${proposal.round}`);
    return;
  }
  state.proposal = proposal;
  emit(state, { kind: "gossipProposal", proposal, origin });
  // Parts that a polka or commit fixed are not given up for a proposal.
  if (state.proposalParts === undefined) {
    expectParts(state, proposal.blockId.partSetHeader);
    if (state.proposalBlock !== undefined) announceParts(state);
  }
  if (state.proposalBlock !== undefined) continueComplete(state);
}

export function handlePart(state: HeightState, input: Input<"partReceived">): void {
  const { part, origin } = input;
  const parts = state.proposalParts;
  const fault = partFault(parts, part);
  if (fault !== undefined || parts === undefined) {
    ignore(state, fault ?? "PART_UNEXPECTED", `part ${part.index} of round ${input.round}`);
    return;
  }
  gossipPart(state, part, origin);
  const { blockBytesMax } = state.context;
  if (parts.sizeBytes > blockBytesMax) {
    ignore(state, "BLOCK_TOO_LARGE", `${parts.sizeBytes} bytes, at most ${blockBytesMax}`);
    return;
  }
  if (!parts.isComplete) return;
  const decoded = decodeOrUndefined(parts.bytes());
  // A header without validators has no hash: its block could not be told from nil.
  if (decoded === undefined || decoded.block.header.validatorsHash.length === 0) {
    ignore(state, "BLOCK_UNDECODABLE", `parts of round ${state.round}`);
    return;
  }
  const { block, isCanonical } = decoded;
  const blockId = { hash: headerHash(block.header), partSetHeader: parts.header };
  const key = blockKey(blockId);
  if (!isCanonical) ignore(state, "BLOCK_NOT_CANONICAL", key);
  state.proposalBlock = { block, blockId, key, parts, isCanonical };
  continueComplete(state);
}

/**
 * A new block of our own. Too late for its round, it is of no use: we prevoted already. It is taken
 * without a request, too, once per round: a replay may reach the proposal a little later than the
 * run that it repeats, and must not lose the block, which may become locked.
 */
export function handleBlockCreated(state: HeightState, input: Input<"blockCreated">): void {
  const name = `block ${input.round}`;
  state.requests.delete(name);
  if (input.round !== state.round || state.step > Step.PROPOSE) {
    ignore(state, "ROUND_MISMATCH", name);
    return;
  }
  if (state.ownBlock !== undefined || !isProposer(state)) {
    ignore(state, "ANSWER_UNEXPECTED", name);
    return;
  }
  const { block, blockId } = input;
  const parts = PartSet.complete({ header: blockId.partSetHeader, parts: input.parts });
  const known = { block, blockId, key: blockKey(blockId), parts, isCanonical: true };
  requestProposal(state, known, NO_ROUND);
}

/**
 * Our signed proposal takes effect as a peer's would. A second answer, of a replayed log or of the
 * signer, is harmless: the round has its proposal.
 */
export function handleProposalSigned(state: HeightState, input: Input<"proposalSigned">): void {
  const name = `proposal ${input.round}`;
  state.requests.delete(name);
  const { proposal } = input;
  const own = state.ownBlock;
  if (proposal === undefined) {
    ignore(state, "SIGNATURE_REFUSED", name);
  } else if (input.round !== state.round || own === undefined) {
    ignore(state, "ANSWER_UNEXPECTED", name);
  } else if (state.proposal !== undefined) {
    ignore(state, "PROPOSAL_DUPLICATE", name);
  } else if (blockKey(proposal.blockId) !== own.key) {
    ignore(state, "ANSWER_UNEXPECTED", `${name} is for another block`);
  } else {
    takeOwnProposal(state, proposal, own);
  }
}

function takeOwnProposal(state: HeightState, proposal: Proposal, own: KnownBlock): void {
  state.proposal = proposal;
  emit(state, { kind: "gossipProposal", proposal, origin: undefined });
  const fixed = state.proposalParts;
  if (fixed !== undefined && !fixed.hasHeader(own.parts.header)) return;
  state.proposalParts = own.parts;
  state.proposalBlock = own;
  for (let index = 0; index < own.parts.header.total; index++) {
    const part = own.parts.get(index);
    if (part !== undefined) gossipPart(state, part, undefined);
  }
  continueComplete(state);
}

function gossipPart(state: HeightState, part: Part, origin: Origin): void {
  const { height } = state.context;
  emit(state, { kind: "gossipPart", height, round: state.round, part, origin });
}

/** The same block with another time or lock is none: a proposer may repeat itself after a crash. */
function reportConflict(state: HeightState, second: Proposal, signer: Uint8Array): void {
  const { proposal: first, validators } = state;
  const { address, publicKey: proposer } = validators.proposer;
  if (first === undefined || blockKey(first.blockId) === blockKey(second.blockId)) return;
  if (bytesEqual(signer, address))
    emit(state, { kind: "conflictingProposals", first, second, proposer });
}

function proposalFault(
  state: HeightState,
  proposal: Proposal,
  signer: Uint8Array,
): IgnoreCode | undefined {
  if (proposal.round !== state.round) return "ROUND_MISMATCH";
  if (state.proposal !== undefined) return "PROPOSAL_DUPLICATE";
  if (proposal.polRound >= proposal.round) return "PROPOSAL_BAD_POL_ROUND";
  if (!bytesEqual(signer, state.validators.proposer.address)) return "PROPOSAL_WRONG_SIGNER";
  const { total } = proposal.blockId.partSetHeader;
  if (total < 1 || total > partCountMax(state.context.blockBytesMax)) {
    return "PROPOSAL_BAD_PART_COUNT";
  }
  return undefined;
}

/** Parts that a block of at most so many bytes can have (spec §13.2). */
export function partCountMax(blockBytesMax: number): number {
  return Math.floor((blockBytesMax - 1) / BLOCK_PART_SIZE_BYTES) + 1;
}

/** Adds the part, or says why not. */
function partFault(parts: PartSet | undefined, part: Part): IgnoreCode | undefined {
  if (parts === undefined) return "PART_UNEXPECTED";
  try {
    return parts.add(part) ? undefined : "PART_DUPLICATE";
  } catch (error) {
    // A part that does not belong here is no fault of ours, nor surely of its sender (§13.2).
    if (isWeftError(error)) return "PART_INVALID";
    throw error;
  }
}

function decodeOrUndefined(
  bytes: Uint8Array,
): { readonly block: Block; readonly isCanonical: boolean } | undefined {
  try {
    const block = decodeBlock(bytes);
    return { block, isCanonical: isCanonicalBlock(block, bytes) };
  } catch (error) {
    // The proposer made nonsense; without a block we prevote nil.
    if (isWeftError(error)) return undefined;
    throw error;
  }
}
