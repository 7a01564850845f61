/**
 * One process of an EVM rollup: executor with JSON-RPC, the driver that feeds it from the sequencer,
 * and the gateway that carries its wallets' transactions there. Built, started and stopped in the
 * order that stands here.
 */
import { join } from "node:path";
import { Height } from "../../proto/brands.ts";
import { fromHex } from "../../proto/bytes.ts";
import { assert, isWeftError } from "../../proto/errors.ts";
import { formatTime } from "../../proto/time.ts";
import { createEd25519Verifier } from "../../proto/verify/ed25519.ts";
import type { Clock } from "../../sequencer/ports/clock.ts";
import type { Logger } from "../../sequencer/ports/logger.ts";
import {
  createFailoverClient,
  createMevFailover,
  createVoterClient,
  type SubmitClient,
} from "../client/failover-client.ts";
import { createGrpcMevClient } from "../client/grpc-mev-client.ts";
import { createGrpcSequencerClient } from "../client/grpc-sequencer-client.ts";
import type { TxSigner } from "../client/signed-tx.ts";
import { createDriver, type Driver, type DriverStatus } from "../driver/driver.ts";
import { createExecutorServer, type ExecutorServer } from "../driver/grpc-executor.ts";
import type { DriverMetrics } from "../driver/metrics.ts";
import { createFileTrustStore } from "../driver/trust-store.ts";
import { createVoter, type Voter } from "../driver/voter.ts";
import { createEvmRollup, type EvmRollup } from "../evm/evm-rollup.ts";
import { genesisRollupId, parseEvmGenesis } from "../evm/genesis.ts";
import type { EvmMetrics } from "../evm/metrics.ts";
import { evmStatusChain } from "../evm/rpc/pool-chain.ts";
import { createBundleQuota } from "../gateway/bundles/bundle-quota.ts";
import { createBundleGateway } from "../gateway/bundles/bundle-gateway.ts";
import { createRateLimit } from "../json-rpc/rate-limit.ts";
import { openSequences, openSequenceStore } from "../gateway/bundles/sequences.ts";
import { createJournal } from "../gateway/journal/journal.ts";
import { createMemoryJournalStore, openJournalStore } from "../gateway/journal/journal-store.ts";
import { requesterQuota, rpcServerOptions } from "../gateway/gateway-config.ts";
import type { GatewayMetrics } from "../gateway/metrics.ts";
import { createKeptTransactions } from "../gateway/pool/kept-transactions.ts";
import { createSealer } from "../gateway/sealer.ts";
import { createPlacements } from "../gateway/status/placements.ts";
import { statusMethods } from "../gateway/status/status-method.ts";
import { createSubmitter } from "../gateway/submitter.ts";
import { configuredTrust, type RollupConfig } from "./rollup-config.ts";

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

/** `syncing`: nothing has verified on this stream yet. `stalled`: no new block for too long. */
export type RollupReadiness =
  | { readonly status: "ready" }
  | { readonly status: "syncing" | "stalled"; readonly reason: string };

export interface EvmRollupNode {
  /** Where the JSON-RPC listens. */
  readonly rpcUrl: string;
  status(): DriverStatus & { readonly gatewayPending: number };
  /** Whether it follows the sequencer, and what keeps it from that. */
  readiness(): RollupReadiness;
  /** Resolves when the first block since the start has verified. */
  readonly following: Promise<void>;
  /** Settles when the driver ends for a reason that trying again cannot mend. */
  readonly failed: Promise<never>;
  stop(): Promise<void>;
}

