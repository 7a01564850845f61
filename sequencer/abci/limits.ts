/** Limits of the ABCI socket and of the calls behind it. */

/**
 * Bytes of one request: the largest block (100 MiB), the commit with extensions that comes with it, and
 * room. A longer one is refused by its length alone, answered with an exception, and the connection closed.
 */
export const REQUEST_BYTES_MAX: number = 256 << 20;
/** Connections at once; CometBFT opens four. A further one is closed and counted. */
export const CONNECTIONS_MAX = 32;
/** Requests of one connection that are not answered; then it is not read until half of them are. */
export const REQUESTS_UNDER_WAY_MAX = 1_000;
/** Bytes of requests of one connection that are not answered; then it is not read until half of them are. */
export const REQUEST_BYTES_UNDER_WAY_MAX: number = 16 << 20;
/** Bytes of answers that the kernel has not taken; then the connection is not read until it has. */
export const ANSWER_BYTES_WAITING_MAX: number = 16 << 20;
/** CheckTx calls that wait for a commit to end; a further one is refused. */
export const CHECK_TX_WAITING_MAX = 10_000;
/** How long a stop waits for calls under way and their answers to be taken. */
export const STOP_TIMEOUT_MS = 5_000;
/** Characters of a failure that an exception tells. */
export const EXCEPTION_LENGTH_MAX = 1_000;
/** Bytes of a frame's buffer at first; it grows with what arrives, not with what is announced. */
export const FRAME_BUFFER_BYTES: number = 4 << 10;
/** Entries of misbehaviour in one request: each names a validator that evidence in the block is about. */
export const MISBEHAVIOR_MAX = 100_000;
/** A field of a result or event that the application made: bounded by what one block can make. */
export const RESULT_FIELD_BYTES_MAX: number = 256 << 20;
