/** Bundles, bids and escrow: rules of their folders meet the transaction here. */
import type { MevAction } from "../../../proto/codec/mev-tx.ts";
import { BID_RULES, DEPOSIT_ESCROW_RULES, WITHDRAW_ESCROW_RULES } from "../auction/rules.ts";
import { BUNDLE_RULES, CANCEL_BUNDLES_RULES } from "../bundles/rules.ts";
import { SEALED_BUNDLE_RULES } from "../bundles/sealed-rules.ts";
import type { RulesOf } from "./action-rules.ts";

export const MEV_RULES: RulesOf<MevAction["kind"]> = {
  bundle: BUNDLE_RULES,
  sealedBundle: SEALED_BUNDLE_RULES,
  bid: BID_RULES,
  cancelBundles: CANCEL_BUNDLES_RULES,
  depositEscrow: DEPOSIT_ESCROW_RULES,
  withdrawEscrow: WITHDRAW_ESCROW_RULES,
};
