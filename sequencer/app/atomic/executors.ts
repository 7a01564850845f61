/**
 * Executors of rollups: what they have put in, when they may vote, and what they lose (docs/adr/0023). Actions 83 to 85,
 * and what is asked back when it is paid. `rollupId`, `key`: 64 lower-case hex characters.
 */
import { Height } from "../../../proto/brands.ts";
import { fromHex, toHex } from "../../../proto/bytes.ts";
import type { ExecutorState } from "../../../proto/codec/atomic-state.ts";
import type {
  BondExecutor,
  UnbondExecutor,
  UnjailExecutor,
} from "../../../proto/codec/atomic-tx.ts";
import { VOTE_BLOCKS_MAX } from "../../../proto/codec/mev-tx.ts";
import { BASIS_POINTS } from "../../../proto/codec/weft-basics.ts";
import { accountAddress } from "../../../proto/codec/weft-tx.ts";
import { type Failure, failure } from "../codes.ts";
import type { ActionReader } from "../execution/action-rules.ts";
import type { StakingContext, StakingReader } from "../staking/context.ts";
import { policyAt } from "../state/rollup-policy.ts";
import { EXECUTOR_QUEUE, executorKey, EXECUTORS, heightKey } from "../state/tables.ts";
import { areFull, notAskedBack, paidFrom, settled, withRequest } from "../state/withdrawals.ts";
import {
  bondEvent,
  jailedEvent,
  paidEvent,
  slashedEvent,
  unbondEvent,
  unjailEvent,
} from "./events.ts";
import { hiddenBlocksMax } from "./hidden.ts";
import { EXECUTORS_PAID_PER_BLOCK_MAX } from "./limits.ts";

const NO_EXECUTOR: ExecutorState = {
  bond: 0n,
  withdrawals: [],
  jailedUntil: Height(0),
  isTombstoned: false,
};

/** An executor that nobody has heard of has no bond. */
export function executorOf(
  { records }: Pick<StakingReader, "records">,
  rollupId: string,
  key: string,
): ExecutorState {
  return records.get(EXECUTORS, executorKey(rollupId, key)) ?? NO_EXECUTOR;
}

/** nweft that the executor has not asked back. */
export function freeBond({ bond, withdrawals }: ExecutorState): bigint {
  return notAskedBack(bond, withdrawals);
}

/** Why it may not vote about anything; what it has asked back does not back its votes. */
export function votingFault(
  { params, records }: Pick<StakingReader, "params" | "records">,
  rollupId: string,
  key: string,
): Failure | undefined {
  const executor = executorOf({ records }, rollupId, key);
  if (executor.isTombstoned) return failure("EXECUTOR_TOMBSTONED", key);
  const free = freeBond(executor);
  if (free >= params.executorBondMin) return undefined;
  return failure(
    "EXECUTOR_NOT_MEMBER",
    `its bond is ${free} nweft, at least ${params.executorBondMin}`,
  );
}

/** Keys of a policy whose executors may vote about bundles of this block, in their order. */
export function committeeOf(
  reader: Pick<StakingReader, "params" | "records">,
  rollupId: string,
  keys: readonly Uint8Array[],
): readonly Uint8Array[] {
  return keys.filter((bytes) => {
    const key = toHex(bytes);
    const { jailedUntil } = executorOf(reader, rollupId, key);
    return jailedUntil === 0 && votingFault(reader, rollupId, key) === undefined;
  });
}

/** `balance`: what the account has left after the fee. */
export function bondFault(
  state: ActionReader,
  key: string,
  { rollupId, amount }: BondExecutor,
  balance: bigint,
): Failure | undefined {
  const id = toHex(rollupId);
  const rollup = state.rollup(id);
  const policy = rollup && policyAt(rollup, Height(state.staking.height));
  const policies = [policy, rollup?.pending?.policy];
  const isNamed = policies.some((one) => one?.executorKeys.some((known) => toHex(known) === key));
  if (!isNamed) return failure("EXECUTOR_UNKNOWN", `${key} of ${id}`);
  const { isTombstoned } = executorOf(state.staking, id, key);
  if (isTombstoned) return failure("EXECUTOR_TOMBSTONED", key);
  if (balance >= amount) return undefined;
  return failure("EXECUTOR_FUNDS", `${balance} nweft are left, ${amount} are needed`);
}

export function bondExecutor(
  ctx: StakingContext,
  sender: string,
  key: string,
  { rollupId, amount }: BondExecutor,
): void {
  const id = toHex(rollupId);
  const executor = executorOf(ctx, id, key);
  ctx.collect(sender, "executorBonds", amount);
  setExecutor(ctx, id, key, { ...executor, bond: executor.bond + amount });
  ctx.emit(bondEvent(id, key, amount));
}

export function unbondFault(
  reader: StakingReader,
  key: string,
  { rollupId, amount }: UnbondExecutor,
): Failure | undefined {
  const executor = executorOf(reader, toHex(rollupId), key);
  const free = freeBond(executor);
  if (free < amount) {
    return failure("EXECUTOR_FUNDS", `${free} nweft are not asked back yet, ${amount} are needed`);
  }
  const { withdrawals } = executor;
  const isFull = areFull(withdrawals, dueHeight(reader, executor));
  return isFull ? failure("EXECUTOR_FULL", `${withdrawals.length} requests wait`) : undefined;
}

