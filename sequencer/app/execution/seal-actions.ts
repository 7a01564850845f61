/** Sealed transactions: the rules are in `../seal/`, here they meet the transaction. */
import type { SealAction } from "../../../proto/codec/seal-tx.ts";
import { failure } from "../codes.ts";
import { SEALED_RULES } from "../seal/items/inclusion.ts";
import { type ActionRules, noValue, type RulesOf } from "./action-rules.ts";

/** While there is no key, nothing can be sealed, dealt, or opened. */
const OFF: ActionRules<SealAction> = {
  fault: () => failure("SEAL_LANE_OFF"),
  run() {},
  value: noValue,
};

export const SEAL_RULES: RulesOf<SealAction["kind"]> = {
  sealed: SEALED_RULES,
  sealCommit: OFF,
  registerSealKey: OFF,
  deal: OFF,
  complain: OFF,
  selfReveal: OFF,
  reveal: OFF,
};
