import { ProposalStatus, type ProposalState } from "../../../proto/codec/governance-state.ts";
import type { ParamsState } from "../../../proto/codec/weft-state.ts";
import { assert } from "../../../proto/errors.ts";
import { event, indexed, plain } from "../abci-event.ts";
import type { StakingContext } from "../staking/context.ts";
import { carryOut } from "./contents.ts";
import { settleHaltVotes } from "./halt.ts";
import { dueProposals, proposalOf, setProposal, settleDeposits } from "./proposals.ts";
import { countVotes, decide, isCounted } from "./tally.ts";

/**
 * What governance does at the end of a block: proposals whose phase has ended move on, votes for an
 * emergency halt are counted. The parameters in force from the next block on, if they change.
 */
export function endOfBlockGovernance(ctx: StakingContext): ParamsState | undefined {
  settleHaltVotes(ctx);
  let params: ParamsState | undefined;
  for (const id of dueProposals(ctx)) {
    const proposal = proposalOf(ctx, id);
    assert(proposal !== undefined, "a due proposal exists");
    const { status } = proposal;
    if (status === ProposalStatus.DEPOSIT) {
      settleDeposits(ctx, id, false);
      end(ctx, id, proposal, ProposalStatus.REJECTED, "its deposit was not reached in time");
    } else if (status === ProposalStatus.TIMELOCK) {
      const carried = carryOut(ctx, proposal.content, params ?? ctx.params);
      if (carried.done) end(ctx, id, proposal, ProposalStatus.EXECUTED, "");
      else end(ctx, id, proposal, ProposalStatus.FAILED, carried.reason);
      if (carried.done) params = carried.params ?? params;
    } else {
      tallyOn(ctx, id, proposal);
    }
  }
  return params;
}

/** Counts on; judges once everything is counted. */
function tallyOn(ctx: StakingContext, id: number, before: ProposalState): void {
  const counted = countVotes(ctx, id, before);
  if (!isCounted(ctx, id, counted)) return setProposal(ctx, id, before, counted);
  const { tally, outcome } = decide(ctx, id, counted);
  const { status, reason } = outcome;
  settleDeposits(ctx, id, status === ProposalStatus.VETOED);
  const judged = { ...counted, tally };
  if (status !== ProposalStatus.TIMELOCK) return end(ctx, id, judged, status, reason);
  const phaseEndSeconds = ctx.nowSeconds + ctx.params.timelockSeconds;
  setProposal(ctx, id, before, { ...judged, status, phaseEndSeconds });
  announce(ctx, id, status, "");
}

function end(
  ctx: StakingContext,
  id: number,
  proposal: ProposalState,
  status: ProposalStatus,
  reason: string,
): void {
  setProposal(ctx, id, proposal, { ...proposal, status, reason });
  announce(ctx, id, status, reason);
}

function announce(ctx: StakingContext, id: number, status: ProposalStatus, reason: string): void {
  const name = Object.entries(ProposalStatus).find(([, value]) => value === status)?.[0] ?? "";
  ctx.emit(
    event("proposal", [
      indexed("proposal", String(id)),
      indexed("status", name.toLowerCase()),
      plain("reason", reason),
    ]),
  );
}
