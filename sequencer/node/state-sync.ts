/** State sync of a node that starts with an empty disk: who is asked, whom it trusts, what it leaves behind. */
import { fromHex } from "../../proto/bytes.ts";
import { Height } from "../../proto/brands.ts";
import { consensusParamsFromJson } from "../../proto/json.ts";
import type { SignatureVerifier } from "../../proto/verify/ed25519.ts";
import { createLightClient, type LightClientEvent } from "../../proto/verify/light/client.ts";
import { createMemoryTrustedStore } from "../../proto/verify/light/store.ts";
import type { WeftApplication } from "../app/weft-application.ts";
import type { Genesis } from "../engine/genesis.ts";
import type { StateSyncMetrics } from "../engine/metrics.ts";
import {
  createLightTrustedChain,
  type ParamsSource,
} from "../engine/state-sync/light-trusted-chain.ts";
import { createStateSync } from "../engine/state-sync/state-sync.ts";
import type { StateSyncReactor } from "../p2p/statesync/statesync-reactor.ts";
import type { Clock } from "../ports/clock.ts";
import { type CometRpcClient, createCometRpcClient } from "../ports/comet-rpc/client.ts";
import { createRpcLightProvider } from "../ports/comet-rpc/light-provider.ts";
import type { Logger } from "../ports/logger.ts";
import type { BlockStore } from "../store/block-store.ts";
import type { StateStore } from "../store/state-store.ts";
import { type Config, splitList } from "./config-schema.ts";
import { durationMs } from "./config.ts";

export interface StateSyncOptions {
  readonly config: Config["statesync"];
  readonly genesis: Genesis;
  /** What Info tells the application. */
  readonly softwareVersion: string;
}

export interface StateSyncParts {
  readonly application: WeftApplication;
  readonly blockStore: BlockStore;
  readonly stateStore: StateStore;
  readonly reactor: StateSyncReactor;
  readonly verifier: SignatureVerifier;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: StateSyncMetrics;
}

/** Whether nothing was ever decided or stored here, so that a snapshot may be restored. */
export async function isEmptyHome(
  { blockStore, stateStore }: Pick<StateSyncParts, "blockStore" | "stateStore">,
  logger: Logger,
): Promise<boolean> {
  const height = Math.max(blockStore.height(), (await stateStore.load())?.lastBlockHeight ?? 0);
  if (height === 0) return true;
  logger.info("state sync is not needed: this home has a chain already", { height });
  return false;
}

export interface StateSyncRun {
  /**
   * Resolves when the application is at the height of the newest usable snapshot of the peers and the
   * stores begin there: the engine may start.
   * @throws StateSyncError, LightClientError, ProviderError
   */
  readonly done: Promise<void>;
  /** Ends it; resolves when the disk is left alone. */
  stop(): Promise<void>;
}

export function startStateSync(options: StateSyncOptions, parts: StateSyncParts): StateSyncRun {
  const abort = new AbortController();
  const done = runStateSync(options, parts, abort.signal);
  return {
    done,
    async stop() {
      abort.abort();
      // Its outcome is told to who awaits `done`.
      await Promise.allSettled([done]);
    },
  };
}

async function runStateSync(
  options: StateSyncOptions,
  parts: StateSyncParts,
  signal: AbortSignal,
): Promise<void> {
  const { config, genesis } = options;
  const { reactor, clock, metrics } = parts;
  const logger = parts.logger.child({ module: "statesync" });
  const clients = splitList(config.rpc_servers).map(createCometRpcClient);
  const [primary, ...witnesses] = clients.map((client) => createRpcLightProvider(client, clock));
  if (primary === undefined) throw new RangeError("a checked configuration has two RPC servers");
  const closers: (() => void)[] = clients.map((client) => () => client.close());
  try {
    const lightClient = await createLightClient(
      {
        chainId: genesis.chainId,
        trust: { height: Height(config.trust_height), hash: fromHex(config.trust_hash) },
        trustingPeriodNanos: BigInt(durationMs(config.trust_period)) * 1_000_000n,
      },
      {
        primary,
        witnesses,
        store: createMemoryTrustedStore(),
        verifier: parts.verifier,
        clock,
        onEvent: (event) => logLightClient(logger, event),
      },
    );
    closers.push(() => lightClient.close());
    const { chainId, initialHeight } = genesis;
    const stateSync = createStateSync(
      {
        softwareVersion: options.softwareVersion,
        discoveryTimeMs: durationMs(config.discovery_time),
        chunkRequestTimeoutMs: durationMs(config.chunk_request_timeout),
        chunkFetchers: config.chunk_fetchers,
      },
      {
        application: parts.application,
        network: reactor,
        trusted: createLightTrustedChain(
          { chainId, initialHeight },
          { lightClient, params: clients.map(paramsSource) },
        ),
        clock,
        logger: parts.logger,
        metrics,
      },
    );
    const stop = (): void => {
      stateSync.stop();
      lightClient.close();
    };
    if (signal.aborted) stop();
    signal.addEventListener("abort", stop);
    closers.push(() => signal.removeEventListener("abort", stop));
    reactor.attach(stateSync);
    closers.push(() => reactor.attach(undefined));
    const { state, commit } = await stateSync.run();
    // The state comes last: until it is there the home counts as empty, and all is done again.
    await parts.blockStore.bootstrap(commit);
    await parts.stateStore.bootstrap(state);
    logger.info("state sync is done", { height: state.lastBlockHeight });
  } finally {
    for (const close of closers.reverse()) close();
  }
}

function paramsSource(client: CometRpcClient): ParamsSource {
  return {
    name: client.name,
    async consensusParams(height) {
      const answer = await client.call("consensus_params", { height: String(height) });
      return consensusParamsFromJson(answer.get("consensus_params"));
    },
  };
}

function logLightClient(logger: Logger, event: LightClientEvent): void {
  switch (event.kind) {
    case "verified":
      logger.debug("header verified", { height: event.height, blocks: event.blocks });
      return;
    case "attack":
      logger.error("the chain was attacked: do not trust these servers", {
        error: event.error.message,
      });
      return;
    case "primaryReplaced":
    case "primaryBehind":
    case "witnessRemoved":
    case "witnessSilent":
      logger.warn("an RPC server is not relied upon", { ...event });
  }
}
