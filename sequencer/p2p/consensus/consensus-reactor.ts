/**
 * The consensus reactor (spec §17.2): receives and checks the form of consensus messages, keeps
 * what each peer is known to have, and sends what it lacks. It is driven by events; a slow timer
 * per node is the safety net for loss.
 */
import type { Height, NodeId } from "../../../proto/brands.ts";
import {
  decodeConsensusMessage,
  encodeConsensusMessage,
} from "../../../proto/codec/consensus-messages.ts";
import { EMPTY_BIT_ARRAY } from "../../../proto/codec/types.ts";
import { AssertionFailure, assertNever } from "../../../proto/errors.ts";
import type { ConsensusMessage, VoteSetMaj23Message } from "../../../proto/messages.ts";
import type { ConsensusParams, Vote } from "../../../proto/types.ts";
import {
  validateConsensusMessage,
  validateNewRoundStepHeight,
  validateProposalSize,
} from "../../../proto/validate-basic.ts";
import type { Cancel, Clock } from "../../ports/clock.ts";
import type { Logger } from "../../ports/logger.ts";
import {
  COMPACT_CHANNEL,
  decodeCompactPart,
  decodeWantedPart,
  isCompactPart,
} from "../compact-parts/messages.ts";
import { catchUp, type CatchUpDependencies, isBehind, sendCommitMajority } from "./catch-up.ts";
import { CompactParts, type PeerCompactParts } from "./compact-parts.ts";
import {
  DATA_CHANNEL,
  STATE_CHANNEL,
  VOTE_CHANNEL,
  VOTE_SET_BITS_CHANNEL,
} from "./consensus-channels.ts";
import {
  createGossipPeer,
  type GossipPeer,
  noteVoteLag,
  pumpHeight,
  type ReceiptTimes,
  sendMajorities,
} from "./consensus-gossip.ts";
import type {
  BlockSource,
  ConsensusGossip,
  ConsensusPort,
  HeldTxs,
  RoundStepMessage,
  ValidBlockMessage,
} from "./consensus-port.ts";
import { P2pError, toPeersFault } from "../errors.ts";
import {
  GOSSIP_INTERVAL_MS,
  MAJORITY_QUERY_INTERVAL_MS,
  REPEAT_DELAY_MAX_MS,
  REPEAT_DELAY_MS,
  VOTE_RELAY_DELAY_MS,
} from "../limits.ts";
import type { P2pMetrics } from "../metrics.ts";
import { HeldNews } from "./held-news.ts";
import { applyEarly, noteLack, sendOwnPart, sendOwnProposal, sendOwnVote } from "./own-gossip.ts";
import { describePeer, type PeerRound, type PeerRoundState } from "./peer-round.ts";
import type { Peer, Reactor } from "../reactor.ts";

export interface ConsensusReactorDependencies {
  readonly consensus: ConsensusPort & {
    /** After the last block; its parameters bound what a proposal of the next height may announce. */
    chainState(): {
      readonly initialHeight: Height;
      readonly lastBlockHeight: Height;
      readonly consensusParams: ConsensusParams;
    };
  };
  readonly blocks: BlockSource;
  /** Undefined where none are kept to be passed on: then no compact parts are taken or sent. */
  readonly txs: HeldTxs | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: P2pMetrics;
  /** A peer announced another height than before: block sync may want to know. */
  readonly onPeerHeight?: (peer: NodeId, height: Height) => void;
}

export interface ConsensusReactor extends Reactor {
  /** To be given to the engine. */
  readonly gossip: ConsensusGossip;
  /** Starts the timer; the engine must have started. */
  start(): void;
  stop(): void;
  /** Undefined before the peer's first NewRoundStep. */
  peerRound(id: NodeId): PeerRound | undefined;
  /** All that is known of a peer's round; undefined for who is no peer. */
  peerState(id: NodeId): PeerRoundState | undefined;
}

const NOTHING_HELD: HeldTxs = { held: () => undefined };

