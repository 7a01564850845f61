import { toHex } from "../../../proto/bytes.ts";
import { ProposalStatus } from "../../../proto/codec/governance-state.ts";
import type { Vote } from "../../../proto/codec/governance-tx.ts";
import { BondStatus } from "../../../proto/codec/staking-state.ts";
import { event, indexed, plain } from "../abci-event.ts";
import { type Failure, failure } from "../codes.ts";
import type { StakingContext, StakingReader } from "../staking/context.ts";
import { DELEGATIONS, delegationKey, proposalKey, VALIDATORS, VOTES } from "../state/tables.ts";
import { proposalOf } from "./proposals.ts";

/** Who has stake in a validator of the set, or runs one, may vote: one record each, whatever is delegated meanwhile. */
export function voteFault(ctx: StakingReader, sender: string, action: Vote): Failure | undefined {
  const proposal = proposalOf(ctx, action.proposal);
  if (proposal === undefined) return failure("PROPOSAL_UNKNOWN", String(action.proposal));
  if (proposal.status !== ProposalStatus.VOTING || ctx.nowSeconds >= proposal.phaseEndSeconds) {
    return failure("PROPOSAL_NOT_VOTING", `proposal ${action.proposal}`);
  }
  return hasStake(ctx, sender) ? undefined : failure("VOTE_NO_STAKE");
}

export function vote(ctx: StakingContext, sender: string, action: Vote): void {
  ctx.records.set(VOTES, `${proposalKey(action.proposal)}/${sender}`, { option: action.option });
  ctx.emit(
    event("vote", [
      indexed("proposal", String(action.proposal)),
      indexed("voter", sender),
      plain("option", String(action.option)),
    ]),
  );
}

function hasStake(ctx: StakingReader, voter: string): boolean {
  const { records } = ctx;
  return bondedValidators(ctx).some((address) => {
    const operator = records.get(VALIDATORS, address)?.operator;
    return (
      records.get(DELEGATIONS, delegationKey(address, voter)) !== undefined ||
      (operator !== undefined && toHex(operator) === voter)
    );
  });
}

/** Addresses of the validators whose stake votes, ascending. */
export function bondedValidators(ctx: StakingReader): readonly string[] {
  return ctx.records
    .keys(VALIDATORS)
    .filter((key) => ctx.records.get(VALIDATORS, key)?.status === BondStatus.BONDED);
}
