/** Bundles, auctions and revenue as JSON: heights and amounts (nweft) as quantities, ids as data. */
import {
  type AuctionInfo,
  type BundleStatus,
  bundleStateName,
  type InclusionTally,
  type MevParams,
  type Revenue,
} from "../../../proto/grpc/mev-service.ts";
import type { GetSealKeyResponse, SealKeyInfo } from "../../../proto/grpc/seal-key.ts";
import type { Sent } from "../../gateway/bundles/requests.ts";
import type { Json } from "../../json-rpc/method.ts";
import { bytesToHex, quantity } from "../../json-rpc/hex.ts";

export function formatSent({ id, bundleId, sequence }: Sent): Json {
  return {
    bundleHash: bytesToHex(id),
    ...(bundleId.length === 0 ? {} : { bundleId: bytesToHex(bundleId) }),
    ...(sequence === undefined ? {} : { sequence: quantity(sequence) }),
  };
}

/** What is not known, or not of this kind, is left out. */
export function formatStatus(status: BundleStatus): Json {
  const { id, state, reason, code, height, index, legs, resolvedHeight, price, dueHeight } = status;
  const known = (key: string, value: number | bigint): { readonly [key: string]: Json } =>
    value === 0 || value === 0n ? {} : { [key]: quantity(value) };
  return {
    bundleHash: bytesToHex(id),
    state: bundleStateName(state),
    reason,
    ...(code === 0 ? {} : { chainCode: code }),
    ...(height === 0 ? {} : { height: quantity(height), index }),
    ...(legs.length === 0
      ? {}
      : {
          legs: legs.map(({ rollupId, position }) => ({
            rollupId: bytesToHex(rollupId),
            position,
          })),
        }),
    ...known("resolvedHeight", resolvedHeight),
    ...known("price", price),
    ...known("dueHeight", dueHeight),
    atHeight: quantity(status.atHeight),
  };
}

export function formatAuction(auction: AuctionInfo): Json {
  const { height, group, settledHeight, bids, openBids, winners, atHeight } = auction;
  return {
    height: quantity(height),
    group: bytesToHex(group),
    isSettled: settledHeight > 0,
    ...(settledHeight === 0 ? {} : { settledHeight: quantity(settledHeight) }),
    bids,
    openBids,
    winners: winners.map(({ id, bidder, amount, price, shares }) => ({
      bundleHash: bytesToHex(id),
      bidder: bytesToHex(bidder),
      amount: quantity(amount),
      price: quantity(price),
      shares: shares.map(({ rollupId, share }) => ({
        rollupId: bytesToHex(rollupId),
        share: quantity(share),
      })),
    })),
    atHeight: quantity(atHeight),
  };
}

export function formatRevenue(rollupId: Uint8Array, revenue: Revenue): Json {
  const { accrued, claimed, auction, tips, lastHeight, shareBps, atHeight } = revenue;
  return {
    rollupId: bytesToHex(rollupId),
    accrued: quantity(accrued),
    claimed: quantity(claimed),
    claimable: quantity(accrued - claimed),
    auction: quantity(auction),
    tips: quantity(tips),
    ...(lastHeight === 0 ? {} : { lastHeight: quantity(lastHeight) }),
    shareBps,
    atHeight: quantity(atHeight),
  };
}

export function formatTally(id: Uint8Array, tally: InclusionTally): Json {
  const { listings, totalPower, atHeight } = tally;
  return {
    hash: bytesToHex(id),
    totalPower: quantity(totalPower),
    listings: listings.map((listing) => ({
      size: listing.size,
      firstHeight: quantity(listing.firstHeight),
      listers: listing.listers.map(bytesToHex),
      withdrawn: listing.withdrawn.map(bytesToHex),
      listedPower: quantity(listing.listedPower),
      withdrawnPower: quantity(listing.withdrawnPower),
      ...(listing.dueHeight === 0 ? {} : { dueHeight: quantity(listing.dueHeight) }),
    })),
    atHeight: quantity(atHeight),
  };
}

export function formatParams(params: MevParams): Json {
  const { groups, bidEscrowMin, sealBond, atHeight, ...limits } = params;
  return {
    ...limits,
    bidEscrowMin: quantity(bidEscrowMin),
    sealBond: quantity(sealBond),
    groups: groups.map(({ group, secondPrice, members }) => ({
      group: bytesToHex(group),
      secondPrice,
      members: members.map(({ rollupId, reserve }) => ({
        rollupId: bytesToHex(rollupId),
        reserve: quantity(reserve),
      })),
    })),
    atHeight: quantity(atHeight),
  };
}

export function formatEncryptionKey(chainId: string, answer: GetSealKeyResponse): Json {
  const { open, reason, key, next, bond, height } = answer;
  return {
    chainId,
    isOpen: open,
    ...(reason === "" ? {} : { reason }),
    key: key === undefined ? null : formatKey(key),
    next: next === undefined ? null : formatKey(next),
    bond: quantity(bond),
    atHeight: quantity(height),
  };
}

function formatKey({
  number,
  publicKey,
  threshold,
  activeHeight,
  retiredHeight,
}: SealKeyInfo): Json {
  return {
    number,
    publicKey: bytesToHex(publicKey),
    threshold,
    activeHeight: quantity(activeHeight),
    ...(retiredHeight === 0 ? {} : { retiredHeight: quantity(retiredHeight) }),
  };
}
