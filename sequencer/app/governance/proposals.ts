import { Height } from "../../../proto/brands.ts";
import { EMPTY_BYTES, fromHex, toHex } from "../../../proto/bytes.ts";
import { ProposalStatus, type ProposalState } from "../../../proto/codec/governance-state.ts";
import type {
  DepositToProposal,
  ProposalContent,
  SubmitProposal,
} from "../../../proto/codec/governance-tx.ts";
import { assert } from "../../../proto/errors.ts";
import { event, indexed, plain } from "../abci-event.ts";
import { type Failure, failure } from "../codes.ts";
import { PROPOSALS_OPEN_MAX } from "../limits.ts";
import type { StakingContext, StakingReader } from "../staking/context.ts";
import {
  DEPOSITS,
  GOVERNANCE,
  PROPOSAL_QUEUE,
  PROPOSALS,
  proposalKey,
  proposalQueueKey,
} from "../state/tables.ts";
import { contentFault } from "./contents.ts";

/** A deposit is at least this part of what a vote needs: a proposal has at most so many depositors. */
const DEPOSIT_PARTS = 10n;

const NO_VOTES = { yes: 0n, no: 0n, abstain: 0n, veto: 0n, counted: [] };

/** The record of a proposal, or undefined. */
export function proposalOf(ctx: StakingReader, id: number): ProposalState | undefined {
  return ctx.records.get(PROPOSALS, proposalKey(id));
}

export function submitProposalFault(
  ctx: StakingReader,
  sender: string,
  action: SubmitProposal,
): Failure | undefined {
  if (isFull(ctx)) {
    const least = leastGathering(ctx)?.proposal.deposit;
    if (least === undefined || action.deposit <= least) {
      const more = least === undefined ? "" : `; a deposit above ${least} nweft displaces one`;
      return failure("PROPOSALS_FULL", `${PROPOSALS_OPEN_MAX} are open${more}`);
    }
  }
  return depositFault(ctx, sender, action.deposit) ?? contentFault(ctx, action.content);
}

/**
 * The proposal's vote begins at once when its deposit suffices. When too many are open it takes the place
 * of the one that has gathered least, which gets its deposits back: deposits are refunded, so that places
 * held with parts of deposits cost nothing, and must not keep out who pays more.
 */
export function submitProposal(ctx: StakingContext, sender: string, action: SubmitProposal): void {
  const { records, nowSeconds, params } = ctx;
  const displaced = isFull(ctx) ? leastGathering(ctx) : undefined;
  if (displaced !== undefined) {
    settleDeposits(ctx, displaced.id, false);
    endProposal(ctx, displaced.id, displaced.proposal, {
      status: ProposalStatus.REJECTED,
      reason: "displaced by a proposal with a larger deposit",
    });
  }
  const id = records.get(GOVERNANCE, "")?.nextProposal ?? 1;
  records.set(GOVERNANCE, "", { nextProposal: id + 1 });
  const phaseEndSeconds = nowSeconds + params.depositPeriodSeconds;
  setProposal(ctx, id, undefined, {
    proposer: fromHex(sender),
    title: action.title,
    summary: action.summary,
    content: copyContent(action.content),
    status: ProposalStatus.DEPOSIT,
    deposit: 0n,
    submittedSeconds: nowSeconds,
    phaseEndSeconds,
    tally: NO_VOTES,
    tallyCursor: EMPTY_BYTES,
    reason: "",
  });
  ctx.emit(
    event("submit_proposal", [
      indexed("proposal", String(id)),
      plain("content", action.content.kind),
      plain("title", action.title),
    ]),
  );
  addDeposit(ctx, sender, id, action.deposit);
}

export function depositToProposalFault(
  ctx: StakingReader,
  sender: string,
  action: DepositToProposal,
): Failure | undefined {
  const proposal = proposalOf(ctx, action.proposal);
  if (proposal === undefined) return failure("PROPOSAL_UNKNOWN", String(action.proposal));
  if (proposal.status !== ProposalStatus.DEPOSIT) {
    return failure("PROPOSAL_NOT_GATHERING", `proposal ${action.proposal} has its deposit`);
  }
  if (ctx.nowSeconds >= proposal.phaseEndSeconds) {
    return failure("PROPOSAL_NOT_GATHERING", `the time of proposal ${action.proposal} is over`);
  }
  return depositFault(ctx, sender, action.amount);
}

export function depositToProposal(
  ctx: StakingContext,
  sender: string,
  action: DepositToProposal,
): void {
  addDeposit(ctx, sender, action.proposal, action.amount);
}

/** Replaces the record, and the entry of the due list when the phase's end changes or nothing is due. */
export function setProposal(
  ctx: StakingContext,
  id: number,
  before: ProposalState | undefined,
  after: ProposalState,
): void {
  const { records } = ctx;
  if (before !== undefined && isOpen(before)) {
    records.set(PROPOSAL_QUEUE, proposalQueueKey(before.phaseEndSeconds, id), undefined);
  }
  if (isOpen(after)) records.set(PROPOSAL_QUEUE, proposalQueueKey(after.phaseEndSeconds, id), true);
  records.set(PROPOSALS, proposalKey(id), after);
}

