/** Instruments of the transport and its reactors. Labels are bounded by channels and peer limits. */
import { type Counter, type Gauge, NULL_COUNTER, NULL_GAUGE } from "../ports/instruments.ts";

/** Why something was dropped or somebody refused; closed set. */
export type DropReason =
  /** `trySend` on a full queue; gossip tries again. */
  | "send_queue_full"
  /** A connection refused before it was a peer. */
  | "handshake"
  /** A peer disconnected for breaking a rule. */
  | "peer_error"
  /** A peer disconnected because nothing was heard of it any more. */
  | "peer_silent"
  /** A connection of a peer that is banned. */
  | "peer_banned"
  /** A connection beyond the limits of peers or of handshakes at once. */
  | "peer_limit"
  /** A mempool transaction that waited for a peer and was displaced. */
  | "tx_queue_full"
  /** A transaction that this node was offered and its pool did not take. */
  | "tx_refused";

export interface P2pMetrics {
  /** cometbft_p2p_peers: number of connected peers. */
  readonly peers: Gauge;
  /** cometbft_p2p_peer_send_bytes_total{peer_id,channel}: message bytes queued for a peer. */
  readonly peerSendBytes: Counter<"peer_id" | "channel">;
  /** cometbft_p2p_peer_receive_bytes_total{peer_id,channel}: message bytes received from a peer. */
  readonly peerReceiveBytes: Counter<"peer_id" | "channel">;
  /** cometbft_p2p_peer_pending_send_bytes{peer_id}: bytes waiting in the send queues of a peer. */
  readonly peerPendingSendBytes: Gauge<"peer_id">;
  /** cometbft_p2p_message_send_bytes_total{message_type}: message bytes queued, by channel. */
  readonly messageSendBytes: Counter<"message_type">;
  /** cometbft_p2p_message_receive_bytes_total{message_type}: message bytes received, by channel. */
  readonly messageReceiveBytes: Counter<"message_type">;
  /** weft_p2p_dropped_total{reason}: messages dropped and connections refused or ended, by reason. */
  readonly dropped: Counter<"reason">;
  /** weft_p2p_dials_total{outcome}: outgoing connection attempts that ended as "ok" or "failed". */
  readonly dials: Counter<"outcome">;
  /** weft_p2p_bans_total{code}: peers banned, by the error that was too much. */
  readonly bans: Counter<"code">;
  /** weft_p2p_banned_peers: peers that are banned now. */
  readonly bannedPeers: Gauge;
  /** weft_p2p_address_book_addresses{kind}: addresses known, "new" ones only heard of and "old" ones reached. */
  readonly addressBook: Gauge<"kind">;
  /** weft_p2p_pending_handshakes: connections accepted that have not proven who they are. */
  readonly pendingHandshakes: Gauge;
  /** weft_p2p_mempool_pending_txs{peer_id}: transactions waiting to be sent to a peer. */
  readonly mempoolPendingTxs: Gauge<"peer_id">;
  /** weft_p2p_compact_parts_total{outcome}: own parts "sent" with transactions named, and "wanted" whole after that; others' parts "rebuilt", or "incomplete". */
  readonly compactParts: Counter<"outcome">;
  /** weft_p2p_compact_spared_bytes_total: bytes by which compact parts were shorter than whole ones. */
  readonly compactSparedBytes: Counter;
  /** weft_p2p_blocks_served_total{answer}: block requests of peers answered with a "block" or "none". */
  readonly blocksServed: Counter<"answer">;
  /** weft_p2p_chunks_served_total{answer}: requests of snapshot chunks answered with a "chunk" or "missing". */
  readonly chunksServed: Counter<"answer">;
}

export const NULL_P2P_METRICS: P2pMetrics = {
  peers: NULL_GAUGE,
  peerSendBytes: NULL_COUNTER,
  peerReceiveBytes: NULL_COUNTER,
  peerPendingSendBytes: NULL_GAUGE,
  messageSendBytes: NULL_COUNTER,
  messageReceiveBytes: NULL_COUNTER,
  dropped: NULL_COUNTER,
  dials: NULL_COUNTER,
  bans: NULL_COUNTER,
  bannedPeers: NULL_GAUGE,
  addressBook: NULL_GAUGE,
  pendingHandshakes: NULL_GAUGE,
  mempoolPendingTxs: NULL_GAUGE,
  compactParts: NULL_COUNTER,
  compactSparedBytes: NULL_COUNTER,
  blocksServed: NULL_COUNTER,
  chunksServed: NULL_COUNTER,
};
