/**
 * Actions 13 and 72 (docs/formats.md, "Bundles and bids"; docs/adr/0019). They are strict: with a fault they may not
 * stand in a block (P8), or a proposer could use a bundle up by placing it early, or without its tips.
 */
import { cancelFault } from "../../../mev/bundle/replacement.ts";
import { idOfBundle } from "../../../mev/manifest.ts";
import { toHex } from "../../../proto/bytes.ts";
import type { Bundle, CancelBundles } from "../../../proto/codec/mev-tx.ts";
import type { ParamsState } from "../../../proto/codec/weft-state.ts";
import { atomicBond, holdBond, placeAtomic } from "../atomic/bundles.ts";
import { creditMev } from "../distribution/mev-revenue.ts";
import { type ActionRules, noValue } from "../execution/action-rules.ts";
import { txFee } from "../execution/base-fee.ts";
import { bundleIncludedEvent, bundlesCancelledEvent } from "./events.ts";
import { bundleFault, failed, lateBundleFault, tipsOf, voidFault } from "./faults.ts";
import { rollupFeeParts } from "./fee-parts.ts";
import { cancelBundles, cancelNonceOf, useKey } from "./keys.ts";

export const BUNDLE_RULES: ActionRules<Bundle> = {
  isStrict: true,
  fault(state, { sender }, action, { height, params }, balance) {
    const held = heldFor(action, params);
    return bundleFault(state, action, { height, sender, balance, held });
  },
  late: (_state, action, height) => lateBundleFault(action, height),
  voided: (state, action, { sender }) => voidFault(state, sender, action),
  run(state, { sender }, action) {
    if (action.replacement !== undefined) useKey(state, sender, action.replacement);
    state.collect(sender, "sealed", tipsOf(action));
    holdBond(state, sender, action);
    for (const { rollupId, tip } of action.legs) {
      creditMev(state, toHex(rollupId), tip, "tip", state.proposer);
    }
  },
  placed(state, tx, action, _positions, { baseFeePerByte }) {
    const bytes = action.legs.map(({ payload }) => payload.length);
    const parts = rollupFeeParts(txFee(tx, baseFeePerByte), bytes);
    for (const [at, { rollupId }] of action.legs.entries()) {
      state.addRollupFee(toHex(rollupId), parts[at] ?? 0n);
    }
    const id = idOfBundle(state.chainId, action, tx.id);
    state.emit(bundleIncludedEvent(tx.idText, id, action.legs.length, tipsOf(action)));
    placeAtomic(state, id, action, tx.sender);
  },
  value: heldFor,
};

/** Tips, and what a bundle of level 1 holds for its locks. */
function heldFor(action: Bundle, params: ParamsState): bigint {
  return tipsOf(action) + atomicBond(action, params);
}

export const CANCEL_BUNDLES_RULES: ActionRules<CancelBundles> = {
  isStrict: true,
  fault({ staking }, { sender }, action, { height }) {
    return failed(cancelFault(action, height, cancelNonceOf(staking, sender)));
  },
  late({ staking }, action, height, { sender }) {
    return failed(cancelFault(action, height, cancelNonceOf(staking, sender)));
  },
  run(state, { sender }, action) {
    cancelBundles(state, sender, action);
  },
  value: noValue,
  events: ({ senderText }, action) => [bundlesCancelledEvent(senderText, action)],
};
