/** Limits of the Engine API driver. */

/** A call that has no answer by then has failed, in ms; building a block of many transactions takes a while. */
export const ENGINE_CALL_TIMEOUT_MS = 30_000;
/** Times a call is sent when the client cannot be reached; all calls made here may be repeated. */
export const ENGINE_CALL_TRIES = 3;
/** Pause before the second try, in ms; doubled before each further one. */
export const ENGINE_RETRY_MS = 50;
/** An answer above this is refused, in bytes; a payload holds at most `BLOCK_TRANSACTION_BYTES_MAX`, twice that in hex. */
export const ENGINE_ANSWER_BYTES_MAX = 64 << 20;
/** Calls in one JSON-RPC batch; geth takes 2,000 on its authenticated port. */
export const ENGINE_BATCH_CALLS_MAX = 900;
/** A token's time of issue may differ from the client's clock by 60 s; a JWT secret has so many bytes. */
export const JWT_SECRET_BYTES = 32;

/**
 * Most gas that one transaction may ask for; EIP-7825's cap. With it no transaction can find the block full before
 * `gasLimit - TRANSACTION_GAS_MAX` has really been used. A rule of the rollup: all its nodes must share it.
 */
export const TRANSACTION_GAS_MAX = 16_777_216n;
/** Bytes of transactions in one block; EIP-7934's limit less room for the rest. A rule of the rollup too. */
export const BLOCK_TRANSACTION_BYTES_MAX = 7 << 20;
/**
 * Transactions that the client may refuse one by one in a block, before those that other accounts can invalidate are
 * left out together. A rule of the rollup too.
 */
export const REFUSALS_MAX = 4;
/**
 * Signatures that are looked at for each 21,000 gas of a block, which is as many transfers as it can hold: what one second
 * of forged ones may cost a node. A rule of the rollup too.
 */
export const SIGNATURES_PER_TRANSFER = 8;
/** Gas of the driver's own deposit, which the client takes from the block's before any other. */
export const DEPOSIT_GAS = 1_000_000n;

/** Empty sequencer heights after which the position is written again; at most so many are fed twice. */
export const POSITION_SAVE_HEIGHTS = 100;
/** While heights are empty the client's head is looked at so often, in ms. */
export const HEAD_LOOK_MS = 1_000;
/** Signatures that one call of the client recovers, some 100 ms of its time, and calls of that kind under way at once. */
export const SENDERS_PER_CALL = 500;
export const SENDER_CALLS_MAX = 2;
/** Time the driver may hold the event loop before it lets others run, in ms. */
export const ENGINE_SLICE_MS = 8;
