/**
 * Escrow: what an account has put aside for its bids (docs/adr/0020). Actions 81 and 82, what is asked back and
 * when it is paid, and what auctions take. `account`: 40 lower-case hex characters.
 */
import type { Height } from "../../../proto/brands.ts";
import type { EscrowState, EscrowWithdrawal } from "../../../proto/codec/mev-state.ts";
import type { DepositEscrow, WithdrawEscrow } from "../../../proto/codec/mev-tx.ts";
import { assert } from "../../../proto/errors.ts";
import { event, plain } from "../abci-event.ts";
import { type Failure, failure } from "../codes.ts";
import { openingBlocks } from "../seal/items/room.ts";
import type { StakingContext, StakingReader } from "../staking/context.ts";
import { accountAttribute, numberAttribute } from "../staking/events.ts";
import { ESCROW, ESCROW_QUEUE, heightKey } from "../state/tables.ts";
import { areFull, notAskedBack, paidFrom, settled, withRequest } from "../state/withdrawals.ts";
import { ESCROW_PAID_PER_BLOCK_MAX } from "./limits.ts";

const NO_ESCROW: EscrowState = { balance: 0n, withdrawals: [] };

export function escrowOf(reader: Pick<StakingReader, "records">, account: string): EscrowState {
  return reader.records.get(ESCROW, account) ?? NO_ESCROW;
}

/** nweft that the account has not asked back. */
export function freeEscrow({ balance, withdrawals }: EscrowState): bigint {
  return notAskedBack(balance, withdrawals);
}

/** `balance`: what the account has left after the fee. */
export function depositEscrowFault(
  { amount }: DepositEscrow,
  balance: bigint,
): Failure | undefined {
  if (balance >= amount) return undefined;
  return failure("ESCROW_FUNDS", `${balance} nweft are left, ${amount} are needed`);
}

export function depositEscrow(
  ctx: StakingContext,
  account: string,
  { amount }: DepositEscrow,
): void {
  const escrow = escrowOf(ctx, account);
  ctx.collect(account, "escrow", amount);
  setEscrow(ctx, account, { ...escrow, balance: escrow.balance + amount });
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
 * Takes what an account pays for the tops that it has won: free money first, then the latest requests. The nweft stay in
 * the pool until the caller moves them.
 */
export function takeEscrow(ctx: StakingContext, account: string, amount: bigint): void {
  const escrow = escrowOf(ctx, account);
  assert(escrow.balance >= amount, `${account} has the ${amount} nweft of escrow that it pays`);
  let missing = amount - freeEscrow(escrow);
  const kept: EscrowWithdrawal[] = [];
  for (const { height, amount: asked } of escrow.withdrawals.toReversed()) {
    const left = missing > 0n ? asked - missing : asked;
    missing -= asked;
    if (left > 0n) kept.unshift({ height, amount: left });
    else ctx.records.set(ESCROW_QUEUE, heightKey(height, account), undefined);
  }
  setEscrow(ctx, account, { balance: escrow.balance - amount, withdrawals: kept });
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
    setEscrow(ctx, account, { balance: escrow.balance - amount, withdrawals });
    ctx.pay("escrow", account, amount);
    ctx.emit(
      event("pay_escrow", [
        accountAttribute("account", account),
        numberAttribute("amount", amount),
      ]),
    );
  }
}

function setEscrow(ctx: StakingContext, account: string, escrow: EscrowState): void {
  ctx.records.set(ESCROW, account, escrow.balance === 0n ? undefined : escrow);
}
