/**
 * One process of an EVM rollup: executor with JSON-RPC, the driver that feeds it from the sequencer,
 * and the gateway that carries its wallets' transactions there. Built and started in the order that
 * stands here, and closed in the reverse one.
 */
import { join } from "node:path";
import type { RollupId } from "../../proto/brands.ts";
import { fromHex } from "../../proto/bytes.ts";
import { assert, isWeftError } from "../../proto/errors.ts";
import type { Clock } from "../../sequencer/ports/clock.ts";
import type { Logger } from "../../sequencer/ports/logger.ts";
import { createMevFailover, type SubmitClient } from "../client/failover-client.ts";
import { createGrpcMevClient } from "../client/grpc-mev-client.ts";
import type { TxSigner } from "../client/signed-tx.ts";
import { createExecutorServer } from "../driver/grpc-executor.ts";
import type { DriverMetrics } from "../driver/metrics.ts";
import { createVoter, type Voter } from "../driver/voter.ts";
import { createEvmRollup, type EvmRollup } from "../evm/evm-rollup.ts";
import { genesisRollupId, parseEvmGenesis } from "../evm/genesis.ts";
import type { EvmMetrics } from "../evm/metrics.ts";
import { evmStatusChain } from "../evm/rpc/pool-chain.ts";
import { createBundleQuota } from "../gateway/bundles/bundle-quota.ts";
import { createBundleGateway } from "../gateway/bundles/bundle-gateway.ts";
import { openSequences, openSequenceStore } from "../gateway/bundles/sequences.ts";
import { requesterQuota, rpcServerOptions } from "../gateway/gateway-config.ts";
import { openJournalStore } from "../gateway/journal/journal-store.ts";
import type { GatewayMetrics } from "../gateway/metrics.ts";
import { statusMethods } from "../gateway/status/status-method.ts";
import { createRateLimit } from "../json-rpc/rate-limit.ts";
import { createFollower } from "../node/follower.ts";
import { type Opened, openOrClose } from "../node/opened.ts";
import { openOrderGateway, type OrderGateway } from "../node/order-gateway.ts";
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
  const home = { config, rollupId, dataDirectory };
  const gateway = await openOrderGateway(
    home,
    { key: deps.gatewayKey, clock, logger, metrics: metrics.gateway },
    opened,
  );
  const { clients, submitter } = gateway;
  const bundles = await openBundles(options, deps, gateway, opened);
  const follower = createFollower(home, {
    clients,
    clock,
    logger,
    metrics: metrics.driver,
    fault: gateway.fault,
  });
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
        ...gateway.pool,
        clock,
        logger,
        metrics: metrics.evm,
        moreMethods: statusMethods({
          ...gateway.status,
          pool: () => runningRollup().pool,
          chain: () => evmStatusChain(runningRollup().chain),
        }),
        searchers: {
          gateway: bundles.gateway,
          quota: bundles.quota,
          limit: createRateLimit(
            {
              perSecond: config.gateway.bundles_per_second,
              burst: config.gateway.bundles_burst,
            },
            () => clock.monotonicMs(),
          ),
          sealKey: () => gateway.client.sealKey(),
          chainId: config.sequencer.chain_id,
          rollupId: fromHex(rollupId),
        },
        readiness: follower.rpcReadiness,
      },
    ),
  );
  running = rollup;
  if (config.execution !== undefined) {
    const server = createExecutorServer(config.execution, rollup.executor);
    await server.start();
    opened.add(() => server.stop());
  }
  const voter = await openVoter(options, deps, { rollupId, client: gateway.client }, opened);
  const { status, ...following } = follower.start(
    {
      executor: rollup.executor,
      voter,
      onExecuted(block, answer) {
        gateway.blockExecuted(block, answer);
        bundles.blockOrdered(
          block.header.height,
          block.entries.map((entry) => entry.itemId),
        );
      },
    },
    opened,
  );

  return {
    rpcUrl: rollup.rpc.url,
    status: () => ({ ...status(), gatewayPending: submitter.pendingCount() }),
    readiness: follower.readiness,
    ...following,
    async stop() {
      // First: whoever waits for a submission is told, and does not keep the RPC open.
      submitter.stop();
      await opened.close();
    },
  };
}

/** What searchers send in the gateway's account. */
async function openBundles(
  { config, dataDirectory }: EvmRollupNodeOptions,
  { gatewayKey, clock, logger, metrics }: EvmRollupNodeDependencies,
  { client, price, sealer }: OrderGateway,
  opened: Opened,
) {
  // Each store is closed by its owner, or here when that is not made of it; closing it twice is nothing.
  const store = opened.keep(await openSequenceStore(join(dataDirectory, "bundles")));
  const sequences = opened.keep(await openSequences(store));
  const mevClients = config.sequencer.nodes.map((node) => opened.keep(createGrpcMevClient(node)));
  const gateway = createBundleGateway(
    {
      tipPerByte: BigInt(config.gateway.tip_per_byte),
      spendMax: BigInt(config.gateway.bid_max),
      cancelNonce: BigInt(config.gateway.cancel_nonce),
    },
    {
      client,
      mev: createMevFailover(mevClients),
      isRollup: (id) => isRegistered(client, id),
      key: gatewayKey,
      sealer,
      sequences,
      logger: logger.child({ module: "bundles" }),
      metrics: metrics.gateway,
    },
  );
  const quota = createBundleQuota(
    gateway,
    requesterQuota("bundles", config, () => clock.monotonicMs()),
    (bytes, isSealed) => price.costOf(bytes, isSealed),
  );
  return {
    gateway,
    quota,
    /** Tells what a block of the sequencer holds of the rollup; call once per height, in order. */
    blockOrdered(height: number, itemIds: readonly Uint8Array[]): void {
      gateway.blockOrdered(height);
      quota.blockOrdered(height, itemIds);
    },
  };
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

async function isRegistered(
  client: Pick<SubmitClient, "rollup">,
  rollupId: Uint8Array,
): Promise<boolean> {
  try {
    await client.rollup(rollupId);
    return true;
  } catch (error) {
    if (!isWeftError(error) || error.code !== "SEQUENCER_CALL_FAILED") throw error;
    const { status }: { readonly code: string; readonly status?: string } = error.info;
    if (status === "NOT_FOUND") return false;
    throw error;
  }
}
