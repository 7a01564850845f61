/** Limits of the remote signer's protocol. CometBFT's are its defaults (`privval/signer_endpoint.go`). */
import { VOTE_EXTENSION_BYTES_MAX } from "../../proto/limits.ts";

/** Bytes of one message: a vote with the largest extension. More: the connection is closed. */
export const MESSAGE_BYTES_MAX: number = VOTE_EXTENSION_BYTES_MAX + 10_240;
/** Bytes handed to the frame writer at once: half of what one of its slabs holds. */
export const WRITE_BYTES_MAX = 32_768;
/** What signers made with CometBFT's library take; a larger request is logged before it fails there. */
export const COMETBFT_MESSAGE_BYTES_MAX = 10_240;
/** Extension that fits such a message, in a request and in its answer, with the vote around it. */
export const COMETBFT_EXTENSION_BYTES_MAX: number = COMETBFT_MESSAGE_BYTES_MAX - 1_024;
/** Time for the secret handshake and the proof of the key. Later: closed (slow loris included). */
export const HANDSHAKE_TIMEOUT_MS = 5_000;
/** Time for a connection to be made. */
export const DIAL_TIMEOUT_MS = 3_000;
/** Pause between two attempts to connect. */
export const REDIAL_DELAY_MS = 500;
/** Connections that are not proven yet. A further one is closed. */
export const CANDIDATES_MAX = 8;
/** A signer that got nothing for so long, not even a ping, closes the connection and dials again. */
export const SIGNER_IDLE_MS = 15_000;
/** Connections of nodes that a listening signer serves. A further one is closed. */
export const SIGNER_CONNECTIONS_MAX = 16;
/** Requests of one connection that wait for the one before. One more closes the connection. */
export const SIGNER_REQUESTS_MAX = 8;
/** How often a starting node says that it waits for its signer. */
export const WAITING_LOG_INTERVAL_MS = 5_000;
/** Characters of a signer's reason that are logged. */
export const REASON_LENGTH_MAX = 1_000;
