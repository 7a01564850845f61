import { ProposalStatus, type ProposalState } from "../../../proto/codec/governance-state.ts";
import type { ParamsState } from "../../../proto/codec/weft-state.ts";
import { assert } from "../../../proto/errors.ts";
import { TALLY_VOTES_PER_BLOCK, VOTES_REMOVED_PER_BLOCK } from "../limits.ts";
import type { StakingContext } from "../staking/context.ts";
import { PROPOSAL_QUEUE, proposalQueueKey } from "../state/tables.ts";
import { carryOut } from "./contents.ts";
import { settleHaltVotes } from "./halt.ts";
import {
  announce,
  dueProposals,
  endProposal,
  proposalOf,
  setProposal,
  settleDeposits,
} from "./proposals.ts";
import { areVotesRemoved, countVotes, decide, isCounted, removeVotes } from "./tally.ts";

/** What one block may do, of all proposals together. */
export interface GovernanceLimits {
  readonly votesCounted: number;
  readonly votesRemoved: number;
}

/** What is left of it. */
type Budget = { -readonly [Name in keyof GovernanceLimits]: GovernanceLimits[Name] };

const LIMITS: GovernanceLimits = {
  votesCounted: TALLY_VOTES_PER_BLOCK,
  votesRemoved: VOTES_REMOVED_PER_BLOCK,
};

/**
 * What governance does at the end of a block: proposals whose phase has ended move on, votes for an
 * emergency halt are counted. The parameters in force from the next block on, if they change.
 */
export function endOfBlockGovernance(
  ctx: StakingContext,
  limits: GovernanceLimits = LIMITS,
): ParamsState | undefined {
  settleHaltVotes(ctx);
  const budget: Budget = { ...limits };
  let params: ParamsState | undefined;
  for (const { id, seconds } of dueProposals(ctx)) {
    const proposal = proposalOf(ctx, id);
    assert(proposal !== undefined, "a due proposal exists");
    const { status, phaseEndSeconds } = proposal;
    if (status === ProposalStatus.DEPOSIT) {
      settleDeposits(ctx, id, false);
      endProposal(ctx, id, proposal, {
        status: ProposalStatus.REJECTED,
        reason: "its deposit was not reached in time",
      });
    } else if (status === ProposalStatus.VOTING || status === ProposalStatus.TALLY) {
      tallyOn(ctx, id, proposal, budget);
    } else if (clearVotes(ctx, id, budget)) {
      if (status === ProposalStatus.TIMELOCK && phaseEndSeconds === seconds) {
        params = execute(ctx, id, proposal, params ?? ctx.params) ?? params;
      } else {
        ctx.records.set(PROPOSAL_QUEUE, proposalQueueKey(seconds, id), undefined);
      }
    }
  }
  return params;
}

/** Counts on; judges once everything is counted. */
function tallyOn(ctx: StakingContext, id: number, before: ProposalState, budget: Budget): void {
  const { proposal: counted, votes } = countVotes(ctx, id, before, budget.votesCounted);
  budget.votesCounted -= votes;
  if (!isCounted(ctx, id, counted)) return setProposal(ctx, id, before, counted);
  const { tally, outcome } = decide(ctx, id, counted);
  const { status, reason } = outcome;
  settleDeposits(ctx, id, status === ProposalStatus.VETOED);
  const judged = { ...counted, tally };
  if (status === ProposalStatus.TIMELOCK) {
    const phaseEndSeconds = ctx.nowSeconds + ctx.params.timelockSeconds;
    setProposal(ctx, id, before, { ...judged, status, phaseEndSeconds });
    announce(ctx, id, status, "");
  } else {
    setProposal(ctx, id, before, judged);
    endProposal(ctx, id, judged, { status, reason });
  }
  if (clearVotes(ctx, id, budget)) return;
  // It is due again until its votes are gone.
  ctx.records.set(PROPOSAL_QUEUE, proposalQueueKey(before.phaseEndSeconds, id), true);
}

/** Removes what a decided proposal has left of its votes; true when nothing is left. */
function clearVotes(ctx: StakingContext, id: number, budget: Budget): boolean {
  budget.votesRemoved -= removeVotes(ctx, id, budget.votesRemoved);
  return areVotesRemoved(ctx, id);
}

/** The parameters that it sets, if it does. */
function execute(
  ctx: StakingContext,
  id: number,
  proposal: ProposalState,
  params: ParamsState,
): ParamsState | undefined {
  const carried = carryOut(ctx, proposal.content, params);
  if (!carried.done) {
    const { reason } = carried;
    endProposal(ctx, id, proposal, { status: ProposalStatus.FAILED, reason });
    return undefined;
  }
  endProposal(ctx, id, proposal, { status: ProposalStatus.EXECUTED, reason: "" });
  return carried.params;
}
