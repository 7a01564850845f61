/** What CometBFT is told that differs from our configuration's own words. */
import { relative } from "node:path";
import type { CometBftConfigSource } from "../cometbft/config-source.ts";
import { CometBftError, isCometBftError } from "../cometbft/errors.ts";
import { HANDOVER_BATCH_MAX } from "../cometbft/limits.ts";
import { COMETBFT_POOL_FACTOR, RPC_BODY_OVERHEAD_BYTES } from "./limits.ts";
import { listenAddress } from "./listen-address.ts";
import { type Config, splitList } from "./config-schema.ts";
import { namingListenerOf } from "./listening.ts";

/**
 * The configuration as CometBFT shall have it. Its RPC listens on a socket of this process too, named from
 * its home on: it tells each peer where its RPC listens, which nobody needs to know of this machine's folders,
 * and takes neither a comma nor letters beyond ASCII there. Its pool is
 * larger than the application's, which decides what is kept and why something is refused; and it takes in
 * one call whatever the application takes.
 */
export function cometBftSource(
  config: Config,
  { rpcSocket, cometRoot }: { readonly rpcSocket: string; readonly cometRoot: string },
): CometBftConfigSource {
  const fromHome = relative(cometRoot, rpcSocket);
  const socket = fromHome.startsWith("..") ? rpcSocket : fromHome;
  const { rpc, mempool, statesync } = config;
  const { max_request_batch_size: batch } = rpc;
  const base64Bytes = Math.ceil(mempool.max_tx_bytes / 3) * 4;
  return {
    ...config,
    rpc: {
      ...rpc,
      laddr: [rpc.laddr, `unix://${socket}`].filter(Boolean).join(","),
      // 0 lifts the limit.
      max_request_batch_size: batch === 0 ? 0 : Math.max(batch, HANDOVER_BATCH_MAX),
      max_body_bytes: Math.max(rpc.max_body_bytes, base64Bytes + RPC_BODY_OVERHEAD_BYTES),
    },
    mempool: {
      ...mempool,
      size: mempool.size * COMETBFT_POOL_FACTOR,
      max_txs_bytes: mempool.max_txs_bytes * COMETBFT_POOL_FACTOR,
    },
    // It takes a blank after a comma for a part of the address.
    statesync: { ...statesync, rpc_servers: splitList(statesync.rpc_servers).join(",") },
  };
}

/**
 * What of CometBFT's log comes into ours. It tells a dozen lines per block as `info`, which with us is a
 * handful a minute: those are there at `debug`.
 */
export function cometBftLogLevel(level: Config["log_level"]): string {
  if (level === "debug") return "info";
  return level === "info" ? "main:info,statesync:info,blocksync:info,*:error" : "error";
}

const TAKEN =
  /listen tcp \S*?:(\d+): bind: (address already in use|permission denied|cannot assign requested address)/;
const CODES: Readonly<Record<string, string>> = {
  "address already in use": "EADDRINUSE",
  "permission denied": "EACCES",
  "cannot assign requested address": "EADDRNOTAVAIL",
};

/** The error of a CometBFT that cannot have one of its addresses, with the listener's key; any other as it came. */
export function namingTakenPort(error: unknown, config: Config): unknown {
  const match = saidAtItsEnd(error, TAKEN);
  if (match === undefined) return error;
  const [, port, why] = match;
  for (const [key, address] of [
    ["p2p.laddr", config.p2p.laddr],
    ["rpc.laddr", config.rpc.laddr],
  ] as const) {
    if (listenAddress(address)?.port !== Number(port)) continue;
    const cause = Object.assign(new Error(match[0], { cause: error }), {
      code: CODES[why ?? ""],
      syscall: "listen",
    });
    return namingListenerOf(key, address, cause);
  }
  return error;
}

const OTHER_HASH = /light client state provider: expected header's hash (\w+), but got (\w+)/;

/** The error of a CometBFT whose trusted hash is another than the servers have; any other as it came. */
export function namingTrustConflict(error: unknown, config: Config): unknown {
  const match = saidAtItsEnd(error, OTHER_HASH);
  if (match === undefined) return error;
  const height = config.statesync.trust_height;
  return new CometBftError(
    { code: "COMETBFT_TRUST_CONFLICT", height },
    `expected header ${height} with hash ${match[1]}, the servers of statesync.rpc_servers have ${match[2]}; check statesync.trust_height and statesync.trust_hash`,
    { cause: error },
  );
}

/** The first of the last lines of a CometBFT that ended, to which the pattern fits. */
function saidAtItsEnd(error: unknown, pattern: RegExp): RegExpExecArray | undefined {
  if (!isCometBftError(error) || error.info.code !== "COMETBFT_ENDED") return undefined;
  for (const line of error.info.lastLines) {
    const match = pattern.exec(line);
    if (match !== null) return match;
  }
  return undefined;
}
