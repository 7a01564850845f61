/**
 * Limits of the transport and its reactors (spec §16, §17, §20). Each says what happens when it is
 * reached; every drop and every disconnect is counted by `P2pMetrics`.
 */

/** Data bytes of one `PacketMsg`; the same on every node of a network. More: the peer is dropped. */
export const PACKET_PAYLOAD_BYTES_MAX = 1_024;
/** The same where Weft frames are used. */
export const LARGE_PACKET_PAYLOAD_BYTES_MAX = 32_768;

/** Data bytes of one CometBFT frame. A frame that claims more closes the connection. */
export const FRAME_DATA_BYTES_MAX = 1_024;
/** Data bytes of one Weft frame, used only between peers that both announce it. */
export const LARGE_FRAME_DATA_BYTES_MAX = 65_536;
/** CometBFT frames in one send or receive slab. */
export const SLAB_FRAMES = 64;
/** Slabs a connection may have between itself and the kernel. All in flight: queues stop draining. */
export const SEND_SLABS_MAX = 4;
/** Bytes that may wait undecrypted while a handshake step is awaited. More: the peer is dropped. */
export const HANDSHAKE_BACKLOG_BYTES_MAX = 256 << 10;
/** Buffer that all reads of a dialed connection share. */
export const READ_BUFFER_BYTES = 64 << 10;
/** Bytes of the authentication message. More: the handshake fails. */
export const AUTH_MESSAGE_BYTES_MAX = 1_024;

/** Bytes of a `NodeInfo`. More: the handshake fails. */
export const NODE_INFO_BYTES_MAX = 10_240;
/** Channels of a `NodeInfo`. More: the handshake fails. */
export const CHANNELS_MAX = 16;

/** Time from TCP connect to an exchanged `NodeInfo`. Later: closed (slow loris included). */
export const HANDSHAKE_TIMEOUT_MS = 20_000;
/** Time for TCP connect. */
export const DIAL_TIMEOUT_MS = 3_000;
/** Interval of pings and the time a pong may take, as in CometBFT. No pong: closed. */
export const PING_INTERVAL_MS = 60_000;
export const PONG_TIMEOUT_MS = 45_000;
/**
 * A Weft node sends a ping to another one when it has sent nothing, or heard nothing, for this long,
 * so that silence means a broken link.
 */
export const HEARTBEAT_INTERVAL_MS = 500;
/** Nothing heard of a Weft node for this long: closed, and dialed again if persistent. */
export const SILENCE_TIMEOUT_MS = 3_000;
/** The same for nodes that only answer pings, and may be slow to while they apply a block. */
export const PLAIN_HEARTBEAT_INTERVAL_MS = 2_500;
export const PLAIN_SILENCE_TIMEOUT_MS = 20_000;
/** A connection that was silent this long gives way to a newer one of the same peer in any case. */
export const SILENCE_SUSPECT_MS = 1_500;

/** Peers that dialed us, and peers we dialed; persistent and unconditional peers are exempt. */
export const INBOUND_PEERS_MAX = 40;
export const OUTBOUND_PEERS_MAX = 10;
/** Connections in the handshake at once. A further one is closed at once. */
export const PENDING_HANDSHAKES_MAX = 64;
/** When all places are taken, the oldest handshake gives its place up once it is this old. */
export const PENDING_HANDSHAKE_SAFE_MS = 3_000;
/** Of those, from one address, so that one host cannot hold every place. */
export const PENDING_HANDSHAKES_PER_HOST_MAX = 16;
/** Handshakes that one address may begin per second, and at once after a pause. More: closed. */
export const HANDSHAKES_PER_HOST_PER_SECOND = 50;
export const HANDSHAKES_PER_HOST_BURST = 100;
/** Addresses whose rate is remembered. Full: the one idle for longest is forgotten. */
export const HANDSHAKE_HOSTS_MAX = 4_096;
/** Points at which a peer is banned, and the time in which they halve. */
export const BAN_SCORE = 100;
export const SCORE_HALF_LIFE_MS = 600_000;
/** Length of a peer's first ban, its second, and so on; the last for all further ones. */
export const BAN_DURATIONS_MS: readonly number[] = [
  60_000, 300_000, 1_800_000, 7_200_000, 86_400_000,
];
/** A ban that ended so long ago does not make the next one longer. */
export const BAN_FORGET_MS = 86_400_000;
/** Peers with points and bans remembered. Full: the oldest is forgotten. */
export const SCORES_MAX = 4_096;
export const BANS_MAX = 1_000;
/** Persistent peers. More is a configuration error. */
export const PERSISTENT_PEERS_MAX = 200;

/** Bytes per second and direction, CometBFT's defaults; 0 in the configuration lifts the limit. */
export const SEND_RATE_BYTES_DEFAULT = 5_120_000;
export const RECEIVE_RATE_BYTES_DEFAULT = 5_120_000;

