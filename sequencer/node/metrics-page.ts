/** What a process of a home shows of itself to Prometheus, whichever engine it has. */
import type { Genesis } from "../engine/genesis.ts";
import { createMetricsServer, type MetricsServerDependencies } from "../metrics/http-server.ts";
import type { NodeMetricsOptions } from "../metrics/metrics.ts";
import type { Closers } from "./closers.ts";
import { listenAddress } from "./listen-address.ts";
import type { Config } from "./config-schema.ts";
import type { Home } from "./home.ts";
import { listeningAt } from "./listening.ts";
import { VERSION } from "./version.ts";

/** Whose figures they are, and the limits that they are held against. */
export function metricsIdentity(home: Home, config: Config, genesis: Genesis): NodeMetricsOptions {
  return {
    homeDirectory: home.root,
    version: VERSION.weft,
    network: genesis.chainId,
    moniker: config.moniker,
    genesisTime: genesis.genesisTime,
    poolTransactionsMax: config.mempool.size,
    poolBytesMax: config.mempool.max_txs_bytes,
  };
}

/**
 * Serves the page and the health, unless the configuration turns them off.
 * @param options.command what the operator runs with `--set` to have another address
 * @throws WeftError<ListenErrorInfo> NODE_LISTEN_FAILED
 */
export async function serveMetrics(
  { config, command }: { readonly config: Config; readonly command: "weft start" | "weft abci" },
  deps: MetricsServerDependencies & { readonly closers: Closers },
): Promise<void> {
  const { prometheus, prometheus_listen_addr: text } = config.instrumentation;
  const address = prometheus ? listenAddress(text) : undefined;
  if (address === undefined) return;
  const server = createMetricsServer(address, deps);
  deps.closers.push(() => server.stop());
  const key = "instrumentation.prometheus_listen_addr";
  await listeningAt(key, text, () => server.start(), command);
}
