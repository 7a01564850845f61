/**
 * What to send to one peer, and when (spec §17.2). Everything a peer lacks is sent as soon as an
 * event shows the lack, with one exception: what others made is relayed only after a delay, because
 * in a well-connected network its maker has already sent it, and n² duplicates would follow.
 */
import type { Height, Round } from "../../../proto/brands.ts";
import { encodeConsensusMessage } from "../../../proto/codec/consensus-messages.ts";
import type { ConsensusMessage, VoteSetMaj23Message } from "../../../proto/messages.ts";
import { type Part, type Proposal, SignedMsgType, type Vote } from "../../../proto/types.ts";
import type { PartSetView, RoundStateView, VoteSetView } from "../../consensus/round-state.ts";
import { Step } from "../../consensus/step.ts";
import { type PeerCompactParts, peerCompactParts } from "./compact-parts.ts";
import { DATA_CHANNEL, STATE_CHANNEL, VOTE_CHANNEL } from "./consensus-channels.ts";
import {
  PART_RELAY_DELAY_MS,
  PART_RELAY_DELAY_PER_PART_MS,
  PART_RELAY_LATE_DELAY_MS,
  RELAY_DELAY_MAX_MS,
  VOTE_RELAY_DELAY_MS,
} from "../limits.ts";
import type { ReceivedCounts } from "./peer-round.ts";
import { PeerState } from "./peer-state.ts";
import type { Peer } from "../reactor.ts";
import { announcesLargeFrames } from "../transport.ts";

/** Own messages of the next height, sent to a peer that is about to reach it. */
interface Early {
  readonly height: Height;
  proposal: Proposal | undefined;
  readonly parts: Set<number>;
  readonly votes: Vote[];
}

/** One peer of the consensus reactor. */
export interface GossipPeer {
  readonly peer: Peer;
  readonly state: PeerState;
  /** Keeps messages of the next height until it gets there (see `engine/message-edge.ts`). */
  readonly keepsEarly: boolean;
  /** Undefined for a peer that takes no parts in which transactions are named. */
  readonly compactParts: PeerCompactParts | undefined;
  /** What it sent us since it connected. */
  readonly received: ReceivedCounts;
  /** Two or more heights behind and not yet level again: nothing is held back from it. */
  isLagging: boolean;
  early: Early | undefined;
  /** Last news of its round, and how often what it lacks has been sent again since. */
  progressAtMs: number;
  repeats: number;
  majorityQueryAtMs: number;
  isPumpScheduled: boolean;
  isCatchingUp: boolean;
  catchUpAgain: boolean;
  /** When its present height was first seen to be below ours. */
  behindSinceMs: number;
  /** How much later than we it says to have a vote, smoothed: distance, or a busy machine. */
  voteLagMs: number;
}

export function createGossipPeer(peer: Peer, nowMs: number): GossipPeer {
  return {
    peer,
    state: new PeerState(),
    keepsEarly: announcesLargeFrames(peer.nodeInfo),
    compactParts: peerCompactParts(peer),
    received: { votes: 0, blockParts: 0 },
    isLagging: false,
    early: undefined,
    progressAtMs: nowMs,
    repeats: 0,
    majorityQueryAtMs: nowMs,
    isPumpScheduled: false,
    isCatchingUp: false,
    catchUpAgain: false,
    behindSinceMs: nowMs,
    voteLagMs: 0,
  };
}

/** When we received what others made; what is not here is our own, or old. */
export type ReceiptTimes = WeakMap<object, number>;

/**
 * Sends to `target`, at our own height, everything it lacks and that is due. Returns the
 * milliseconds after which something held back will be due; undefined when nothing is.
 */
export function pumpHeight(
  target: GossipPeer,
  view: RoundStateView,
  received: ReceiptTimes,
  nowMs: number,
): number | undefined {
  const { state } = target;
  if (state.height !== view.height) return undefined;
  const delay = new Delay(target, received, nowMs);
  pumpData(target, view, delay);
  pumpVotesOfHeight(target, view, delay);
  return delay.nextMs;
}

