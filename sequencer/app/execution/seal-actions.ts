/** Sealed transactions: the rules are in `../seal/`, here they meet the transaction. */
import type { SealAction } from "../../../proto/codec/seal-tx.ts";
import { REVEAL_RULES, SEAL_COMMIT_RULES } from "../seal/commits/rules.ts";
import { SEALED_RULES } from "../seal/items/inclusion.ts";
import { SELF_REVEAL_RULES } from "../seal/items/self-reveal.ts";
import { COMPLAIN_RULES, DEAL_RULES, REGISTER_SEAL_KEY_RULES } from "../seal/keys/rules.ts";
import type { RulesOf } from "./action-rules.ts";

export const SEAL_RULES: RulesOf<SealAction["kind"]> = {
  sealed: SEALED_RULES,
  sealCommit: SEAL_COMMIT_RULES,
  registerSealKey: REGISTER_SEAL_KEY_RULES,
  deal: DEAL_RULES,
  complain: COMPLAIN_RULES,
  selfReveal: SELF_REVEAL_RULES,
  reveal: REVEAL_RULES,
};
