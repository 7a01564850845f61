import type { AccountState } from "../../../proto/codec/weft-state.ts";
import { type Failure, failure } from "../codes.ts";
import type { WorkingState } from "../state/working-state.ts";
import type { Digest } from "../state-tree/node.ts";
import {
  actionFault,
  costlyActionFault,
  drawFeeHold,
  feeHoldOf,
  isDuty,
  runAction,
} from "./actions.ts";
import type { ActionReader, TxTerms } from "./action-rules.ts";
import { txFee } from "./base-fee.ts";
import type { DecodedTx } from "./decoded-tx.ts";

/** What the rules read of the state; the committed state and a block under way both offer it. */
export interface StateReader {
  account(address: string): AccountState;
  isRemembered(id: Digest): boolean;
  /** Unordered transactions of the block under way. */
  readonly unorderedCount: number;
}

/** A transaction that stands in a block: what it paid, and why its action failed if it did. */
export interface AppliedTx {
  readonly fee: bigint;
  readonly failure: Failure | undefined;
}

/**
 * Why the transaction may not stand in a block at this point, or undefined: size, replay protection,
 * fee (docs/formats.md, "Transactions"); of one that is free or strict, any fault of its action. A block with
 * such an item is refused.
 */
export function validityFault(
  state: StateReader & ActionReader,
  tx: DecodedTx,
  terms: TxTerms,
): Failure | undefined {
  const fault = admissionFault(state, tx, terms);
  if (fault !== undefined || !isActionChecked(state, tx)) return fault;
  const balance = state.account(tx.sender).balance - txFee(tx, terms.baseFeePerByte);
  return actionFault(state, tx, terms, balance) ?? costlyActionFault(state, tx);
}

/** Whether its action may have no fault, so that nothing is left to be asked when it is applied. */
function isActionChecked(state: ActionReader, tx: DecodedTx): boolean {
  return tx.isStrict || isFree(state, tx);
}

/** `validityFault` without the action of one that is free or strict. */
export function admissionFault(
  state: StateReader & ActionReader,
  tx: DecodedTx,
  terms: TxTerms,
): Failure | undefined {
  const { params, baseFeePerByte } = terms;
  if (tx.item.length > params.txBytesMax) {
    return failure("TX_TOO_LARGE", `${tx.item.length} bytes, at most ${params.txBytesMax}`);
  }
  const account = state.account(tx.sender);
  const replayed = replayFault(state, account, tx, terms);
  if (replayed !== undefined || isFree(state, tx)) return replayed;
  const { fee } = tx.tx.body;
  if (fee.maxFeePerByte < baseFeePerByte) {
    return failure(
      "FEE_TOO_LOW",
      `max_fee_per_byte is ${fee.maxFeePerByte}, the base fee ${baseFeePerByte}`,
    );
  }
  const cost = txFee(tx, baseFeePerByte);
  if (account.balance >= cost) return undefined;
  const { amount: held } = feeHoldOf(state, tx) ?? NOTHING_HELD;
  if (account.balance + held >= cost) return undefined;
  const has = `the balance ${account.balance}${held > 0n ? `, ${held} are held for it` : ""}`;
  return failure("INSUFFICIENT_FUNDS", `the fee is ${cost} nweft, ${has}`);
}

const NOTHING_HELD = { amount: 0n };

/** Whether it pays nothing: it offers nothing, and is a duty of the validator whose application key sends it. */
export function isFree(state: ActionReader, tx: DecodedTx): boolean {
  const { maxFeePerByte, tipPerByte } = tx.tx.body.fee;
  return maxFeePerByte === 0n && tipPerByte === 0n && isDuty(state, tx);
}

/**
 * Applies a transaction whose `validityFault` is undefined: takes the fee, out of what is held for it where the
 * balance does not suffice, uses up the nonce or remembers the id, then runs the action, which happens wholly
 * or not at all.
 */
export function applyTx(state: WorkingState, tx: DecodedTx, terms: TxTerms): AppliedTx {
  const { replay } = tx.tx.body;
  const account = state.account(tx.sender);
  const fee = txFee(tx, terms.baseFeePerByte);
  if (account.balance < fee) drawFeeHold(state, tx, fee - account.balance);
  account.balance -= fee;
  state.addFee(fee);
  if (replay.kind === "nonce") account.nonce += 1n;
  else state.remember(tx.idKey, tx.id, replay.expiryHeight);

  // `validityFault` has just asked, and that may take a millisecond.
  const fault = isActionChecked(state, tx)
    ? undefined
    : (actionFault(state, tx, terms, account.balance) ?? costlyActionFault(state, tx));
  if (fault === undefined) runAction(state, tx, terms);
  return { fee, failure: fault };
}

function replayFault(
  state: StateReader,
  account: AccountState,
  tx: DecodedTx,
  { height, params }: TxTerms,
): Failure | undefined {
  const { replay } = tx.tx.body;
  if (replay.kind === "nonce") {
    if (replay.value === account.nonce) return undefined;
    const code = replay.value < account.nonce ? "NONCE_USED" : "NONCE_GAP";
    return failure(code, `expected ${account.nonce}, got ${replay.value}`);
  }
  const { expiryHeight } = replay;
  if (expiryHeight <= height) {
    return failure("UNORDERED_EXPIRED", `expiry ${expiryHeight} at height ${height}`);
  }
  if (expiryHeight > height + params.unorderedWindow) {
    return failure(
      "UNORDERED_TOO_FAR",
      `expiry ${expiryHeight} at height ${height}, at most ${params.unorderedWindow} ahead`,
    );
  }
  if (state.isRemembered(tx.idKey)) return failure("UNORDERED_SEEN");
  if (state.unorderedCount < params.unorderedPerBlockMax) return undefined;
  return failure("UNORDERED_FULL", `at most ${params.unorderedPerBlockMax}`);
}
