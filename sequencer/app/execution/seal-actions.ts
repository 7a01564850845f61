/** Sealed transactions: the rules are in `../seal/`, here they meet the transaction. */
import type { SealAction } from "../../../proto/codec/seal-tx.ts";
import { failure } from "../codes.ts";
import { REVEAL_RULES, SEAL_COMMIT_RULES } from "../seal/commits/rules.ts";
import { SEALED_RULES } from "../seal/items/inclusion.ts";
import { COMPLAIN_RULES, DEAL_RULES, REGISTER_SEAL_KEY_RULES } from "../seal/keys/rules.ts";
import { type ActionRules, noValue, type RulesOf } from "./action-rules.ts";

/** While there is no key, nothing can be sealed, dealt, or opened. */
const OFF: ActionRules<SealAction> = {
  fault: () => failure("SEAL_LANE_OFF"),
  run() {},
  value: noValue,
};

export const SEAL_RULES: RulesOf<SealAction["kind"]> = {
  sealed: SEALED_RULES,
  sealCommit: SEAL_COMMIT_RULES,
  registerSealKey: REGISTER_SEAL_KEY_RULES,
  deal: DEAL_RULES,
  complain: COMPLAIN_RULES,
  selfReveal: OFF,
  reveal: REVEAL_RULES,
};
