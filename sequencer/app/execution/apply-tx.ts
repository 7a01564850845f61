import { Height } from "../../../proto/brands.ts";
import { bytesEqual, copyBytes, toHex } from "../../../proto/bytes.ts";
import type { AccountState, ParamsState, RollupState } from "../../../proto/codec/weft-state.ts";
import type {
  Action,
  RegisterRollup,
  RollupPolicy,
  Transfer,
  UpdateRollup,
} from "../../../proto/codec/weft-tx.ts";
import { assertNever } from "../../../proto/errors.ts";
import { type Failure, failure } from "../codes.ts";
import type { WorkingState } from "../state/working-state.ts";
import type { Digest } from "../state-tree/node.ts";
import { policyAt } from "../state/rollup-policy.ts";
import { feePerByte } from "./base-fee.ts";
import type { DecodedTx } from "./decoded-tx.ts";

/** What the rules read of the state; the committed state and a block under way both offer it. */
export interface StateReader {
  account(address: string): AccountState;
  rollup(rollupId: string): RollupState | undefined;
  isRemembered(id: Digest): boolean;
  /** Unordered transactions of the block under way. */
  readonly unorderedCount: number;
}

/** What is the same for all transactions of a block. */
export interface TxTerms {
  readonly height: number;
  readonly params: ParamsState;
  readonly baseFeePerByte: bigint;
}

/** A transaction that stands in a block: what it paid, and why its action failed if it did. */
export interface AppliedTx {
  readonly fee: bigint;
  readonly failure: Failure | undefined;
}

/**
 * Why the transaction may not stand in a block at this point, or undefined: size, replay protection,
 * fee (docs/formats.md, "Transactions"). A block with such an item is refused.
 */
export function validityFault(
  state: StateReader,
  tx: DecodedTx,
  terms: TxTerms,
): Failure | undefined {
  const { params, baseFeePerByte } = terms;
  if (tx.item.length > params.txBytesMax) {
    return failure("TX_TOO_LARGE", `${tx.item.length} bytes, at most ${params.txBytesMax}`);
  }
  const account = state.account(tx.sender);
  const replayed = replayFault(state, account, tx, terms);
  if (replayed !== undefined) return replayed;
  const { fee } = tx.tx.body;
  if (fee.maxFeePerByte < baseFeePerByte) {
    return failure(
      "FEE_TOO_LOW",
      `max_fee_per_byte is ${fee.maxFeePerByte}, the base fee ${baseFeePerByte}`,
    );
  }
  const cost = txFee(tx, baseFeePerByte);
  if (account.balance < cost) {
    return failure(
      "INSUFFICIENT_FUNDS",
      `the fee is ${cost} nweft, the balance ${account.balance}`,
    );
  }
  return undefined;
}

/** nweft that the transaction pays at this base fee. */
export function txFee(tx: DecodedTx, baseFeePerByte: bigint): bigint {
  return BigInt(tx.item.length) * feePerByte(tx.tx.body.fee, baseFeePerByte);
}

/**
 * Applies a transaction whose `validityFault` is undefined: takes the fee, uses up the nonce or
 * remembers the id, then runs the action, which happens wholly or not at all.
 */
export function applyTx(state: WorkingState, tx: DecodedTx, terms: TxTerms): AppliedTx {
  const { replay, action } = tx.tx.body;
  const account = state.account(tx.sender);
  const fee = txFee(tx, terms.baseFeePerByte);
  account.balance -= fee;
  state.addFee(fee);
  if (replay.kind === "nonce") account.nonce += 1n;
  else state.remember(tx.idKey, tx.id, replay.expiryHeight);

  const fault = actionFault(state, tx, terms, account.balance);
  if (fault === undefined) runAction(state, tx, action, terms);
  return { fee, failure: fault };
}

/**
 * Why the action would fail, or undefined. `balance`: what the account has left after the fee. Also
 * asked by the pool, so that what would only cost its sender a fee is refused at the door.
 */
