/**
 * PeerRoundState (spec §17.2): what one peer says of its round and what it is known to have. Each
 * fact is either *confirmed* (the peer said or sent it) or *assumed* (we sent it). When a peer makes
 * no progress, what was only assumed is forgotten and sent again: unlike CometBFT, a message that
 * its receiver dropped is not lost for good.
 */
import { Height, Round } from "../../../proto/brands.ts";
import type {
  HasVoteMessage,
  NewRoundStepMessage,
  NewValidBlockMessage,
  ProposalPolMessage,
  VoteSetBitsMessage,
} from "../../../proto/messages.ts";
import { partSetHeadersEqual } from "../../../proto/part-set.ts";
import {
  type BitArray,
  type PartSetHeader,
  type Proposal,
  SignedMsgType,
  type VoteType,
} from "../../../proto/types.ts";
import { Bits } from "../bits.ts";

/** Who says that a peer has something. */
export type Evidence = "assumed" | "confirmed";

/** Bits a peer is known to have; `confirmed` are those it told us of. */
export class KnownBits {
  readonly known: Bits;
  readonly #confirmed: Bits;

  constructor(size: number) {
    this.known = new Bits(size);
    this.#confirmed = new Bits(size);
  }

  static confirmed(array: BitArray): KnownBits {
    const bits = new KnownBits(array.bits);
    const confirmed = Bits.from(array);
    bits.known.assign(confirmed);
    bits.#confirmed.assign(confirmed);
    return bits;
  }

  set(index: number, evidence: Evidence): void {
    this.known.set(index);
    if (evidence === "confirmed") this.#confirmed.set(index);
  }

  clear(index: number): void {
    this.known.clear(index);
    this.#confirmed.clear(index);
  }

  reconcile(ours: Bits, theirs: Bits): void {
    this.known.reconcile(ours, theirs);
    this.#confirmed.reconcile(ours, theirs);
  }

  replace(theirs: Bits): void {
    this.known.assign(theirs);
    this.#confirmed.assign(theirs);
  }

  forgetAssumed(): void {
    this.known.assign(this.#confirmed);
  }

  /** Takes over what `other`, bits of the same things, only assumes. */
  assumeFrom(other: KnownBits): void {
    this.known.add(other.known);
  }
}

export class PeerState {
  height: Height = Height(0);
  round: Round = Round(-1);
  step = 0;
  /** Monotonic time at which the peer's height began, by its own word. */
  startMs = 0;
  hasProposal = false;
  partsHeader: PartSetHeader | undefined;
  parts: KnownBits | undefined;
  /** The peer itself listed its parts at this height: what it lacks, it lacks. */
  arePartsListed = false;
  polRound: Round = Round(-1);
  pol: KnownBits | undefined;
  prevotes: KnownBits | undefined;
  precommits: KnownBits | undefined;
  lastCommitRound: Round = Round(-1);
  lastCommit: KnownBits | undefined;
  catchUpRound: Round = Round(-1);
  catchUpCommit: KnownBits | undefined;

  /** Returns false for what is not news. */
  applyNewRoundStep(message: NewRoundStepMessage, nowMs: number): boolean {
    const { height, round, step } = message;
    if (!isLater(message, this)) return false;
    const isNewHeight = height !== this.height;
    const isNewRound = isNewHeight || round !== this.round;
    const oldPrecommits = this.precommits;
    const wasLastCommitRound = height === this.height + 1 && this.round === message.lastCommitRound;
    this.height = height;
    this.round = round;
    this.step = step;
    this.startMs = nowMs - message.secondsSinceStartTime * 1_000;
    if (isNewRound) {
      this.#clearProposal();
      this.prevotes = undefined;
      this.precommits =
        !isNewHeight && round === this.catchUpRound ? this.catchUpCommit : undefined;
    }
    if (isNewHeight) {
      this.lastCommitRound = message.lastCommitRound;
      this.lastCommit = wasLastCommitRound ? oldPrecommits : undefined;
      this.catchUpRound = Round(-1);
      this.catchUpCommit = undefined;
    }
    return true;
  }

  /** Returns false when it is of another height or round. */
  applyNewValidBlock(message: NewValidBlockMessage): boolean {
    if (this.height !== message.height) return false;
    if (this.round !== message.round && !message.isCommit) return false;
    const listed = KnownBits.confirmed(message.blockParts);
    // What is on its way is not sent again because the peer has not seen it yet; if it was lost, the
    // peer makes no progress, and `forgetAssumed` follows.
    if (this.parts !== undefined && this.wantsPartsOf(message.blockPartSetHeader)) {
      listed.assumeFrom(this.parts);
    }
    this.partsHeader = message.blockPartSetHeader;
    this.parts = listed;
    this.arePartsListed = true;
    return true;
  }

