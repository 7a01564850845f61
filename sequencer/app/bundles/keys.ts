/** Replacement keys and cancel nonces in the state: what voids bundles (mev/bundle/replacement.ts). */
import { cancelledKey, usedKey } from "../../../mev/bundle/replacement.ts";
import { toHex } from "../../../proto/bytes.ts";
import type { BundleKeyState } from "../../../proto/codec/mev-state.ts";
import type { CancelBundles, Replacement } from "../../../proto/codec/mev-tx.ts";
import type { StakingContext, StakingReader } from "../staking/context.ts";
import {
  BUNDLE_KEY_UNTIL,
  BUNDLE_KEYS,
  BUNDLE_NONCES,
  bundleKey,
  heightKey,
  numberKey,
} from "../state/tables.ts";

/** What counts of the bundles of an account with this key. `account`: 40 lower-case hex characters. */
export function bundleKeyOf(
  { records }: Pick<StakingReader, "records">,
  account: string,
  key: Uint8Array,
): BundleKeyState | undefined {
  return records.get(BUNDLE_KEYS, bundleKey(account, toHex(key)));
}

/** Bundles of the account with a smaller cancel nonce are void. */
export function cancelNonceOf(
  { records }: Pick<StakingReader, "records">,
  account: string,
): bigint {
  return records.get(BUNDLE_NONCES, account)?.value ?? 0n;
}

/** A bundle with this replacement stands in the block: no other one of its key may. */
export function useKey(ctx: StakingContext, account: string, { key, sequence }: Replacement): void {
  const before = bundleKeyOf(ctx, account, key);
  setKey(ctx, bundleKey(account, toHex(key)), before, usedKey(before, sequence, ctx.height));
}

/** The changes of a cancellation without a fault. */
export function cancelBundles(ctx: StakingContext, account: string, cancel: CancelBundles): void {
  const { key, cancelNonce } = cancel;
  if (key.length === 0) {
    ctx.records.set(BUNDLE_NONCES, account, { value: cancelNonce });
    return;
  }
  const before = bundleKeyOf(ctx, account, key);
  setKey(ctx, bundleKey(account, toHex(key)), before, cancelledKey(before, cancel));
}

/** At the end of a block: keys that no bundle of a later block can meet. */
export function forgetBundleKeys(ctx: StakingContext): void {
  const within = `${numberKey(ctx.height)}/`;
  for (const queued of ctx.records.keys(BUNDLE_KEY_UNTIL, within)) {
    ctx.records.set(BUNDLE_KEY_UNTIL, queued, undefined);
    ctx.records.set(BUNDLE_KEYS, queued.slice(within.length), undefined);
  }
}

function setKey(
  ctx: StakingContext,
  key: string,
  before: BundleKeyState | undefined,
  after: BundleKeyState,
): void {
  ctx.records.set(BUNDLE_KEYS, key, after);
  if (before?.untilHeight === after.untilHeight) return;
  if (before !== undefined) {
    ctx.records.set(BUNDLE_KEY_UNTIL, heightKey(before.untilHeight, key), undefined);
  }
  ctx.records.set(BUNDLE_KEY_UNTIL, heightKey(after.untilHeight, key), true);
}
