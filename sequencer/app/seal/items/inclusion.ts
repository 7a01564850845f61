/** Action 12: a sealed item takes its place. */
import { labelOfSealed } from "../../../../mev/seal/sealed-content.ts";
import { Height } from "../../../../proto/brands.ts";
import { EMPTY_BYTES, fromHex, toHex } from "../../../../proto/bytes.ts";
import type { Sealed } from "../../../../proto/codec/seal-tx.ts";
import { SealedItemKind, type SealedItemState } from "../../../../proto/codec/seal-state.ts";
import { type Failure, failure } from "../../codes.ts";
import { txFee } from "../../execution/base-fee.ts";
import type { ActionReader, ActionRules } from "../../execution/action-rules.ts";
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
    const past = pastFault(action, height);
    if (past !== undefined) return past;
    const inForce = keyInForce(staking, height);
    if (action.key >= inForce) return undefined;
    return failure("SEAL_KEY_OLD", `it is for key ${action.key}, now it is key ${inForce}`);
  },
  run(state, tx, _action, { params, baseFeePerByte }) {
    // What the item has just paid goes where it belongs when its content is known.
    state.move("feePool", "sealed", txFee(tx, baseFeePerByte));
    state.collect(tx.sender, "sealed", params.sealBond);
  },
  placed(state, tx, action, positions, { height, params, baseFeePerByte }) {
    const items = sealedBatch(state, height)?.items ?? [];
    const item: SealedItemState = {
      index: items.length,
      id: tx.id,
      sender: fromHex(tx.sender),
      kem: action.kem,
      body: action.body,
      label: labelOfSealed(state.chainId, tx.tx.body, action),
      places: action.rollupIds.map((rollupId, at) => ({ rollupId, position: positions[at] ?? 0 })),
      fee: txFee(tx, baseFeePerByte),
      bond: params.sealBond,
      disputedHeight: Height(0),
      disputedBy: EMPTY_BYTES,
      kind: SealedItemKind.SEALED,
      tips: [],
      group: EMPTY_BYTES,
    };
    setItems(state, height, action.key, [...items, item]);
    emitOrdered(state, action.key, item);
  },
  value: (_action, { sealBond }) => sealBond,
  proofs: (chainId, body, action) => [ciphertextProof(chainId, body, action)],
};

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

function keyFault(reader: SealReader, key: number, height: number): Failure | undefined {
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

function bondFault(balance: bigint, bond: bigint): Failure | undefined {
  if (balance >= bond) return undefined;
  return failure("SEAL_BOND", `${balance} nweft are left, the bond is ${bond}`);
}
