/** Limits of the JSON-RPC server (spec §20; CometBFT's `[rpc]` defaults). */

/** Largest request body; a larger one is answered with 400 and the connection closes. */
export const BODY_BYTES_MAX = 1_000_000;
/** Largest set of request headers; Node answers 431. */
export const HEADER_BYTES_MAX = 1 << 20;
/** Connections, HTTP and WebSocket together; a further one is closed at accept. */
export const CONNECTIONS_MAX = 900;
/** WebSocket clients with at least one subscription, waiting `broadcast_tx_commit` included. */
export const SUBSCRIPTION_CLIENTS_MAX = 100;
/** Subscriptions of one client. */
export const SUBSCRIPTIONS_PER_CLIENT_MAX = 5;
/** Requests in one batch; a longer batch is refused whole. */
export const BATCH_REQUESTS_MAX = 10;
/** Items of one page, and of one listing of pending transactions. */
export const PER_PAGE_MAX = 100;
export const PER_PAGE_DEFAULT = 30;
/** Headers that one `blockchain` call returns. */
export const BLOCKCHAIN_HEADERS_MAX = 20;
/** Bytes of a query string in `subscribe` and the searches. */
export const QUERY_LENGTH_MAX = 512;
/** Bytes of genesis JSON per chunk of `genesis_chunked`. */
export const GENESIS_CHUNK_BYTES = 16 * 1024 * 1024;
/** How long `broadcast_tx_commit` waits for the block. */
export const BROADCAST_COMMIT_TIMEOUT_MS = 10_000;
/** Transactions of `broadcast_tx_async` that wait for CheckTx; a further one is refused. */
export const ASYNC_TXS_PENDING_MAX = 5_000;
/** Bytes waiting to leave for one WebSocket client; a slower reader is dropped with a reason. */
export const CLIENT_BUFFER_BYTES_MAX = 16 << 20;
/** Requests of one WebSocket client that run at a time; the socket is not read meanwhile. */
export const CLIENT_REQUESTS_MAX = 16;
/** Ping period of a WebSocket, and the silence after which it is closed. */
export const PING_PERIOD_MS = 27_000;
export const READ_TIMEOUT_MS = 30_000;
/** Time a WebSocket client has to answer a close before it is cut off. */
export const CLIENT_CLOSE_TIMEOUT_MS = 2_000;
/** Time for a whole HTTP request (headers and body) to arrive. */
export const REQUEST_TIMEOUT_MS = 10_000;
/** Silence after which an HTTP connection is closed, between requests as well as in an answer under way. */
export const IDLE_TIMEOUT_MS = 30_000;
/** Time that a stop gives to answers under way. */
export const STOP_TIMEOUT_MS = 3_000;
/** Blocks of events that wait for the indexer; beyond it reads them back from the block store. */
export const INDEX_QUEUE_BLOCKS_MAX = 64;
/** Index entries that one search looks at; a wider query is refused, not cut. */
export const SEARCH_SCAN_MAX = 200_000;
/** Results of one search that are held for ordering. */
export const SEARCH_RESULTS_MAX = 100_000;
/** Events that wait to be matched with subscriptions; beyond it all subscriptions are cancelled. */
export const EVENTS_WAITING_MAX = 100_000;
/** Longest stretch that event delivery and indexing hold the loop. */
export const SLICE_MS = 5;
/** Bytes of an attribute's key with its type, and of its value, that are indexed; longer is left out. */
export const INDEXED_TAG_BYTES_MAX = 256;
export const INDEXED_VALUE_BYTES_MAX = 1_024;
/** Index entries written at a time. */
export const INDEX_BATCH_WRITES_MAX = 1_000;
/** Heights that one block's indexing removes from the index when blocks were pruned. */
export const INDEX_PRUNE_HEIGHTS_MAX = 10;
/** Wait before an index write that failed is tried again. */
export const INDEX_RETRY_MS = 1_000;

/** Addresses that one call of `dial_seeds` or `dial_peers` may name. More: refused. */
export const DIAL_ADDRESSES_MAX = 100;
