/** Limits of block sync (spec/cometbft-v0.38.md §17.5). */

/** Requests one peer may owe us; the next goes to another peer, or waits. */
export const PENDING_PER_PEER_MAX = 20;
/** Heights above the next one that are requested ahead; later ones wait. */
export const WINDOW_HEIGHTS_MAX = 400;
/** Bytes of blocks that wait to be applied, those under way estimated; beyond it only the next two are requested. */
export const BUFFERED_BYTES_MAX = 128 << 20;
/** A block this close to the next one is asked of a second peer when the first lets it wait. */
export const SECOND_REQUEST_HEIGHTS = 50;
export const SECOND_REQUEST_AFTER_MS = 500;
/** A request this old counts for nothing: another peer is asked. */
export const REQUEST_RETRY_MS = 30_000;
/** A peer whose oldest debt is this old is dropped, unless it sends at the rate below. */
export const PEER_TIMEOUT_MS = 15_000;
/** Bytes per second that excuse a debt: a large block is on its way. */
export const RATE_BYTES_PER_SECOND_MIN = 128 << 10;
/** A peer that broke a rule is not asked again for this long. */
export const BAN_MS = 60_000;
/** Bans remembered; the oldest is forgotten. */
export const BANS_MAX = 1_000;
/** Peers that blocks are fetched from; more are not asked. */
export const SYNC_PEERS_MAX = 100;
/** Longer between two looks than this, and the process itself stood still: nobody is blamed for it. */
export const OWN_PAUSE_MS = 5_000;

/** How often the state of things is looked at when nothing happens. */
export const TICK_MS = 500;
/** All peers are asked for their heights this often. */
export const STATUS_INTERVAL_MS = 10_000;
/** And, when the end seems near, this often at most. */
export const STATUS_REFRESH_MS = 20;
/** A peer that has not answered after this long is not waited for. */
export const STATUS_WAIT_MS = 1_000;
/** After the first peer's word, how long others may take to connect and say more. */
export const SETTLE_MS = 1_000;
/** Without a block for this long, while some peer is no further than we are, consensus goes on. */
export const STALL_MS = 30_000;
/** The same where our power is a third or more: the chain waits for us. */
export const STALL_NEEDED_MS = 5_000;
/** Blocks left to gossip: at the tip a new one is made while the last is fetched. */
export const CAUGHT_UP_DISTANCE = 2;
