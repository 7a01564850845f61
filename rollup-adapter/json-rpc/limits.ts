/** Limits of a JSON-RPC server. Sizes in bytes unless the name says otherwise. */

/** Body of one HTTP request, or one WebSocket message. */
export const RPC_BODY_BYTES_MAX = 2 << 20;
/** Calls in one JSON-RPC batch. */
export const RPC_BATCH_MAX = 100;
/** Bytes a whole batch may answer with; the rest of the batch answers LIMIT_EXCEEDED. */
export const RPC_BATCH_ANSWER_BYTES_MAX = 25 << 20;
/** HTTP connections and WebSocket connections at a time; a further one is refused. */
export const RPC_CONNECTIONS_MAX = 512;
export const RPC_WEBSOCKETS_MAX = 256;
/** Calls of one WebSocket that may be under way; a further one is refused. */
export const RPC_WEBSOCKET_CALLS_MAX = 64;
/** Bytes a slow WebSocket may leave unread before it is dropped. */
export const RPC_WEBSOCKET_BACKLOG_BYTES_MAX = 8 << 20;
/** Time between two pings; a WebSocket that did not answer the last one is dropped. */
export const RPC_WEBSOCKET_PING_MS = 30_000;
/** Subscriptions of one WebSocket. */
export const RPC_SUBSCRIPTIONS_MAX = 64;
/** Time a client has to send a whole request. */
export const RPC_REQUEST_TIMEOUT_MS = 30_000;
/** Senders whose token buckets are kept; the one that has been full the longest gives way. */
export const BUCKETS_MAX = 10_000;