/** Our last commit, for a peer that is one height behind or waits for the next one. */
export function pumpLastCommit(
  target: GossipPeer,
  view: RoundStateView,
  received: ReceiptTimes,
  nowMs: number,
): number | undefined {
  const votes = view.lastCommit;
  if (votes === undefined) return undefined;
  const { state } = target;
  if (state.height === votes.height) {
    state.ensureCatchUpRound(votes.height, votes.round, votes.size);
  }
  const delay = new Delay(target, received, nowMs);
  pumpVotes(target, votes, delay, target.isLagging ? 0 : VOTE_RELAY_DELAY_MS);
  return delay.nextMs;
}

/** Queues one vote; notes it as assumed when it was taken. */
export function sendVote(target: GossipPeer, vote: Vote, encoded?: Uint8Array): boolean {
  const bytes = encoded ?? encodeConsensusMessage({ kind: "vote", vote });
  if (!target.peer.trySend(VOTE_CHANNEL.id, bytes)) return false;
  target.state.setHasVote(vote.height, vote.round, vote.type, vote.validatorIndex, "assumed");
  return true;
}

/** Queues the proposal and, when it re-proposes, which prevotes we have of that round. */
export function sendProposal(
  target: GossipPeer,
  proposal: Proposal,
  view: RoundStateView,
  encoded?: Uint8Array,
): boolean {
  const bytes = encoded ?? encodeConsensusMessage({ kind: "proposal", proposal });
  if (!target.peer.trySend(DATA_CHANNEL.id, bytes)) return false;
  target.state.setHasProposal(proposal);
  const votes =
    proposal.polRound < 0 ? undefined : view.votes(proposal.polRound, SignedMsgType.PREVOTE);
  if (votes !== undefined) {
    const message: ConsensusMessage = {
      kind: "proposalPol",
      height: proposal.height,
      proposalPolRound: proposal.polRound,
      proposalPol: votes.bitArray(),
    };
    target.peer.trySend(DATA_CHANNEL.id, encodeConsensusMessage(message));
  }
  return true;
}

/** Queues one part of the block the peer collects, stamped with `height` and `round`. */
export function sendPart(
  target: GossipPeer,
  height: Height,
  round: Round,
  part: Part,
  encoded?: Uint8Array,
): boolean {
  const bytes = encoded ?? encodeConsensusMessage({ kind: "blockPart", height, round, part });
  if (!target.peer.trySend(DATA_CHANNEL.id, bytes)) return false;
  target.state.parts?.set(part.index, "assumed");
  return true;
}

/** VoteSetMaj23 of every majority at the peer's height (spec §17.2, Maj23 loop). */
export function sendMajorities(target: GossipPeer, view: RoundStateView): void {
  const { state } = target;
  if (state.height !== view.height) return;
  const send = (votes: VoteSetView | undefined): void => {
    const blockId = votes?.majority();
    if (votes === undefined || blockId === undefined) return;
    const { height, round, type } = votes;
    sendMajority(target, { height, round, type, blockId });
  };
  if (state.round < 0) return;
  send(view.votes(state.round, SignedMsgType.PREVOTE));
  send(view.votes(state.round, SignedMsgType.PRECOMMIT));
  if (state.polRound >= 0) send(view.votes(state.polRound, SignedMsgType.PREVOTE));
}

export function sendMajority(
  { peer }: GossipPeer,
  majority: Omit<VoteSetMaj23Message, "kind">,
): void {
  peer.trySend(STATE_CHANNEL.id, encodeConsensusMessage({ kind: "voteSetMaj23", ...majority }));
}

function pumpData(target: GossipPeer, view: RoundStateView, delay: Delay): void {
  const { state } = target;
  const { proposal, proposalParts } = view;
  if (state.round === view.round && proposal !== undefined && !state.hasProposal) {
    if (delay.isDue(proposal, VOTE_RELAY_DELAY_MS)) sendProposal(target, proposal, view);
  }
  if (proposalParts !== undefined && state.wantsPartsOf(proposalParts.header)) {
    pumpParts(target, view, proposalParts, delay);
  }
}

