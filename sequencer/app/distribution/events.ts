/** Events of distribution. Validators are upper-case hex, accounts bech32, amounts nweft. */
import { formatAddress } from "../../../proto/address.ts";
import { fromHex } from "../../../proto/bytes.ts";
import type { AbciEvent } from "../../abci/application.ts";
import { event, indexed, plain } from "../abci-event.ts";

/** How a block's fees were split. */
export interface FeeSplit {
  readonly proposer: string;
  readonly fees: bigint;
  readonly toRollups: bigint;
  readonly toProposer: bigint;
  readonly toCommunity: bigint;
  readonly toStakers: bigint;
}

/** `distribute_fees`, at the end of a block with fees. */
export function feesEvent(split: FeeSplit): AbciEvent {
  return event("distribute_fees", [
    indexed("proposer", split.proposer.toUpperCase()),
    plain("fees", split.fees.toString()),
    plain("rollups", split.toRollups.toString()),
    plain("to_proposer", split.toProposer.toString()),
    plain("community", split.toCommunity.toString()),
    plain("stakers", split.toStakers.toString()),
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
    indexed("validator", paid.validator.toUpperCase()),
    indexed("delegator", account(paid.delegator)),
    indexed("recipient", account(paid.recipient)),
    plain("amount", paid.amount.toString()),
  ]);
}

/** `withdraw_commission`, also when a validator is removed. */
export function commissionEvent(paid: {
  readonly validator: string;
  readonly recipient: string;
  readonly amount: bigint;
}): AbciEvent {
  return event("withdraw_commission", [
    indexed("validator", paid.validator.toUpperCase()),
    indexed("recipient", account(paid.recipient)),
    plain("amount", paid.amount.toString()),
  ]);
}

/** `set_withdraw_address` */
export function withdrawAddressEvent(delegator: string, address: string): AbciEvent {
  return event("set_withdraw_address", [
    indexed("delegator", account(delegator)),
    indexed("address", account(address)),
  ]);
}

/** `fund_community` */
export function communityEvent(sender: string, amount: bigint): AbciEvent {
  return event("fund_community", [
    indexed("sender", account(sender)),
    plain("amount", amount.toString()),
  ]);
}

/** `claim_rollup_revenue` */
export function revenueEvent(rollupId: string, owner: string, amount: bigint): AbciEvent {
  return event("claim_rollup_revenue", [
    indexed("rollup", rollupId),
    indexed("owner", account(owner)),
    plain("amount", amount.toString()),
  ]);
}

function account(address: string): string {
  return formatAddress(fromHex(address));
}
