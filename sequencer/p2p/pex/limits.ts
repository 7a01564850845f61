/** Limits of peer exchange and of the address book (CometBFT `p2p/pex/params.go`, spec §17.7). */

/** Bytes of one message: 250 addresses of at most 256 bytes. More: the peer is dropped. */
export const PEX_MESSAGE_BYTES_MAX = 64_000;
/** Messages that may wait for one peer. Full: `trySend` returns false. */
export const PEX_SEND_QUEUE_MESSAGES_MAX = 10;
/** Addresses of one answer. */
export const PEX_SELECTION_MAX = 250;
/** Share of the book that one answer tells, in percent, and the least it tells. */
export const PEX_SELECTION_PERCENT = 23;
export const PEX_SELECTION_MIN = 32;
/** Share of new addresses in the answer of a seed, in percent. */
export const SEED_NEW_PERCENT = 30;

/** How often the number of peers is looked after. */
export const ENSURE_PEERS_INTERVAL_MS = 30_000;
/** The same while there is nobody but seeds. */
export const ENSURE_PEERS_ALONE_INTERVAL_MS = 5_000;
/** A peer that asks for addresses again sooner is banned; the first two requests are free. */
export const PEX_REQUEST_INTERVAL_MS = 10_000;
/** One peer is asked no sooner than this: what a link delays unevenly must not look too soon. */
export const PEX_ASK_INTERVAL_MS = 15_000;
/** Below so many addresses, peers and seeds are asked for more. */
export const ADDRESSES_WANTED = 1_000;

/** Time before the same failing address is dialed again: 2^attempts s, with a second of jitter, to this. */
export const BOOK_DIAL_BACKOFF_MAX_MS = 3_600_000;
/** Failed attempts after which an address is struck out, for this long. */
export const BOOK_DIAL_ATTEMPTS_MAX = 16;
export const BAD_ADDRESS_MS = 24 * 3_600_000;
/** Struck out addresses remembered. Full: the oldest is forgotten. */
export const BAD_ADDRESSES_MAX = 1_000;
/** A connection this old shows that its address is good. */
export const GOOD_AFTER_MS = 60_000;

/** A seed looks at addresses this often, and at one of them no more often than every two minutes. */
export const CRAWL_INTERVAL_MS = 30_000;
export const CRAWL_AGAIN_MS = 120_000;
/** Dials of one crawl at once; the rest waits for the next one. */
export const CRAWL_DIALS_MAX = 16;
/** Time that a seed gives its answer to leave before it hangs up. */
export const SEED_HANG_UP_MS = 1_000;
/** A seed hangs up on a peer that asked for nothing for this long. */
export const SEED_PEER_MS = 300_000;

/** Buckets of addresses that were only heard of, and of those that were reached. */
export const NEW_BUCKETS = 256;
export const OLD_BUCKETS = 64;
/** Addresses of one bucket. Full: a bad or the oldest one gives way; an old one becomes new again. */
export const BUCKET_SIZE = 64;
/** Addresses of the whole book. Full: a new one is not taken. */
export const BOOK_SIZE_MAX = 8_192;
/** Buckets that one group of addresses may fill, and that one address may stand in. */
export const NEW_BUCKETS_PER_GROUP = 32;
export const OLD_BUCKETS_PER_GROUP = 4;
export const NEW_BUCKETS_PER_ADDRESS = 4;
/** When an address that was only heard of is worthless: not tried for a week, or tried in vain so often. */
export const ADDRESS_MISSING_MS = 7 * 24 * 3_600_000;
export const ADDRESS_RETRIES = 3;
export const ADDRESS_FAILURES_MAX = 10;
export const ADDRESS_TRIED_RECENTLY_MS = 60_000;

/** How often the book is written to its file, at most, and at the end. */
export const BOOK_SAVE_INTERVAL_MS = 120_000;
/** Bytes of that file. More: it is set aside. */
export const BOOK_FILE_BYTES_MAX = 16 << 20;
/** Entries written or read between two turns of the event loop. */
export const BOOK_SLICE = 500;
