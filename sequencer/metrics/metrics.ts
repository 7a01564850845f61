/** All metrics of a node, made once. Each node has its own registry: several may share a process. */
import { timeToMs } from "../../proto/time.ts";
import type { Timestamp } from "../../proto/types.ts";
import type { AbciMetrics } from "../abci/metrics.ts";
import type { AppMetrics } from "../app/metrics.ts";
import type { CometBftMetrics } from "../cometbft/metrics.ts";
import type { BlockSyncMetrics, EngineMetrics, StateSyncMetrics } from "../engine/metrics.ts";
import type { GrpcMetrics } from "../grpc/metrics.ts";
import type { P2pMetrics } from "../p2p/metrics.ts";
import type { PrometheusRegistry } from "../ports/prometheus.ts";
import { createPrometheusRegistry } from "../ports/prometheus.ts";
import type { RpcMetrics } from "../rpc/metrics.ts";
import type { RemoteSignerMetrics } from "../signer/metrics.ts";
import { ABCI_SPECS } from "./abci-specs.ts";
import { APP_SPECS } from "./app-specs.ts";
import { BLOCK_SYNC_SPECS } from "./block-sync-specs.ts";
import { COMETBFT_SPECS } from "./cometbft-specs.ts";
import { ENGINE_SPECS } from "./engine-specs.ts";
import { GRPC_SPECS } from "./grpc-specs.ts";
import { type HealthReport, isServing } from "./health.ts";
import { P2P_SPECS } from "./p2p-specs.ts";
import type { ProcessMetrics } from "./process-metrics.ts";
import { processSpecs } from "./process-metrics.ts";
import { RPC_SPECS } from "./rpc-specs.ts";
import { REMOTE_SIGNER_SPECS } from "./signer-specs.ts";
import { STATE_SYNC_SPECS } from "./state-sync-specs.ts";

export interface NodeMetricsOptions {
  /** Directory whose file system is watched. */
  readonly homeDirectory: string;
  readonly version: string;
  readonly network: string;
  readonly moniker: string;
  /** When the chain begins. */
  readonly genesisTime: Timestamp;
  /** What the pool takes at most, from the configuration. */
  readonly poolTransactionsMax: number;
  readonly poolBytesMax: number;
  /** Off in tests and where another node of the same process reports it. */
  readonly hasProcessMetrics?: boolean;
}

export interface NodeMetrics {
  readonly registry: PrometheusRegistry;
  readonly app: AppMetrics;
  readonly blockSync: BlockSyncMetrics;
  readonly engine: EngineMetrics;
  readonly grpc: GrpcMetrics;
  readonly p2p: P2pMetrics;
  readonly process: ProcessMetrics;
  readonly remoteSigner: RemoteSignerMetrics;
  readonly rpc: RpcMetrics;
  readonly stateSync: StateSyncMetrics;
}

/** What a process has that holds the application and no engine. */
export type ApplicationMetrics = Pick<NodeMetrics, "registry" | "process" | "app"> & {
  readonly abci: AbciMetrics;
};

export interface CometBftNodeMetrics extends ApplicationMetrics {
  readonly grpc: GrpcMetrics;
  readonly cometbft: CometBftMetrics;
}

/** Metrics of an application under an external engine; `health` is asked at every scrape. */
export function createApplicationMetrics(
  options: NodeMetricsOptions,
  deps: { readonly health: () => HealthReport },
): ApplicationMetrics {
  const { registry, process } = createProcessMetrics(options, deps);
  return {
    registry,
    process,
    app: registry.createInstruments<AppMetrics>(APP_SPECS),
    abci: registry.createInstruments<AbciMetrics>(ABCI_SPECS),
  };
}

/** Metrics of a node whose engine is CometBFT, which has its own; `health` is asked at every scrape. */
export function createCometBftNodeMetrics(
  options: NodeMetricsOptions,
  deps: { readonly health: () => HealthReport },
): CometBftNodeMetrics {
  const metrics = createApplicationMetrics(options, deps);
  const { registry } = metrics;
  return {
    ...metrics,
    grpc: registry.createInstruments<GrpcMetrics>(GRPC_SPECS),
    cometbft: registry.createInstruments<CometBftMetrics>(COMETBFT_SPECS),
  };
}

/** `health` is asked at every scrape. */
export function createNodeMetrics(
  options: NodeMetricsOptions,
  deps: { readonly health: () => HealthReport },
): NodeMetrics {
  const { registry, process } = createProcessMetrics(options, deps);
  return {
    registry,
    process,
    app: registry.createInstruments<AppMetrics>(APP_SPECS),
    blockSync: registry.createInstruments<BlockSyncMetrics>(BLOCK_SYNC_SPECS),
    engine: registry.createInstruments<EngineMetrics>(ENGINE_SPECS),
    grpc: registry.createInstruments<GrpcMetrics>(GRPC_SPECS),
    p2p: registry.createInstruments<P2pMetrics>(P2P_SPECS),
    remoteSigner: registry.createInstruments<RemoteSignerMetrics>(REMOTE_SIGNER_SPECS),
    rpc: registry.createInstruments<RpcMetrics>(RPC_SPECS),
    stateSync: registry.createInstruments<StateSyncMetrics>(STATE_SYNC_SPECS),
  };
}

function createProcessMetrics(
  options: NodeMetricsOptions,
  deps: { readonly health: () => HealthReport },
): Pick<NodeMetrics, "registry" | "process"> {
  const { homeDirectory, hasProcessMetrics = true } = options;
  const registry = createPrometheusRegistry({ hasProcessMetrics });
  const process = registry.createInstruments<ProcessMetrics>(
    processSpecs({
      homeDirectory,
      isReady: () => isServing(deps.health()),
      isSyncing: () => deps.health().status === "syncing",
    }),
  );
  const { version, network, moniker } = options;
  process.info.set(1, { version, network, moniker });
  process.genesisTime.set(timeToMs(options.genesisTime) / 1_000);
  process.poolTransactionsMax.set(options.poolTransactionsMax);
  process.poolBytesMax.set(options.poolBytesMax);
  return { registry, process };
}
