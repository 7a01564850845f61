/** Limits of the application that are not parameters in state. */
export const TX_BYTES_MAX = 1 << 20;

/** Nodes of the state tree in memory (about 150 bytes each); above it the lower levels are dropped. */
export const RESIDENT_NODES_MAX = 1_000_000;
/** Values of the state in memory; above it the least recently used ones are dropped. */
export const VALUE_CACHE_BYTES_MAX = 64 << 20;
/** Defaults of `PoolLimits`. When full, the pool drops what pays least. */
export const POOL_BYTES_MAX = 256 << 20;
export const POOL_COUNT_MAX = 100_000;
export const POOL_PER_ACCOUNT_MAX = 4_096;
/**
 * Transactions of one account whose nonce is ahead of a gap; more are refused. Wide, because a burst of
 * one account's signatures is verified on several threads and may finish out of order.
 */
export const POOL_PARKED_PER_ACCOUNT_MAX = 1_024;
/** Free transactions of one account in the pool; more are refused. */
export const POOL_FREE_PER_ACCOUNT_MAX = 4;
/** Bundles of one account in the pool; more are refused. */
export const POOL_BUNDLES_PER_ACCOUNT_MAX = 64;
/** Bundles of one account that the pool takes between two blocks, replacements included; more are refused. */
export const POOL_BUNDLES_PER_BLOCK_MAX = 256;
/** Replacement keys of which the pool remembers the highest sequence; the oldest are forgotten. */
export const BUNDLE_VERSIONS_KEPT_MAX = 16_384;
/** Cancellations of bundles that the pool remembers until their height, by key and again by nonce; the oldest are forgotten. */
export const CANCELS_KEPT_MAX = 16_384;
/** Blocks that a transaction may wait in the pool. */
export const POOL_WAIT_BLOCKS_MAX = 7_200;
/** Decoded accounts kept in memory; all are let go of when there are more. */
export const ACCOUNTS_KEPT_MAX = 16_384;
/** Decoded records of staking and governance kept in memory; all are let go of when there are more. */
export const RECORDS_KEPT_MAX = 65_536;
/** Addresses kept by public key, as text; all are let go of when there are more. */
export const SENDERS_KEPT_MAX = 16_384;
/** CheckTx calls whose signature is being verified; more are refused with POOL_BUSY. */
export const CHECKS_IN_FLIGHT_MAX = 8_192;
/** Transactions whose fate is remembered; the oldest are forgotten. */
export const STATUSES_MAX = 100_000;
/** Decoded and verified items beside the pool's own; the oldest are forgotten. */
export const VERIFIED_BYTES_MAX = 64 << 20;
/** Executed proposals of the height under way that are kept; the oldest is forgotten. */
export const EXECUTED_BLOCKS_MAX = 4;
/** Bytes that PrepareProposal keeps free for the manifest item and its framing. */
export const MANIFEST_ITEM_BYTES_MAX = 64;
/** Transactions in a row that do not fit before PrepareProposal calls the block full. */
export const PREPARE_MISFITS_MAX = 64;
/** Times that PrepareProposal draws for lane CONTROL; each after the first runs what is chosen from the block's begin. */
export const CONTROL_DRAWS_MAX = 3;
/** Labels of `weft_app_extension_blanks_total`; validators above share the last one. */
export const VALIDATOR_LABELS_MAX = 200;
/** Rollups that have a label of their own in metrics. */
export const ROLLUP_LABELS_MAX = 200;
/** Bytes of a snapshot's chunk; an entry that is larger has a chunk of its own. */
export const SNAPSHOT_CHUNK_BYTES = 1 << 20;
/** Bytes of the largest chunk that is made or taken; state sync carries 16 MB. A larger entry: no snapshot. */
export const SNAPSHOT_CHUNK_BYTES_MAX = 10 << 20;
/** Chunks of one snapshot; their hashes, 1 MiB, travel with each offer. A larger state: no snapshot. */
export const SNAPSHOT_CHUNKS_MAX = 32_768;
/** Snapshots kept at once; the oldest goes first. */
export const SNAPSHOTS_KEPT_MAX = 100;
/** Entries of a snapshot that is taken between two turns of the event loop: about 2 ms. */
export const SNAPSHOT_ENTRIES_PER_SLICE = 250;
/** A snapshot of which a chunk was asked for this recently is being fetched. */
export const SNAPSHOT_FETCH_PAUSE_MS = 60_000;
/** How long a snapshot that is being fetched outlives its place among those that are kept; one at a time. */
export const SNAPSHOT_FETCH_MS_MAX = 600_000;
/** Bytes of chunks that are put into the state tree at once: each time, pages all over it are written. */
export const RESTORE_BATCH_BYTES = 8 << 20;
/** Proposals that wait for something; a further one displaces the smallest deposit of those that gather theirs, or is refused. */
export const PROPOSALS_OPEN_MAX = 100;
/** Votes that a block counts, of all proposals: up to as many reads each as the set has validators. The rest waits for the next block. */
export const TALLY_VOTES_PER_BLOCK = 200;
/** Counted votes that a block removes, of all proposals. The rest waits for the next block. */
export const VOTES_REMOVED_PER_BLOCK = 2_000;
/** Blocks for which a validator's vote for an emergency halt counts; after that it has to say so again. */
export const HALT_VOTE_BLOCKS_MAX = 10_000;
/** Commits of which one is synced: so many blocks are told again at most after a loss of power. */
export const COMMITS_PER_SYNC = 32;
/** Bytes of SHARES parts that are kept to be compared with later ones; what is more is not compared. */
export const SHARES_WATCHED_BYTES_MAX = 32 << 20;
/** Doubtful SHARES parts that wait to be judged; what is more is not. */
export const SHARES_WATCHED_WAITING_MAX = 64;
/** Validators that metrics name, each with a few series. */
export const METRIC_VALIDATORS_MAX = 200;
/** Sealed items that a query shows, the oldest first. */
export const PENDING_ITEMS_SHOWN_MAX = 1_000;
/** Transactions that are due or will be, as far as one answer shows them. */
export const DUE_SHOWN_MAX = 1_000;
/** Share vectors that held and are remembered, by a hash: a few heights of 1,000 tickets. */
export const REMEMBERED_SHARES_MAX = 8_192;
/** Bytes of transactions that are kept because they are listed; beyond it a validator lists less. */
export const LISTED_BODIES_BYTES_MAX = 64 << 20;
/** How long a proposer waits for what is due and it does not hold; then it proposes what it has. */
export const DUE_BODIES_WAIT_MS = 200;
/** Listed transactions that are asked for after one block: what may be asked for at once, less what is due when this node proposes. */
export const BODIES_ASKED_PER_BLOCK_MAX = 512;
/** Blocks until a transaction that nobody sent is asked for again, at most; each time twice as many. */
export const BODY_RETRY_BLOCKS_MAX = 16;
/** Rollups that metrics name, each with a few series. */
export const METRIC_ROLLUPS_MAX = 200;
/** Listed transactions whose receive times are kept until a block holds them; the oldest are forgotten. */
export const RECEIVE_TIMES_MAX = 4_096;
/** Transactions of one rollup in one block whose order is compared with that of their receipt. */
export const REORDERED_TXS_MAX = 256;
/** Transactions of a block of which it is measured how long they waited, evenly spread. */
export const MEASURED_TXS_PER_BLOCK = 64;
/** Fills of a block from which on others run between what makes them and the manifest that holds them. */
export const FILLS_PER_SLICE = 1_000;
