/** Events of bundles: for clients, and for what metrics count. Not part of any hash. */
import { toHex } from "../../../proto/bytes.ts";
import type { CancelBundles } from "../../../proto/codec/mev-tx.ts";
import type { AbciEvent } from "../../abci/application.ts";
import { event, indexed, plain } from "../abci-event.ts";

/** `bundle_included` {id, bundle, legs, tips}: a bundle in the clear stands in the block. A sealed one: `seal_ordered`. */
export const BUNDLE_INCLUDED = "bundle_included";
/** `bundles_cancelled` {account, key, sequence, until} or {account, cancel_nonce}. */
export const BUNDLES_CANCELLED = "bundles_cancelled";

/** `id`: of the transaction. `bundleId`: as its entries say it. `tips`: nweft, of all legs. */
export function bundleIncludedEvent(
  id: string,
  bundleId: Uint8Array,
  legs: number,
  tips: bigint,
): AbciEvent {
  return event(BUNDLE_INCLUDED, [
    indexed("id", id),
    indexed("bundle", toHex(bundleId)),
    plain("legs", String(legs)),
    plain("tips", String(tips)),
  ]);
}

/** `account`: as people write it. */
export function bundlesCancelledEvent(
  account: string,
  { key, sequence, untilHeight, cancelNonce }: CancelBundles,
): AbciEvent {
  const what =
    key.length === 0
      ? [plain("cancel_nonce", String(cancelNonce))]
      : [
          indexed("key", toHex(key)),
          plain("sequence", String(sequence)),
          plain("until", String(untilHeight)),
        ];
  return event(BUNDLES_CANCELLED, [indexed("account", account), ...what]);
}
