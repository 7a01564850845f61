/**
 * The one table of what a gateway answers to searchers: names are the API's (spec/mev.md B11), numbers are JSON-RPC's,
 * and each code of the chain that concerns a sender has a name.
 */
import { WeftError } from "../../../proto/errors.ts";

/** JSON-RPC error codes by name. Neither is ever renamed or renumbered. */
export const BUNDLE_ERRORS = {
  /** A parameter is missing, of the wrong type or no transaction of the rollup; an item is not canonical. */
  MALFORMED: -32_602,
  /** The request's or the item's signature is not its signer's. */
  BAD_SIGNATURE: -32_020,
  /** No rollup of that id or name is registered. */
  UNKNOWN_ROLLUP: -32_021,
  /** The rollup, its group or this gateway does not take that. */
  POLICY_DISABLED: -32_022,
  /** Blocks that have passed, are too many or too far ahead. */
  RANGE_INVALID: -32_023,
  /** More bytes, transactions or rollups than may be. */
  TOO_LARGE: -32_024,
  /** The account that pays has too little, in its balance or its escrow. */
  NOT_FUNDED: -32_025,
  /** The amount is below the reserves of the rollups that it asks for. */
  RESERVE_NOT_MET: -32_026,
  /** The block holds as many bids of the account as it may. */
  TOO_MANY_BIDS: -32_027,
  /** A higher sequence of that key is known, or one stands in a block. */
  STALE_SEQ: -32_028,
  /** Its sender has cancelled it. */
  CANCELLED: -32_029,
  /** No key is in force to seal for, or it was replaced; sealed data is never sent in the clear instead. */
  KEYSET_EXPIRED: -32_030,
  /** Too many requests, or too much waits already; try again later. */
  RATE_LIMITED: -32_005,
  /** Nobody knows a bundle, a bid, an auction or a transaction of that name here. */
  UNKNOWN_HASH: -32_001,
  /** Refused by the chain for a reason that has no name here: `chainCode` says which. */
  REFUSED: -32_003,
  /** The sequencer cannot be reached, or the rollup's state is behind the order; try again later. */
  UNAVAILABLE: -32_000,
} as const satisfies Readonly<Record<string, number>>;

export type BundleErrorName = keyof typeof BUNDLE_ERRORS;

/** What a request about bundles ended with. `chainCode`: the chain's own code, where it was the chain. */
export interface BundleErrorInfo {
  readonly code: "GATEWAY_BUNDLE_REFUSED";
  readonly error: BundleErrorName;
  readonly chainCode?: number;
}

export function bundleError(
  error: BundleErrorName,
  reason: string,
  more: { readonly chainCode?: number; readonly cause?: unknown } = {},
): WeftError<BundleErrorInfo> {
  const { chainCode, cause } = more;
  return new WeftError<BundleErrorInfo>(
    { code: "GATEWAY_BUNDLE_REFUSED", error, ...(chainCode === undefined ? {} : { chainCode }) },
    reason,
    cause === undefined ? undefined : { cause },
  );
}

/** Codes of the chain (docs/formats.md, "Codes") that a sender of bundles and bids may get. */
const OF_CHAIN: ReadonlyMap<number, BundleErrorName> = new Map([
  ...named("MALFORMED", [1, 2, 5]),
  ...named("TOO_LARGE", [3]),
  ...named("BAD_SIGNATURE", [4]),
  ...named("RANGE_INVALID", [20, 21, 22, 23, 24]),
  ...named("RATE_LIMITED", [25, 28, 41, 42, 43, 44, 45]),
  ...named("NOT_FUNDED", [26, 27]),
  ...named("UNKNOWN_ROLLUP", [61]),
  ...named("POLICY_DISABLED", [62]),
  ...named("KEYSET_EXPIRED", [220, 221, 222]),
  ...named("RANGE_INVALID", [223]),
  ...named("NOT_FUNDED", [224]),
  ...named("RANGE_INVALID", [260, 261, 262, 268]),
  ...named("POLICY_DISABLED", [263, 275]),
  ...named("STALE_SEQ", [264, 267]),
  ...named("CANCELLED", [265]),
  ...named("NOT_FUNDED", [266, 277, 290]),
  ...named("RANGE_INVALID", [276, 279, 280]),
  ...named("TOO_MANY_BIDS", [278]),
  ...named("POLICY_DISABLED", [300, 306]),
  ...named("RATE_LIMITED", [301, 307]),
  ...named("NOT_FUNDED", [302]),
]);

/** Codes after which sealing anew, for the key in force by then, may help. */
export const RESEAL_CODES: ReadonlySet<number> = new Set([221, 222]);

/** The name of a refusal by the chain. */
export function errorOfChainCode(code: number): BundleErrorName {
  return OF_CHAIN.get(code) ?? "REFUSED";
}

function named(
  name: BundleErrorName,
  codes: readonly number[],
): readonly (readonly [number, BundleErrorName])[] {
  return codes.map((code) => [code, name]);
}
