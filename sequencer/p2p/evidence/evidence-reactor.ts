/**
 * The evidence reactor (spec/cometbft-v0.38.md §17.4): sends what waits for a block to peers that can
 * judge it, and takes what they send. Who sends what proves nothing is disconnected.
 */
import type { Height, NodeId } from "../../../proto/brands.ts";
import { toHex } from "../../../proto/bytes.ts";
import { decodeEvidenceList } from "../../../proto/codec/block.ts";
import { isWeftError } from "../../../proto/errors.ts";
import { evidenceId } from "../../../proto/hashes.ts";
import type { Evidence } from "../../../proto/types.ts";
import type { Cancel, Clock } from "../../ports/clock.ts";
import type { Logger } from "../../ports/logger.ts";
import type { YieldToLoop } from "../../ports/yield-to-loop.ts";
import { P2pError } from "../errors.ts";
import {
  EVIDENCE_CHECKS_BYTES_MAX,
  EVIDENCE_CHECKS_MAX,
  EVIDENCE_CHECKS_PER_PEER_MAX,
  EVIDENCE_MESSAGE_BYTES_MAX,
  EVIDENCE_PIECES_PER_MESSAGE_MAX,
  EVIDENCE_RESEND_MS,
  EVIDENCE_SEND_QUEUE_MESSAGES_MAX,
} from "../limits.ts";
import type { P2pMetrics } from "../metrics.ts";
import type { ChannelDescriptor, Peer, Reactor } from "../reactor.ts";

export const EVIDENCE_CHANNEL: ChannelDescriptor = {
  id: 0x38,
  name: "evidence",
  priority: 6,
  sendQueueMessagesMax: EVIDENCE_SEND_QUEUE_MESSAGES_MAX,
  receiveMessageBytesMax: EVIDENCE_MESSAGE_BYTES_MAX,
};

/** A piece to be sent. */
export interface GossipedEvidence {
  readonly id: string;
  /** Height from which its age counts. */
  readonly height: Height;
  /** The last height that a node must have committed to judge it. */
  readonly judgeableFrom: number;
  /** An EvidenceList of this one piece. */
  readonly message: Uint8Array;
}

/** The engine's evidence; it fits as it is. */
export interface EvidencePort {
  /** What waits for a block, oldest first. */
  pendingEvidence(): readonly GossipedEvidence[];
  /** Verifies a piece and keeps it. Only "malformed" and "invalid" are the sender's fault. */
  addEvidence(
    evidence: Evidence,
  ): Promise<
    | { readonly kind: "added" | "known" }
    | { readonly kind: "malformed" | "invalid" | "unjudgeable" | "full"; readonly message: string }
  >;
  /** Tells when something new waits; returns how to stop. */
  onEvidenceAdded(listener: () => void): () => void;
  chainState(): {
    readonly consensusParams: { readonly evidence: { readonly maxAgeBlocks: bigint } };
  };
}

export interface EvidenceReactor extends Reactor {
  /** Begins to send; the engine must have started. */
  start(): void;
  stop(): void;
  /** The peer announced another height: there may be evidence that it can judge now. */
  peerHeightSeen(peer: NodeId): void;
}

interface Target {
  readonly peer: Peer;
  /** Ids sent to it, or received from it, since the list was begun anew. */
  readonly known: Set<string>;
  /** Messages of it that wait to be verified, the one under way included. */
  checks: number;
}

interface Check {
  readonly target: Target;
  readonly message: Uint8Array;
}

