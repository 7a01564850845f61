/** Actions 40 to 42, as transactions meet them: each free for the application key of a validator. */
import { toHex } from "../../../../proto/bytes.ts";
import type { Complain, Deal, RegisterSealKey } from "../../../../proto/codec/seal-tx.ts";
import type { Failure } from "../../codes.ts";
import { type ActionRules, noValue } from "../../execution/action-rules.ts";
import type { StakingContext, StakingReader } from "../../staking/context.ts";
import {
  complain,
  complainCostlyFault,
  complainFault,
  deal,
  dealCostlyFault,
  dealFault,
  isApplicationAccount,
  possessionOf,
  registerSealKey,
  registerSealKeyFault,
} from "./actions.ts";

export const REGISTER_SEAL_KEY_RULES: ActionRules<RegisterSealKey> = {
  ...rules(registerSealKeyFault, registerSealKey),
  proofs: (chainId, _body, action) => [possessionOf(chainId, action)],
  free: ({ staking }, { sender }, { validator }) =>
    isApplicationAccount(staking, sender, toHex(validator)),
};

export const DEAL_RULES: ActionRules<Deal> = {
  ...rules(dealFault, deal),
  costlyFault: ({ staking }, action) => dealCostlyFault(staking, action),
  free: ({ staking }, { sender }, { dealer }) =>
    isApplicationAccount(staking, sender, toHex(dealer)),
};

export const COMPLAIN_RULES: ActionRules<Complain> = {
  ...rules(complainFault, complain),
  costlyFault: ({ staking }, action) => complainCostlyFault(staking, action),
  free: ({ staking }, { sender }, { member }) =>
    isApplicationAccount(staking, sender, toHex(member)),
};

function rules<A>(
  fault: (reader: StakingReader, sender: string, action: A) => Failure | undefined,
  run: (ctx: StakingContext, sender: string, action: A) => void,
): ActionRules<A> {
  return {
    fault: ({ staking }, { sender }, action) => fault(staking, sender, action),
    run: (state, { sender }, action) => run(state, sender, action),
    value: noValue,
  };
}
