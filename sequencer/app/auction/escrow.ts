/**
 * Escrow: what an account has put aside for its bids (docs/adr/0020). Actions 81 and 82, which bids it backs
 * (docs/adr/0029), what is asked back and when it is paid, and what auctions take. `account`: 40 lower-case hex
 * characters.
 */
import { Height } from "../../../proto/brands.ts";
import {
  DEPOSITS_MAX,
  type EscrowDeposit,
  type EscrowState,
  type EscrowWithdrawal,
} from "../../../proto/codec/mev-state.ts";
import type { DepositEscrow, WithdrawEscrow } from "../../../proto/codec/mev-tx.ts";
import { assert } from "../../../proto/errors.ts";
import { event, plain } from "../abci-event.ts";
import { type Failure, failure } from "../codes.ts";
import { openingBlocks } from "../seal/items/room.ts";
import type { StakingContext, StakingReader } from "../staking/context.ts";
import { accountAttribute, numberAttribute } from "../staking/events.ts";
import { AUCTIONS, ESCROW, ESCROW_QUEUE, heightKey } from "../state/tables.ts";
import { areFull, notAskedBack, paidFrom, settled, withRequest } from "../state/withdrawals.ts";
import { ESCROW_PAID_PER_BLOCK_MAX } from "./limits.ts";

const NO_ESCROW: EscrowState = { balance: 0n, withdrawals: [], deposits: [] };

export function escrowOf(reader: Pick<StakingReader, "records">, account: string): EscrowState {
  return reader.records.get(ESCROW, account) ?? NO_ESCROW;
}

/** nweft that the account has not asked back. */
export function freeEscrow({ balance, withdrawals }: EscrowState): bigint {
  return notAskedBack(balance, withdrawals);
}

/**
 * nweft that back the account's bids of the block at `height`: what was put in later does not, or an owner that
 * has seen all bids of that block could choose by a deposit which of its own count.
 */
export function backingOf({ balance, deposits }: EscrowState, height: number): bigint {
  return deposits.reduce((left, one) => (one.height > height ? left - one.amount : left), balance);
}

/** `balance`: what the account has left after the fee. */
export function depositEscrowFault(
  reader: StakingReader,
  account: string,
  { amount }: DepositEscrow,
  balance: bigint,
): Failure | undefined {
  if (balance < amount) {
    return failure("ESCROW_FUNDS", `${balance} nweft are left, ${amount} are needed`);
  }
  const deposits = countedDeposits(reader, escrowOf(reader, account));
  if (deposits.length < DEPOSITS_MAX || deposits.at(-1)?.height === reader.height) return undefined;
  return failure("ESCROW_FULL", `deposits of ${DEPOSITS_MAX} blocks wait for an auction`);
}

export function depositEscrow(
  ctx: StakingContext,
  account: string,
  { amount }: DepositEscrow,
): void {
  const escrow = escrowOf(ctx, account);
  ctx.collect(account, "escrow", amount);
  const deposits = withDeposit(ctx, escrow, amount);
  setEscrow(ctx, account, { ...escrow, balance: escrow.balance + amount, deposits });
  ctx.emit(
    event("deposit_escrow", [
      accountAttribute("account", account),
      numberAttribute("amount", amount),
    ]),
  );
}

export function withdrawEscrowFault(
  reader: StakingReader,
  account: string,
  { amount }: WithdrawEscrow,
): Failure | undefined {
  const escrow = escrowOf(reader, account);
  const free = freeEscrow(escrow);
  if (free < amount) {
    return failure("ESCROW_FUNDS", `${free} nweft are not asked back yet, ${amount} are needed`);
  }
  const { withdrawals } = escrow;
  const isFull = areFull(withdrawals, dueHeight(reader, escrow));
  return isFull ? failure("ESCROW_FULL", `${withdrawals.length} requests wait`) : undefined;
}

/** Asks for it; until it is paid, it still backs bids. */
export function withdrawEscrow(
  ctx: StakingContext,
  account: string,
  { amount }: WithdrawEscrow,
): void {
  const escrow = escrowOf(ctx, account);
  const height = dueHeight(ctx, escrow);
  const withdrawals = withRequest(escrow.withdrawals, height, amount);
  setEscrow(ctx, account, { ...escrow, withdrawals });
  ctx.records.set(ESCROW_QUEUE, heightKey(height, account), true);
  ctx.emit(
    event("withdraw_escrow", [
      accountAttribute("account", account),
      numberAttribute("amount", amount),
      plain("height", String(height)),
    ]),
  );
}

/**
 * When what is asked back now is paid: late enough that every bid of a block before is settled, also one that a
 * proposer disputes in the last block that may open it. Never before an earlier request.
 */
