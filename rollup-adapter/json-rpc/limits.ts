/** Limits of a JSON-RPC server. Sizes in bytes unless the name says otherwise. */

/** Body of one HTTP request, or one WebSocket message. */
export const RPC_BODY_BYTES_MAX = 2 << 20;
/** Body of a refused request that is read all the same, for its id. */
export const RPC_REFUSED_BYTES_READ_MAX = 16 << 10;
/** Calls in one JSON-RPC batch. */
export const RPC_BATCH_MAX = 100;
/** Bytes a whole batch may answer with; the rest of the batch answers LIMIT_EXCEEDED. */
export const RPC_BATCH_ANSWER_BYTES_MAX = 25 << 20;
/** HTTP connections and WebSocket connections at a time; a further one is refused. */
export const RPC_CONNECTIONS_MAX = 512;
export const RPC_WEBSOCKETS_MAX = 256;
/**
 * Those of one address (of IPv6: its network of 64 bits), and WebSockets of one requester; a further one is refused. This
 * and the other limits of one requester do not hold for the machine's own addresses.
 */
export const RPC_CONNECTIONS_EACH_MAX = 64;
/** Requests (HTTP or messages of WebSockets) under way, of all and of one requester; a further one is refused. */
export const RPC_REQUESTS_MAX = 4_096;
export const RPC_REQUESTS_EACH_MAX = 128;
/** Bytes of all HTTP bodies that are being read or answered; a request beyond is refused. */
export const RPC_BODIES_BYTES_MAX = 256 << 20;
/** Bytes of answers over HTTP that clients have not read yet; beyond, the one that waits the longest is dropped. */
export const RPC_UNREAD_BYTES_MAX = 256 << 20;
/** Calls of one WebSocket that may be under way; a further one is refused. */
export const RPC_WEBSOCKET_CALLS_MAX = 64;
/** Bytes a slow WebSocket may leave unread before it is dropped. */
export const RPC_WEBSOCKET_BACKLOG_BYTES_MAX = 8 << 20;
/** Bytes left unread beyond which its pings are not answered. */
export const RPC_WEBSOCKET_PONG_BACKLOG_BYTES_MAX = 64 << 10;
/** Time between two pings; a WebSocket that did not answer the last one is dropped. */
export const RPC_WEBSOCKET_PING_MS = 30_000;
/** Subscriptions of one WebSocket, of one requester and of all; a further one is refused. */
export const RPC_SUBSCRIPTIONS_MAX = 64;
export const RPC_SUBSCRIPTIONS_EACH_MAX = 256;
export const RPC_SUBSCRIPTIONS_ALL_MAX = 4_096;
/** Line and headers of a request. */
export const RPC_HEADER_BYTES_MAX = 16 << 10;
/** Time a client has to send them, and a whole request; looked at so often. */
export const RPC_HEADERS_TIMEOUT_MS = 10_000;
export const RPC_REQUEST_TIMEOUT_MS = 30_000;
export const RPC_TIMEOUT_CHECK_MS = 5_000;
/** Time for which a client may leave an answer without reading any of it. */
export const RPC_IDLE_TIMEOUT_MS = 30_000;
/**
 * How long a connection without a request is kept: longer than proxies and load balancers keep theirs (60 s), so
 * that it is they who close it. A request that meets a closing connection is lost.
 */
export const RPC_KEEP_ALIVE_MS = 75_000;
/** Senders whose token buckets are kept; the one that has been full the longest gives way. */
export const BUCKETS_MAX = 10_000;
