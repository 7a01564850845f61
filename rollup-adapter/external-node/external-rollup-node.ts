/**
 * One process of a rollup whose blocks are executed elsewhere: the driver that feeds the executor from the sequencer, and
 * the gateway in front of the executor's own RPC, which carries wallets' transactions into the order and passes reads on.
 * Built and started in the order that stands here, and closed in the reverse one.
 */
import { join, resolve } from "node:path";
import { RollupId } from "../../proto/brands.ts";
import { fromHex, toHex } from "../../proto/bytes.ts";
import { rollupIdOfName } from "../../proto/codec/weft-tx.ts";
import type { Clock } from "../../sequencer/ports/clock.ts";
import type { Logger } from "../../sequencer/ports/logger.ts";
import type { TxSigner } from "../client/signed-tx.ts";
import { createEngineClient } from "../engine-api/engine-client.ts";
import { createEngineApiExecutor, createEngineDecoder } from "../engine-api/executor.ts";
import { readSecret } from "../engine-api/jwt.ts";
import { TRANSACTION_GAS_MAX } from "../engine-api/limits.ts";
import { createFilePositionStore } from "../engine-api/position-store.ts";
import { createEngineRpc } from "../engine-api/rpc-client.ts";
import type { PayloadDecoder } from "../evm/payload.ts";
import type { Executor } from "../execution.ts";
import { rpcServerOptions } from "../gateway/gateway-config.ts";
import { startGatewayRpc } from "../gateway/rpc/gateway-rpc.ts";
import type { AdapterMetrics } from "../metrics.ts";
import { openGatewayNode } from "../node/gateway-node.ts";
import { type Opened, openOrClose } from "../node/opened.ts";
import type { EngineSection, RollupConfig } from "../node/rollup-config.ts";
import type { RollupNode } from "../node/rollup-node.ts";

export interface ExternalRollupNodeOptions {
  readonly config: RollupConfig;
  readonly executor: EngineSection;
  /** The gateway's journal, the trusted state and the executor's place. */
  readonly dataDirectory: string;
  /** Where files that `executor` names relatively are looked for. */
  readonly configDirectory: string;
  readonly clientVersion: string;
}

export interface ExternalRollupNodeDependencies {
  /** The account that pays for ordering what wallets send here. */
  readonly gatewayKey: TxSigner;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: AdapterMetrics;
}

/** Opens the data, serves, and begins to follow the sequencer. */
export function startExternalRollupNode(
  options: ExternalRollupNodeOptions,
  deps: ExternalRollupNodeDependencies,
): Promise<RollupNode> {
  return openOrClose((opened) => open(options, deps, opened));
}

async function open(
  options: ExternalRollupNodeOptions,
  deps: ExternalRollupNodeDependencies,
  opened: Opened,
): Promise<RollupNode> {
  const { config, dataDirectory, executor: section } = options;
  const { clock, logger, metrics } = deps;
  const rollupId = RollupId(toHex(rollupIdOfName(section.rollup)));
  const decoder = createEngineDecoder(BigInt(section.chain_id));
  const executor = openExecutor(options, rollupId, decoder, deps, opened);
  const node = await openGatewayNode(
    { config, rollupId, dataDirectory },
    { key: deps.gatewayKey, clock, logger, metrics },
    opened,
  );
  const { order, searchers, follower } = node;
  const server = opened.keep(
    await startGatewayRpc(
      {
        chainId: BigInt(section.chain_id),
        hardfork: "prague",
        transactionGasMax: TRANSACTION_GAS_MAX,
        rpc: rpcServerOptions(config.rpc),
        executor: { http: section.rpc_url, webSocket: section.ws_url },
        decoder,
        clientVersion: options.clientVersion,
      },
      {
        ...order.pool,
        batchMax: config.rpc.batch_max,
        status: order.status,
        searchers,
        readiness: follower.rpcReadiness,
        catchingUp: follower.catchingUp,
        clock,
        logger,
        metrics: metrics.evm,
      },
    ),
  );
  return node.start({
    rpcUrl: server.rpc.url,
    executor,
    onExecuted: (block, answer) =>
      server.blockExecuted(block.payloads, answer, block.header.height),
  });
}

/** @throws WeftError<EngineApiErrorInfo> ENGINE_API_SECRET_INVALID */
function openExecutor(
  options: ExternalRollupNodeOptions,
  rollupId: RollupId,
  decoder: PayloadDecoder,
  { clock, logger, metrics }: ExternalRollupNodeDependencies,
  opened: Opened,
): Executor {
  const { executor: section, dataDirectory, configDirectory } = options;
  const secret = readSecret(resolve(configDirectory, section.jwt_file));
  const rpc = createEngineRpc(
    { url: section.engine_url, secret },
    { clock, metrics: metrics.engine },
  );
  return opened.keep(
    createEngineApiExecutor(
      {
        rollupId,
        chainId: BigInt(section.chain_id),
        genesisHash: fromHex(section.genesis_hash),
      },
      {
        client: createEngineClient(rpc),
        positions: createFilePositionStore(join(dataDirectory, "position.json")),
        decoder,
        clock,
        logger: logger.child({ module: "engine-api" }),
        metrics: metrics.engine,
      },
    ),
  );
}