export function actionFault(
  state: Pick<StateReader, "rollup">,
  tx: DecodedTx,
  terms: TxTerms,
  balance: bigint,
): Failure | undefined {
  const { action, publicKey } = tx.tx.body;
  switch (action.kind) {
    case "transfer":
      if (balance >= action.amount) return undefined;
      return failure("TRANSFER_FUNDS", `${balance} nweft are left, ${action.amount} are needed`);
    case "rollupData": {
      const rollup = state.rollup(tx.rollupId);
      if (rollup === undefined) return failure("ROLLUP_UNKNOWN", tx.rollupId);
      if (!policyAt(rollup, Height(terms.height)).sealedOnly) return undefined;
      return failure("ROLLUP_SEALED_ONLY", rollup.name);
    }
    case "registerRollup": {
      if (state.rollup(tx.rollupId) !== undefined) return failure("ROLLUP_EXISTS", action.name);
      const { rollupDeposit } = terms.params;
      if (balance >= rollupDeposit) return undefined;
      return failure("ROLLUP_DEPOSIT", `${balance} nweft are left, ${rollupDeposit} are needed`);
    }
    case "updateRollup": {
      const rollup = state.rollup(tx.rollupId);
      if (rollup === undefined) return failure("ROLLUP_UNKNOWN", tx.rollupId);
      return bytesEqual(rollup.ownerKey, publicKey)
        ? undefined
        : failure("ROLLUP_NOT_OWNER", rollup.name);
    }
    default:
      return assertNever(action, "action");
  }
}

/** nweft that the action takes from the account beside the fee. */
export function actionValue(action: Action, params: ParamsState): bigint {
  if (action.kind === "transfer") return action.amount;
  return action.kind === "registerRollup" ? params.rollupDeposit : 0n;
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

/** The changes of an action that `actionFault` has let through. */
function runAction(state: WorkingState, tx: DecodedTx, action: Action, terms: TxTerms): void {
  switch (action.kind) {
    case "transfer":
      return transfer(state, tx, action);
    case "rollupData":
      // Its effect is the manifest entry.
      return;
    case "registerRollup":
      return registerRollup(state, tx, action, terms);
    case "updateRollup":
      return updateRollup(state, tx, action, terms);
    default:
      assertNever(action, "action");
  }
}

function transfer(state: WorkingState, tx: DecodedTx, { to, amount }: Transfer): void {
  state.account(tx.sender).balance -= amount;
  // The total supply is below 2^63, so no balance can overflow.
  state.account(toHex(to)).balance += amount;
}

function registerRollup(
  state: WorkingState,
  tx: DecodedTx,
  action: RegisterRollup,
  { height, params }: TxTerms,
): void {
  state.collect(tx.sender, "deposits", params.rollupDeposit);
  state.setRollup(tx.rollupId, {
    name: action.name,
    ownerKey: copyBytes(action.ownerKey),
    policy: copyPolicy(action.policy),
    pending: undefined,
    deposit: params.rollupDeposit,
    registeredHeight: Height(height),
  });
}

/** The policy changes after a delay, so that users can leave first; the owner key changes at once. */
function updateRollup(
  state: WorkingState,
  tx: DecodedTx,
  action: UpdateRollup,
  { height, params }: TxTerms,
): void {
  const rollup = state.rollup(tx.rollupId);
  if (rollup === undefined) return;
  state.setRollup(tx.rollupId, {
    ...rollup,
    ownerKey: action.newOwnerKey.length > 0 ? copyBytes(action.newOwnerKey) : rollup.ownerKey,
    // A change that is already in force stays; one that still waits is replaced.
    policy: policyAt(rollup, Height(height)),
    pending: {
      policy: copyPolicy(action.policy),
      effectiveHeight: Height(height + params.policyDelay),
    },
  });
}

function copyPolicy(policy: RollupPolicy): RollupPolicy {
  return { ...policy, executorKeys: policy.executorKeys.map(copyBytes) };
}
