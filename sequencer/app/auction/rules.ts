/** Actions 81 and 82 (docs/formats.md, "Auctions"). */
import type { DepositEscrow, WithdrawEscrow } from "../../../proto/codec/mev-tx.ts";
import { type ActionRules, noValue } from "../execution/action-rules.ts";
import {
  depositEscrow,
  depositEscrowFault,
  withdrawEscrow,
  withdrawEscrowFault,
} from "./escrow.ts";

export const DEPOSIT_ESCROW_RULES: ActionRules<DepositEscrow> = {
  fault: (_state, _tx, action, _terms, balance) => depositEscrowFault(action, balance),
  run: (state, { sender }, action) => depositEscrow(state, sender, action),
  value: ({ amount }) => amount,
};

export const WITHDRAW_ESCROW_RULES: ActionRules<WithdrawEscrow> = {
  fault: ({ staking }, { sender }, action) => withdrawEscrowFault(staking, sender, action),
  run: (state, { sender }, action) => withdrawEscrow(state, sender, action),
  value: noValue,
};
