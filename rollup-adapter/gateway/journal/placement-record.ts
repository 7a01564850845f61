/** Where a transaction stands in the order, as the journal keeps it. */
import { damaged, jsonRecord } from "./batch-record.ts";

export interface Placement {
  /** Of the sequencer's block. */
  readonly height: number;
  /** Among the rollup's ordered entries of that block. */
  readonly position: number;
  /** Among the payloads of that entry. */
  readonly index: number;
  /** Weft transaction that carries it, hex. */
  readonly itemId: string;
  readonly isSealed: boolean;
  /** `ordered`: its rollup block is not made yet. */
  readonly outcome: "ordered" | "executed" | "skipped";
  /** Why it was skipped; the executor's code. */
  readonly reason: string | undefined;
}

export function encodePlacement(placement: Placement): Uint8Array {
  return Buffer.from(JSON.stringify(placement));
}

/** @throws WeftError<JournalRecordErrorInfo> */
export function decodePlacement(hash: string, bytes: Uint8Array): Placement {
  const { height, position, index, itemId, isSealed, outcome, reason } = jsonRecord(hash, bytes);
  if (
    typeof height !== "number" ||
    typeof position !== "number" ||
    typeof index !== "number" ||
    typeof itemId !== "string" ||
    typeof isSealed !== "boolean" ||
    !(outcome === "ordered" || outcome === "executed" || outcome === "skipped") ||
    !(reason === undefined || typeof reason === "string")
  ) {
    throw damaged(hash);
  }
  return { height, position, index, itemId, isSealed, outcome, reason };
}
