import { toHex } from "../../../proto/bytes.ts";
import { type CountedStake, ProposalStatus } from "../../../proto/codec/governance-state.ts";
import { assert } from "../../../proto/errors.ts";
import type { StakingContext } from "../staking/context.ts";
import { proposalKey, PROPOSALS, VOTES } from "../state/tables.ts";
import { dueProposals } from "./proposals.ts";

/**
 * Called whenever shares of a delegation change. Counting the votes of a proposal may take several blocks;
 * an owner whose own vote is counted is represented by no validator until that has ended, wherever the
 * stake goes meanwhile: else stake that moves from one validator to another in between would vote twice,
 * or take weight from those who voted through theirs.
 *
 * @param change shares that were added, or below 0 taken away
 */
export function followCountedVoter(
  ctx: StakingContext,
  validator: string,
  delegator: string,
  change: bigint,
): void {
  const { records } = ctx;
  // What is being counted has been due since its vote ended.
  for (const { id } of dueProposals(ctx)) {
    const key = proposalKey(id);
    const proposal = records.get(PROPOSALS, key);
    if (proposal?.status !== ProposalStatus.TALLY) continue;
    const isCounted = delegator <= toHex(proposal.tallyCursor);
    if (!isCounted || records.get(VOTES, `${key}/${delegator}`) === undefined) continue;
    const counted = changed(proposal.tally.counted, validator, change);
    records.set(PROPOSALS, key, { ...proposal, tally: { ...proposal.tally, counted } });
  }
}

function changed(
  counted: readonly CountedStake[],
  validator: string,
  change: bigint,
): readonly CountedStake[] {
  return counted.map((one) => {
    if (toHex(one.validator) !== validator) return one;
    const shares = one.shares + change;
    assert(shares >= 0n, "a voter's shares were counted");
    return { ...one, shares };
  });
}
