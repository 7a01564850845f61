/**
 * One process of an EVM rollup: executor with JSON-RPC, the driver that feeds it from the sequencer,
 * and the gateway that carries its wallets' transactions there. Built and started in the order that
 * stands here, and closed in the reverse one.
 */
import { join } from "node:path";
import type { RollupId } from "../../proto/brands.ts";
import { assert } from "../../proto/errors.ts";
import type { Clock } from "../../sequencer/ports/clock.ts";
import type { Logger } from "../../sequencer/ports/logger.ts";
import type { SubmitClient } from "../client/failover-client.ts";
import type { TxSigner } from "../client/signed-tx.ts";
import { createExecutorServer } from "../driver/grpc-executor.ts";
import type { DriverMetrics } from "../driver/metrics.ts";
import { createVoter, type Voter } from "../driver/voter.ts";
import { createEvmRollup, type EvmRollup } from "../evm/evm-rollup.ts";
import { genesisRollupId, parseEvmGenesis } from "../evm/genesis.ts";
import type { EvmMetrics } from "../evm/metrics.ts";
import { evmStatusChain } from "../evm/rpc/pool-chain.ts";
import { rpcServerOptions } from "../gateway/gateway-config.ts";
import { openJournalStore } from "../gateway/journal/journal-store.ts";
import type { GatewayMetrics } from "../gateway/metrics.ts";
import { statusMethods } from "../gateway/status/status-method.ts";
import { openGatewayNode } from "../node/gateway-node.ts";
import { type Opened, openOrClose } from "../node/opened.ts";
import type { RollupConfig } from "../node/rollup-config.ts";
import type { RollupNode } from "../node/rollup-node.ts";

export interface EvmRollupNodeOptions {
  readonly config: RollupConfig;
  /** Databases and the trusted state. */
  readonly dataDirectory: string;
  readonly clientVersion: string;
}

export interface EvmRollupNodeDependencies {
  /** The account that pays for ordering what wallets send here. */
  readonly gatewayKey: TxSigner;
  /** With `atomic` in the configuration: the key that votes about legs of atomic bundles. */
  readonly executorKey?: TxSigner | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: {
    readonly driver: DriverMetrics;
    readonly evm: EvmMetrics;
    readonly gateway: GatewayMetrics;
  };
}

/** Opens the data, serves, and begins to follow the sequencer. */
export function startEvmRollupNode(
  options: EvmRollupNodeOptions,
  deps: EvmRollupNodeDependencies,
): Promise<RollupNode> {
  return openOrClose((opened) => open(options, deps, opened));
}

async function open(
  options: EvmRollupNodeOptions,
  deps: EvmRollupNodeDependencies,
  opened: Opened,
): Promise<RollupNode> {
  const { config, dataDirectory } = options;
  const { clock, logger, metrics } = deps;
  const genesis = parseEvmGenesis(config.genesis);
  const rollupId = genesisRollupId(genesis);
  const node = await openGatewayNode(
    { config, rollupId, dataDirectory },
    { key: deps.gatewayKey, clock, logger, metrics },
    opened,
  );
  const { order, searchers, follower } = node;
  let running: EvmRollup | undefined;
  const runningRollup = (): EvmRollup => {
    assert(running !== undefined, "methods are called when the rollup is open");
    return running;
  };
  const rollup = opened.keep(
    await createEvmRollup(
      {
        dataDirectory: join(dataDirectory, "evm"),
        genesis,
        rpc: rpcServerOptions(config.rpc),
        batchMax: config.rpc.batch_max,
        clientVersion: options.clientVersion,
      },
      {
        ...order.pool,
        clock,
        logger,
        metrics: metrics.evm,
        moreMethods: statusMethods({
          ...order.status,
          pool: () => runningRollup().pool,
          chain: () => evmStatusChain(runningRollup().chain),
        }),
        searchers,
        readiness: follower.rpcReadiness,
        catchingUp: follower.catchingUp,
      },
    ),
  );
  running = rollup;
  if (config.execution !== undefined) {
    const server = createExecutorServer(config.execution, rollup.executor);
    await server.start();
    opened.add(() => server.stop());
  }
  const voter = await openVoter(options, deps, { rollupId, client: order.client }, opened);
  return node.start({ rpcUrl: rollup.rpc.url, executor: rollup.executor, voter });
}

async function openVoter(
  { config, dataDirectory }: EvmRollupNodeOptions,
  { executorKey, logger, metrics }: EvmRollupNodeDependencies,
  { rollupId, client }: { readonly rollupId: RollupId; readonly client: SubmitClient },
  opened: Opened,
): Promise<Voter | undefined> {
  if (config.atomic === undefined || executorKey === undefined) return undefined;
  const store = opened.keep(await openJournalStore(join(dataDirectory, "executor")));
  const voter = await createVoter(
    { rollupId, tipPerByte: BigInt(config.atomic.tip_per_byte) },
    {
      client,
      key: executorKey,
      store,
      logger: logger.child({ module: "voter" }),
      metrics: metrics.driver,
    },
  );
  opened.add(() => voter.stop());
  return voter;
}
