/**
 * Every key of the state (docs/formats.md, "State tree"): ASCII paths, values `weft.state.v1`. Frozen
 * like the formats: keys enter the app hash.
 */
export const CHAIN_KEY = "chain";
export const LAST_BLOCK_KEY = "last_block";
export const FEES_KEY = "fees";
export const SUPPLY_KEY = "supply";
export const PARAMS_KEY = "params";
export const ACCOUNT_PREFIX = "account/";
export const UNORDERED_PREFIX = "unordered/";
export const VALIDATOR_PREFIX = "validator/";
export const ROLLUP_PREFIX = "rollup/";

/** Tables whose keys are kept in memory, in order (`Records.keys`); the others are read by key alone. */
export const INDEXED_PREFIXES = [
  VALIDATOR_PREFIX,
  "unbonding/",
  "redelegation/",
  "queue/",
  "slashes/",
  "proposal/",
  "proposal_queue/",
  "deposit/",
  "vote/",
  "halt_vote/",
  "seal_key/",
  "seal_dealing/",
  "sealed/",
  "seal_commit/",
  "seal_ask/",
  "seal_asked/",
  "listing/",
  "listing_height/",
  "due/",
  "bundle_key_until/",
  "escrow_queue/",
  "auction/",
  "auction_result/",
  "shuffle/",
  "atomic_open/",
  "atomic_height/",
  "executor_queue/",
] as const;

/** `address`: 40 lower-case hex characters. */
export function accountKey(address: string): string {
  return `${ACCOUNT_PREFIX}${address}`;
}

/** `rollupId`: 64 lower-case hex characters. */
export function rollupKey(rollupId: string): string {
  return `${ROLLUP_PREFIX}${rollupId}`;
}

/** Ids of the unordered transactions of one block; sixteen digits, so that keys sort by height. */
export function unorderedKey(height: number): string {
  return `${UNORDERED_PREFIX}${height.toString().padStart(16, "0")}`;
}

/** `address`: consensus address, 40 lower-case hex characters. */
export function validatorKey(address: string): string {
  return `${VALIDATOR_PREFIX}${address}`;
}
