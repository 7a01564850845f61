/** The whole reference EVM rollup, put together: executor, pool of pending transactions, JSON-RPC. */
import type { Clock } from "../../sequencer/ports/clock.ts";
import type { Logger } from "../../sequencer/ports/logger.ts";
import type { Executor } from "../execution.ts";
import {
  PendingPool,
  type PoolQuota,
  type Restoring,
  type SubmitPort,
} from "../gateway/pool/pending-pool.ts";
import { Dispatcher } from "../json-rpc/dispatcher.ts";
import type { Method } from "../json-rpc/method.ts";
import type { Readiness } from "../json-rpc/http-handler.ts";
import { type RpcServerOptions, startRpcServer } from "../json-rpc/server.ts";
import type { EnvironmentSource } from "./environment.ts";
import { type EvmChain, EvmExecutor } from "./executor.ts";
import type { EvmGenesis } from "./genesis.ts";
import type { EvmMetrics } from "./metrics.ts";
import { createTipSuggester } from "./rpc/fees.ts";
import { FilterTable } from "./rpc/filters.ts";
import type { SearcherPort } from "./rpc/mev-methods.ts";
import { createMethodTable } from "./rpc/methods.ts";
import { createPoolChain } from "./rpc/pool-chain.ts";
import { Simulator } from "./rpc/simulator.ts";
import { subscriptionKinds } from "./rpc/subscriptions.ts";

export interface EvmRollupOptions {
  /** Directory of the rollup's database; made when it does not exist. */
  readonly dataDirectory: string;
  readonly genesis: EvmGenesis;
  readonly rpc: RpcServerOptions;
  /** Default: derived from the sequencer block. */
  readonly environmentSource?: EnvironmentSource;
  /** Calls in one batch of JSON-RPC; default and highest: RPC_BATCH_MAX. */
  readonly batchMax?: number;
  /** What web3_clientVersion says. */
  readonly clientVersion?: string;
}

export interface EvmRollupDependencies {
  /** Has the sequencer order a transaction of this rollup; throws with a reason when it will not. */
  readonly submit: SubmitPort;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: EvmMetrics;
  /** Keeps accepted transactions beyond the process; left out: they are lost with it. */
  readonly restoring?: Restoring | undefined;
  /** What one requester may have; left out: all. */
  readonly quota?: PoolQuota | undefined;
  /** How far the state is behind the order, in words: nothing is taken of wallets meanwhile; left out: it never is. */
  readonly catchingUp?: (() => string | undefined) | undefined;
  /** Methods beside Ethereum's and the searchers'. */
  readonly moreMethods?: Readonly<Record<string, Method>> | undefined;
  /** Takes bundles and bids of searchers; left out: their methods do not exist. */
  readonly searchers?: SearcherPort | undefined;
  /** What /readyz says; default: ready as soon as the rollup is open. */
  readonly readiness?: () => Promise<Readiness>;
}

export interface EvmRollup {
  /** What a driver feeds. */
  readonly executor: Executor;
  /** What there is to read. */
  readonly chain: EvmChain;
  /** Wallets' transactions that wait. */
  readonly pool: PendingPool;
  readonly rpc: { readonly host: string; readonly port: number; readonly url: string };
  /** Stops serving, then waits for the block under way, then closes the database. */
  close(): Promise<void>;
}

/** Opens the data directory and serves. Errors: those of `EvmExecutor.open`, and a taken port. */
export async function createEvmRollup(
  options: EvmRollupOptions,
  dependencies: EvmRollupDependencies,
): Promise<EvmRollup> {
  const { clock, metrics } = dependencies;
  const logger = dependencies.logger.child({ module: "evm", rollup: options.genesis.rollupName });
  const executor = await EvmExecutor.open(options, { logger, metrics });
  const pool = new PendingPool({
    chain: createPoolChain(executor, clock),
    submit: dependencies.submit,
    clock,
    logger,
    metrics,
    kept: dependencies.restoring?.kept,
    quota: dependencies.quota,
    catchingUp: dependencies.catchingUp,
  });
  const filters = new FilterTable({ chain: executor, pool, clock, metrics });
  const stop = async (): Promise<void> => {
    filters.close();
    pool.close();
    await executor.close();
  };
  try {
    if (dependencies.restoring !== undefined) await pool.restore(dependencies.restoring);
    const methods = createMethodTable({
      moreMethods: dependencies.moreMethods,
      chain: executor,
      pool,
      simulator: new Simulator(executor),
      filters,
      suggestTip: createTipSuggester(executor),
      clock,
      clientVersion: options.clientVersion ?? "weft/0.1.0",
      searchers: dependencies.searchers,
    });
    const server = await startRpcServer(options.rpc, {
      dispatcher: new Dispatcher({ methods, logger, metrics, batchMax: options.batchMax }),
      subscriptions: subscriptionKinds({ chain: executor, pool }),
      healthFacts: () => ({
        chainId: options.genesis.chainId.toString(),
        headNumber: executor.head().number,
        safeNumber: executor.safe().number,
        finalizedNumber: executor.finalized().number,
      }),
      clock,
      readiness: dependencies.readiness ?? (() => Promise.resolve({ isReady: true })),
      logger,
      metrics,
    });
    const { host, port } = server;
    const shownHost = host.includes(":") ? `[${host}]` : host;
    return {
      executor,
      chain: executor,
      pool,
      rpc: { host, port, url: `http://${shownHost}:${port}` },
      close: async () => {
        await server.close();
        await stop();
      },
    };
  } catch (cause) {
    await stop();
    throw cause;
  }
}
