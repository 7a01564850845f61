/**
 * Who misbehaves too often is not talked to for a while. Points by kind of error, halved every ten
 * minutes; a hundred of them are a ban, each longer than the one before. An id costs nothing to
 * make, so bans are for broken and stubborn peers; floods are held off by the limits on connections.
 */
import type { NodeId } from "../../proto/brands.ts";
import type { P2pErrorCode } from "./errors.ts";
import {
  BAN_DURATIONS_MS,
  BAN_FORGET_MS,
  BAN_SCORE,
  BANS_MAX,
  SCORE_HALF_LIFE_MS,
  SCORES_MAX,
} from "./limits.ts";

export interface Ban {
  readonly id: NodeId;
  /** Wall ms; the ban may be over and is kept to make the next one longer. */
  readonly untilMs: number;
  /** Bans so far. */
  readonly count: number;
  /** The error that was too much. */
  readonly code: string;
}

export interface PeerBans {
  /**
   * Notes why a peer was disconnected. Gives the ban when it leads to one. A trusted peer, which the
   * operator named, is banned for the shortest time at most: a bug must not part validators for a day.
   */
  record(id: NodeId, code: P2pErrorCode, isTrusted: boolean): Ban | undefined;
  isBanned(id: NodeId): boolean;
  /** Points now. */
  score(id: NodeId): number;
  /** Bans in force. */
  banned(): readonly Ban[];
  /** Bans in force and those still remembered, to be kept over a restart. */
  entries(): readonly Ban[];
}

export function createPeerBans(
  options: { readonly entries: readonly Ban[] },
  dependencies: {
    /** Wall time in ms. */
    readonly nowMs: () => number;
    readonly onBan: (ban: Ban) => void;
  },
): PeerBans {
  const { nowMs, onBan } = dependencies;
  const scores = new Map<NodeId, { points: number; atMs: number }>();
  const bans = new Map<NodeId, Ban>();
  for (const ban of options.entries.slice(0, BANS_MAX)) bans.set(ban.id, ban);

  const pointsNow = (id: NodeId): number => {
    const score = scores.get(id);
    if (score === undefined) return 0;
    return score.points * 2 ** (-Math.max(0, nowMs() - score.atMs) / SCORE_HALF_LIFE_MS);
  };
  const remembered = (): readonly Ban[] => {
    for (const ban of bans.values()) {
      if (nowMs() - ban.untilMs > BAN_FORGET_MS) bans.delete(ban.id);
    }
    return [...bans.values()];
  };

  return {
    record(id, code, isTrusted) {
      const weight = MISBEHAVIOUR_POINTS[code];
      if (weight === 0) return undefined;
      const points = pointsNow(id) + weight;
      scores.delete(id);
      if (points < BAN_SCORE) {
        scores.set(id, { points, atMs: nowMs() });
        dropFirst(scores, SCORES_MAX);
        return undefined;
      }
      const earlier = bans.get(id);
      const isRecent = earlier !== undefined && nowMs() - earlier.untilMs <= BAN_FORGET_MS;
      const count = (isRecent ? earlier.count : 0) + 1;
      const step = isTrusted ? 0 : Math.min(count, BAN_DURATIONS_MS.length) - 1;
      const ban = { id, untilMs: nowMs() + (BAN_DURATIONS_MS[step] ?? 0), count, code };
      bans.delete(id);
      bans.set(id, ban);
      dropFirst(bans, BANS_MAX);
      onBan(ban);
      return ban;
    },
    isBanned(id) {
      const ban = bans.get(id);
      return ban !== undefined && nowMs() < ban.untilMs;
    },
    score: (id) => Math.round(pointsNow(id)),
    banned: () => remembered().filter(({ untilMs }) => nowMs() < untilMs),
    entries: remembered,
  };
}

/**
 * Points for each error. 0: not the peer's doing, or not a fault. Little: what a broken line or a man
 * in the middle can bring about for an honest peer. Half a ban: what only a broken or hostile peer does.
 */
export const MISBEHAVIOUR_POINTS: Readonly<Record<P2pErrorCode, number>> = {
  P2P_SOCKET_CLOSED: 0,
  P2P_HANDSHAKE_TIMEOUT: 0,
  P2P_HANDSHAKE_MALFORMED: 0,
  P2P_HANDSHAKE_LOW_ORDER_POINT: 0,
  P2P_HANDSHAKE_BAD_SIGNATURE: 0,
  P2P_PEER_ID_MISMATCH: 0,
  P2P_PEER_SELF: 0,
  P2P_PEER_DUPLICATE: 0,
  P2P_PEER_DUPLICATE_ADDRESS: 0,
  P2P_PEER_LIMIT: 0,
  P2P_PEER_BANNED: 0,
  P2P_PEER_INCOMPATIBLE: 0,
  P2P_NODE_INFO_INVALID: 0,
  P2P_FRAME_TAMPERED: 5,
  P2P_FRAME_TOO_LARGE: 50,
  P2P_PACKET_MALFORMED: 50,
  P2P_CHANNEL_UNKNOWN: 50,
  P2P_MESSAGE_TOO_LARGE: 50,
  P2P_MESSAGE_INVALID: 50,
  P2P_TX_INVALID: 50,
  P2P_PEX_TOO_OFTEN: 100,
  P2P_PEX_UNSOLICITED: 100,
  P2P_PEER_UNHELPFUL: 25,
  P2P_PEER_DISMISSED: 0,
  P2P_PONG_TIMEOUT: 0,
  P2P_PEER_SILENT: 0,
  P2P_DIAL_FAILED: 0,
  P2P_NODE_KEY_INVALID: 0,
  P2P_ADDRESS_INVALID: 0,
  P2P_STOPPED: 0,
};

function dropFirst<K>(map: Map<K, unknown>, max: number): void {
  for (const key of map.keys()) {
    if (map.size <= max) return;
    map.delete(key);
  }
}
