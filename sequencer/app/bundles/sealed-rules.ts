/**
 * Action 18 (docs/formats.md, "Bundles and bids"; docs/adr/0019): one ciphertext for all legs, so that they have their
 * places in one block and are opened together in a later one, or not at all. Strict, as bundles in the clear are.
 */
import { labelOfSealed } from "../../../mev/seal/sealed-content.ts";
import { EMPTY_BYTES, fromHex } from "../../../proto/bytes.ts";
import { rollupIdsOfLegs, type SealedBundle } from "../../../proto/codec/mev-tx.ts";
import { SealedItemKind } from "../../../proto/codec/seal-state.ts";
import type { ParamsState } from "../../../proto/codec/weft-state.ts";
import type { ActionRules } from "../execution/action-rules.ts";
import { ciphertextProof } from "../seal/items/ciphertext-proof.ts";
import {
  holdDeposits,
  keyFault,
  lateKeyFault,
  placeItem,
  placesOf,
} from "../seal/items/inclusion.ts";
import { atomicBond, holdBond, placeAtomic } from "../atomic/bundles.ts";
import { bundleFault, lateBundleFault, tipsOf, voidFault } from "./faults.ts";
import { useKey } from "./keys.ts";

export const SEALED_BUNDLE_RULES: ActionRules<SealedBundle> = {
  isStrict: true,
  fault(state, { sender }, action, { height, params }, balance) {
    const held = heldFor(action, params);
    return (
      keyFault(state.staking, action.key, height) ??
      bundleFault(state, action, { height, sender, balance, held })
    );
  },
  late({ staking }, action, height) {
    return lateBundleFault(action, height) ?? lateKeyFault(staking, action.key, height);
  },
  voided: (state, action, { sender }) => voidFault(state, sender, action),
  run(state, tx, action, terms) {
    if (action.replacement !== undefined) useKey(state, tx.sender, action.replacement);
    holdDeposits(state, tx, terms);
    state.collect(tx.sender, "sealed", tipsOf(action));
    holdBond(state, tx.sender, action);
  },
  placed(state, tx, action, positions, terms) {
    const { legs, key, kem, body } = action;
    const item = {
      kind: SealedItemKind.BUNDLE,
      kem,
      body,
      label: tx.label,
      places: placesOf(rollupIdsOfLegs(legs), positions),
      tips: legs.map(({ tip }) => tip),
      group: EMPTY_BYTES,
      proposer: fromHex(state.proposer),
    };
    placeItem(state, tx, key, item, terms);
    placeAtomic(state, tx.id, action, tx.sender);
  },
  value: heldFor,
  proofs: (chainId, body, action) => [
    ciphertextProof(labelOfSealed(chainId, body, action), action),
  ],
};

/** Tips, the bond of what is sealed, and what a bundle of level 1 holds for its locks. */
function heldFor(action: SealedBundle, params: ParamsState): bigint {
  return tipsOf(action) + params.sealBond + atomicBond(action, params);
}
