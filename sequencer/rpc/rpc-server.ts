/** Puts the RPC server together. */
import { DEFAULTS } from "./defaults.ts";
import type { RpcEnvironment } from "./environment.ts";
import { HttpServer } from "./http-server.ts";
import type { ChainIndex } from "./indexer/chain-index.ts";
import { Dispatcher } from "./json-rpc.ts";
import { blockRoutes } from "./methods/blocks.ts";
import { consensusRoutes, validatorIndex } from "./methods/consensus.ts";
import { evidenceRoutes } from "./methods/evidence.ts";
import { eventRoutes } from "./methods/events.ts";
import { infoRoutes } from "./methods/info.ts";
import { transactionRoutes } from "./methods/transactions.ts";
import { unsafeRoutes } from "./methods/unsafe.ts";
import type { RpcMetrics } from "./metrics.ts";
import { NULL_RPC_METRICS } from "./metrics.ts";
import type {
  RpcApplication,
  RpcBlocks,
  RpcConsensus,
  RpcEventSource,
  RpcEvidence,
  RpcGenesis,
  RpcMempool,
  RpcNetwork,
  RpcStates,
} from "./ports.ts";
import type { RoundHint } from "./events.ts";
import type { Routes } from "./routes.ts";
import { SubscriptionHub, type SubscriptionKeeper } from "./subscriptions.ts";
import type { Clock } from "../ports/clock.ts";
import type { Logger } from "../ports/logger.ts";

/** Settings with CometBFT's names and defaults, section `[rpc]`. */
export interface RpcServerOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** Origins that browsers may call from; none by default. */
  readonly corsOrigins?: readonly string[];
  readonly connectionsMax?: number;
  readonly subscriptionClientsMax?: number;
  readonly subscriptionsPerClientMax?: number;
  readonly broadcastCommitTimeoutMs?: number;
  readonly bodyBytesMax?: number;
  /** Whether `dial_seeds`, `dial_peers` and `unsafe_flush_mempool` are there (`unsafe`). */
  readonly isUnsafe?: boolean;
  readonly headerBytesMax?: number;
  readonly batchRequestsMax?: number;
  readonly corsMethods?: readonly string[];
  readonly corsHeaders?: readonly string[];
  /** A WebSocket client that reads too slowly is closed, or events are left out for it. */
  readonly closesSlowClients?: boolean;
  /** Time that headers and body of a request may take to arrive. */
  readonly requestTimeoutMs?: number;
}

export interface RpcServerDependencies {
  readonly blocks: RpcBlocks;
  readonly states: RpcStates;
  readonly app: RpcApplication;
  readonly mempool: RpcMempool;
  readonly network: RpcNetwork;
  readonly consensus: RpcConsensus;
  readonly evidence: RpcEvidence;
  readonly genesis: RpcGenesis;
  readonly events: RpcEventSource;
  /** undefined switches `tx`, `tx_search` and `block_search` off. */
  readonly index: ChainIndex | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics?: RpcMetrics;
}

export interface RpcServer {
  /** Listens; resolves with the address. */
  start(): Promise<{ readonly host: string; readonly port: number }>;
  /** Ends subscriptions with a reason and closes connections; answers under way may end. */
  stop(): Promise<void>;
}

/** CometBFT's JSON-RPC over HTTP and WebSocket (spec §19.3). */
export function createRpcServer(options: RpcServerOptions, deps: RpcServerDependencies): RpcServer {
  const settings = { ...DEFAULTS, ...options };
  const metrics = deps.metrics ?? NULL_RPC_METRICS;
  const hub = new SubscriptionHub(
    {
      clientsMax: settings.subscriptionClientsMax,
      perClientMax: settings.subscriptionsPerClientMax,
    },
    { events: deps.events, metrics, hint: () => roundHint(deps.consensus) },
  );
  const env: RpcEnvironment = {
    ...deps,
    hub,
    metrics,
    broadcastCommitTimeoutMs: settings.broadcastCommitTimeoutMs,
  };
  const routes = new Map(
    Object.entries({
      ...infoRoutes(env),
      ...blockRoutes(env),
      ...consensusRoutes(env),
      ...transactionRoutes(env),
      ...evidenceRoutes(env),
      ...eventRoutes(env),
      ...(settings.isUnsafe ? unsafeRoutes(env) : {}),
    }),
  );
  const { clock, logger } = deps;
  const server = createRouteServer(settings, { routes, hub, clock, logger, metrics });
  return {
    start: () => server.start(),
    async stop() {
      hub.stop("the node is stopping");
      await server.stop();
    },
  };
}

/** What any server of JSON-RPC needs beside its methods. */
export interface RouteServerDependencies {
  readonly routes: Routes;
  readonly hub: SubscriptionKeeper;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: RpcMetrics;
}

/** The same transports over other methods, as a light client's proxy has them. */
export function createRouteServer(
  options: Omit<RpcServerOptions, "broadcastCommitTimeoutMs">,
  { routes, hub, clock, metrics, logger: parent }: RouteServerDependencies,
): RpcServer {
  const logger = parent.child({ module: "rpc" });
  const dispatcher = new Dispatcher({ routes, logger, metrics });
  const settings = { ...DEFAULTS, ...options };
  const server = new HttpServer(settings, { routes, dispatcher, hub, clock, logger, metrics });
  return {
    async start() {
      const address = await server.listen();
      logger.info("rpc server listens", { ...address });
      return address;
    },
    stop: () => server.close(),
  };
}

/** What events do not say of the round they belong to, read at the moment they happen. */
function roundHint(consensus: RpcConsensus): RoundHint {
  const view = consensus.roundState();
  return { proposerIndex: view ? validatorIndex(view.validators, view.proposer) : -1 };
}
