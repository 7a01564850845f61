/** Limits of the reference EVM rollup. Sizes in bytes unless the name says otherwise. */

/** A payload above this is skipped as TOO_LARGE; geth's pool takes 128 KiB per transaction. */
export const TRANSACTION_BYTES_MAX = 131_072;
/** Nesting of a transaction's RLP: fields, access list, its entry, its keys. Deeper is gibberish. */
export const RLP_DEPTH_MAX = 4;
/** Recovered public keys kept, so that a sender is recovered once; the oldest is dropped. */
export const SENDERS_CACHED = 65_536;

/** Calls of the execution port that may wait; a further one is refused with EXECUTION_BUSY. */
export const EXECUTION_QUEUE_MAX = 64;
/** Payload bytes that wait for the rollup block they belong to; more is EXECUTION_HALTED. */
export const GATHERED_BYTES_MAX = 64 << 20;
/** Sequencer heights whose answers are kept for repeated calls; older ones are forgotten. */
export const SEQUENCER_RECORDS_KEPT = 65_536;

/** Bytes of trie nodes and codes kept in memory; the oldest are dropped. */
export const STATE_NODE_BYTES_CACHED = 64 << 20;
/** Accounts, codes and slots that the virtual machine keeps between blocks; then it starts afresh. */
export const STATE_CACHE_ENTRIES_MAX = 200_000;
/** Bytes of blocks, and of receipts, kept decoded in memory; the oldest are dropped. */
export const BLOCK_BYTES_CACHED = 32 << 20;
export const RECEIPT_BYTES_CACHED = 32 << 20;
/** Time the executor may hold the event loop before it lets others run. */
export const EXECUTION_SLICE_MS = 8;

/** Simulated executions (eth_call, eth_estimateGas, ...) under way; further ones wait, up to a bound. */
export const SIMULATIONS_RUNNING_MAX = 4;
export const SIMULATIONS_WAITING_MAX = 256;
/** Gas one simulated execution may use. */
export const SIMULATION_GAS_MAX = 50_000_000n;
/** Time one simulated execution may take. */
export const SIMULATION_TIME_MAX_MS = 5_000;

/** Blocks one eth_getLogs may span, logs it may return, and bytes of their data. */
export const LOG_RANGE_BLOCKS_MAX = 10_000;
export const LOG_RESULTS_MAX = 10_000;
export const LOG_RESULT_BYTES_MAX = 8 << 20;
/** Addresses, and alternatives per topic position, of a log filter. */
export const LOG_ADDRESSES_MAX = 1_000;
export const LOG_TOPIC_ALTERNATIVES_MAX = 1_000;
/** Installed filters; the one asked about the longest ago is dropped. */
export const FILTERS_MAX = 1_024;
/** Pending transactions a filter keeps for its owner; the oldest is dropped. */
export const FILTER_ENTRIES_MAX = 1_000;
/** A filter nobody asked about for this long is dropped. */
export const FILTER_IDLE_MS = 300_000;
/** Blocks of one eth_feeHistory, and percentiles per block. */
export const FEE_HISTORY_BLOCKS_MAX = 1_024;
export const FEE_HISTORY_PERCENTILES_MAX = 100;
/** Recent blocks whose tips suggest the next one. */
export const FEE_SAMPLE_BLOCKS = 20;
/** Storage keys of one eth_getProof. */
export const PROOF_KEYS_MAX = 1_024;

/** Transactions that were submitted and not yet seen in a block; a further one is refused. */
export const PENDING_TRANSACTIONS_MAX = 50_000;
export const PENDING_PER_SENDER_MAX = 1_024;
export const PENDING_BYTES_MAX = 64 << 20;
/** Of those, such as wait for a predecessor that has not come, and cost nobody anything; a further one is refused. */
export const QUEUED_TRANSACTIONS_MAX = 10_000;
export const QUEUED_BYTES_MAX = 16 << 20;
/** A pending transaction not seen in a block for this long is forgotten. */
export const PENDING_AGE_MS = 600_000;
/** Pause before an accepted transaction that could not be submitted is tried again. */
export const POST_RETRY_MS = 2_000;
/** Times a transaction is posted again when a block skipped it for want of room or of its turn. */
export const RESUBMISSIONS_MAX = 5;
