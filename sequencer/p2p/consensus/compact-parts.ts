/**
 * Parts of own blocks for peers that hold most of their transactions already, and what such peers send us
 * (`compact-parts/`, ADR 0028). What a peer lacks it asks for, once, and gets as the part it is.
 */
import type { Height, Round } from "../../../proto/brands.ts";
import type { Block, Part } from "../../../proto/types.ts";
import type { RoundStateView } from "../../consensus/round-state.ts";
import {
  compactPieces,
  rebuildPart,
  type TxPlace,
  txPlaces,
} from "../compact-parts/compact-part.ts";
import {
  COMPACT_CHANNEL,
  type CompactPart,
  encodeCompactPart,
  encodeWantedPart,
  type WantedPart,
} from "../compact-parts/messages.ts";
import { COMPACT_PAUSE_MS, COMPACT_TX_AGE_MS } from "../limits.ts";
import type { P2pMetrics } from "../metrics.ts";
import type { Peer } from "../reactor.ts";
import type { HeldTxs } from "./consensus-port.ts";

/** Compact parts from and to one peer. */
export interface PeerCompactParts {
  /** What it was sent of one block. */
  sent: PartsOfRound | undefined;
  /** What was taken from it while this node was in one round, for its height and the next. */
  taken: TakenParts | undefined;
  /** When it last lacked a transaction of one. */
  lackedAtMs: number | undefined;
}

interface PartsOfRound {
  readonly height: Height;
  readonly round: Round;
  readonly indexes: Set<number>;
}

interface TakenParts extends PartsOfRound {
  readonly nextIndexes: Set<number>;
}

export class CompactParts {
  readonly #txs: HeldTxs;
  readonly #metrics: P2pMetrics;
  readonly #nowMs: () => number;
  /** The own block that is being sent, and what of it is named. */
  #sending: { readonly block: Block; readonly places: readonly TxPlace[] } | undefined;

  constructor(txs: HeldTxs, metrics: P2pMetrics, nowMs: () => number) {
    this.#txs = txs;
    this.#metrics = metrics;
    this.#nowMs = nowMs;
  }

  /** The message for a part of our own block; undefined where it had better be sent whole. */
  encode(block: Block, height: Height, round: Round, part: Part): Uint8Array | undefined {
    if (this.#sending?.block !== block) {
      const latestMs = this.#nowMs() - COMPACT_TX_AGE_MS;
      const isNamed = (key: string): boolean => {
        const held = this.#txs.held(key);
        return held !== undefined && held.atMs <= latestMs;
      };
      this.#sending = { block, places: txPlaces(block, isNamed) };
    }
    const pieces = compactPieces(part, this.#sending.places);
    return pieces && encodeCompactPart({ height, round, part, pieces });
  }

  /** Notes that `part` was queued for a peer as a message of `bytes` bytes. */
  noteSent(to: PeerCompactParts, height: Height, round: Round, part: Part, bytes: number): void {
    this.#metrics.compactParts.inc({ outcome: "sent" });
    this.#metrics.compactSparedBytes.inc(undefined, part.bytes.length - bytes);
    const isSame = to.sent?.height === height && to.sent.round === round;
    if (!isSame) to.sent = { height, round, indexes: new Set() };
    to.sent?.indexes.add(part.index);
  }

  /**
   * Whether a compact part is worth rebuilding: this node lacks that part of its block, or may soon, and has not
   * had it from this peer in this round. A short message must not make it hash 64 KiB again and again.
   */
  isOfUse(from: PeerCompactParts, { height, part }: CompactPart, view: RoundStateView): boolean {
    const isNext = height === view.height + 1;
    const isMissing = view.proposalParts?.partAt(part.index) === undefined;
    if (!isNext && (height !== view.height || !isMissing)) return false;
    const taken = takenOf(from, view);
    const indexes = isNext ? taken.nextIndexes : taken.indexes;
    if (indexes.has(part.index)) return false;
    indexes.add(part.index);
    return true;
  }

  /** The part that a peer has sent; undefined when we lack a transaction of it and have asked for it whole. */
  rebuild(peer: Peer, { height, round, part, pieces }: CompactPart): Part | undefined {
    const whole = rebuildPart(part, pieces, (key) => this.#txs.held(key)?.tx);
    this.#metrics.compactParts.inc({ outcome: whole === undefined ? "incomplete" : "rebuilt" });
    if (whole !== undefined) return whole;
    peer.trySend(COMPACT_CHANNEL.id, encodeWantedPart({ height, round, index: part.index }));
    return undefined;
  }

  /** Whether a peer is to be sent compact parts now: not for a while after it could not use one. */
  isFor(to: PeerCompactParts | undefined): to is PeerCompactParts {
    if (to === undefined) return false;
    const { lackedAtMs } = to;
    return lackedAtMs === undefined || this.#nowMs() - lackedAtMs >= COMPACT_PAUSE_MS;
  }

  /** Whether a peer may have a part whole: one that it was sent compactly, and once. */
  isGranted(to: PeerCompactParts, { height, round, index }: WantedPart): boolean {
    const { sent } = to;
    if (sent?.height !== height || sent.round !== round || !sent.indexes.delete(index)) {
      return false;
    }
    to.lackedAtMs = this.#nowMs();
    this.#metrics.compactParts.inc({ outcome: "wanted" });
    return true;
  }
}

/** What is kept of a peer that takes compact parts; undefined for one that does not. */
export function peerCompactParts({ nodeInfo }: Peer): PeerCompactParts | undefined {
  if (!nodeInfo.channels.includes(COMPACT_CHANNEL.id)) return undefined;
  return { sent: undefined, taken: undefined, lackedAtMs: undefined };
}

/** What was taken of a peer in this node's round; nothing when the round is new. */
function takenOf(from: PeerCompactParts, { height, round }: RoundStateView): TakenParts {
  const { taken } = from;
  if (taken?.height === height && taken.round === round) return taken;
  return (from.taken = { height, round, indexes: new Set(), nextIndexes: new Set() });
}
