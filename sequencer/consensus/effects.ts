/**
 * What the consensus core asks for, in order. An effect is plain data; the engine carries it out
 * and answers, where an answer is due, with an input. The engine has made the input that caused
 * the effects durable (own messages: fsync) before it executes the first of them.
 */
import type { Height, NodeId, Round } from "../../proto/brands.ts";
import type {
  BitArray,
  Block,
  BlockId,
  ExtendedCommit,
  Part,
  PartSetHeader,
  Proposal,
  PublicKey,
  Vote,
  VoteType,
} from "../../proto/types.ts";
import type { IgnoreCode } from "./ignore-code.ts";
import type { EarliestVoteTime } from "./inputs.ts";
import type { Step } from "./step.ts";

export type ConsensusEffect =
  /** One timer: a new schedule replaces the old one (the core applies the ticker rules of §13.4). */
  | {
      readonly kind: "scheduleTimeout";
      readonly height: Height;
      readonly round: Round;
      readonly step: Step;
      readonly durationMs: number;
    }
  /** We propose and hold no valid block: make one (§10.1). Answer: `blockCreated`. */
  | {
      readonly kind: "createBlock";
      readonly height: Height;
      readonly round: Round;
      readonly lastCommit: ExtendedCommit | undefined;
    }
  /** Sign the proposal (its signature and timestamp are empty). Answer: `proposalSigned`. */
  | { readonly kind: "signProposal"; readonly proposal: Proposal }
  /**
   * Check a complete block by the rules of spec §10.4 and, when `withApplication`, by ProcessProposal.
   * A block that is already decided is only checked by the rules. Asked once per block and height.
   * Answer: `blockValidated`.
   */
  | {
      readonly kind: "validateBlock";
      readonly height: Height;
      readonly round: Round;
      readonly blockId: BlockId;
      readonly block: Block;
      readonly withApplication: boolean;
    }
  /** Sign a vote; for a precommit of a block with extensions on, ExtendVote first. Answer: `voteSigned`. */
  | {
      readonly kind: "signVote";
      readonly height: Height;
      readonly round: Round;
      readonly type: VoteType;
      readonly blockId: BlockId;
      readonly block: Block | undefined;
      readonly earliestTime: EarliestVoteTime;
      readonly validatorIndex: number;
    }
  /** Send what we made or newly accepted; `origin` is who need not get it. */
  | {
      readonly kind: "gossipProposal";
      readonly proposal: Proposal;
      readonly origin: NodeId | undefined;
    }
  | {
      readonly kind: "gossipPart";
      readonly height: Height;
      readonly round: Round;
      readonly part: Part;
      readonly origin: NodeId | undefined;
    }
  | { readonly kind: "gossipVote"; readonly vote: Vote; readonly origin: NodeId | undefined }
  /** The round state moved: NewRoundStep goes to every peer. */
  | {
      readonly kind: "stepChanged";
      readonly height: Height;
      readonly round: Round;
      readonly step: Step;
    }
  /** A polka or commit fixed a block: NewValidBlock goes to every peer. */
  | {
      readonly kind: "validBlockSeen";
      readonly height: Height;
      readonly round: Round;
      readonly partSetHeader: PartSetHeader;
      readonly parts: BitArray;
      readonly isCommit: boolean;
    }
  /** Two votes of one validator that exclude each other: material for evidence. */
  | { readonly kind: "conflictingVotes"; readonly first: Vote; readonly second: Vote }
  /** Two proposals of a round's proposer for different blocks: material for evidence. */
  | {
      readonly kind: "conflictingProposals";
      readonly first: Proposal;
      readonly second: Proposal;
      readonly proposer: PublicKey;
    }
  /** The sender broke a rule that an honest peer cannot break. */
  | { readonly kind: "peerMisbehaved"; readonly peer: NodeId; readonly reason: string }
  /** An input was not used; for logs and metrics. */
  | { readonly kind: "inputIgnored"; readonly code: IgnoreCode; readonly detail: string }
  /** +2/3 precommits and the whole block: save, mark the height's end, apply. Answer: `heightStarted`. */
  | {
      readonly kind: "commitBlock";
      readonly height: Height;
      readonly round: Round;
      readonly block: Block;
      readonly blockId: BlockId;
      readonly parts: readonly Part[];
      readonly commit: ExtendedCommit;
    };
