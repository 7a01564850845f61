/**
 * A read-only view of the core's round state for gossip, RPC and metrics. Views are live: read them
 * between steps, keep nothing. Bit arrays and votes are indexed by validator index.
 */
import type { Height, Round } from "../../proto/brands.ts";
import type {
  BitArray,
  Block,
  BlockId,
  Part,
  PartSetHeader,
  Proposal,
  ValidatorSet,
  Vote,
  VoteType,
} from "../../proto/types.ts";
import type { Step } from "./step.ts";

export interface VoteSetView {
  readonly height: Height;
  readonly round: Round;
  readonly type: VoteType;
  readonly size: number;
  bitArray(): BitArray;
  /** Bits of the votes for one block id; all zero when none is known. */
  bitArrayFor(blockId: BlockId): BitArray;
  voteAt(index: number): Vote | undefined;
  /** The block id (or nil block id) with +2/3, if any. */
  majority(): BlockId | undefined;
  /** Power of all votes. */
  readonly sum: bigint;
  hasTwoThirdsAny(): boolean;
}

export interface PartSetView {
  readonly header: PartSetHeader;
  readonly count: number;
  readonly isComplete: boolean;
  bitArray(): BitArray;
  partAt(index: number): Part | undefined;
}

export interface RoundStateView {
  readonly height: Height;
  readonly initialHeight: Height;
  readonly round: Round;
  readonly step: Step;
  readonly validators: ValidatorSet;
  readonly proposer: Uint8Array;
  readonly proposal: Proposal | undefined;
  readonly proposalBlock: Block | undefined;
  readonly proposalParts: PartSetView | undefined;
  readonly lockedRound: Round;
  readonly lockedBlockId: BlockId | undefined;
  readonly lockedBlock: Block | undefined;
  readonly lockedParts: PartSetView | undefined;
  readonly validRound: Round;
  readonly validBlockId: BlockId | undefined;
  readonly validBlock: Block | undefined;
  readonly validParts: PartSetView | undefined;
  readonly commitRound: Round;
  /** Precommits of height - 1; undefined at the initial height. */
  readonly lastCommit: VoteSetView | undefined;
  readonly isExtended: boolean;
  /** The wait for more precommits of this round has begun. */
  readonly isPrecommitWaitTriggered: boolean;
  /** The vote set of a round of this height; undefined when the round is not tracked. */
  votes(round: Round, type: VoteType): VoteSetView | undefined;
}