/** Bytes all send queues of one peer may hold. Full: `trySend` returns false. */
export const SEND_QUEUE_BYTES_MAX = 16 << 20;
/** A channel's assembly buffer larger than this is released after its message. */
export const ASSEMBLY_KEEP_BYTES_MAX = 256 << 10;
/** How long news of steps and votes is held for something urgent to leave with, or to be out of date. */
export const NEWS_HOLD_MS = 25;
/** Votes that are held at once; when there are more, they leave. */
export const HELD_VOTES_MAX = 256;
/** How long a message that may wait does, for others to leave with: every write wakes the peer up. */
export const HOLD_MS = 10;
/** Slabs written in one turn of the event loop before other work gets its chance. */
export const DRAIN_SLABS_PER_TURN_MAX = 8;

/** Time of one turn of the event loop that goes to peers' messages, and of it to one peer's; the rest waits. */
export const RECEIVE_TURN_MS = 8;
export const RECEIVE_SLICE_MS = 1;
/** Bytes handled before the time is looked at. */
export const RECEIVE_PIECE_BYTES = 2_048;

/** First redial delays of a persistent peer: fast first, for networks that start together. */
export const REDIAL_FAST_DELAYS_MS: readonly number[] = [100, 200, 300];
/** Then this long for the first minute: how late the return of a link may be noticed. */
export const REDIAL_STEADY_DELAY_MS = 500;
export const REDIAL_STEADY_TRIES = 120;
/** Then this long for ten more, and twice as long each time after that. */
export const REDIAL_SLOW_DELAY_MS = 1_000;
export const REDIAL_SLOW_TRIES = 600;
export const REDIAL_DELAY_MAX_MS = 30_000;
/** Attempts to reach one persistent peer at once; a further one replaces the oldest. */
export const DIALS_PER_PEER_MAX = 4;
/** While a handshake is younger than this, no further attempt is begun. */
export const HANDSHAKE_PATIENCE_MS = 1_500;
/** A connection that lasted this long starts the delays anew. */
export const CONNECTION_STABLE_MS = 5_000;

/** A vote or proposal of another node is relayed when it is this old and a peer still lacks it. */
export const VOTE_RELAY_DELAY_MS = 40;
/** A part of another node, to a peer that still waits for the proposal; and more for each part of the block. */
export const PART_RELAY_DELAY_MS = 120;
/**
 * Time that its maker is given to send one part itself (4 MB/s). Relaying sooner would double the
 * traffic just when links or machines are the bottleneck.
 */
export const PART_RELAY_DELAY_PER_PART_MS = 15;
/** The same, to a peer that went on without it or has it and did not say so. */
export const PART_RELAY_LATE_DELAY_MS = 1_000;
/** Peers that are usually slow are relayed to later, but no later than this. */
export const RELAY_DELAY_MAX_MS = 1_000;
/** Gossip looks after every peer this often, whatever the events (CometBFT: 100 ms). */
export const GOSSIP_INTERVAL_MS = 100;
/** Time between claims of majorities to one peer (CometBFT: 2 s). */
export const MAJORITY_QUERY_INTERVAL_MS = 2_000;
/** A peer without progress is sent again what it was only assumed to have; then twice as late. */
export const REPEAT_DELAY_MS = 1_000;
export const REPEAT_DELAY_MAX_MS = 30_000;
/** A peer one height behind for this long is helped as one that lags. */
export const BEHIND_GRACE_MS = 100;
/** Parts of an own proposal that a peer may be sent before it reaches the height. */
export const EARLY_PARTS_MAX = 1_601;
/** Transactions of an own block from this many bytes on are named in its compact parts: of small ones the bytes cost less. */
export const COMPACT_TX_BYTES_MIN = 1_024;
/** How long this node has held a transaction before it counts on its peers to hold it too. */
export const COMPACT_TX_AGE_MS = 100;
/** A part is sent compactly when that spares so many bytes, and whole otherwise. */
export const COMPACT_SPARED_BYTES_MIN = 4_096;
/** A peer that lacked a transaction of a compact part is sent whole ones for this long. */
export const COMPACT_PAUSE_MS = 5_000;
/** Pieces of a compact part: transactions of the least size, and what stands between them. More: the peer is dropped. */
export const COMPACT_PIECES_MAX = 160;
/** Own votes of the next height that a peer may be sent before it reaches the height. */
export const EARLY_VOTES_MAX = 8;

/** Bytes of one transaction (CometBFT: max_tx_bytes). A peer that sends more is dropped. */
export const TX_BYTES_MAX = 1 << 20;
/**
 * Between two rounds of sending transactions to peers, under load: a message costs its receiver as much as
 * several transactions in it. The first after a rest leaves at once.
 */
