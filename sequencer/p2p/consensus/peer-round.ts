/** What is known of a peer's round, as RPC shows it (`consensus/types/peer_round_state.go`). */
import type { Height, Round } from "../../../proto/brands.ts";
import type { BitArray, PartSetHeader } from "../../../proto/types.ts";
import type { KnownBits, PeerState } from "./peer-state.ts";

/** What a peer says of its round. */
export interface PeerRound {
  readonly height: Height;
  readonly round: Round;
  readonly step: number;
  /** Monotonic ms at which its height began. */
  readonly startMs: number;
}

/** Messages that a peer sent of a kind that is counted. */
export interface ReceivedCounts {
  votes: number;
  blockParts: number;
}

export interface PeerRoundState extends PeerRound {
  readonly hasProposal: boolean;
  readonly partSetHeader: PartSetHeader | undefined;
  readonly parts: BitArray | undefined;
  readonly polRound: Round;
  readonly pol: BitArray | undefined;
  readonly prevotes: BitArray | undefined;
  readonly precommits: BitArray | undefined;
  readonly lastCommitRound: Round;
  readonly lastCommit: BitArray | undefined;
  readonly catchUpRound: Round;
  readonly catchUpCommit: BitArray | undefined;
  /** Votes and parts that it sent us. */
  readonly received: Readonly<ReceivedCounts>;
}

export function describePeer(state: PeerState, received: ReceivedCounts): PeerRoundState {
  const { height, round, step, startMs, hasProposal, polRound } = state;
  const { lastCommitRound, catchUpRound } = state;
  return {
    height,
    round,
    step,
    startMs,
    hasProposal,
    partSetHeader: state.partsHeader,
    parts: bitsOf(state.parts),
    polRound,
    pol: bitsOf(state.pol),
    prevotes: bitsOf(state.prevotes),
    precommits: bitsOf(state.precommits),
    lastCommitRound,
    lastCommit: bitsOf(state.lastCommit),
    catchUpRound,
    catchUpCommit: bitsOf(state.catchUpCommit),
    received: { ...received },
  };
}

function bitsOf(bits: KnownBits | undefined): BitArray | undefined {
  return bits?.known.toArray();
}