function pumpParts(
  target: GossipPeer,
  view: RoundStateView,
  parts: PartSetView,
  delay: Delay,
): void {
  const { state } = target;
  const known = state.parts?.known;
  if (known === undefined) return;
  const transferMs = parts.header.total * PART_RELAY_DELAY_PER_PART_MS;
  const waitMs = state.arePartsListed
    ? transferMs
    : state.step <= Step.PROPOSE
      ? PART_RELAY_DELAY_MS + transferMs
      : PART_RELAY_LATE_DELAY_MS + transferMs;
  for (let index = 0; index < parts.header.total; index++) {
    if (!known.isMissing(index)) continue;
    const part = parts.partAt(index);
    if (part === undefined || !delay.isDue(part, waitMs)) continue;
    if (!sendPart(target, view.height, view.round, part)) return;
  }
}

/** The sets worth sending at the peer's round, in CometBFT's order. */
function pumpVotesOfHeight(target: GossipPeer, view: RoundStateView, delay: Delay): void {
  const { state } = target;
  const { PREVOTE, PRECOMMIT } = SignedMsgType;
  if (state.step === Step.NEW_HEIGHT && view.lastCommit !== undefined) {
    pumpVotes(target, view.lastCommit, delay, VOTE_RELAY_DELAY_MS);
  }
  if (state.round < 0 || state.round > view.round) return;
  const waitMs = state.round < view.round ? 0 : VOTE_RELAY_DELAY_MS;
  if (state.polRound >= 0) pumpVotes(target, view.votes(state.polRound, PREVOTE), delay, waitMs);
  pumpVotes(target, view.votes(state.round, PREVOTE), delay, waitMs);
  if (state.step <= Step.PRECOMMIT_WAIT) {
    pumpVotes(target, view.votes(state.round, PRECOMMIT), delay, waitMs);
  }
}

function pumpVotes(
  target: GossipPeer,
  votes: VoteSetView | undefined,
  delay: Delay,
  waitMs: number,
): void {
  if (votes === undefined || votes.size === 0) return;
  const { state } = target;
  state.ensureVoteBits(votes.height, votes.size);
  const bits = state.votes(votes.height, votes.round, votes.type);
  if (bits === undefined) return;
  for (let index = 0; index < votes.size; index++) {
    if (!bits.known.isMissing(index)) continue;
    const vote = votes.voteAt(index);
    if (vote === undefined || !delay.isDue(vote, waitMs)) continue;
    if (!sendVote(target, vote)) return;
  }
}

/** Notes that a peer says to have a vote that we received `lagMs` ago. */
export function noteVoteLag(target: GossipPeer, lagMs: number): void {
  target.voteLagMs += (lagMs - target.voteLagMs) * VOTE_LAG_WEIGHT;
}

/** Weight of a new observation of `voteLagMs`. */
const VOTE_LAG_WEIGHT = 0.1;
/** Relays wait for this many times the usual lag: what is later than that may be lost. */
const RELAY_LAGS = 3;

/** Decides by age, and remembers when the next thing held back is due. */
class Delay {
  nextMs: number | undefined;
  readonly #leastMs: number;
  readonly #nowMs: number;
  readonly #received: ReceiptTimes;

  constructor(target: GossipPeer, received: ReceiptTimes, nowMs: number) {
    this.#leastMs = Math.min(target.voteLagMs * RELAY_LAGS, RELAY_DELAY_MAX_MS);
    this.#nowMs = nowMs;
    this.#received = received;
  }

  /** Whether the item is as old as it must be for this peer: `waitMs`, or longer when it is slow. */
  isDue(item: object, waitMs: number): boolean {
    const receivedMs = this.#received.get(item);
    if (waitMs === 0 || receivedMs === undefined) return true;
    const leftMs = receivedMs + Math.max(waitMs, this.#leastMs) - this.#nowMs;
    if (leftMs <= 0) return true;
    if (this.nextMs === undefined || leftMs < this.nextMs) this.nextMs = leftMs;
    return false;
  }
}
