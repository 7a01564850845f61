/** Events of distribution. Validators are upper-case hex, accounts bech32, amounts nweft. */
import type { AbciEvent } from "../../abci/application.ts";
import { event, indexed, plain } from "../abci-event.ts";
import { accountAttribute, numberAttribute, validatorAttribute } from "../staking/events.ts";

export const MEV_REVENUE = "revenue";

/** How a block's fees were split. */
export interface FeeSplit {
  readonly proposer: string;
  readonly fees: bigint;
  readonly toRollups: bigint;
  readonly toProposer: bigint;
  readonly toCommunity: bigint;
  readonly toStakers: bigint;
}

/** How revenue of a rollup was split. */
export interface RevenueParts {
  readonly rollupId: string;
  readonly source: string;
  readonly amount: bigint;
  readonly proposer: string;
  readonly toRollup: bigint;
  readonly toProposer: bigint;
  readonly toCommunity: bigint;
  readonly toStakers: bigint;
}

/** `revenue`: what an auction or a tip brings; source "auction" or "tip", `proposer` of the block that earned it. */
export function mevRevenueEvent(parts: RevenueParts): AbciEvent {
  return event(MEV_REVENUE, [
    indexed("rollup", parts.rollupId),
    plain("source", parts.source),
    numberAttribute("gross", parts.amount),
    numberAttribute("rollup_part", parts.toRollup),
    validatorAttribute("proposer", parts.proposer),
    numberAttribute("to_proposer", parts.toProposer),
    numberAttribute("community", parts.toCommunity),
    numberAttribute("stakers", parts.toStakers),
  ]);
}

/** `revenue` without a rollup, source "penalty": a bond that was lost, all of it the community's. */
export function penaltyEvent(amount: bigint): AbciEvent {
  return event(MEV_REVENUE, [
    plain("source", "penalty"),
    numberAttribute("gross", amount),
    numberAttribute("community", amount),
  ]);
}

/** `distribute_fees`, at the end of a block with fees. */
export function feesEvent(split: FeeSplit): AbciEvent {
  return event("distribute_fees", [
    validatorAttribute("proposer", split.proposer),
    numberAttribute("fees", split.fees),
    numberAttribute("rollups", split.toRollups),
    numberAttribute("to_proposer", split.toProposer),
    numberAttribute("community", split.toCommunity),
    numberAttribute("stakers", split.toStakers),
  ]);
}

/** `withdraw_rewards`, also when a change of the delegation pays them out. */
export function rewardsEvent(paid: {
  readonly validator: string;
  readonly delegator: string;
  readonly recipient: string;
  readonly amount: bigint;
}): AbciEvent {
  return event("withdraw_rewards", [
    validatorAttribute("validator", paid.validator),
    accountAttribute("delegator", paid.delegator),
    accountAttribute("recipient", paid.recipient),
    numberAttribute("amount", paid.amount),
  ]);
}

/** `withdraw_commission`, also when a validator is removed. */
export function commissionEvent(paid: {
  readonly validator: string;
  readonly recipient: string;
  readonly amount: bigint;
}): AbciEvent {
  return event("withdraw_commission", [
    validatorAttribute("validator", paid.validator),
    accountAttribute("recipient", paid.recipient),
    numberAttribute("amount", paid.amount),
  ]);
}

/** `set_withdraw_address` */
export function withdrawAddressEvent(delegator: string, address: string): AbciEvent {
  return event("set_withdraw_address", [
    accountAttribute("delegator", delegator),
    accountAttribute("address", address),
  ]);
}

/** `fund_community` */
export function communityEvent(sender: string, amount: bigint): AbciEvent {
  return event("fund_community", [
    accountAttribute("sender", sender),
    numberAttribute("amount", amount),
  ]);
}

/** `claim_rollup_revenue` */
export function revenueEvent(rollupId: string, owner: string, amount: bigint): AbciEvent {
  return event("claim_rollup_revenue", [
    indexed("rollup", rollupId),
    accountAttribute("owner", owner),
    numberAttribute("amount", amount),
  ]);
}
