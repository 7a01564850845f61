/**
 * Parts of own blocks for peers that hold most of their transactions already, and what such peers send us
 * (`compact-parts/`, ADR 0028). What a peer lacks it asks for, once, and gets as the part it is.
 */
import type { Height, Round } from "../../../proto/brands.ts";
import type { Block, Part } from "../../../proto/types.ts";
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
import type { GossipPeer } from "./consensus-gossip.ts";
import type { HeldTxs } from "./consensus-port.ts";

/** Which parts of a block a peer was sent compactly. */
export interface CompactlySent {
  readonly height: Height;
  readonly round: Round;
  readonly indexes: Set<number>;
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
  noteSent(target: GossipPeer, height: Height, round: Round, part: Part, bytes: number): void {
    this.#metrics.compactParts.inc({ outcome: "sent" });
    this.#metrics.compactSparedBytes.inc(undefined, part.bytes.length - bytes);
    const before = target.compactlySent;
    const isSame = before?.height === height && before.round === round;
    const sent = isSame ? before : { height, round, indexes: new Set<number>() };
    sent.indexes.add(part.index);
    target.compactlySent = sent;
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
  isFor({ takesCompactParts, lackedAtMs }: GossipPeer): boolean {
    if (!takesCompactParts) return false;
    return lackedAtMs === undefined || this.#nowMs() - lackedAtMs >= COMPACT_PAUSE_MS;
  }

  /** Whether a peer may have a part whole: one that it was sent compactly, and once. */
  isGranted(target: GossipPeer, { height, round, index }: WantedPart): boolean {
    const sent = target.compactlySent;
    if (sent?.height !== height || sent.round !== round || !sent.indexes.delete(index)) {
      return false;
    }
    target.lackedAtMs = this.#nowMs();
    this.#metrics.compactParts.inc({ outcome: "wanted" });
    return true;
  }
}
