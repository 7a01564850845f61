/** Bundles, bids and escrow: rules of their folders meet the transaction here. */
import type {
  Bid,
  Bundle,
  CancelBundles,
  DepositEscrow,
  MevAction,
  SealedBundle,
  WithdrawEscrow,
} from "../../../proto/codec/mev-tx.ts";
import { type CodeName, failure } from "../codes.ts";
import { type ActionRules, noValue, type RulesOf } from "./action-rules.ts";

export const MEV_RULES: RulesOf<MevAction["kind"]> = {
  bundle: notTaken<Bundle>("BUNDLE_ROLLUP", "this chain takes no bundles yet"),
  sealedBundle: notTaken<SealedBundle>("BUNDLE_ROLLUP", "this chain takes no bundles yet"),
  bid: notTaken<Bid>("BID_GROUP", "this chain holds no auctions yet"),
  cancelBundles: notTaken<CancelBundles>("BUNDLE_ROLLUP", "this chain takes no bundles yet"),
  depositEscrow: notTaken<DepositEscrow>("BID_GROUP", "this chain holds no auctions yet"),
  withdrawEscrow: notTaken<WithdrawEscrow>("BID_GROUP", "this chain holds no auctions yet"),
};

/** Refused wherever it comes: in the pool, and by its failure in a block. */
function notTaken<A>(code: CodeName, detail: string): ActionRules<A> {
  return { fault: () => failure(code, detail), run() {}, value: noValue };
}
