/**
 * The seams between the consensus reactor and the engine; `Engine`, `BlockStore` and `GossipSink`
 * fit them as they are. The reactor checks form (spec §17.2); signatures are the engine's, off the
 * event loop, before the core.
 */
import type { Height, NodeId, Round } from "../../../proto/brands.ts";
import type {
  BitArray,
  BlockId,
  BlockMeta,
  Commit,
  ExtendedCommit,
  Part,
  PartSetHeader,
  Proposal,
  Vote,
  VoteType,
} from "../../../proto/types.ts";
import type { RoundStateView } from "../../consensus/round-state.ts";
import type { Step } from "../../consensus/step.ts";

/** NewRoundStep (spec §17.2). */
export interface RoundStepMessage {
  readonly height: Height;
  readonly round: Round;
  readonly step: Step;
  /** Whole seconds since the height's start time; negative before it. */
  readonly secondsSinceStartTime: number;
  /** Round that decided the last height; -1 at the initial height only. */
  readonly lastCommitRound: Round;
}

/** NewValidBlock (spec §17.2). */
export interface ValidBlockMessage {
  readonly height: Height;
  readonly round: Round;
  readonly partSetHeader: PartSetHeader;
  readonly parts: BitArray;
  readonly isCommit: boolean;
}

/**
 * Where well-formed messages go and what the reactor reads of our own consensus, between steps of
 * the core. The receiver bounds its queue and counts what it drops; gossip brings it again.
 */
export interface ConsensusPort {
  receiveProposal(proposal: Proposal, origin: NodeId): void;
  receivePart(height: Height, round: Round, part: Part, origin: NodeId): void;
  receiveVote(vote: Vote, origin: NodeId): void;
  /** VoteSetMaj23. The reactor answers with VoteSetBits from the view by itself. */
  receiveMajorityClaim(
    height: Height,
    round: Round,
    type: VoteType,
    blockId: BlockId,
    origin: NodeId,
  ): void;
  view(): RoundStateView;
  /** What NewRoundStep says now. */
  roundStep(): RoundStepMessage;
  /** While `catchingUp`, data and votes are ignored and nothing is gossiped. */
  status(): { readonly catchingUp: boolean };
}

/** Stored blocks, for peers that are behind. */
export interface BlockSource {
  /** Lowest and highest height in store; 0 when it is empty. */
  base(): Height;
  height(): Height;
  meta(height: Height): Promise<BlockMeta | undefined>;
  part(height: Height, index: number): Promise<Part | undefined>;
  /** The precommits that decided `height`. */
  seenCommit(height: Height): Promise<Commit | undefined>;
  /** The same with vote extensions; undefined when extensions were off at `height`. */
  extendedCommit(height: Height): Promise<ExtendedCommit | undefined>;
}

/** A transaction that came to this node by itself, not in a block. */
export interface HeldTx {
  readonly tx: Uint8Array;
  /** When it was accepted, by the clock's monotonic time. */
  readonly atMs: number;
}

/** Transactions that are passed on to peers, and so are likely to be with them too. */
export interface HeldTxs {
  /** `key`: SHA-256 as a latin1 string. */
  held(key: string): HeldTx | undefined;
}

/**
 * What the engine tells the reactor. `origin` is the peer a message came from; undefined is this
 * node, whose messages go to every peer at once.
 */
export interface ConsensusGossip {
  proposal(proposal: Proposal, origin: NodeId | undefined): void;
  part(height: Height, round: Round, part: Part, origin: NodeId | undefined): void;
  vote(vote: Vote, origin: NodeId | undefined): void;
  hasVote(vote: Vote): void;
  newRoundStep(event: RoundStepMessage): void;
  newValidBlock(event: ValidBlockMessage): void;
  peerMisbehaved(peer: NodeId, reason: string): void;
}
