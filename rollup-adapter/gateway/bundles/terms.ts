/** From what a searcher asks to what a transaction says: heights, groups, sizes. Throws `WeftError<BundleErrorInfo>`. */
import { Height } from "../../../proto/brands.ts";
import { bytesEqual, compareBytes, toHex } from "../../../proto/bytes.ts";
import {
  BID_LEGS_MAX,
  BUNDLE_AHEAD_MAX,
  BUNDLE_LEGS_MAX,
  BUNDLE_WINDOW_MAX,
} from "../../../proto/codec/mev-tx.ts";
import type { AuctionGroup } from "../../../proto/grpc/mev-service.ts";
import { bundleError } from "./errors.ts";
import { BUNDLE_REQUEST_BYTES_MAX, BUNDLE_TXS_MAX, DEFAULT_WINDOW_HEIGHTS } from "./limits.ts";
import type { BidRequest, RequestedLeg, RequestedWindow } from "./requests.ts";

export interface HeightWindow {
  /** 0: any. */
  readonly minHeight: Height;
  readonly maxHeight: Height;
}

/** Which blocks may hold it, as the chain will see it: `next` is the next block. */
export function windowOf({ minHeight, maxHeight }: RequestedWindow, next: number): HeightWindow {
  const first = minHeight ?? 0;
  const last = maxHeight ?? Math.max(first, next) + DEFAULT_WINDOW_HEIGHTS;
  if (last < next) throw outOfRange(`the last block ${last} has passed, the next one is ${next}`);
  if (first > last) throw outOfRange(`the first block ${first} is after the last one, ${last}`);
  if (first > 0 && last - first > BUNDLE_WINDOW_MAX) {
    throw outOfRange(
      `blocks ${first} to ${last}: the last one is at most ${BUNDLE_WINDOW_MAX} after the first`,
    );
  }
  if (last > next + BUNDLE_AHEAD_MAX) {
    throw outOfRange(
      `the last block ${last} is over ${BUNDLE_AHEAD_MAX} after the next one, ${next}`,
    );
  }
  return { minHeight: Height(first), maxHeight: Height(last) };
}

/** Throws for more transactions than one request may have: to be asked before any work is done for them. */
export function checkTxCount(count: number): void {
  if (count <= BUNDLE_TXS_MAX) return;
  throw bundleError("TOO_LARGE", `at most ${BUNDLE_TXS_MAX} transactions, got ${count}`);
}

/** Throws unless there are 1 to `legsMax` rollups, each once, with transactions within the limits. */
export function checkLegs(legs: readonly RequestedLeg[], what: "bundle" | "bid"): void {
  const legsMax = what === "bid" ? BID_LEGS_MAX : BUNDLE_LEGS_MAX;
  if (legs.length === 0) throw bundleError("MALFORMED", `a ${what} has at least one transaction`);
  if (legs.length > legsMax) {
    throw bundleError(
      "TOO_LARGE",
      `a ${what} is for at most ${legsMax} rollups, got ${legs.length}`,
    );
  }
  const txs = legs.flatMap((leg) => leg.txs);
  checkTxCount(txs.length);
  if (legs.some((leg) => leg.txs.length === 0)) {
    throw bundleError("MALFORMED", "each rollup of it has at least one transaction, got none");
  }
  if (txs.some((tx) => tx.length === 0)) {
    throw bundleError("MALFORMED", "a transaction has at least one byte");
  }
  const bytes = txs.reduce((sum, tx) => sum + tx.length, 0);
  if (bytes > BUNDLE_REQUEST_BYTES_MAX) {
    throw bundleError(
      "TOO_LARGE",
      `transactions have at most ${BUNDLE_REQUEST_BYTES_MAX} bytes together, got ${bytes}`,
    );
  }
}

/** The group in which all rollups of the bid sell their tops. */
export function groupOfBid(
  { legs, amount }: BidRequest,
  groups: readonly AuctionGroup[],
): AuctionGroup {
  const memberOf = (group: AuctionGroup, rollupId: Uint8Array) =>
    group.members.find((member) => bytesEqual(member.rollupId, rollupId));
  const group = groups.find((one) =>
    legs.every(({ rollupId }) => memberOf(one, rollupId) !== undefined),
  );
  if (group === undefined) {
    const names = legs.map(({ rollupId }) => toHex(rollupId)).join(", ");
    throw bundleError(
      "POLICY_DISABLED",
      `no auction sells the tops of ${names} together; weft_getMevParams lists the groups`,
    );
  }
  const reserves = legs.reduce(
    (sum, { rollupId }) => sum + (memberOf(group, rollupId)?.reserve ?? 0n),
    0n,
  );
  if (amount < reserves) {
    throw bundleError(
      "RESERVE_NOT_MET",
      `the reserves of these rollups are ${reserves} nweft together, the bid is ${amount}`,
    );
  }
  return group;
}

/** By rollup, as transactions hold them. */
export function byRollup(a: RequestedLeg, b: RequestedLeg): number {
  return compareBytes(a.rollupId, b.rollupId);
}

function outOfRange(reason: string): Error {
  return bundleError("RANGE_INVALID", reason);
}
