/** What people ask about bundles, auctions, inclusion lists and revenue: made of the state after the last block. */
import { type DueTx, listingKey, parseListingKey } from "../../mev/inclusion/keys.ts";
import { isReleased } from "../../mev/inclusion/tally.ts";
import { Height } from "../../proto/brands.ts";
import { toHex } from "../../proto/bytes.ts";
import type { RollupRevenueState } from "../../proto/codec/distribution-state.ts";
import type {
  AuctionWinner,
  BundleKeyState,
  EscrowState,
  ListingState,
} from "../../proto/codec/mev-state.ts";
import {
  BID_LEGS_MAX,
  BUNDLE_AHEAD_MAX,
  BUNDLE_BYTES_MAX,
  BUNDLE_LEGS_MAX,
  BUNDLE_WINDOW_MAX,
  CANCEL_AHEAD_MAX,
  GROUP_ROLLUPS_MAX,
} from "../../proto/codec/mev-tx.ts";
import type { ParamsState } from "../../proto/codec/weft-state.ts";
import { escrowOf, freeEscrow } from "./auction/escrow.ts";
import { bundleKeyOf, cancelNonceOf } from "./bundles/keys.ts";
import { NO_REVENUE } from "./distribution/rewards.ts";
import { tallyOf } from "./inclusion/tally-state.ts";
import type { StakingReader } from "./staking/context.ts";
import { AUCTION_RESULTS, AUCTIONS, heightKey, REVENUE } from "./state/tables.ts";

/** Records alone: the committed state offers them. */
type Reader = Pick<StakingReader, "records">;

/** The auction of the bids of one block. */
export interface AuctionReport {
  /** Block of the bids. */
  readonly height: Height;
  /** Rollup that leads the group, 32 bytes. */
  readonly group: Uint8Array;
  /** Block that settled it; 0 while bids wait to be opened. */
  readonly settledHeight: Height;
  /** Bids of that block, and how many of them wait. */
  readonly bids: number;
  readonly openBids: number;
  readonly winners: readonly AuctionWinner[];
}

/** `height` 0: the last one of that group that is known. `group`: 32 bytes. */
export function auctionReport(
  { records }: Reader,
  height: number,
  group: Uint8Array,
): AuctionReport | undefined {
  const leader = toHex(group);
  const last = height === 0 ? lastAuction({ records }, leader) : height;
  if (last === undefined) return undefined;
  const at = Height(last);
  const key = heightKey(at, leader);
  const open = records.get(AUCTIONS, key);
  if (open !== undefined) {
    const bids = open.openBids + open.bids.length;
    const { openBids } = open;
    return { height: at, group, settledHeight: Height(0), bids, openBids, winners: [] };
  }
  const result = records.get(AUCTION_RESULTS, key);
  return result && { height: at, group, openBids: 0, ...result };
}

function lastAuction({ records }: Reader, leader: string): number | undefined {
  const keys = [...records.keys(AUCTIONS), ...records.keys(AUCTION_RESULTS)];
  const heights = keys.flatMap((key) => {
    const [height = "", group = ""] = key.split("/");
    return group === leader ? [Number(height)] : [];
  });
  return heights.length === 0 ? undefined : Math.max(...heights);
}

/** Who lists a transaction under one size of its item. */
export interface ListingReport extends ListingState {
  /** Bytes of the encoded item. */
  readonly size: number;
  readonly listedPower: bigint;
  readonly withdrawnPower: bigint;
}

export interface TallyReport {
  /** By size; none: nobody lists it. */
  readonly listings: readonly ListingReport[];
  /** Of the set that was last told to the engine. */
  readonly totalPower: bigint;
}

/** `id`: of the transaction, 32 bytes. */
export function tallyReport(reader: Reader, id: Uint8Array): TallyReport {
  const tally = tallyOf(reader);
  const powerOf = (validators: readonly Uint8Array[]): bigint =>
    validators.reduce((sum, address) => sum + tally.powers.of(toHex(address)), 0n);
  const listings = tally.keysOf(id).flatMap((key): ListingReport[] => {
    const listing = tally.listing(key);
    if (listing === undefined) return [];
    const { size } = parseListingKey(key);
    const listedPower = powerOf(listing.listers);
    const withdrawnPower = powerOf(listing.withdrawn);
    return [{ size, ...listing, listedPower, withdrawnPower }];
  });
  return { listings, totalPower: tally.powers.total };
}

/** Something that blocks have to hold. */
export interface DueReport extends DueTx {
  /** So many validators cannot have it that nobody is held to it. */
  readonly isReleased: boolean;
}

/** What is due or will be, in the order in which blocks have to hold it, at most `max`. */
export function dueReport(reader: Reader, max: number): readonly DueReport[] {
  const tally = tallyOf(reader);
  return tally
    .due()
    .slice(0, max)
    .map((due) => {
      const listing = tally.listing(listingKey(due));
      return { ...due, isReleased: listing === undefined || isReleased(listing, tally) };
    });
}

/** An account's escrow. */
export interface EscrowReport extends EscrowState {
  /** What is not asked back: more can be asked back of this only. */
  readonly free: bigint;
}

/** `account`: 40 lower-case hex characters. */
export function escrowReport(reader: Reader, account: string): EscrowReport {
  const escrow = escrowOf(reader, account);
  return { ...escrow, free: freeEscrow(escrow) };
}

/** What counts of the bundles of an account. */
export interface BundleKeyReport {
  /** Of the key that was asked for; undefined: nothing of it is known. */
  readonly key: BundleKeyState | undefined;
  /** Bundles with a smaller cancel nonce are void. */
  readonly cancelNonce: bigint;
}

export function bundleKeyReport(reader: Reader, account: string, key: Uint8Array): BundleKeyReport {
  return { key: bundleKeyOf(reader, account, key), cancelNonce: cancelNonceOf(reader, account) };
}

/** What a rollup has earned by its order. */
export interface RevenueReport extends RollupRevenueState {
  /** What its owner may claim. */
  readonly unclaimed: bigint;
}

/** `rollupId`: 64 lower-case hex characters. */
export function revenueReport({ records }: Reader, rollupId: string): RevenueReport {
  const revenue = records.get(REVENUE, rollupId) ?? NO_REVENUE;
  return { ...revenue, unclaimed: revenue.accrued - revenue.claimed };
}

/** Parameters that searchers need, and limits of the formats. */
export function mevParamsReport(params: ParamsState) {
  const { listDueBlocks, bidEscrowMin, escrowDelayBlocks, sealBond } = params;
  const { mevRollupBps, mevProposerBps, mevCommunityBps } = params;
  return {
    listDueBlocks,
    bidEscrowMin,
    escrowDelayBlocks,
    mevRollupBps,
    mevProposerBps,
    mevCommunityBps,
    sealBond,
    bundleLegsMax: BUNDLE_LEGS_MAX,
    bundleBytesMax: BUNDLE_BYTES_MAX,
    bundleWindowMax: BUNDLE_WINDOW_MAX,
    bundleAheadMax: BUNDLE_AHEAD_MAX,
    cancelAheadMax: CANCEL_AHEAD_MAX,
    bidLegsMax: BID_LEGS_MAX,
    groupRollupsMax: GROUP_ROLLUPS_MAX,
  };
}
