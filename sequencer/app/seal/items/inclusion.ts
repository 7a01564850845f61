/** Action 12: a sealed item takes its place. */
import { labelOfSealed } from "../../../../mev/seal/sealed-content.ts";
import { Height } from "../../../../proto/brands.ts";
import { EMPTY_BYTES, fromHex, toHex } from "../../../../proto/bytes.ts";
import type { Sealed } from "../../../../proto/codec/seal-tx.ts";
import { SealedItemKind, type SealedItemState } from "../../../../proto/codec/seal-state.ts";
import { type Failure, failure } from "../../codes.ts";
import { txFee } from "../../execution/base-fee.ts";
import type { ActionReader, ActionRules, TxTerms } from "../../execution/action-rules.ts";
import type { DecodedTx } from "../../execution/decoded-tx.ts";
import type { WorkingState } from "../../state/working-state.ts";
import { keyInForce, sealedBatch, sealKey, type SealReader, sealState } from "../reader.ts";
import { ciphertextProof } from "./ciphertext-proof.ts";
import { setItems } from "./records.ts";
import { emitOrdered } from "./resolve.ts";

export const SEALED_RULES: ActionRules<Sealed> = {
  fault(state, _tx, action, { height, params }, balance) {
    return (
      rollupsFault(state, action) ??
      timeFault(action, height) ??
      keyFault(state.staking, action.key, height) ??
      bondFault(balance, params.sealBond)
    );
  },
  late({ staking }, action, height) {
    return pastFault(action, height) ?? lateKeyFault(staking, action.key, height);
  },
  run(state, tx, _action, terms) {
    holdDeposits(state, tx, terms);
  },
  placed(state, tx, action, positions, terms) {
    const { rollupIds, key, kem, body } = action;
    const { label } = tx;
    const places = placesOf(rollupIds, positions);
    const kind = SealedItemKind.SEALED;
    const item = { kind, kem, body, label, places, tips: [], group: EMPTY_BYTES };
    placeItem(state, tx, key, item, terms);
  },
  value: (_action, { sealBond }) => sealBond,
  proofs: (chainId, body, action) => [
    ciphertextProof(labelOfSealed(chainId, body, action), action),
  ],
};

/** What is hidden in a transaction, as the batch of its block keeps it. */
export interface HiddenItem
  extends Pick<SealedItemState, "kind" | "kem" | "body" | "label" | "places" | "tips" | "group"> {
  /** Absent: empty. */
  readonly proposer?: Uint8Array;
}

/** What the transaction has just paid, and its bond, go where they belong when its content is known. */
export function holdDeposits(
  state: WorkingState,
  tx: DecodedTx,
  { params, baseFeePerByte }: TxTerms,
): void {
  state.move("feePool", "sealed", txFee(tx, baseFeePerByte));
  state.collect(tx.sender, "sealed", params.sealBond);
}

/** The transaction takes the next place in the batch of its block. */
export function placeItem(
  state: WorkingState,
  tx: DecodedTx,
  key: number,
  hidden: HiddenItem,
  { height, params, baseFeePerByte }: TxTerms,
): void {
  const items = sealedBatch(state, height)?.items ?? [];
  const item: SealedItemState = {
    proposer: EMPTY_BYTES,
    ...hidden,
    index: items.length,
    id: tx.id,
    sender: fromHex(tx.sender),
    fee: txFee(tx, baseFeePerByte),
    bond: params.sealBond,
    disputedHeight: Height(0),
    disputedBy: EMPTY_BYTES,
  };
  setItems(state, height, key, [...items, item]);
  emitOrdered(state, key, item, tx);
}

/** `positions`: one for each rollup, of its entry among the rollup's. */
export function placesOf(
  rollupIds: readonly Uint8Array[],
  positions: readonly number[],
): SealedItemState["places"] {
  return rollupIds.map((rollupId, at) => ({ rollupId, position: positions[at] ?? 0 }));
}

/** Whether all rollups that it names are there. */
export function rollupsFault(
  state: ActionReader,
  { rollupIds }: Pick<Sealed, "rollupIds">,
): Failure | undefined {
  const unknown = rollupIds.find((id) => state.rollup(toHex(id)) === undefined);
  return unknown === undefined ? undefined : failure("ROLLUP_UNKNOWN", toHex(unknown));
}

/** Whether a block from `height` on may still hold it. */
export function pastFault(
  { maxHeight }: Pick<Sealed, "maxHeight">,
  height: number,
): Failure | undefined {
  return height <= maxHeight
    ? undefined
    : failure("SEAL_TOO_LATE", `its last block was ${maxHeight}`);
}

/** Whether the block at `height` may hold it. */
export function timeFault(
  { maxHeight }: Pick<Sealed, "maxHeight">,
  height: number,
): Failure | undefined {
  if (height <= maxHeight) return undefined;
  return failure("SEAL_TOO_LATE", `its last block was ${maxHeight}, this is ${height}`);
}

/** Why the block at `height` takes nothing that is sealed for this key, or undefined. */
export function keyFault(reader: SealReader, key: number, height: number): Failure | undefined {
  const { nextKey, nextKeyHeight, isOpen } = sealState(reader);
  const inForce = keyInForce(reader, height);
  if (inForce === 0) return failure("SEAL_LANE_OFF", "there is no key");
  if (key < inForce) {
    const since = sealKey(reader, inForce)?.activeHeight ?? 0;
    return failure(
      "SEAL_KEY_OLD",
      `it is for key ${key}; since block ${since}, it is key ${inForce}`,
    );
  }
  if (key > inForce) {
    const from = key === nextKey ? `from block ${nextKeyHeight} on` : "not final";
    return failure("SEAL_KEY_NOT_YET", `key ${key} is ${from}; until then, it is key ${inForce}`);
  }
  if (isOpen) return undefined;
  return failure("SEAL_LANE_OFF", `holders of key ${key} have too little of the power`);
}

/** Why no block from `height` on takes what is sealed for this key, or undefined. */
export function lateKeyFault(reader: SealReader, key: number, height: number): Failure | undefined {
  const inForce = keyInForce(reader, height);
  if (key >= inForce) return undefined;
  return failure("SEAL_KEY_OLD", `it is for key ${key}, now it is key ${inForce}`);
}

/** `balance`: what is left after the fee. */
export function bondFault(balance: bigint, bond: bigint): Failure | undefined {
  if (balance >= bond) return undefined;
  return failure("SEAL_BOND", `${balance} nweft are left, the bond is ${bond}`);
}
