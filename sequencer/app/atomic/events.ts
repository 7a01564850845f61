/** Events of atomic execution: for clients, and for what metrics count. Not part of any hash. */
import { toHex } from "../../../proto/bytes.ts";
import { AbortReason, type AtomicDecision } from "../../../proto/codec/atomic-decision.ts";
import type { AtomicState } from "../../../proto/codec/atomic-state.ts";
import { AtomicOutcome, NoReason, Verdict } from "../../../proto/codec/atomic-tx.ts";
import type { AbciEvent } from "../../abci/application.ts";
import { event, indexed, plain } from "../abci-event.ts";
import { numberAttribute } from "../staking/events.ts";

/** `atomic_prepared` {bundle, sender, legs, vote_blocks, bond}: it stands in the block, and its executors may vote. */
export const ATOMIC_PREPARED = "atomic_prepared";
/** `atomic_vote` {bundle, rollup, executor, verdict, reason}. */
export const ATOMIC_VOTE = "atomic_vote";
/**
 * `atomic_decided` {bundle, height, outcome, reason, rent, lost}; `height`: of the block that holds it; of the sender's bond,
 * `rent`: for what the legs held, `lost`: beside that.
 */
export const ATOMIC_DECIDED = "atomic_decided";
/** `atomic_dropped` {bundle, height}: it was sealed, and nobody could read it. */
export const ATOMIC_DROPPED = "atomic_dropped";
/** `atomic_report` {bundle, rollup, executor, outcome, block}. */
export const ATOMIC_REPORT = "atomic_report";
/** `executor_slashed` {rollup, executor, bundle, reason, amount}. */
export const EXECUTOR_SLASHED = "executor_slashed";
/** `executor_jailed` {rollup, executor, bundle, until}. */
export const EXECUTOR_JAILED = "executor_jailed";

/** "COMMIT" or "ABORT". */
export function outcomeName(outcome: number): string {
  return nameIn(AtomicOutcome, outcome);
}

/** As of `AbortReason`; empty for 0. */
export function reasonName(reason: number): string {
  return nameIn(AbortReason, reason);
}

export function preparedEvent(
  bundle: string,
  { legs, terms, bond, sender }: AtomicState,
): AbciEvent {
  return event(ATOMIC_PREPARED, [
    indexed("bundle", bundle),
    plain("sender", toHex(sender)),
    numberAttribute("legs", legs.length),
    numberAttribute("vote_blocks", terms.voteBlocks),
    numberAttribute("bond", bond),
  ]);
}

export function voteEvent(
  bundle: string,
  vote: {
    readonly rollupId: string;
    readonly key: string;
    readonly verdict: Verdict;
    readonly reason: number;
  },
): AbciEvent {
  return event(ATOMIC_VOTE, [
    indexed("bundle", bundle),
    indexed("rollup", vote.rollupId),
    indexed("executor", vote.key),
    plain("verdict", nameIn(Verdict, vote.verdict)),
    plain("reason", nameIn(NoReason, vote.reason)),
  ]);
}

/** `rent`, `lost`: of the sender's bond, nweft. */
export function decidedEvent(
  bundle: string,
  height: number,
  { outcome, reason }: AtomicDecision,
  { rent, lost }: { readonly rent: bigint; readonly lost: bigint },
): AbciEvent {
  return event(ATOMIC_DECIDED, [
    indexed("bundle", bundle),
    numberAttribute("height", height),
    plain("outcome", outcomeName(outcome)),
    plain("reason", reasonName(reason)),
    numberAttribute("rent", rent),
    numberAttribute("lost", lost),
  ]);
}

export function droppedEvent(bundle: string, height: number): AbciEvent {
  return event(ATOMIC_DROPPED, [indexed("bundle", bundle), numberAttribute("height", height)]);
}

export function reportEvent(
  bundle: string,
  report: {
    readonly rollupId: string;
    readonly key: string;
    readonly outcome: number;
    readonly blockHash: Uint8Array;
  },
): AbciEvent {
  return event(ATOMIC_REPORT, [
    indexed("bundle", bundle),
    indexed("rollup", report.rollupId),
    indexed("executor", report.key),
    plain("outcome", outcomeName(report.outcome)),
    plain("block", toHex(report.blockHash)),
  ]);
}

export function slashedEvent(
  rollupId: string,
  key: string,
  why: { readonly bundleId: string; readonly reason: string; readonly amount: bigint },
): AbciEvent {
  return event(EXECUTOR_SLASHED, [
    ...executorAttributes(rollupId, key),
    indexed("bundle", why.bundleId),
    plain("reason", why.reason),
    numberAttribute("amount", why.amount),
  ]);
}

export function jailedEvent(
  rollupId: string,
  key: string,
  bundle: string,
  until: number,
): AbciEvent {
  return event(EXECUTOR_JAILED, [
    ...executorAttributes(rollupId, key),
    indexed("bundle", bundle),
    numberAttribute("until", until),
  ]);
}

/** `executor_bonded` {rollup, executor, amount}. */
export function bondEvent(rollupId: string, key: string, amount: bigint): AbciEvent {
  return event("executor_bonded", [
    ...executorAttributes(rollupId, key),
    numberAttribute("amount", amount),
  ]);
}

/** `executor_unbonding` {rollup, executor, amount, height}: paid in the block of that height. */
export function unbondEvent(
  rollupId: string,
  key: string,
  amount: bigint,
  height: number,
): AbciEvent {
  return event("executor_unbonding", [
    ...executorAttributes(rollupId, key),
    numberAttribute("amount", amount),
    numberAttribute("height", height),
  ]);
}

/** `executor_paid` {rollup, executor, amount}. */
export function paidEvent(rollupId: string, key: string, amount: bigint): AbciEvent {
  return event("executor_paid", [
    ...executorAttributes(rollupId, key),
    numberAttribute("amount", amount),
  ]);
}

/** `executor_unjailed` {rollup, executor}. */
export function unjailEvent(rollupId: string, key: string): AbciEvent {
  return event("executor_unjailed", executorAttributes(rollupId, key));
}

function executorAttributes(rollupId: string, key: string) {
  return [indexed("rollup", rollupId), indexed("executor", key)];
}

function nameIn(names: Readonly<Record<string, number>>, value: number): string {
  return Object.entries(names).find(([, known]) => known === value)?.[0] ?? "";
}
