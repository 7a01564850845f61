/** What searchers, gateways and owners of rollups ask of a sequencer node, as a port; `grpc-mev-client.ts` is the real one. */
import type { Height } from "../../proto/brands.ts";
import type {
  AuctionInfo,
  BundleStatus,
  InclusionTally,
  MevParams,
  ProposedRollupBlock,
  Revenue,
} from "../../proto/grpc/mev-service.ts";
import type { SubmitOutcome } from "./sequencer-client.ts";

/** The node's answer to a bundle, a bid or a cancellation. */
export interface BundleOutcome extends SubmitOutcome {
  /** What the bundle's entries carry, 32 bytes; empty for what is no bundle. */
  readonly bundleId: Uint8Array;
}

/** Unary calls; each rejects with `WeftError<SequencerClientErrorInfo>`, status NOT_FOUND where there is nothing of that name. */
export interface MevClient {
  /** One encoded item with a bundle, in the clear or sealed. */
  submitBundle(item: Uint8Array): Promise<BundleOutcome>;
  /** One encoded item with a sealed bid. */
  submitBid(item: Uint8Array): Promise<BundleOutcome>;
  /** One encoded item with a cancellation. */
  cancelBundles(item: Uint8Array): Promise<BundleOutcome>;
  /** @param id transaction id */
  bundleStatus(id: Uint8Array): Promise<BundleStatus>;
  /** @param height of the bids; 0: the last one of the group */
  auction(group: Uint8Array, height: Height): Promise<AuctionInfo>;
  mevParams(): Promise<MevParams>;
  /** @param id transaction id */
  inclusionTally(id: Uint8Array): Promise<InclusionTally>;
  revenue(rollupId: Uint8Array): Promise<Revenue>;
}

/** A node that streams as well. */
export interface MevStreams {
  /** The status of each id, and again when it has changed, until all have come to an end or `signal` is aborted. */
  bundleStatuses(ids: readonly Uint8Array[], signal: AbortSignal): AsyncIterable<BundleStatus>;
  /** Auctions in the blocks that settle them; `group` left out: all. */
  auctions(group: Uint8Array | undefined, signal: AbortSignal): AsyncIterable<AuctionInfo>;
  /**
   * What blocks that nobody has decided would hold for a rollup, unverified and unverifiable: for simulation. A later
   * one of a height takes the place of those before it.
   */
  proposedBlocks(rollupId: Uint8Array, signal: AbortSignal): AsyncIterable<ProposedRollupBlock>;
}
