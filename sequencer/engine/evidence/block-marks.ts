/**
 * What the evidence of an applied block leaves in the store: no later block may hold a piece again, and the
 * pool proposes no other piece about an offence that was punished.
 */
import type { Evidence } from "../../../proto/types.ts";
import type { KeyValueWrite } from "../../store/key-value-store.ts";
import { committedKey, PUNISHED } from "./evidence-keys.ts";
import { offenceKey } from "./offence.ts";

/** Of a block that was applied. */
export function marksOf(evidence: readonly Evidence[]): KeyValueWrite[] {
  const value = new Uint8Array(0);
  return markKeys(evidence).map((key) => ({ type: "put", key, value }));
}

/** Of a block that is to be applied again, or decided anew: its own marks would speak against it. */
export function marksGone(evidence: readonly Evidence[]): KeyValueWrite[] {
  return markKeys(evidence).map((key) => ({ type: "del", key }));
}

function markKeys(evidence: readonly Evidence[]): Uint8Array[] {
  return evidence.flatMap((piece) => [committedKey(piece), offenceKey(PUNISHED, piece)]);
}
