/**
 * Own proposals, parts and votes, for peers at their height and for those still one height behind that keep
 * what comes early. What was sent early counts as sent when the peer reaches the height.
 */
import type { Height, Round } from "../../../proto/brands.ts";
import type { Part, PartSetHeader, Proposal, Vote } from "../../../proto/types.ts";
import type { RoundStateView } from "../../consensus/round-state.ts";
import type { WantedPart } from "../compact-parts/messages.ts";
import { EARLY_PARTS_MAX, EARLY_VOTES_MAX } from "../limits.ts";
import { DATA_CHANNEL, VOTE_CHANNEL } from "./consensus-channels.ts";
import { type GossipPeer, sendPart, sendProposal, sendVote } from "./consensus-gossip.ts";

/** Whether a message of ours for round 0 of the next height is kept by a peer still at this one. */
function isEarly(target: GossipPeer, height: Height, round: Round): boolean {
  return target.keepsEarly && round === 0 && target.state.height === height - 1;
}

function earlyOf(target: GossipPeer, height: Height): NonNullable<GossipPeer["early"]> {
  if (target.early?.height !== height) {
    target.early = { height, proposal: undefined, parts: new Set(), votes: [] };
  }
  return target.early;
}

/** Sends our proposal to a peer that is in its round, or soon will be. */
export function sendOwnProposal(
  target: GossipPeer,
  proposal: Proposal,
  view: RoundStateView,
  bytes: Uint8Array,
): void {
  const { state } = target;
  if (state.height === proposal.height && state.round === proposal.round) {
    if (!state.hasProposal) sendProposal(target, proposal, view, bytes);
  } else if (isEarly(target, proposal.height, proposal.round)) {
    const early = earlyOf(target, proposal.height);
    if (target.peer.trySend(DATA_CHANNEL.id, bytes)) early.proposal = proposal;
  }
}

/** Sends a part of our block to a peer that collects it, or soon will. Returns whether it was queued. */
export function sendOwnPart(
  target: GossipPeer,
  header: PartSetHeader | undefined,
  height: Height,
  round: Round,
  part: Part,
  bytes: Uint8Array,
): boolean {
  const { state } = target;
  if (state.height === height && header !== undefined && state.wantsPartsOf(header)) {
    const isMissing = state.parts?.known.isMissing(part.index) === true;
    return isMissing && sendPart(target, height, round, part, bytes);
  }
  return isEarly(target, height, round) && sendPartEarly(target, height, part, bytes);
}

function sendPartEarly(target: GossipPeer, height: Height, part: Part, bytes: Uint8Array): boolean {
  const early = earlyOf(target, height);
  if (early.proposal === undefined || early.parts.size >= EARLY_PARTS_MAX) return false;
  if (!target.peer.trySend(DATA_CHANNEL.id, bytes)) return false;
  early.parts.add(part.index);
  return true;
}

/** Sends our vote to a peer that can use it. Returns whether it was queued. */
export function sendOwnVote(target: GossipPeer, vote: Vote, bytes: Uint8Array): boolean {
  const { state } = target;
  if (isEarly(target, vote.height, vote.round)) {
    const early = earlyOf(target, vote.height);
    if (early.votes.length >= EARLY_VOTES_MAX) return false;
    if (!target.peer.trySend(VOTE_CHANNEL.id, bytes)) return false;
    early.votes.push(vote);
    return true;
  }
  // A peer tracks rounds up to the one after its own.
  const isOfItsHeight = state.height === vote.height && vote.round <= state.round + 1;
  const isOfItsLastCommit =
    state.height === vote.height + 1 && state.lastCommitRound === vote.round;
  return (isOfItsHeight || isOfItsLastCommit) && sendVote(target, vote, bytes);
}

/** The peer reached the height that we sent it messages of: it is assumed to have them. */
export function applyEarly(target: GossipPeer, validatorCount: number): void {
  const { early, state } = target;
  target.early = undefined;
  if (early === undefined || early.height !== state.height || state.round !== 0) return;
  if (early.proposal !== undefined) state.setHasProposal(early.proposal);
  for (const index of early.parts) state.setHasPart(early.height, state.round, index, "assumed");
  state.ensureVoteBits(early.height, validatorCount);
  for (const vote of early.votes) {
    state.setHasVote(vote.height, vote.round, vote.type, vote.validatorIndex, "assumed");
  }
}

/** The peer could make nothing of what it was sent of a part: it is sent again as what the peer lacks. */
export function noteLack({ early, state }: GossipPeer, { height, round, index }: WantedPart): void {
  if (early?.height === height) early.parts.delete(index);
  else state.setLacksPart(height, round, index);
}