/** Ends a proposal, with why. */
export function endProposal(
  ctx: StakingContext,
  id: number,
  proposal: ProposalState,
  outcome: Pick<ProposalState, "status" | "reason">,
): void {
  setProposal(ctx, id, proposal, { ...proposal, ...outcome });
  announce(ctx, id, outcome.status, outcome.reason);
}

/** Tells what became of a proposal. */
export function announce(
  ctx: StakingContext,
  id: number,
  status: ProposalStatus,
  reason: string,
): void {
  const name = Object.entries(ProposalStatus).find(([, value]) => value === status)?.[0] ?? "";
  ctx.emit(
    event("proposal", [
      indexed("proposal", String(id)),
      indexed("status", name.toLowerCase()),
      plain("reason", reason),
    ]),
  );
}

/** What is due in this block, by the time since when. */
export function dueProposals(
  ctx: StakingReader,
): readonly { readonly id: number; readonly seconds: number }[] {
  const due: { readonly id: number; readonly seconds: number }[] = [];
  for (const key of ctx.records.keys(PROPOSAL_QUEUE)) {
    const [seconds = "", id = ""] = key.split("/");
    if (Number(seconds) > ctx.nowSeconds) break;
    due.push({ id: Number(id), seconds: Number(seconds) });
  }
  return due;
}

/** Gives all deposits back, or burns them. */
export function settleDeposits(ctx: StakingContext, id: number, isBurned: boolean): void {
  const { records } = ctx;
  for (const key of records.keys(DEPOSITS, `${proposalKey(id)}/`)) {
    const deposit = records.get(DEPOSITS, key);
    assert(deposit !== undefined, "a listed deposit exists");
    const depositor = key.slice(key.indexOf("/") + 1);
    if (isBurned) ctx.burn("governanceDeposits", deposit.amount);
    else ctx.pay("governanceDeposits", depositor, deposit.amount);
    records.set(DEPOSITS, key, undefined);
  }
}

function isFull(ctx: StakingReader): boolean {
  return ctx.records.keys(PROPOSAL_QUEUE).length >= PROPOSALS_OPEN_MAX;
}

/** Of the proposals that gather their deposit the one that has least, the last one of equals. */
function leastGathering(
  ctx: StakingReader,
): { readonly id: number; readonly proposal: ProposalState } | undefined {
  let least: { readonly id: number; readonly proposal: ProposalState } | undefined;
  for (const key of ctx.records.keys(PROPOSAL_QUEUE)) {
    const id = Number(key.slice(key.indexOf("/") + 1));
    const proposal = proposalOf(ctx, id);
    if (proposal?.status !== ProposalStatus.DEPOSIT) continue;
    const order = least === undefined ? -1 : compare(proposal.deposit, least.proposal.deposit);
    if (order < 0 || (order === 0 && id > (least?.id ?? 0))) least = { id, proposal };
  }
  return least;
}

function compare(a: bigint, b: bigint): number {
  return a === b ? 0 : a < b ? -1 : 1;
}

/** It waits for its time. */
function isOpen({ status }: ProposalState): boolean {
  return (
    status === ProposalStatus.DEPOSIT ||
    status === ProposalStatus.VOTING ||
    status === ProposalStatus.TALLY ||
    status === ProposalStatus.TIMELOCK
  );
}

function addDeposit(ctx: StakingContext, sender: string, id: number, amount: bigint): void {
  const { records, params, nowSeconds } = ctx;
  const proposal = proposalOf(ctx, id);
  assert(proposal !== undefined, "the check of the action has found the proposal");
  ctx.collect(sender, "governanceDeposits", amount);
  const key = `${proposalKey(id)}/${sender}`;
  records.set(DEPOSITS, key, { amount: (records.get(DEPOSITS, key)?.amount ?? 0n) + amount });
  const deposit = proposal.deposit + amount;
  const isEnough = deposit >= params.proposalDepositMin;
  setProposal(ctx, id, proposal, {
    ...proposal,
    deposit,
    status: isEnough ? ProposalStatus.VOTING : ProposalStatus.DEPOSIT,
    phaseEndSeconds: isEnough ? nowSeconds + params.votingPeriodSeconds : proposal.phaseEndSeconds,
  });
  ctx.emit(
    event("proposal_deposit", [
      indexed("proposal", String(id)),
      plain("amount", amount.toString()),
      plain("voting", String(isEnough)),
    ]),
  );
}

function depositFault(ctx: StakingReader, sender: string, amount: bigint): Failure | undefined {
  const least = (ctx.params.proposalDepositMin + DEPOSIT_PARTS - 1n) / DEPOSIT_PARTS;
  if (amount < least) {
    return failure("PROPOSAL_DEPOSIT_SMALL", `${amount} nweft, at least ${least}`);
  }
  const balance = ctx.balance(sender);
  if (balance >= amount) return undefined;
  return failure("PROPOSAL_DEPOSIT_FUNDS", `${balance} nweft are left, ${amount} are needed`);
}

/** Bytes of a transaction are views into the block; the state keeps its own. */
function copyContent(content: ProposalContent): ProposalContent {
  if (content.kind === "communitySpend") return { ...content, to: fromHex(toHex(content.to)) };
  return content.kind === "upgrade" ? { ...content, height: Height(content.height) } : content;
}
