/**
 * One process of a rollup whose blocks are executed elsewhere: the driver that feeds the executor from the sequencer, and
 * the gateway in front of the executor's own RPC, which carries wallets' transactions into the order and passes reads on.
 * Built, started and stopped in the order that stands here.
 */
import { join, resolve } from "node:path";
import { Height, RollupId } from "../../proto/brands.ts";
import { fromHex, toHex, utf8ToBytes } from "../../proto/bytes.ts";
import { sha256 } from "../../proto/hash.ts";
import { createEd25519Verifier } from "../../proto/verify/ed25519.ts";
import type { Clock } from "../../sequencer/ports/clock.ts";
import type { Logger } from "../../sequencer/ports/logger.ts";
import { createFailoverClient } from "../client/failover-client.ts";
import { createGrpcSequencerClient } from "../client/grpc-sequencer-client.ts";
import type { TxSigner } from "../client/signed-tx.ts";
import { createDriver, type Driver } from "../driver/driver.ts";
import { createFileTrustStore } from "../driver/trust-store.ts";
import { createEngineClient } from "../engine-api/engine-client.ts";
import { createEngineApiExecutor } from "../engine-api/executor.ts";
import { readSecret } from "../engine-api/jwt.ts";
import { TRANSACTION_GAS_MAX } from "../engine-api/limits.ts";
import { createFilePositionStore } from "../engine-api/position-store.ts";
import { createEngineRpc } from "../engine-api/rpc-client.ts";
import { type EvmRollupNode, readiness } from "../evm-node/evm-rollup-node.ts";
import {
  configuredTrust,
  type EngineSection,
  type RollupConfig,
} from "../evm-node/rollup-config.ts";
import type { Executor } from "../execution.ts";
import { requesterQuota, rpcServerOptions } from "../gateway/gateway-config.ts";
import { createJournal } from "../gateway/journal/journal.ts";
import { createMemoryJournalStore, openJournalStore } from "../gateway/journal/journal-store.ts";
import { createKeptTransactions } from "../gateway/pool/kept-transactions.ts";
import { type GatewayRpc, startGatewayRpc } from "../gateway/rpc/gateway-rpc.ts";
import { createSealer } from "../gateway/sealer.ts";
import { createPlacements } from "../gateway/status/placements.ts";
import { createSubmitter } from "../gateway/submitter.ts";
import type { AdapterMetrics } from "../metrics.ts";

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

/** Like a node with an executor of its own, as far as anybody outside sees. */
export type ExternalRollupNode = EvmRollupNode;

