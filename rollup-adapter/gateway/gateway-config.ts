/** The sections `rpc` and `gateway` of rollup.json, the same for every rollup's node, and what they mean for its parts. */
import { z } from "zod";
import type { RpcServerOptions } from "../json-rpc/server.ts";
import {
  RPC_BATCH_MAX,
  RPC_BODY_BYTES_MAX,
  RPC_CONNECTIONS_EACH_MAX,
  RPC_CONNECTIONS_MAX,
  RPC_REQUESTS_EACH_MAX,
} from "../json-rpc/limits.ts";
import { createQuota, type Quota } from "./quota.ts";

const perSecond = z.number().min(0).max(1_000_000);
const burst = z.number().int().min(1).max(1_000_000);
const waiting = z.number().int().min(0).max(1_000_000);
const nweft = z.number().int().min(0);

const apiKey = z.strictObject({
  /** What logs and errors call its owner. */
  name: z.string().min(1).max(64),
  /** SHA-256 of the key: the file holds no secret. */
  sha256: z.string().regex(/^[0-9a-fA-F]{64}$/, "expected 32 bytes in hex: SHA-256 of the key"),
  /** Left out: as for an address. */
  requests_per_second: perSecond.optional(),
  requests_burst: burst.optional(),
  waiting_max: waiting.optional(),
  waiting_bundles_max: waiting.optional(),
  spend_per_minute: nweft.optional(),
});

export const RPC_SECTION = z.strictObject({
  host: z.string().default("127.0.0.1"),
  port: z.number().int().min(0).max(65_535),
  cors_origins: z.array(z.string()).max(100).default([]),
  /** Calls of one address: so many a second, so many at once; 0: no limit. */
  requests_per_second: perSecond.default(0),
  requests_burst: burst.default(200),
  body_bytes_max: z.number().int().min(1_024).max(RPC_BODY_BYTES_MAX).default(RPC_BODY_BYTES_MAX),
  batch_max: z.number().int().min(1).max(RPC_BATCH_MAX).default(RPC_BATCH_MAX),
  /** HTTP and WebSocket connections of all, and of one address (0: no limit); this machine's own are not limited. */
  connections_max: z.number().int().min(16).max(100_000).default(RPC_CONNECTIONS_MAX),
  connections_per_address: z.number().int().min(0).max(100_000).default(RPC_CONNECTIONS_EACH_MAX),
  /** Requests of one address or key that are being answered at once; 0: no limit. */
  requests_under_way_max: z.number().int().min(0).max(100_000).default(RPC_REQUESTS_EACH_MAX),
  /** Keys with limits of their own. */
  keys: z.array(apiKey).max(1_000).default([]),
  /** Whether nobody is served without one. */
  require_key: z.boolean().default(false),
  /** Proxies in front that add to X-Forwarded-For; 0: the header is not believed. */
  proxy_hops: z.number().int().min(0).max(8).default(0),
});

export const GATEWAY_SECTION = z.strictObject({
  coalesce_ms: z.number().int().min(0).max(1_000).default(2),
  expiry_blocks: z.number().int().min(2).max(10_000).default(60),
  tip_per_byte: nweft.default(0),
  /** Whether what a wallet was told is accepted survives a crash of the process and of the machine. */
  durable: z.boolean().default(true),
  /** Transactions of one requester (address or key) that may wait at once; 0: no limit. */
  waiting_max: waiting.default(20_000),
  /** Its bundles, bids and sealed transactions that may wait at once in the gateway's account, which has room for 64; 0: no limit. */
  waiting_bundles_max: waiting.default(16),
  /** nweft that ordering one requester's transactions may cost the gateway in a minute, and its bundles as much; 0: no limit. */
  spend_per_minute: nweft.default(0),
  /** Whether wallets' transactions are sealed: nobody reads one before its place is final. */
  seal: z.boolean().default(false),
  /** nweft that one request of a searcher may spend in this account's name, as a bid or in tips; 0: nothing. */
  bid_max: nweft.default(0),
  /** Requests of one address, and of one signer, for bundles and bids: so many a second, so many at once; 0: no limit. */
  bundles_per_second: z.number().int().min(0).max(100_000).default(20),
  bundles_burst: z.number().int().min(1).max(100_000).default(100),
  /** The account's cancel nonce, where its operator has raised it to void all that was sent. */
  cancel_nonce: z.number().int().min(0).default(0),
});

export type RpcSection = z.output<typeof RPC_SECTION>;
export type GatewaySection = z.output<typeof GATEWAY_SECTION>;

export function rpcServerOptions(rpc: RpcSection): RpcServerOptions {
  return {
    host: rpc.host,
    port: rpc.port,
    corsOrigins: rpc.cors_origins,
    bodyBytesMax: rpc.body_bytes_max,
    connectionsMax: rpc.connections_max,
    connectionsEachMax: rpc.connections_per_address,
    requestsEachMax: rpc.requests_under_way_max,
    access: {
      requestsPerSecond: rpc.requests_per_second,
      requestsBurst: rpc.requests_burst,
      isKeyRequired: rpc.require_key,
      proxyHops: rpc.proxy_hops,
      keys: rpc.keys.map((key) => ({
        name: key.name,
        sha256: key.sha256,
        requestsPerSecond: key.requests_per_second,
        requestsBurst: key.requests_burst,
      })),
    },
  };
}

/** Quotas of requesters as `createAccess` names them. @param monotonicMs a clock that never goes back */
export function requesterQuota(
  kind: "transactions" | "bundles",
  { rpc, gateway }: { readonly rpc: RpcSection; readonly gateway: GatewaySection },
  monotonicMs: () => number,
): Quota {
  const isBundles = kind === "bundles";
  const usual = {
    waitingMax: isBundles ? gateway.waiting_bundles_max : gateway.waiting_max,
    spendPerMinute: BigInt(gateway.spend_per_minute),
  };
  const ofKeys = new Map(
    rpc.keys.map((key) => {
      const waitingMax = isBundles ? key.waiting_bundles_max : key.waiting_max;
      const { spend_per_minute: spend } = key;
      return [
        `key ${key.name}`,
        {
          waitingMax: waitingMax ?? usual.waitingMax,
          spendPerMinute: spend === undefined ? usual.spendPerMinute : BigInt(spend),
        },
      ];
    }),
  );
  return createQuota((requester) => ofKeys.get(requester) ?? usual, monotonicMs);
}
