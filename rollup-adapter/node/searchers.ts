/** What every node with a gateway has for searchers: bundles and bids in the gateway's account, and their quotas. */
import { join } from "node:path";
import { fromHex } from "../../proto/bytes.ts";
import { isWeftError } from "../../proto/errors.ts";
import type { Clock } from "../../sequencer/ports/clock.ts";
import type { Logger } from "../../sequencer/ports/logger.ts";
import { createMevFailover, type SubmitClient } from "../client/failover-client.ts";
import { createGrpcMevClient } from "../client/grpc-mev-client.ts";
import type { TxSigner } from "../client/signed-tx.ts";
import type { SearcherPort } from "../evm/rpc/mev-methods.ts";
import { createBundleGateway } from "../gateway/bundles/bundle-gateway.ts";
import { createBundleQuota } from "../gateway/bundles/bundle-quota.ts";
import { openSequences, openSequenceStore } from "../gateway/bundles/sequences.ts";
import { requesterQuota } from "../gateway/gateway-config.ts";
import type { GatewayMetrics } from "../gateway/metrics.ts";
import { createRateLimit } from "../json-rpc/rate-limit.ts";
import type { Opened } from "./opened.ts";
import type { OrderGateway, OrderGatewayOptions } from "./order-gateway.ts";

export interface SearchersDependencies {
  /** The account that pays. */
  readonly key: TxSigner;
  readonly order: Pick<OrderGateway, "client" | "price" | "sealer" | "turn">;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: GatewayMetrics;
}

export interface Searchers {
  readonly port: SearcherPort;
  /** Tells what a block of the sequencer holds of the rollup; call once per height, in order. */
  blockOrdered(height: number, itemIds: readonly Uint8Array[]): void;
}

/** Opens the sequences of what was sent before. */
export async function openSearchers(
  { config, rollupId, dataDirectory }: OrderGatewayOptions,
  { key, order, clock, logger, metrics }: SearchersDependencies,
  opened: Opened,
): Promise<Searchers> {
  const { client, price, sealer } = order;
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
      mev: createMevFailover(mevClients, order.turn),
      isRollup: (id) => isRegistered(client, id),
      key,
      sealer,
      sequences,
      logger: logger.child({ module: "bundles" }),
      metrics,
    },
  );
  const quota = createBundleQuota(
    gateway,
    requesterQuota("bundles", config, () => clock.monotonicMs()),
    (bytes, isSealed) => price.costOf(bytes, isSealed),
  );
  const { bundles_per_second: perSecond, bundles_burst: burst } = config.gateway;
  return {
    port: {
      gateway,
      quota,
      limit: createRateLimit({ perSecond, burst }, () => clock.monotonicMs()),
      sealKey: () => client.sealKey(),
      chainId: config.sequencer.chain_id,
      rollupId: fromHex(rollupId),
    },
    blockOrdered(height, itemIds) {
      gateway.blockOrdered(height);
      quota.blockOrdered(height, itemIds);
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