export function createConsensusReactor(
  dependencies: ConsensusReactorDependencies,
): ConsensusReactor {
  const { consensus, blocks, clock } = dependencies;
  const logger = dependencies.logger.child({ module: "consensus-reactor" });
  const targets = new Map<NodeId, GossipPeer>();
  const wakes = new Map<NodeId, { readonly atMs: number; readonly timer: Cancel }>();
  const received: ReceiptTimes = new WeakMap();
  /** Peers that need no HasVote for a vote: who sent it, or whom we sent it. */
  const voteHolders = new WeakMap<Vote, ReadonlySet<NodeId>>();
  let timer: Cancel | undefined;
  let relayTimer: Cancel | undefined;
  let isRunning = false;
  let knownHeight = 0;
  const nowMs = (): number => clock.monotonicMs();
  const news = new HeldNews(targets, clock);
  const { txs = NOTHING_HELD } = dependencies;
  const compact = new CompactParts(txs, dependencies.metrics, nowMs);
  const isSyncing = (): boolean => !isRunning || consensus.status().catchingUp;
  const catchUpDependencies = (): CatchUpDependencies => ({
    view: consensus.view(),
    blocks,
    received,
    nowMs,
  });

  /** Sends what is due now; what is held back wakes us later. */
  const pump = (target: GossipPeer): void => {
    target.isPumpScheduled = false;
    if (isSyncing() || target.peer.isClosed) return;
    const view = consensus.view();
    noteDistance(target, view.height, nowMs());
    wakeAfter(target, pumpHeight(target, view, received, nowMs()));
    const behind = catchUpDependencies();
    if (!isBehind(target, behind)) return;
    if (target.isCatchingUp) {
      target.catchUpAgain = true;
      return;
    }
    target.isCatchingUp = true;
    void help(target, behind);
  };
  const help = async (target: GossipPeer, behind: CatchUpDependencies): Promise<void> => {
    try {
      wakeAfter(target, await catchUp(target, behind));
    } catch (error) {
      noteUnreadable(target, error);
    }
    target.isCatchingUp = false;
    if (!target.catchUpAgain) return;
    target.catchUpAgain = false;
    schedulePump(target);
  };
  const claimCommit = async (target: GossipPeer, behind: CatchUpDependencies): Promise<void> => {
    try {
      await sendCommitMajority(target, behind);
    } catch (error) {
      noteUnreadable(target, error);
    }
  };
  /** The peer asks again with its next step; the store's owner reports what is wrong with it. */
  const noteUnreadable = (target: GossipPeer, error: unknown): void => {
    if (error instanceof AssertionFailure) throw error;
    logger.error("Stored block could not be read for a peer", {
      peer: target.peer.id,
      height: target.state.height,
      error: error instanceof Error ? error.message : String(error),
    });
  };
  /** Every height may have its own limit; other heights' proposals meet it in the core, if at all. */
  const proposalBytesMax = (height: Height): bigint => {
    const { initialHeight, lastBlockHeight, consensusParams } = consensus.chainState();
    const next = lastBlockHeight === 0 ? initialHeight : lastBlockHeight + 1;
    return height === next ? consensusParams.block.maxBytes : -1n;
  };

  const schedulePump = (target: GossipPeer): void => {
    if (target.isPumpScheduled) return;
    target.isPumpScheduled = true;
    queueMicrotask(() => pump(target));
  };
  const pumpAll = (): void => {
    for (const target of targets.values()) schedulePump(target);
  };
  /** What others made has arrived: peers that still lack it when it is old enough get it from us. */
  const scheduleRelay = (): void => {
    relayTimer ??= clock.after(VOTE_RELAY_DELAY_MS, () => {
      relayTimer = undefined;
      pumpAll();
    });
  };
  const wakeAfter = (target: GossipPeer, delayMs: number | undefined): void => {
    // The gossip timer comes soon enough for anything later.
    if (delayMs === undefined || delayMs >= GOSSIP_INTERVAL_MS) return;
    const { id } = target.peer;
    const atMs = nowMs() + delayMs;
    const waiting = wakes.get(id);
    if (waiting !== undefined && waiting.atMs <= atMs) return;
    waiting?.timer.cancel();
    const wake = clock.after(delayMs, () => {
      wakes.delete(id);
      if (targets.get(id) === target) pump(target);
    });
    wakes.set(id, { atMs, timer: wake });
  };
  const tick = (): void => {
    if (!isRunning) return;
    timer = clock.after(GOSSIP_INTERVAL_MS, tick);
    if (isSyncing()) return;
    const now = nowMs();
    const view = consensus.view();
    for (const target of targets.values()) {
      repeatIfStuck(target, now);
      if (now - target.majorityQueryAtMs >= MAJORITY_QUERY_INTERVAL_MS) {
        target.majorityQueryAtMs = now;
        sendMajorities(target, view);
        const behind = catchUpDependencies();
        if (isBehind(target, behind)) void claimCommit(target, behind);
      }
      pump(target);
    }
  };

  const handle = (channelId: number, target: GossipPeer, message: ConsensusMessage): void => {
    const { peer, state } = target;
    switch (message.kind) {
      case "newRoundStep": {
        validateNewRoundStepHeight(message, consensus.view().initialHeight);
        const height = state.height;
        if (!state.applyNewRoundStep(message, nowMs())) return;
        target.progressAtMs = nowMs();
        target.repeats = 0;
        if (height !== state.height) {
          dependencies.onPeerHeight?.(peer.id, state.height);
          target.behindSinceMs = nowMs();
          applyEarly(target, consensus.view().validators.validators.length);
        }
        schedulePump(target);
        return;
      }
      case "newValidBlock":
        if (!state.applyNewValidBlock(message)) return;
        target.progressAtMs = nowMs();
        schedulePump(target);
        return;
      case "hasVote": {
        ensureVoteBits(target);
        state.applyHasVote(message);
        const { height, round, type, index } = message;
        const view = consensus.view();
        const vote = view.height === height ? view.votes(round, type)?.voteAt(index) : undefined;
        const receivedMs = vote === undefined ? undefined : received.get(vote);
        if (receivedMs !== undefined) noteVoteLag(target, nowMs() - receivedMs);
        return;
      }
      case "voteSetMaj23":
        answerMajority(peer, message);
        return;
      case "proposal": {
        const { proposal } = message;
        validateProposalSize(proposal, proposalBytesMax(proposal.height));
        state.setHasProposal(proposal);
        received.set(proposal, nowMs());
        consensus.receiveProposal(proposal, peer.id);
        return;
      }
      case "proposalPol":
        state.applyProposalPol(message);
        schedulePump(target);
        return;
      case "blockPart":
        target.received.blockParts += 1;
        state.setHasPart(message.height, message.round, message.part.index, "confirmed");
        received.set(message.part, nowMs());
        consensus.receivePart(message.height, message.round, message.part, peer.id);
        return;
      case "vote": {
        const { vote } = message;
        target.received.votes += 1;
        ensureVoteBits(target);
        state.setHasVote(vote.height, vote.round, vote.type, vote.validatorIndex, "confirmed");
        received.set(vote, nowMs());
        consensus.receiveVote(vote, peer.id);
        return;
      }
      case "voteSetBits": {
        const view = consensus.view();
        const ours =
          view.height === message.height
            ? (view.votes(message.round, message.type)?.bitArrayFor(message.blockId) ??
              EMPTY_BIT_ARRAY)
            : undefined;
        state.applyVoteSetBits(message, ours);
        schedulePump(target);
        return;
      }
      default:
        assertNever(message, `consensus message on channel ${channelId}`);
    }
  };
  const takeCompactPart = (target: GossipPeer, from: PeerCompactParts, bytes: Uint8Array): void => {
    const message = decodeCompactPart(bytes);
    const { height, round } = message;
    target.state.setHasPart(height, round, message.part.index, "confirmed");
    if (!compact.isOfUse(from, message, consensus.view())) return;
    const part = compact.rebuild(target.peer, message);
    if (part === undefined) return;
    const whole: ConsensusMessage = { kind: "blockPart", height, round, part };
    validateConsensusMessage(whole);
    handle(DATA_CHANNEL.id, target, whole);
  };
  const sendWanted = (target: GossipPeer, to: PeerCompactParts, bytes: Uint8Array): void => {
    const wanted = decodeWantedPart(bytes);
    if (!compact.isGranted(to, wanted)) return;
    noteLack(target, wanted);
    schedulePump(target);
  };
  const ensureVoteBits = (target: GossipPeer): void => {
    const view = consensus.view();
    target.state.ensureVoteBits(view.height, view.validators.validators.length);
    const last = view.lastCommit;
    if (last !== undefined) target.state.ensureVoteBits(last.height, last.size);
  };
  const answerMajority = (peer: Peer, message: VoteSetMaj23Message): void => {
    if (isSyncing()) return;
    const view = consensus.view();
    const { height, round, type, blockId } = message;
    if (view.height !== height) return;
    consensus.receiveMajorityClaim(height, round, type, blockId, peer.id);
    const votes = view.votes(round, type)?.bitArrayFor(blockId) ?? EMPTY_BIT_ARRAY;
    peer.trySend(
      VOTE_SET_BITS_CHANNEL.id,
      encodeConsensusMessage({ kind: "voteSetBits", height, round, type, blockId, votes }),
    );
  };

  const gossip: ConsensusGossip = {
    proposal(proposal, origin) {
      if (origin !== undefined) {
        scheduleRelay();
        return;
      }
      const view = consensus.view();
      const bytes = encodeConsensusMessage({ kind: "proposal", proposal });
      for (const target of targets.values()) {
        news.goAlong(target);
        sendOwnProposal(target, proposal, view, bytes);
      }
    },
    part(height, round, part, origin) {
      if (origin !== undefined) {
        scheduleRelay();
        return;
      }
      const { proposalBlock, proposalParts } = consensus.view();
      let whole: Uint8Array | undefined;
      const inFull = (): Uint8Array =>
        (whole ??= encodeConsensusMessage({ kind: "blockPart", height, round, part }));
      const all = [...targets.values()];
      const isOfUse = all.some(({ compactParts }) => compact.isFor(compactParts));
      const short =
        isOfUse && proposalBlock !== undefined
          ? compact.encode(proposalBlock, height, round, part)
          : undefined;
      const send = (target: GossipPeer, bytes: Uint8Array): boolean =>
        sendOwnPart(target, proposalParts?.header, height, round, part, bytes);
      for (const target of all) {
        const { compactParts } = target;
        if (short === undefined || !compact.isFor(compactParts)) send(target, inFull());
        else if (send(target, short)) {
          compact.noteSent(compactParts, height, round, part, short.length);
        }
      }
    },
    vote(vote, origin) {
      if (origin !== undefined) {
        voteHolders.set(vote, new Set([origin]));
        scheduleRelay();
        return;
      }
      const holders = new Set<NodeId>();
      const bytes = encodeConsensusMessage({ kind: "vote", vote });
      for (const target of targets.values()) {
        ensureVoteBits(target);
        news.goAlong(target);
        if (sendOwnVote(target, vote, bytes)) holders.add(target.peer.id);
      }
      voteHolders.set(vote, holders);
    },
    hasVote(vote) {
      const { height, round, type, validatorIndex: index } = vote;
      news.vote({ kind: "hasVote", height, round, type, index }, voteHolders.get(vote));
    },
    newRoundStep(event) {
      news.step(event);
      if (event.height !== knownHeight) {
        // Who was behind already has waited longer: a fast chain must not let it wait for ever.
        for (const target of targets.values()) {
          if (target.state.height >= knownHeight) target.behindSinceMs = nowMs();
        }
        knownHeight = event.height;
      }
      pumpAll();
    },
    newValidBlock(event) {
      const bytes = encodeConsensusMessage(validBlockMessage(event));
      // One that lacks the block it has a commit for waits for its parts.
      for (const { peer } of targets.values()) {
        peer.trySend(STATE_CHANNEL.id, bytes, !event.isCommit);
      }
      pumpAll();
    },
    peerMisbehaved(id, reason) {
      targets.get(id)?.peer.close(new P2pError("P2P_MESSAGE_INVALID", reason));
    },
  };

  return {
    name: "consensus",
    channels: [
      STATE_CHANNEL,
      DATA_CHANNEL,
      VOTE_CHANNEL,
      VOTE_SET_BITS_CHANNEL,
      ...(dependencies.txs === undefined ? [] : [COMPACT_CHANNEL]),
    ],
    gossip,
    start() {
      isRunning = true;
      tick();
    },
    stop() {
      isRunning = false;
      timer?.cancel();
      relayTimer?.cancel();
      news.stop();
      for (const { timer: wake } of wakes.values()) wake.cancel();
      wakes.clear();
    },
    addPeer(peer) {
      targets.set(peer.id, createGossipPeer(peer, nowMs()));
      if (!isSyncing()) sendRoundStep(peer, consensus);
    },
    removePeer(peer) {
      const target = targets.get(peer.id);
      if (target?.peer !== peer) return;
      targets.delete(peer.id);
      news.forget(target);
      wakes.get(peer.id)?.timer.cancel();
      wakes.delete(peer.id);
    },
    receive(channelId, peer, bytes) {
      const target = targets.get(peer.id);
      if (target === undefined || !isRunning) return;
      try {
        const { compactParts } = target;
        const isWanted = channelId === COMPACT_CHANNEL.id;
        if (compactParts !== undefined && (isWanted || isCompactPart(bytes))) {
          if (isSyncing()) return;
          if (isWanted) sendWanted(target, compactParts, bytes);
          else if (channelId === DATA_CHANNEL.id) takeCompactPart(target, compactParts, bytes);
          return;
        }
        const message = decodeConsensusMessage(bytes);
        validateConsensusMessage(message);
        // A message on another channel than its own is ignored, as in CometBFT.
        if (channelOf(message) !== channelId) return;
        if (channelId !== STATE_CHANNEL.id && isSyncing()) return;
        handle(channelId, target, message);
      } catch (error) {
        throw toPeersFault(error);
      }
    },
    onSendable(channelId, peer) {
      const target = targets.get(peer.id);
      if (target === undefined || isSyncing()) return;
      // A step that did not fit would leave the peer with an old one.
      if (channelId === STATE_CHANNEL.id) sendRoundStep(peer, consensus);
      schedulePump(target);
    },
    peerRound(id) {
      const state = targets.get(id)?.state;
      if (state === undefined || state.height === 0) return undefined;
      const { height, round, step, startMs } = state;
      return { height, round, step, startMs };
    },
    peerState(id) {
      const target = targets.get(id);
      return target && describePeer(target.state, target.received);
    },
  };
}