  setHasProposal(proposal: Proposal): void {
    if (this.height !== proposal.height || this.round !== proposal.round || this.hasProposal) {
      return;
    }
    this.hasProposal = true;
    // Set already by NewValidBlock, whose word counts more.
    if (this.parts !== undefined) return;
    this.initParts(proposal.blockId.partSetHeader);
    this.polRound = proposal.polRound;
    this.pol = undefined;
  }

  /** Begins to note parts of a block that the peer has not named itself. */
  initParts(header: PartSetHeader): void {
    if (this.parts !== undefined) return;
    this.partsHeader = header;
    this.parts = new KnownBits(header.total);
  }

  setHasPart(height: Height, round: Round, index: number, evidence: Evidence): void {
    if (this.height !== height || this.round !== round) return;
    this.parts?.set(index, evidence);
  }

  /** The peer says that it could make nothing of what it was sent of a part. */
  setLacksPart(height: Height, round: Round, index: number): void {
    if (this.height !== height || this.round !== round) return;
    this.parts?.clear(index);
  }

  /** Whether the peer collects the block of this header. */
  wantsPartsOf(header: PartSetHeader): boolean {
    return this.partsHeader !== undefined && partSetHeadersEqual(this.partsHeader, header);
  }

  applyProposalPol(message: ProposalPolMessage): void {
    if (this.height !== message.height || this.polRound !== message.proposalPolRound) return;
    this.pol = KnownBits.confirmed(message.proposalPol);
  }

  applyHasVote(message: HasVoteMessage): void {
    if (this.height !== message.height) return;
    this.setHasVote(message.height, message.round, message.type, message.index, "confirmed");
  }

  setHasVote(
    height: Height,
    round: Round,
    type: VoteType,
    index: number,
    evidence: Evidence,
  ): void {
    this.votes(height, round, type)?.set(index, evidence);
  }

  /**
   * `ours`: our votes for that block id; undefined when we are at another height, where only the
   * commit's block counts and a vote for another block is as good as none.
   */
  applyVoteSetBits(message: VoteSetBitsMessage, ours: BitArray | undefined): void {
    const votes = this.votes(message.height, message.round, message.type);
    const theirs = Bits.from(message.votes);
    if (ours === undefined) votes?.replace(theirs);
    else votes?.reconcile(Bits.from(ours), theirs);
  }

  /** Makes the arrays of a height once its number of validators is known. */
  ensureVoteBits(height: Height, validatorCount: number): void {
    if (this.height === height) {
      this.prevotes ??= new KnownBits(validatorCount);
      this.precommits ??= new KnownBits(validatorCount);
      this.catchUpCommit ??= new KnownBits(validatorCount);
      this.pol ??= new KnownBits(validatorCount);
    } else if (this.height === height + 1) {
      this.lastCommit ??= new KnownBits(validatorCount);
    }
  }

  /** A commit of the peer's height exists at `round`: its precommits are worth sending. */
  ensureCatchUpRound(height: Height, round: Round, validatorCount: number): void {
    if (this.height !== height || this.catchUpRound === round) return;
    this.catchUpRound = round;
    this.catchUpCommit = round === this.round ? this.precommits : new KnownBits(validatorCount);
  }

  /** The array of a vote; undefined when the vote is not worth sending (spec §17.2). */
  votes(height: Height, round: Round, type: VoteType): KnownBits | undefined {
    const isPrevote = type === SignedMsgType.PREVOTE;
    if (this.height === height) {
      if (this.round === round) return isPrevote ? this.prevotes : this.precommits;
      if (this.catchUpRound === round) return isPrevote ? undefined : this.catchUpCommit;
      if (this.polRound === round) return isPrevote ? this.pol : undefined;
      return undefined;
    }
    if (this.height === height + 1 && this.lastCommitRound === round) {
      return isPrevote ? undefined : this.lastCommit;
    }
    return undefined;
  }

  /** Forgets what was only assumed, so that it is sent again. */
  forgetAssumed(): void {
    this.hasProposal = false;
    for (const bits of [
      this.parts,
      this.pol,
      this.prevotes,
      this.precommits,
      this.lastCommit,
      this.catchUpCommit,
    ]) {
      bits?.forgetAssumed();
    }
  }

  #clearProposal(): void {
    this.hasProposal = false;
    this.partsHeader = undefined;
    this.parts = undefined;
    this.arePartsListed = false;
    this.polRound = Round(-1);
    this.pol = undefined;
  }
}

function isLater(
  a: { readonly height: number; readonly round: number; readonly step: number },
  b: { readonly height: number; readonly round: number; readonly step: number },
): boolean {
  if (a.height !== b.height) return a.height > b.height;
  if (a.round !== b.round) return a.round > b.round;
  return a.step > b.step;
}
