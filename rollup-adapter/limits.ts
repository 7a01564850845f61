/** Limits of the adapter: sizes in bytes, queues in entries. */

/** One streamed block message; a block is at most 22 MiB by default parameters. */
export const STREAM_MESSAGE_BYTES_MAX = 64 << 20;
/** Headers that a verifier keeps of blocks above the one it is at; sealed entries are filled long before. */
export const HEADERS_AHEAD_MAX = 2_048;
/** Payload bytes of one signed submission. */
export const BATCH_BYTES_MAX = 512 << 10;
/** The same of a sealed one: the largest bucket less what stands around the payloads in it. */
export const SEALED_BATCH_BYTES_MAX = 65_536 - 64;
/** Payloads of one signed submission; the format allows 10,000. */
export const BATCH_ENTRIES_MAX = 1_000;
/** Payloads a gateway holds until they are ordered; a further one is refused. */
export const GATEWAY_PENDING_MAX = 50_000;
/** Their bytes; a further payload is refused. */
export const GATEWAY_PENDING_BYTES_MAX = 64 << 20;
/** Times a payload is submitted again before it is given up and counted. */
export const RESUBMISSIONS_MAX = 20;
/** Requesters whose quotas are kept; of those for whom nothing waits the one seen the longest ago is forgotten. */
export const QUOTA_REQUESTERS_MAX = 10_000;
/** Blocks after which the bytes of an accepted submission are sent again, in case a node has lost its pool. */
export const RESEND_BLOCKS = 8;
/** Submissions sent again for that reason after one block; the others wait for the next. */
export const RESENT_PER_BLOCK_MAX = 16;
/** Salts tried for a submission that is to come after those before it in a block, and bytes hashed for that. */
export const SALT_TRIES_MAX = 64;
export const SALT_TRY_BYTES_MAX = 512 << 10;
/** The same of a sealed one, which is sealed anew for each (below 1 ms). */
export const SEALED_SALT_TRIES_MAX = 16;
/** Blocks for which a submission that is not ordered counts among those; one that waits longer would use up all ids. */
export const SALT_BLOCKS = 4;
/** Times that a submission is sealed for the key in force, while keys change under it. */
export const SEAL_TRIES_MAX = 4;
/** First and longest pause before a connection or a call is tried again, in ms. */
export const RETRY_MS_FIRST = 50;
export const RETRY_MS_MAX = 5_000;
/** Times in a row that an executor is asked again for an answer that was lost, before the driver goes on without it. */
export const RETELLS_MAX = 10;
/** A unary call that has no answer by then has failed, in ms. */
export const CALL_TIMEOUT_MS = 10_000;
/** A stream that is silent this long is opened anew, in ms. */
export const STREAM_SILENCE_MS = 30_000;
/** Times in a row that this is borne of a node which says that its chain grows; then it is another's turn. */
export const STREAM_SILENCES_MAX = 20;
/** The same where its chain is above all that the block waits for: a large one may still be on its way. */
export const STREAM_SILENCES_FAR_MAX = 3;
/**
 * Heights that a rollup may be behind the sequencer's head and still be at it: further behind, it is catching up. So may
 * a node be behind a height that was verified: further behind, another one is asked.
 */
export const BEHIND_BLOCKS_MAX = 10;
/** A block that is executed at this age, by its own verified time, is the head's, in ms. */
export const FRESH_BLOCK_MS = 10_000;
/** The nodes are asked for their height again after this long while the last block was older, in ms. */
export const HEAD_ASK_MS = 1_000;
/** Blocks after which the trusted state is written again; at most so many are verified twice. */
export const TRUST_SAVE_BLOCKS = 100;
/** An executor that has not answered by then is asked again, in ms; blocks of a replay may be large. */
export const EXECUTE_TIMEOUT_MS = 120_000;
/** What the order of a payload costs is asked again after this long, in ms, for quotas. */
export const PRICE_AGE_MS = 2_000;
/** A gateway asks a node for height and base fee again after this long, in ms. */
export const CHAIN_INFO_AGE_MS = 500;
/** Time that calls of an executor server get to end when it stops, in ms. */
export const STOP_GRACE_MS = 2_000;
/** Blocks for which a sealed transaction may be ordered, unless its key ends before. */
export const SEALED_BLOCKS_MAX = 100;
/** Answers kept in memory for requests to an executor of whole seconds that are repeated; the oldest are forgotten. */
export const ANSWERS_KEPT = 256;
/** Skipped payloads that those answers may tell of together; the oldest answers go first. */
export const ANSWERED_SKIPS_KEPT = 200_000;
/** Payloads of one second of BFT time that are handed on to an executor that takes whole seconds; further ones are left out. */
export const GATHERED_PAYLOADS_MAX = 100_000;
/** Their bytes; further payloads are left out. */
export const GATHERED_BYTES_MAX = 64 << 20;
/** Heights until a vote or a report of an executor expires and is signed anew. */
export const STATEMENT_EXPIRY_BLOCKS = 60;
/** Heights after which one that no pool holds is sent again. */
export const STATEMENT_RESEND_BLOCKS = 3;
/** Votes and reports that wait to be ordered; a further bundle gets no vote, which is counted. */
export const STATEMENTS_PENDING_MAX = 1_024;
/** Heights after which a vote about a bundle whose decision has not come is given up: nothing hidden waits longer. */
export const VOTE_GIVEN_UP_BLOCKS = 1_000;
/** Heights for which a report is sent, and half of those for which it is remembered what was said of a bundle. */
export const STATEMENTS_KEPT_BLOCKS = 1_000;

/** Characters of the sequencer network's chain id, as CometBFT has it. */
export const SEQUENCER_CHAIN_ID_LENGTH_MAX = 50;
/** Payloads one request of the execution port may carry; more is EXECUTION_INVALID_REQUEST. */
export const PAYLOADS_PER_REQUEST_MAX = 100_000;
