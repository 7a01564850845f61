/** Bundles, bids and escrow: rules of their folders meet the transaction here. */
import type { Bid, MevAction } from "../../../proto/codec/mev-tx.ts";
import { DEPOSIT_ESCROW_RULES, WITHDRAW_ESCROW_RULES } from "../auction/rules.ts";
import { BUNDLE_RULES, CANCEL_BUNDLES_RULES } from "../bundles/rules.ts";
import { SEALED_BUNDLE_RULES } from "../bundles/sealed-rules.ts";
import { type CodeName, failure } from "../codes.ts";
import { type ActionRules, noValue, type RulesOf } from "./action-rules.ts";

export const MEV_RULES: RulesOf<MevAction["kind"]> = {
  bundle: BUNDLE_RULES,
  sealedBundle: SEALED_BUNDLE_RULES,
  bid: notTaken<Bid>("BID_GROUP", "this chain holds no auctions yet"),
  cancelBundles: CANCEL_BUNDLES_RULES,
  depositEscrow: DEPOSIT_ESCROW_RULES,
  withdrawEscrow: WITHDRAW_ESCROW_RULES,
};

/** Refused wherever it comes: in the pool, and by its failure in a block. */
function notTaken<A>(code: CodeName, detail: string): ActionRules<A> {
  return { fault: () => failure(code, detail), run() {}, value: noValue };
}