/** Asks for it; it can be slashed until it is paid. */
export function unbondExecutor(
  ctx: StakingContext,
  key: string,
  { rollupId, amount }: UnbondExecutor,
): void {
  const id = toHex(rollupId);
  const executor = executorOf(ctx, id, key);
  const height = dueHeight(ctx, executor);
  const withdrawals = withRequest(executor.withdrawals, height, amount);
  setExecutor(ctx, id, key, { ...executor, withdrawals });
  ctx.records.set(EXECUTOR_QUEUE, heightKey(height, executorKey(id, key)), true);
  ctx.emit(unbondEvent(id, key, amount, height));
}

/**
 * After everything that the executor may have to answer for: it may vote before the block of the bundle is open for others,
 * and reports when that of the decision is. Never before an earlier request.
 */
function dueHeight(reader: StakingReader, { withdrawals }: ExecutorState): Height {
  const { executorUnbondBlocks, atomicReportBlocks } = reader.params;
  const answerable = 2 * hiddenBlocksMax(reader) + VOTE_BLOCKS_MAX + atomicReportBlocks;
  const height = reader.height + Math.max(executorUnbondBlocks, answerable + 1);
  return paidFrom(height, withdrawals);
}

export function unjailFault(
  reader: StakingReader,
  key: string,
  { rollupId }: UnjailExecutor,
): Failure | undefined {
  const { jailedUntil, isTombstoned } = executorOf(reader, toHex(rollupId), key);
  if (isTombstoned) return failure("EXECUTOR_TOMBSTONED", key);
  if (jailedUntil === 0) return failure("EXECUTOR_JAIL", "it is not jailed");
  if (reader.height >= jailedUntil) return undefined;
  return failure("EXECUTOR_JAIL", `until block ${jailedUntil}`);
}

export function unjailExecutor(ctx: StakingContext, rollupId: string, key: string): void {
  const executor = executorOf(ctx, rollupId, key);
  setExecutor(ctx, rollupId, key, { ...executor, jailedUntil: Height(0) });
  ctx.emit(unjailEvent(rollupId, key));
}

/** It did not report: until it asks, it is in no committee. A jail under way never gets shorter. */
export function jailExecutor(ctx: StakingContext, rollupId: string, key: string, id: string): void {
  const executor = executorOf(ctx, rollupId, key);
  if (executor.isTombstoned) return;
  const until = Math.max(ctx.height + ctx.params.executorJailBlocks, executor.jailedUntil);
  setExecutor(ctx, rollupId, key, { ...executor, jailedUntil: Height(until) });
  ctx.emit(jailedEvent(rollupId, key, id, until));
}

/**
 * It has contradicted itself or a decision: a share of its bond is burned, what it has asked back included, and the key
 * is out for good. `reason`: what contradicts what.
 */
export function slashExecutor(
  ctx: StakingContext,
  rollupId: string,
  key: string,
  why: { readonly bundleId: string; readonly reason: string },
): void {
  const executor = executorOf(ctx, rollupId, key);
  const cut = (amount: bigint): bigint =>
    (amount * BigInt(ctx.params.executorSlashBps)) / BigInt(BASIS_POINTS);
  const withdrawals = executor.withdrawals.map(({ height, amount }) => ({
    height,
    amount: amount - cut(amount),
  }));
  const free = freeBond(executor);
  const kept = withdrawals.filter(({ amount }) => amount > 0n);
  const bond = kept.reduce((sum, { amount }) => sum + amount, free - cut(free));
  for (const { height, amount } of withdrawals) {
    if (amount > 0n) continue;
    ctx.records.set(EXECUTOR_QUEUE, heightKey(height, executorKey(rollupId, key)), undefined);
  }
  ctx.burn("executorBonds", executor.bond - bond);
  const isTombstoned = true;
  setExecutor(ctx, rollupId, key, { ...executor, bond, withdrawals: kept, isTombstoned });
  ctx.emit(slashedEvent(rollupId, key, { ...why, amount: executor.bond - bond }));
}

/** At the end of a block: pays what was asked back and is due. */
export function payExecutors(ctx: StakingContext): void {
  const keys = ctx.records.keys(EXECUTOR_QUEUE, "", { max: EXECUTORS_PAID_PER_BLOCK_MAX });
  for (const queued of keys) {
    const [height = "", rollupId = "", key = ""] = queued.split("/");
    if (Number(height) > ctx.height) return;
    ctx.records.set(EXECUTOR_QUEUE, queued, undefined);
    const executor = executorOf(ctx, rollupId, key);
    const { amount, withdrawals } = settled(executor.withdrawals, Number(height));
    setExecutor(ctx, rollupId, key, { ...executor, bond: executor.bond - amount, withdrawals });
    ctx.pay("executorBonds", toHex(accountAddress(fromHex(key))), amount);
    ctx.emit(paidEvent(rollupId, key, amount));
  }
}

/** Who has nothing and did nothing is forgotten. */
function setExecutor(
  ctx: StakingContext,
  rollupId: string,
  key: string,
  executor: ExecutorState,
): void {
  const isNothing = executor.bond === 0n && executor.jailedUntil === 0 && !executor.isTombstoned;
  ctx.records.set(EXECUTORS, executorKey(rollupId, key), isNothing ? undefined : executor);
}
