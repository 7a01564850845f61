/**
 * What the consensus core is told. An input is plain data, so that the write-ahead log is a list of
 * inputs and replay feeds them again. Everything here was already checked at the edge: votes and
 * proposals carry verified signatures (and, for precommits of the current height, verified
 * extensions); the core checks heights, rounds, indices and quorums.
 *
 * Messages of another height are ignored, those of the next height too: they must reach the core after
 * `heightStarted`, so that they stand in the log of their height. A core that kept them would lose them
 * in a crash, and with them a lock.
 */
import type { Height, NodeId, Round } from "../../proto/brands.ts";
import type {
  Block,
  BlockId,
  ExtendedCommit,
  Part,
  Proposal,
  Timestamp,
  ValidatorSet,
  Vote,
  VoteType,
} from "../../proto/types.ts";
import type { Step } from "./step.ts";

/** Where a message came from; `undefined` is this node. */
export type Origin = NodeId | undefined;

/** All that a height needs to begin; made by the engine from the state after the last block. */
export interface HeightContext {
  readonly height: Height;
  readonly initialHeight: Height;
  /** Set that decides this height, priorities as of round 0. */
  readonly validators: ValidatorSet;
  /** Set that decided the last height; undefined at the initial height. */
  readonly lastValidators: ValidatorSet | undefined;
  /** Precommits that decided the last height; undefined at the initial height. */
  readonly lastCommit: ExtendedCommit | undefined;
  /** Whether precommits of this height carry extensions (spec §14). */
  readonly isExtended: boolean;
  /** Whether those of the last height did: decides how a late precommit is stored. */
  readonly wasLastExtended: boolean;
  /** ConsensusParams.block.max_bytes with -1 resolved. */
  readonly blockBytesMax: number;
  /** The last block changed the app hash, or this is the initial height (spec §13.5). */
  readonly needsProofBlock: boolean;
  /** Time left until round 0 may start, in ms: timeout_commit less what applying took. */
  readonly startDelayMs: number;
}

export type ConsensusInput =
  /** First input of a height; also the first input of all. */
  | { readonly kind: "heightStarted"; readonly context: HeightContext }
  | {
      readonly kind: "proposalReceived";
      readonly proposal: Proposal;
      readonly origin: Origin /** Address whose key the signature was checked with. */;
      readonly signer: Uint8Array;
    }
  | {
      readonly kind: "partReceived";
      readonly height: Height;
      readonly round: Round;
      readonly part: Part;
      readonly origin: Origin;
    }
  | { readonly kind: "voteReceived"; readonly vote: Vote; readonly origin: Origin }
  /** A peer says it saw +2/3 for a block id (VoteSetMaj23). */
  | {
      readonly kind: "majorityClaimed";
      readonly height: Height;
      readonly round: Round;
      readonly type: VoteType;
      readonly blockId: BlockId;
      readonly origin: NodeId;
    }
  | {
      readonly kind: "timeoutElapsed";
      readonly height: Height;
      readonly round: Round;
      readonly step: Step;
    }
  | { readonly kind: "txsAvailable"; readonly height: Height }
  /** Answer to `createBlock`. `parts` are the complete part set of `block`. */
  | {
      readonly kind: "blockCreated";
      readonly height: Height;
      readonly round: Round;
      readonly block: Block;
      readonly blockId: BlockId;
      readonly parts: readonly Part[];
    }
  /**
   * Answer to `validateBlock`. A block that is invalid or not accepted is prevoted nil. +2/3 for an
   * invalid block halt the node; +2/3 for a block that only our application refused do not (§13.2).
   */
  | {
      readonly kind: "blockValidated";
      readonly height: Height;
      readonly blockId: BlockId;
      /** The rules of spec §10.4 hold. */
      readonly isValid: boolean;
      /** ProcessProposal said yes; true when it was not asked. */
      readonly isAccepted: boolean;
      readonly reason: string;
    }
  /** Answer to `signProposal`; undefined when the signer refused (it may have signed before a crash). */
  | {
      readonly kind: "proposalSigned";
      readonly height: Height;
      readonly round: Round;
      readonly proposal: Proposal | undefined;
    }
  /** Answer to `signVote`; undefined when the signer refused. */
  | {
      readonly kind: "voteSigned";
      readonly height: Height;
      readonly round: Round;
      readonly type: VoteType;
      readonly vote: Vote | undefined;
    };

/** Time of the block a vote must lie after, by at least one millisecond (BFT time, spec §10.3). */
export type EarliestVoteTime = Timestamp | undefined;
