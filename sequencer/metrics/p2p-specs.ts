import type { P2pMetrics } from "../p2p/metrics.ts";
import type { SpecsOf } from "../ports/prometheus.ts";

export const P2P_SPECS: SpecsOf<P2pMetrics> = {
  peers: { type: "gauge", name: "cometbft_p2p_peers", help: "Number of connected peers" },
  peerSendBytes: {
    type: "counter",
    name: "cometbft_p2p_peer_send_bytes_total",
    help: "Message bytes queued for a peer",
    labels: ["peer_id", "channel"],
  },
  peerReceiveBytes: {
    type: "counter",
    name: "cometbft_p2p_peer_receive_bytes_total",
    help: "Message bytes received from a peer",
    labels: ["peer_id", "channel"],
  },
  peerPendingSendBytes: {
    type: "gauge",
    name: "cometbft_p2p_peer_pending_send_bytes",
    help: "Bytes waiting in the send queues of a peer",
    labels: ["peer_id"],
  },
  messageSendBytes: {
    type: "counter",
    name: "cometbft_p2p_message_send_bytes_total",
    help: "Message bytes queued, by channel",
    labels: ["message_type"],
  },
  messageReceiveBytes: {
    type: "counter",
    name: "cometbft_p2p_message_receive_bytes_total",
    help: "Message bytes received, by channel",
    labels: ["message_type"],
  },
  dropped: {
    type: "counter",
    name: "weft_p2p_dropped_total",
    help: "Messages dropped and connections refused or ended, by reason",
    labels: ["reason"],
  },
  dials: {
    type: "counter",
    name: "weft_p2p_dials_total",
    help: 'Outgoing connection attempts that ended as "ok" or "failed"',
    labels: ["outcome"],
  },
  bans: {
    type: "counter",
    name: "weft_p2p_bans_total",
    help: "Peers banned, by the error that was too much",
    labels: ["code"],
  },
  bannedPeers: {
    type: "gauge",
    name: "weft_p2p_banned_peers",
    help: "Peers that are banned now",
  },
  addressBook: {
    type: "gauge",
    name: "weft_p2p_address_book_addresses",
    help: 'Addresses known, "new" ones only heard of and "old" ones reached',
    labels: ["kind"],
  },
  pendingHandshakes: {
    type: "gauge",
    name: "weft_p2p_pending_handshakes",
    help: "Connections accepted that have not proven who they are",
  },
  mempoolPendingTxs: {
    type: "gauge",
    name: "weft_p2p_mempool_pending_txs",
    help: "Transactions waiting to be sent to a peer",
    labels: ["peer_id"],
  },
  compactParts: {
    type: "counter",
    name: "weft_p2p_compact_parts_total",
    help: 'Own parts "sent" with transactions named, and "wanted" whole after that; others\' parts "rebuilt", or "incomplete"',
    labels: ["outcome"],
  },
  compactSparedBytes: {
    type: "counter",
    name: "weft_p2p_compact_spared_bytes_total",
    help: "Bytes by which compact parts were shorter than whole ones",
  },
  blocksServed: {
    type: "counter",
    name: "weft_p2p_blocks_served_total",
    help: 'Block requests of peers answered with a "block" or "none"',
    labels: ["answer"],
  },
  chunksServed: {
    type: "counter",
    name: "weft_p2p_chunks_served_total",
    help: 'Requests of snapshot chunks answered with a "chunk" or "missing"',
    labels: ["answer"],
  },
};