export const TX_GOSSIP_INTERVAL_MS = 10;
/** Between two rounds of checking what our clients submit, under load. */
export const TX_SUBMISSIONS_INTERVAL_MS = 5;
/** Transactions of our clients that are checked in one go; when so many wait, they wait no longer. */
export const TX_SUBMISSIONS_PER_TURN = 256;
/** Bytes of transactions in one message, unless a single one is larger. */
export const TX_BATCH_BYTES_MAX = 64 << 10;
/** A transaction of so many bytes has a message of its own: its receiver keeps it where it came, without a copy. */
export const TX_ALONE_BYTES_MIN = 8 << 10;
/** Messages kept for the peers that have not had them yet; further ones are encoded anew for each. */
export const TX_BATCHES_SHARED_MAX = 16;
/** Messages of transactions waiting for one peer; more stay in the log until there is room. */
export const TX_SEND_QUEUE_MESSAGES_MAX = 8;
/** Transactions remembered by hash, so that none is checked twice. The oldest is forgotten. */
export const TX_CACHE_MAX = 100_000;
/** Transactions kept to be sent, all peers together. Full: the oldest is not sent any more. */
export const TX_LOG_COUNT_MAX = 20_000;
export const TX_LOG_BYTES_MAX = 64 << 20;
/** Transactions of peers that the application is checking. A further one is dropped. */
export const TX_CHECKS_MAX = 4_096;
/** The same for one peer. */
export const TX_CHECKS_PER_PEER_MAX = 1_024;
/** Their bytes, all peers together: checks that stand still must not fill the memory. */
export const TX_CHECKS_BYTES_MAX = 64 << 20;
/** A transaction of a peer is relayed after this long where nobody knows who has it already. */
export const TX_RELAY_DELAY_MS = 500;
/** Peers that one peer may name as its own. More: it is dropped. */
export const NEIGHBOURS_MAX = 512;

/** Block requests of one peer that wait to be answered. More: the peer is dropped. */
export const BLOCK_REQUESTS_PER_PEER_MAX = 200;
/** Bytes of answers queued for one peer; the next block is read when less wait. */
export const BLOCK_SEND_QUEUE_BYTES_MAX = 2 << 20;
/** How soon to look again whether they have left. */
export const BLOCK_SEND_RETRY_MS = 20;
/** Messages of block sync that may wait for one peer. Full: `trySend` returns false. */
export const BLOCK_SEND_QUEUE_MESSAGES_MAX = 1_000;
/** Blocks we asked one peer for and have no answer of. More are not asked for. */
export const BLOCKS_OWED_PER_PEER_MAX = 100;

/** Bytes of one evidence message (spec §17.1). More: the peer is dropped. */
export const EVIDENCE_MESSAGE_BYTES_MAX = 1 << 20;
/** Evidence messages that may wait for one peer. Full: the rest goes when there is room. */
export const EVIDENCE_SEND_QUEUE_MESSAGES_MAX = 16;
/** The list of evidence is begun anew for every peer this often. */
export const EVIDENCE_RESEND_MS = 10_000;
/** Pieces of one message. CometBFT sends one. More: the peer is dropped. */
export const EVIDENCE_PIECES_PER_MESSAGE_MAX = 100;
/** Messages of peers that wait to be verified, their bytes, and those of one peer. More are dropped. */
export const EVIDENCE_CHECKS_MAX = 256;
export const EVIDENCE_CHECKS_BYTES_MAX = 16 << 20;
export const EVIDENCE_CHECKS_PER_PEER_MAX = 16;

/** Snapshots that one peer is told of, the newest, and may tell us of for each time it is asked. */
export const SNAPSHOTS_PER_ANSWER_MAX = 10;
/** Requests of snapshots of one peer are answered this often at most; others are ignored. */
export const SNAPSHOTS_ANSWER_INTERVAL_MS = 1_000;
/** Chunk requests of one peer that wait to be answered. Further ones are ignored: it asks again. */
export const CHUNK_REQUESTS_PER_PEER_MAX = 16;
/** Chunks are read for one peer at a time, and for one that has this many bytes queued not at all. */
export const CHUNK_SEND_QUEUE_BYTES_MAX = 2 << 20;
/** How soon to look again whether they have left. */
export const CHUNK_SEND_RETRY_MS = 20;
/** Chunks we asked one peer for and have no answer of. More are not asked for. */
export const CHUNKS_OWED_PER_PEER_MAX = 32;

/** Transactions that one message asks for, or brings. More: the peer is dropped. */
export const BODIES_IDS_MAX = 64;
/** Bytes of the items of one answer, unless a single one is larger. What is left out is asked for again. */
export const BODIES_BYTES_MAX = 1 << 20;
/** Bytes of items that one peer is sent per second, and at once after a pause. Beyond it: an empty answer. */
export const BODIES_BYTES_PER_SECOND = 4 << 20;
/** What an answer counts at least, so that asking is bounded too. */
export const BODIES_ANSWER_BYTES_MIN = 1_024;
/** Peers that are asked for the same transactions at once. */
export const BODIES_PEERS_AT_ONCE = 2;
/** Without an answer for this long, others are asked. */
export const BODIES_TIMEOUT_MS = 1_000;
/** Requests to one peer without an answer. With so many it is not asked. */
export const BODIES_OWED_PER_PEER_MAX = 4;
/** Transactions that are being asked for. A further one is not, until one of them is there or given up. */
export const BODIES_WANTED_MAX = 1_024;