export function createEvidenceReactor(dependencies: {
  readonly evidence: EvidencePort;
  /** The height that a peer is deciding; undefined while it has not said so. */
  readonly peerHeight: (peer: NodeId) => Height | undefined;
  readonly clock: Clock;
  readonly yieldToLoop: YieldToLoop;
  readonly logger: Logger;
  readonly metrics: P2pMetrics;
}): EvidenceReactor {
  const { evidence, peerHeight, clock, yieldToLoop, metrics } = dependencies;
  const logger = dependencies.logger.child({ module: "evidence-reactor" });
  const targets = new Map<NodeId, Target>();
  const checks: Check[] = [];
  let checkBytes = 0;
  let isChecking = false;
  let isRunning = false;
  let timer: Cancel | undefined;
  let unsubscribe: (() => void) | undefined;

  const pumpAll = (): void => {
    for (const target of targets.values()) pump(target);
  };
  const pump = (target: Target): void => {
    const pieces = evidence.pendingEvidence();
    if (!isRunning || pieces.length === 0) return;
    const height = peerHeight(target.peer.id);
    if (height === undefined) return;
    const { maxAgeBlocks } = evidence.chainState().consensusParams.evidence;
    for (const piece of pieces) {
      if (target.known.has(piece.id) || !isFor(piece, height, maxAgeBlocks)) continue;
      if (!target.peer.trySend(EVIDENCE_CHANNEL.id, piece.message)) return;
      target.known.add(piece.id);
      logger.debug("Evidence sent", { peer: target.peer.id, evidence: piece.id });
    }
  };
  /** Begins the list anew for everybody: a peer may have been unable to judge or to keep a piece. */
  const restart = (): void => {
    for (const target of targets.values()) target.known.clear();
    pumpAll();
    timer = clock.after(EVIDENCE_RESEND_MS, restart);
  };

  const take = (target: Target, message: Uint8Array): void => {
    const isFull =
      checks.length >= EVIDENCE_CHECKS_MAX ||
      checkBytes + message.length > EVIDENCE_CHECKS_BYTES_MAX ||
      target.checks >= EVIDENCE_CHECKS_PER_PEER_MAX;
    if (isFull) {
      // It comes again when the sender begins its list anew.
      metrics.dropped.inc({ reason: "evidence_queue_full" });
      return;
    }
    checks.push({ target, message });
    checkBytes += message.length;
    target.checks += 1;
    void checkAll();
  };
  /**
   * One message at a time, each in its own turn of the loop: what strangers send waits for each other,
   * nobody else for them.
   */
  const checkAll = async (): Promise<void> => {
    if (isChecking) return;
    isChecking = true;
    for (let next = checks.shift(); next !== undefined; next = checks.shift()) {
      await yieldToLoop();
      await checkMessage(next);
      checkBytes -= next.message.length;
      next.target.checks -= 1;
    }
    isChecking = false;
  };
  const checkMessage = async ({ target, message }: Check): Promise<void> => {
    const { peer } = target;
    const pieces = read(peer, message);
    try {
      for (const piece of pieces) {
        // A peer that is gone cannot be asked again, and need not be believed.
        if (peer.isClosed || !isRunning) return;
        await checkPiece(target, piece);
      }
    } catch (error) {
      // Our disk, or the engine stopping: no fault of the peer, and the piece comes again.
      logger.warn("Evidence of a peer could not be checked", {
        peer: peer.id,
        error: error instanceof Error ? error.message : String(error),
      });
    }
  };
  const read = (peer: Peer, message: Uint8Array): readonly Evidence[] => {
    try {
      const pieces = decodeEvidenceList(message);
      if (pieces.length <= EVIDENCE_PIECES_PER_MESSAGE_MAX) return pieces;
      refuse(peer, `expected at most ${EVIDENCE_PIECES_PER_MESSAGE_MAX} pieces, got more`);
    } catch (error) {
      // What does not decode is the peer's; anything else is a bug.
      if (!isWeftError(error)) throw error;
      refuse(peer, error.message);
    }
    return [];
  };
  const checkPiece = async ({ peer, known }: Target, piece: Evidence): Promise<void> => {
    // It has that one: no need to send it back.
    known.add(toHex(evidenceId(piece)));
    const answer = await evidence.addEvidence(piece);
    if (answer.kind === "malformed" || answer.kind === "invalid") {
      refuse(peer, answer.message);
    } else if (answer.kind === "unjudgeable" || answer.kind === "full") {
      const { kind, message: reason } = answer;
      logger.debug("Evidence of a peer not taken", { peer: peer.id, kind, reason });
    }
  };
  const refuse = (peer: Peer, reason: string): void => {
    logger.warn("Invalid evidence of a peer", { peer: peer.id, reason });
    peer.close(new P2pError("P2P_MESSAGE_INVALID", `invalid evidence: ${reason}`));
  };

  return {
    name: "evidence",
    channels: [EVIDENCE_CHANNEL],
    start() {
      isRunning = true;
      unsubscribe = evidence.onEvidenceAdded(pumpAll);
      timer = clock.after(EVIDENCE_RESEND_MS, restart);
      pumpAll();
    },
    stop() {
      isRunning = false;
      unsubscribe?.();
      timer?.cancel();
    },
    peerHeightSeen(id) {
      const target = targets.get(id);
      if (target !== undefined) pump(target);
    },
    addPeer(peer) {
      const target: Target = { peer, known: new Set(), checks: 0 };
      targets.set(peer.id, target);
      pump(target);
    },
    removePeer(peer) {
      if (targets.get(peer.id)?.peer === peer) targets.delete(peer.id);
    },
    receive(_channelId, peer, message) {
      const target = targets.get(peer.id);
      if (target !== undefined && isRunning) take(target, message);
    },
    onSendable(_channelId, peer) {
      const target = targets.get(peer.id);
      if (target !== undefined) pump(target);
    },
  };
}

/**
 * Whether a peer that decides `height` can judge a piece, and would not find it too old. CometBFT
 * disconnects whoever sends what its receiver cannot judge yet, so the commit of an attack counts too.
 */
function isFor(piece: GossipedEvidence, height: Height, maxAgeBlocks: bigint): boolean {
  return piece.judgeableFrom < height && BigInt(height - piece.height) <= maxAgeBlocks;
}
