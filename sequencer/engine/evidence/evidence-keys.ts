/** Keys of the evidence store: shared with whoever converts it. */
import { concatBytes } from "../../../proto/bytes.ts";
import { evidenceId } from "../../../proto/hashes.ts";
import type { Evidence } from "../../../proto/types.ts";
import { heightKey } from "../../store/keys.ts";
import { evidenceHeight } from "./offence.ts";

export const PENDING = "p";
export const COMMITTED = "c";
/** Offences that a block held, in whatever form. */
export const PUNISHED = "o";

export function pendingKey(piece: Evidence): Uint8Array {
  return concatBytes(heightKey(PENDING, evidenceHeight(piece)), evidenceId(piece));
}

export function committedKey(piece: Evidence): Uint8Array {
  return concatBytes(heightKey(COMMITTED, evidenceHeight(piece)), evidenceId(piece));
}
