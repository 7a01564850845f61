/** Why something that is due may not stand in a block: what a proposer says instead of it, and others check. */
import { Lane } from "../../../mev/lanes.ts";
import { encodeItem, type Excused } from "../../../proto/codec/weft-block.ts";
import { SIGNATURE_BYTES } from "../../../proto/codec/weft-basics.ts";
import type { CodeName, Failure } from "../codes.ts";
import { actionFault, costlyActionFault } from "../execution/actions.ts";
import type { TxTerms } from "../execution/action-rules.ts";
import { validityFault } from "../execution/apply-tx.ts";
import { txFee } from "../execution/base-fee.ts";
import type { DecodedTx, TxDecoder } from "../execution/decoded-tx.ts";
import type { SealedRoom } from "../seal/items/room.ts";
import type { WorkingState } from "../state/working-state.ts";

/** Faults that pass: what has one is due again later. All others are for good. */
const PASSING: ReadonlySet<CodeName> = new Set<CodeName>([
  "SEAL_FULL",
  "SEAL_LANE_OFF",
  "SEAL_COMMITS_FULL",
  "UNORDERED_FULL",
  "BUNDLE_EARLY",
  "BID_EARLY",
  "BID_TOO_MANY",
  "NONCE_GAP",
  "ATOMIC_FULL",
  "ATOMIC_SENDER",
  "ATOMIC_ROLLUP",
]);

/** Whether something due with this fault is due again later, instead of never. */
export function isPassing({ code }: Failure): boolean {
  return PASSING.has(code);
}

const NO_SIGNATURE = new Uint8Array(SIGNATURE_BYTES);

/**
 * The transaction that an excuse is about, as far as its body tells: its item has the right size and a
 * signature of zeros, which nobody looks at.
 */
export function excusedTx(decoder: TxDecoder, { bodyBytes, body }: Excused): DecodedTx | Failure {
  const tx = { bodyBytes, body, signature: NO_SIGNATURE };
  const decoded = decoder.decode(encodeItem({ kind: "tx", tx }));
  return "code" in decoded ? decoded : decoded.decoded;
}

/** The excuse for a transaction, as a block holds it. */
export function excuseItem({ tx: { bodyBytes, body } }: DecodedTx): Uint8Array {
  return encodeItem({ kind: "excused", excused: { bodyBytes, body } });
}

/**
 * Why it may not stand in the block at this point, or undefined: then there is no excuse. Beside what makes
 * any block with it invalid, that its action would fail although the order of the lane SEALED is the
 * proposer's, and that the room for sealed items is taken.
 */
export function excuseFault(
  working: WorkingState,
  tx: DecodedTx,
  terms: TxTerms,
  room: SealedRoom,
): Failure | undefined {
  const fault = validityFault(working, tx, terms);
  if (fault !== undefined || tx.lane !== Lane.SEALED) return fault ?? room.fault(tx);
  const balance = working.balance(tx.sender) - txFee(tx, terms.baseFeePerByte);
  return (
    actionFault(working, tx, terms, balance) ?? costlyActionFault(working, tx) ?? room.fault(tx)
  );
}