function dueHeight(reader: StakingReader, { withdrawals }: EscrowState): Height {
  const resolved = 2 * openingBlocks(reader) + 4;
  const height = reader.height + Math.max(reader.params.escrowDelayBlocks, resolved);
  return paidFrom(height, withdrawals);
}

/**
 * Takes what an account pays for the tops that it has won with bids of the block at `height`: free money first,
 * then the latest requests. The nweft stay in the pool until the caller moves them.
 */
export function takeEscrow(
  ctx: StakingContext,
  account: string,
  amount: bigint,
  height: number,
): void {
  const escrow = escrowOf(ctx, account);
  assert(
    backingOf(escrow, height) >= amount,
    `${account} has the ${amount} nweft of escrow that it pays`,
  );
  let missing = amount - freeEscrow(escrow);
  const kept: EscrowWithdrawal[] = [];
  for (const { height, amount: asked } of escrow.withdrawals.toReversed()) {
    const left = missing > 0n ? asked - missing : asked;
    missing -= asked;
    if (left > 0n) kept.unshift({ height, amount: left });
    else ctx.records.set(ESCROW_QUEUE, heightKey(height, account), undefined);
  }
  const balance = escrow.balance - amount;
  const deposits = withoutPaid(escrow.deposits, amount, height);
  setEscrow(ctx, account, { balance, withdrawals: kept, deposits });
}

/** At the end of a block, after its auctions are settled: pays what was asked back and is due. */
export function payEscrow(ctx: StakingContext): void {
  const keys = ctx.records.keys(ESCROW_QUEUE, "", { max: ESCROW_PAID_PER_BLOCK_MAX });
  for (const key of keys) {
    const [height = "", account = ""] = key.split("/");
    if (Number(height) > ctx.height) return;
    ctx.records.set(ESCROW_QUEUE, key, undefined);
    const escrow = escrowOf(ctx, account);
    const { amount, withdrawals } = settled(escrow.withdrawals, Number(height));
    const balance = escrow.balance - amount;
    const deposits = newestOf(escrow.deposits, balance);
    setEscrow(ctx, account, { balance, withdrawals, deposits });
    ctx.pay("escrow", account, amount);
    ctx.emit(
      event("pay_escrow", [
        accountAttribute("account", account),
        numberAttribute("amount", amount),
      ]),
    );
  }
}

/** Deposits that some bid that waits came before: those after the block of the oldest auction. */
function countedDeposits(
  { records }: Pick<StakingReader, "records">,
  { deposits }: EscrowState,
): readonly EscrowDeposit[] {
  const [oldest] = records.keys(AUCTIONS, "", { max: 1 });
  if (oldest === undefined) return [];
  const height = Number(oldest.split("/", 1)[0]);
  return deposits.filter((one) => one.height > height);
}

/** With one more, of the block under way: while no bid waits, nothing has to be remembered of it. */
function withDeposit(
  { records, height }: StakingReader,
  escrow: EscrowState,
  amount: bigint,
): readonly EscrowDeposit[] {
  if (records.keys(AUCTIONS, "", { max: 1 }).length === 0) return [];
  return withRequest(countedDeposits({ records }, escrow), Height(height), amount);
}

/** Bids of the block at `height` are paid from the latest deposit that backs them first: earlier bids need the others. */
function withoutPaid(
  deposits: readonly EscrowDeposit[],
  amount: bigint,
  height: number,
): readonly EscrowDeposit[] {
  const after = deposits.filter((one) => one.height > height);
  const before = deposits.filter((one) => one.height <= height);
  const left = before.reduce((sum, one) => sum + one.amount, 0n) - amount;
  return [...oldestOf(before, left), ...after];
}

/** The first deposits, together at most `total` nweft: the latest ones are spent. */
function oldestOf(deposits: readonly EscrowDeposit[], total: bigint): readonly EscrowDeposit[] {
  let room = total;
  const kept: EscrowDeposit[] = [];
  for (const { height, amount } of deposits) {
    if (room <= 0n) break;
    kept.push({ height, amount: amount < room ? amount : room });
    room -= amount;
  }
  return kept;
}

/** The latest deposits, together at most `total` nweft: what is asked back is what was put in first. */
function newestOf(deposits: readonly EscrowDeposit[], total: bigint): readonly EscrowDeposit[] {
  return oldestOf(deposits.toReversed(), total).toReversed();
}

function setEscrow(ctx: StakingContext, account: string, escrow: EscrowState): void {
  ctx.records.set(ESCROW, account, escrow.balance === 0n ? undefined : escrow);
}
