import type { Height as HeightType } from "../../proto/brands.ts";
import { Height } from "../../proto/brands.ts";
import type { Clock } from "../ports/clock.ts";
import type { Logger } from "../ports/logger.ts";
import { methodFailure } from "./errors.ts";
import type { ChainIndex } from "./indexer/chain-index.ts";
import { PER_PAGE_DEFAULT, PER_PAGE_MAX } from "./limits.ts";
import type { RpcMetrics } from "./metrics.ts";
import type {
  RpcApplication,
  RpcBlocks,
  RpcConsensus,
  RpcEvidence,
  RpcGenesis,
  RpcMempool,
  RpcNetwork,
  RpcStates,
} from "./ports.ts";
import type { SubscriptionHub } from "./subscriptions.ts";

/** All that methods work on. */
export interface RpcEnvironment {
  readonly blocks: RpcBlocks;
  readonly states: RpcStates;
  readonly app: RpcApplication;
  readonly mempool: RpcMempool;
  readonly network: RpcNetwork;
  readonly consensus: RpcConsensus;
  readonly evidence: RpcEvidence;
  readonly genesis: RpcGenesis;
  /** undefined when indexing is switched off. */
  readonly index: ChainIndex | undefined;
  readonly hub: SubscriptionHub;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: RpcMetrics;
  readonly broadcastCommitTimeoutMs: number;
}

/**
 * The height a call is about: the one given, checked, or the last one.
 * @throws RpcError in CometBFT's words (`rpc/core/env.go` getHeight)
 */
export function resolveHeight(
  env: Pick<RpcEnvironment, "blocks">,
  latest: HeightType,
  wanted: bigint | undefined,
): HeightType {
  if (wanted === undefined) return latest;
  if (wanted <= 0n) throw methodFailure(`height must be greater than 0, but got ${wanted}`);
  if (wanted > BigInt(latest)) {
    throw methodFailure(
      `height ${wanted} must be less than or equal to the current blockchain height ${latest}`,
    );
  }
  const base = env.blocks.base();
  if (wanted < BigInt(base)) {
    throw methodFailure(`height ${wanted} is not available, lowest height is ${base}`);
  }
  return Height(Number(wanted));
}

/** The height under way, whose validators and parameters are known before its block is. */
export function uncommittedHeight(env: Pick<RpcEnvironment, "blocks" | "consensus">): HeightType {
  const height = env.blocks.height();
  return env.consensus.isCatchingUp() ? height : Height(height + 1);
}

export interface Page {
  readonly skip: number;
  readonly take: number;
}

/**
 * The part of `total` items that a page is; pages count from 1.
 * @throws RpcError when there is no such page
 */
export function resolvePage(
  page: bigint | undefined,
  perPage: bigint | undefined,
  total: number,
): Page {
  const size = resolvePerPage(perPage);
  const pages = Math.max(1, Math.ceil(total / size));
  if (page !== undefined && (page <= 0n || page > BigInt(pages))) {
    throw methodFailure(`page should be within [1, ${pages}] range, given ${page}`);
  }
  const skip = (Number(page ?? 1n) - 1) * size;
  return { skip, take: Math.max(0, Math.min(size, total - skip)) };
}

/** Items per page, forced into its limits. */
export function resolvePerPage(perPage: bigint | undefined): number {
  if (perPage === undefined || perPage < 1n) return PER_PAGE_DEFAULT;
  return perPage > BigInt(PER_PAGE_MAX) ? PER_PAGE_MAX : Number(perPage);
}
