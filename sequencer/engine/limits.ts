/** Limits of the engine. */

/** Peer messages that wait for the loop, half of them of one peer; a further one is dropped and counted. */
export const PEER_INPUT_QUEUE_MAX = 2_000;
/** Own answers and timeouts that wait for the loop; more is a bug and halts the engine. */
export const OWN_INPUT_QUEUE_MAX = 4_000;
/** Inputs written to the log, synced and stepped as one batch. */
export const INPUT_BATCH_MAX = 256;
/** Peer messages of the next height kept while the current one is being applied; then dropped. */
export const NEXT_HEIGHT_INPUTS_MAX = 1_000;
/** Those of one peer: the parts of a full block and its votes. */
export const NEXT_HEIGHT_INPUTS_PER_PEER_MAX = 400;
/** Peer messages whose signature is being checked at one time; a further one is dropped. */
export const PENDING_CHECKS_MAX = 2_000;
/** Those of one peer, so that one alone cannot fill the line with forgeries. */
export const PENDING_CHECKS_PER_PEER_MAX = 500;
/** Events that wait for a subscriber; one more closes the subscription as too slow. */
export const EVENT_SUBSCRIPTION_QUEUE_MAX = 1_000;
/** Subscriptions of the event bus; a further one is refused. */
export const EVENT_SUBSCRIPTIONS_MAX = 1_000;
/** Payload of one log record: a 1 MiB message and its frame (spec §15.1). */
export const WAL_PAYLOAD_BYTES_MAX = (1 << 20) + 4_096;
/** Size at which the log's head is rotated (spec §15.1). */
export const WAL_FILE_BYTES_MAX = 10 << 20;
/** Size of all log files together; the oldest is deleted beyond it (spec §15.1). */
export const WAL_TOTAL_BYTES_MAX = 1 << 30;
/** Blocks whose LastCommit check is remembered. */
export const VALIDATED_BLOCKS_MAX = 16;
/** genesis.json is read whole. */
export const GENESIS_FILE_BYTES_MAX = 100 << 20;
/** Characters of a reason that is logged and stored. */
export const REASON_LENGTH_MAX = 1_000;
/** Pause before a signer that could not be asked is asked again. */
export const SIGN_RETRY_DELAY_MS = 100;

/** Rounds of a height in which a wait for votes ends when all votes are in; later ones wait in full. */
export const IDLE_WAIT_ROUNDS = 10;
