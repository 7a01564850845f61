import {
  BATCH_REQUESTS_MAX,
  BODY_BYTES_MAX,
  BROADCAST_COMMIT_TIMEOUT_MS,
  CONNECTIONS_MAX,
  HEADER_BYTES_MAX,
  REQUEST_TIMEOUT_MS,
  SUBSCRIPTION_CLIENTS_MAX,
  SUBSCRIPTIONS_PER_CLIENT_MAX,
} from "./limits.ts";

/** What an option of the server is when it is not given: CometBFT's `[rpc]` section. */
export const DEFAULTS = {
  corsOrigins: [] as readonly string[],
  corsMethods: ["HEAD", "GET", "POST"] as readonly string[],
  corsHeaders: [
    "Origin",
    "Accept",
    "Content-Type",
    "X-Requested-With",
    "X-Server-Time",
  ] as readonly string[],
  headerBytesMax: HEADER_BYTES_MAX,
  batchRequestsMax: BATCH_REQUESTS_MAX,
  closesSlowClients: true,
  connectionsMax: CONNECTIONS_MAX,
  subscriptionClientsMax: SUBSCRIPTION_CLIENTS_MAX,
  subscriptionsPerClientMax: SUBSCRIPTIONS_PER_CLIENT_MAX,
  broadcastCommitTimeoutMs: BROADCAST_COMMIT_TIMEOUT_MS,
  isUnsafe: false,
  bodyBytesMax: BODY_BYTES_MAX,
  requestTimeoutMs: REQUEST_TIMEOUT_MS,
} as const;
