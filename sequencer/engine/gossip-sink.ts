/**
 * What the engine tells the network. The p2p side implements it; calls return at once and never
 * throw. `origin` is the peer a message came from (it need not get it back), undefined for our own.
 * The engine calls it only after what must be durable is durable.
 */
import type { Height, NodeId, Round } from "../../proto/brands.ts";
import type { BitArray, Part, PartSetHeader, Proposal, Vote } from "../../proto/types.ts";
import type { Step } from "../consensus/step.ts";

/** NewRoundStep (spec/cometbft-v0.38.md §17.2). */
export interface RoundStepEvent {
  readonly height: Height;
  readonly round: Round;
  readonly step: Step;
  /** Whole seconds since the height's start time; negative before it. */
  readonly secondsSinceStartTime: number;
  /** Round that decided the last height; -1 at the initial height only. */
  readonly lastCommitRound: Round;
}

/** NewValidBlock (§17.2). */
export interface ValidBlockEvent {
  readonly height: Height;
  readonly round: Round;
  readonly partSetHeader: PartSetHeader;
  readonly parts: BitArray;
  readonly isCommit: boolean;
}

export interface GossipSink {
  proposal(proposal: Proposal, origin: NodeId | undefined): void;
  part(height: Height, round: Round, part: Part, origin: NodeId | undefined): void;
  /** A vote of ours, or one newly accepted. `hasVote` is called for it as well. */
  vote(vote: Vote, origin: NodeId | undefined): void;
  hasVote(vote: Vote): void;
  newRoundStep(event: RoundStepEvent): void;
  newValidBlock(event: ValidBlockEvent): void;
  /** The peer broke a rule that an honest peer cannot break: drop it. */
  peerMisbehaved(peer: NodeId, reason: string): void;
}

/** For a validator without peers, and for replay. */
export const NULL_GOSSIP_SINK: GossipSink = {
  proposal: () => {},
  part: () => {},
  vote: () => {},
  hasVote: () => {},
  newRoundStep: () => {},
  newValidBlock: () => {},
  peerMisbehaved: () => {},
};

/** A sink whose receiver comes later: the reactor needs the engine, and the engine a sink. */
export interface GossipRelay extends GossipSink {
  attach(sink: GossipSink): void;
}

export function createGossipRelay(): GossipRelay {
  let to = NULL_GOSSIP_SINK;
  return {
    attach: (sink) => void (to = sink),
    proposal: (proposal, origin) => to.proposal(proposal, origin),
    part: (height, round, part, origin) => to.part(height, round, part, origin),
    vote: (vote, origin) => to.vote(vote, origin),
    hasVote: (vote) => to.hasVote(vote),
    newRoundStep: (event) => to.newRoundStep(event),
    newValidBlock: (event) => to.newValidBlock(event),
    peerMisbehaved: (peer, reason) => to.peerMisbehaved(peer, reason),
  };
}