/** Opens the data, serves, and begins to follow the sequencer. */
export async function startEvmRollupNode(
  options: EvmRollupNodeOptions,
  deps: EvmRollupNodeDependencies,
): Promise<EvmRollupNode> {
  const { config, dataDirectory } = options;
  const { clock, logger, metrics } = deps;
  const genesis = parseEvmGenesis(config.genesis);
  const rollupId = genesisRollupId(genesis);
  const clients = config.sequencer.nodes.map(createGrpcSequencerClient);
  const silenceMs = config.sequencer.silence_seconds * 1_000;

  const client = createFailoverClient(clients);
  const journal = createJournal(
    config.gateway.durable
      ? await openJournalStore(join(dataDirectory, "gateway"))
      : createMemoryJournalStore(),
    metrics.gateway,
  );
  const sealer = createSealer({ keys: () => client.sealKey() });
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
      sealer: config.gateway.seal ? sealer : undefined,
      journal,
      logger,
      metrics: metrics.gateway,
    },
  );
  const mevClients = config.sequencer.nodes.map(createGrpcMevClient);
  const sequences = await openSequences(await openSequenceStore(join(dataDirectory, "bundles")));
  const bundles = createBundleGateway(
    {
      tipPerByte: BigInt(config.gateway.tip_per_byte),
      spendMax: BigInt(config.gateway.bid_max),
      cancelNonce: BigInt(config.gateway.cancel_nonce),
    },
    {
      client,
      mev: createMevFailover(mevClients),
      isRollup: (id) => isRegistered(client, id),
      key: deps.gatewayKey,
      sealer,
      sequences,
      logger: logger.child({ module: "bundles" }),
      metrics: metrics.gateway,
    },
  );
  const bundleQuota = createBundleQuota(
    bundles,
    requesterQuota("bundles", config, () => clock.monotonicMs()),
    (bytes) => submitter.costOf(bytes),
  );
  const closeClients = async (): Promise<void> => {
    for (const one of [...clients, ...mevClients]) one.close();
    await sequences.close();
    await journal.close();
  };
  let driver: Driver | undefined;
  await submitter.restore();
  const placements = createPlacements(rollupId, { client, journal, logger });
  await placements.restore();
  let opened: EvmRollup | undefined;
  const openRollup = (): EvmRollup => {
    assert(opened !== undefined, "methods are called when the rollup is open");
    return opened;
  };
  const rollup: EvmRollup = await createEvmRollup(
    {
      dataDirectory: join(dataDirectory, "evm"),
      genesis,
      rpc: rpcServerOptions(config.rpc),
      batchMax: config.rpc.batch_max,
      clientVersion: options.clientVersion,
    },
    {
      submit: (payload, how) => submitter.submit(payload, how),
      restoring: {
        kept: createKeptTransactions(journal),
        reconciled: submitter.reconciled,
        isSubmitted: (payload) => submitter.submissionOf(payload) !== undefined,
      },
      clock,
      logger,
      metrics: metrics.evm,
      quota: {
        of: requesterQuota("transactions", config, () => clock.monotonicMs()),
        costOf: (bytes) => submitter.costOf(bytes),
      },
      moreMethods: statusMethods({
        rollupId,
        placements,
        submitter,
        client,
        pool: () => openRollup().pool,
        chain: () => evmStatusChain(openRollup().chain),
      }),
      searchers: {
        gateway: bundles,
        quota: bundleQuota,
        limit: createRateLimit(
          {
            perSecond: config.gateway.bundles_per_second,
            burst: config.gateway.bundles_burst,
          },
          () => clock.monotonicMs(),
        ),
        sealKey: () => client.sealKey(),
        chainId: config.sequencer.chain_id,
        rollupId: fromHex(rollupId),
      },
      readiness: () => {
        const { status, ...rest } = readiness(driver?.status(), silenceMs);
        return Promise.resolve({
          isReady: status === "ready",
          ...("reason" in rest ? { detail: rest.reason } : {}),
        });
      },
    },
  ).catch(async (error: unknown) => {
    await closeClients();
    throw error;
  });
  opened = rollup;
  const executorServer: ExecutorServer | undefined =
    config.execution === undefined
      ? undefined
      : createExecutorServer(config.execution, rollup.executor);
  try {
    await executorServer?.start();
  } catch (error) {
    // Its database must not stay locked, nor its port taken, by a node that did not start.
    await rollup.close();
    await closeClients();
    throw error;
  }

  const voter = await openVoter().catch(async (error: unknown) => {
    await executorServer?.stop();
    await rollup.close();
    await closeClients();
    throw error;
  });
  driver = createDriver(
    {
      rollupId,
      startHeight: Height(config.sequencer.start_height),
      trust: configuredTrust(config),
    },
    {
      clients,
      executor: rollup.executor,
      trustStore: createFileTrustStore(join(dataDirectory, "trust.json")),
      signatures: createEd25519Verifier(),
      clock,
      logger: logger.child({ module: "driver" }),
      metrics: metrics.driver,
      voter,
      onExecuted: (block, result) => {
        placements.blockExecuted(block, result);
        const { height } = block.header;
        const itemIds = block.entries.map((entry) => entry.itemId);
        bundles.blockOrdered(height);
        bundleQuota.blockOrdered(height, itemIds);
        submitter.blockOrdered({
          height,
          itemIds,
          unopenedIds: block.filled
            .filter(({ content }) => content === undefined)
            .map((entry) => entry.itemId),
        });
      },
    },
  );
  const running = driver;

  async function openVoter(): Promise<Voter | undefined> {
    if (config.atomic === undefined || deps.executorKey === undefined) return undefined;
    const { tip_per_byte: tip } = config.atomic;
    return createVoter(
      { rollupId, tipPerByte: BigInt(tip) },
      {
        client: createVoterClient(clients),
        key: deps.executorKey,
        store: await openJournalStore(join(dataDirectory, "executor")),
        logger: logger.child({ module: "voter" }),
        metrics: metrics.driver,
      },
    );
  }

  const failed = new Promise<never>((_, reject) => {
    running.run().catch(reject);
  });
  // Whoever awaits `failed` learns of it; nobody doing so must not end the process by accident.
  failed.catch(() => {});

  return {
    rpcUrl: rollup.rpc.url,
    status: () => ({ ...running.status(), gatewayPending: submitter.pendingCount() }),
    readiness: () => readiness(running.status(), silenceMs),
    following: running.following,
    failed,
    async stop() {
      submitter.stop();
      await running.stop();
      await voter?.stop();
      await executorServer?.stop();
      await rollup.close();
      await closeClients();
    },
  };
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

/** What a driver's status means for whoever asks whether the rollup's state is fresh. */
export function readiness(status: DriverStatus | undefined, silenceMs: number): RollupReadiness {
  if (status !== undefined && silenceMs > 0 && status.silentForMs >= silenceMs) {
    const { silentSince, silentForMs, lastError } = status;
    const silence = `no block to execute has come since ${formatTime(silentSince)} (${Math.round(silentForMs / 1_000)} s): the sequencer is silent, or sealed transactions of the rollup wait to be opened`;
    return {
      status: "stalled",
      reason: lastError === undefined ? silence : `${silence}; last failure: ${lastError}`,
    };
  }
  if (status?.isStreaming === true) return { status: "ready" };
  return { status: "syncing", reason: status?.lastError ?? "not following a sequencer yet" };
}