/** Opens the data, serves, and begins to follow the sequencer. */
export async function startExternalRollupNode(
  options: ExternalRollupNodeOptions,
  deps: ExternalRollupNodeDependencies,
): Promise<ExternalRollupNode> {
  const { config, dataDirectory, executor: section } = options;
  const { clock, logger, metrics } = deps;
  const rollupId = RollupId(toHex(sha256(utf8ToBytes(section.rollup))));
  const silenceMs = config.sequencer.silence_seconds * 1_000;
  const { executor, close: closeExecutor } = openExecutor(options, rollupId, deps);

  const clients = config.sequencer.nodes.map(createGrpcSequencerClient);
  const client = createFailoverClient(clients);
  const journal = createJournal(
    config.gateway.durable
      ? await openJournalStore(join(dataDirectory, "gateway"))
      : createMemoryJournalStore(),
    metrics.gateway,
  );
  const submitter = createSubmitter(
    {
      rollupId,
      coalesceMs: config.gateway.coalesce_ms,
      expiryBlocks: config.gateway.expiry_blocks,
      tipPerByte: BigInt(config.gateway.tip_per_byte),
    },
    {
      client,
      key: deps.gatewayKey,
      sealer: config.gateway.seal ? createSealer({ keys: () => client.sealKey() }) : undefined,
      journal,
      logger,
      metrics: metrics.gateway,
    },
  );
  const closeParts = async (): Promise<void> => {
    for (const one of clients) one.close();
    await journal.close();
    await closeExecutor();
  };
  const placements = createPlacements(rollupId, { client, journal, logger });
  let driver: Driver | undefined;
  let gateway: GatewayRpc;
  try {
    await submitter.restore();
    await placements.restore();
    gateway = await startGatewayRpc(
      {
        chainId: BigInt(section.chain_id),
        hardfork: "prague",
        ...(section.kind === "engine" ? { transactionGasMax: TRANSACTION_GAS_MAX } : {}),
        rpc: rpcServerOptions(config.rpc),
        executor: { http: section.rpc_url, webSocket: section.ws_url },
        clientVersion: options.clientVersion,
      },
      {
        submit: (payload, how) => submitter.submit(payload, how),
        restoring: {
          kept: createKeptTransactions(journal),
          reconciled: submitter.reconciled,
          isSubmitted: (payload) => submitter.submissionOf(payload) !== undefined,
        },
        quota: {
          of: requesterQuota("transactions", config, () => clock.monotonicMs()),
          costOf: (bytes) => submitter.costOf(bytes),
        },
        batchMax: config.rpc.batch_max,
        status: { rollupId, placements, submitter, client },
        readiness: () => {
          const now = readiness(driver?.status(), silenceMs);
          return Promise.resolve({
            isReady: now.status === "ready",
            ...(now.status === "ready" ? {} : { detail: now.reason }),
          });
        },
        clock,
        logger,
        metrics: metrics.evm,
      },
    );
  } catch (error) {
    submitter.stop();
    await closeParts();
    throw error;
  }

  driver = createDriver(
    {
      rollupId,
      startHeight: Height(config.sequencer.start_height),
      trust: configuredTrust(config),
    },
    {
      clients,
      executor,
      trustStore: createFileTrustStore(join(dataDirectory, "trust.json")),
      signatures: createEd25519Verifier(),
      clock,
      logger: logger.child({ module: "driver" }),
      metrics: metrics.driver,
      onExecuted: (block, answer) => {
        placements.blockExecuted(block, answer);
        submitter.blockOrdered({
          height: block.header.height,
          itemIds: block.entries.map((entry) => entry.itemId),
          unopenedIds: block.filled
            .filter(({ content }) => content === undefined)
            .map((entry) => entry.itemId),
        });
        gateway.blockExecuted(block.payloads, answer, block.header.height);
      },
    },
  );
  const running = driver;
  const failed = new Promise<never>((_, reject) => {
    running.run().catch(reject);
  });
  // Whoever awaits `failed` learns of it; nobody doing so must not end the process by accident.
  failed.catch(() => {});

  return {
    rpcUrl: gateway.rpc.url,
    status: () => ({ ...running.status(), gatewayPending: submitter.pendingCount() }),
    readiness: () => readiness(running.status(), silenceMs),
    following: running.following,
    failed,
    async stop() {
      submitter.stop();
      await running.stop();
      await gateway.close();
      await closeParts();
    },
  };
}

/** @throws WeftError<EngineApiErrorInfo> ENGINE_API_SECRET_INVALID */
function openExecutor(
  options: ExternalRollupNodeOptions,
  rollupId: RollupId,
  { clock, logger, metrics }: ExternalRollupNodeDependencies,
): { readonly executor: Executor; readonly close: () => Promise<void> } {
  const { executor: section, dataDirectory, configDirectory } = options;
  const secret = readSecret(resolve(configDirectory, section.jwt_file));
  const rpc = createEngineRpc(
    { url: section.engine_url, secret },
    { clock, metrics: metrics.engine },
  );
  const executor = createEngineApiExecutor(
    {
      rollupId,
      chainId: BigInt(section.chain_id),
      genesisHash: fromHex(section.genesis_hash),
    },
    {
      client: createEngineClient(rpc),
      positions: createFilePositionStore(join(dataDirectory, "position.json")),
      clock,
      logger: logger.child({ module: "engine-api" }),
      metrics: metrics.engine,
    },
  );
  return { executor, close: () => executor.close() };
}
