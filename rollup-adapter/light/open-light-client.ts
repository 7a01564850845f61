/** A light client over the RPC of several nodes, with its store on disk, logs and metrics. */
import { assertNever } from "../../proto/errors.ts";
import { createEd25519Verifier, type SignatureVerifier } from "../../proto/verify/ed25519.ts";
import {
  createLightClient,
  type LightClient,
  type LightClientEvent,
  type LightClientOptions,
} from "../../proto/verify/light/client.ts";
import type { Clock } from "../../sequencer/ports/clock.ts";
import {
  type CometRpcClient,
  createCometRpcClient,
} from "../../sequencer/ports/comet-rpc/client.ts";
import { createRpcLightProvider } from "../../sequencer/ports/comet-rpc/light-provider.ts";
import type { Logger } from "../../sequencer/ports/logger.ts";
import { openLevelTrustedStore } from "./level-trusted-store.ts";
import { type LightMetrics, NULL_LIGHT_METRICS } from "./metrics.ts";

export interface OpenLightClientOptions extends LightClientOptions {
  /** Addresses of the RPC of full nodes. */
  readonly primary: string;
  readonly witnesses: readonly string[];
  /** Folder of the verified headers; one process at a time. */
  readonly folder: string;
}

export interface OpenLightClientDependencies {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics?: LightMetrics | undefined;
  /** One of its own, on the calling thread, unless given. */
  readonly verifier?: SignatureVerifier | undefined;
  /** Also told of every event. */
  readonly onEvent?: ((event: LightClientEvent) => void) | undefined;
}

export interface OpenedLightClient {
  readonly light: LightClient;
  /** The RPC of whoever is primary now. */
  primaryRpc(): CometRpcClient;
  /** Ends verifications, closes connections and the store. */
  close(): Promise<void>;
}

/**
 * Opens the store and connects; resolves when the trusted header is there.
 * @throws LightClientError, ProviderError, CometRpcError, WeftError<TrustedStoreErrorInfo>
 */
export async function openLightClient(
  options: OpenLightClientOptions,
  { clock, logger, metrics = NULL_LIGHT_METRICS, verifier, onEvent }: OpenLightClientDependencies,
): Promise<OpenedLightClient> {
  const log = logger.child({ module: "light" });
  const rpcs = [options.primary, ...options.witnesses].map(createCometRpcClient);
  const [primary, ...witnesses] = rpcs.map((rpc) => createRpcLightProvider(rpc, clock));
  if (primary === undefined) throw new RangeError("there is a primary");
  if (witnesses.some(({ name }) => name === primary.name)) {
    log.warn("the primary is its own witness, which cross-checks nothing", { node: primary.name });
  }
  const store = await openLevelTrustedStore(options.folder, options.chainId);
  const byName = new Map(rpcs.map((rpc) => [rpc.name, rpc]));
  let light: LightClient | undefined;

  function tell(event: LightClientEvent): void {
    record(event, log, metrics);
    metrics.witnesses.set(light?.witnesses().length ?? witnesses.length);
    onEvent?.(event);
  }

  async function release(): Promise<void> {
    for (const rpc of rpcs) rpc.close();
    await store.close();
  }

  try {
    light = await createLightClient(options, {
      primary,
      witnesses,
      store,
      verifier: verifier ?? createEd25519Verifier(),
      clock,
      onEvent: tell,
    });
  } catch (error) {
    await release();
    throw error;
  }
  const opened = light;
  const { header } = (await opened.latestTrusted()).signedHeader;
  metrics.trustedHeight.set(header.height);
  metrics.witnesses.set(witnesses.length);
  return {
    light: opened,
    primaryRpc() {
      const rpc = byName.get(opened.primary().name);
      if (rpc === undefined) throw new RangeError("every provider has a client");
      return rpc;
    },
    async close() {
      opened.close();
      await release();
    },
  };
}

/** For people. */
export function behindText({
  primary,
  height,
  trustedHeight,
}: Extract<LightClientEvent, { readonly kind: "primaryBehind" }>): string {
  return `${primary} ends at height ${height}, far below the verified ${trustedHeight}: it is behind, or of a new chain of the same name; for that one name another folder and a new trusted header`;
}

function record(event: LightClientEvent, log: Logger, metrics: LightMetrics): void {
  switch (event.kind) {
    case "verified":
      metrics.trustedHeight.set(event.height);
      metrics.blocksExamined.inc({}, event.blocks);
      log.debug("header verified", { height: event.height, blocks: event.blocks });
      return;
    case "primaryReplaced": {
      const { from, to, isForGood, reason } = event;
      metrics.providerFaults.inc({ kind: "primary_replaced" });
      log.warn("primary replaced", { from, to, isForGood, reason });
      return;
    }
    case "witnessRemoved":
      metrics.providerFaults.inc({ kind: "witness_removed" });
      log.warn("witness removed", { witness: event.witness, reason: event.reason });
      return;
    case "witnessSilent": {
      const { witness, reason, restMs } = event;
      metrics.providerFaults.inc({ kind: "witness_silent" });
      log.warn("witness did not answer", { witness, reason, restMs });
      return;
    }
    case "primaryBehind": {
      metrics.providerFaults.inc({ kind: "primary_behind" });
      log.warn(behindText(event));
      return;
    }
    case "attack":
      metrics.attacks.inc();
      log.error("attack on the light client", { reason: event.error.message });
      return;
    default:
      assertNever(event, "light client event");
  }
}