/** A peer two heights behind is lagging until it is level again. */
function noteDistance(target: GossipPeer, ourHeight: Height, nowMs: number): void {
  const { height } = target.state;
  if (height === 0) return;
  if (height >= ourHeight) {
    target.isLagging = false;
    target.behindSinceMs = nowMs;
  } else if (height <= ourHeight - 2) {
    target.isLagging = true;
  }
}

/**
 * Forgets what a peer without progress was only assumed to have, later and later. While something
 * still waits to be sent, more of it would not help.
 */
function repeatIfStuck(target: GossipPeer, nowMs: number): void {
  if (target.peer.sendRoom(DATA_CHANNEL.id) < DATA_CHANNEL.sendQueueMessagesMax) {
    target.progressAtMs = nowMs;
    return;
  }
  const delayMs = Math.min(REPEAT_DELAY_MS * 2 ** target.repeats, REPEAT_DELAY_MAX_MS);
  if (nowMs - target.progressAtMs < delayMs) return;
  target.progressAtMs = nowMs;
  target.repeats = Math.min(target.repeats + 1, 10);
  target.state.forgetAssumed();
}

function channelOf(message: ConsensusMessage): number {
  switch (message.kind) {
    case "newRoundStep":
    case "newValidBlock":
    case "hasVote":
    case "voteSetMaj23":
      return STATE_CHANNEL.id;
    case "proposal":
    case "proposalPol":
    case "blockPart":
      return DATA_CHANNEL.id;
    case "vote":
      return VOTE_CHANNEL.id;
    case "voteSetBits":
      return VOTE_SET_BITS_CHANNEL.id;
    default:
      return assertNever(message, "consensus message");
  }
}

function sendRoundStep(peer: Peer, consensus: ConsensusPort): void {
  peer.trySend(STATE_CHANNEL.id, encodeConsensusMessage(roundStepMessage(consensus.roundStep())));
}

function roundStepMessage(event: RoundStepMessage): ConsensusMessage {
  return { kind: "newRoundStep", ...event };
}

function validBlockMessage(event: ValidBlockMessage): ConsensusMessage {
  const { height, round, partSetHeader: blockPartSetHeader, parts: blockParts, isCommit } = event;
  return { kind: "newValidBlock", height, round, blockPartSetHeader, blockParts, isCommit };
}
