/** A submission on its way, the payloads in it, and its record in the journal. */
import type { SignedBatch } from "./batch-signer.ts";
import { encodeBatchRecord } from "./journal/batch-record.ts";
import type { JournalOperation } from "./journal/journal-store.ts";

/** Where submissions stand in the journal. */
export const BATCH_PREFIX = "batch/";

interface Waiter {
  readonly accepted: () => void;
  readonly refused: (error: Error) => void;
}

export interface Entry {
  /** SHA-256 of the payload, hex. */
  readonly key: string;
  readonly payload: Uint8Array;
  readonly attempt: number;
  waiters: Waiter[];
  /** Whether anybody was told that it is accepted. */
  isPromised: boolean;
  batch: Batch | undefined;
  /** The submission before, whose record stays until this one has its own. */
  origin: Batch | undefined;
}

export interface Batch extends SignedBatch {
  readonly name: string;
  readonly sequence: number;
  readonly entries: readonly Entry[];
  /** From this block on nothing of it can be ordered. */
  expiryHeight: number;
  /** `unanswered`: nobody knows whether a node took it. */
  state: "sending" | "accepted" | "unanswered";
  /** Of one that the journal gave back: whether it is known that no block before this life holds it. */
  isReconciled: boolean;
  /** Entries that are to move to a new submission before the record may go. */
  unmoved: number;
  /** Height at which it was last sent. */
  sentHeight: number;
}

export function record(batch: Batch, isVoid: boolean): JournalOperation {
  const { name, item, sequence, signedHeight, expiryHeight, key, entries } = batch;
  const payloads = entries.map((entry) => entry.payload);
  const attempts = entries.map((entry) => entry.attempt);
  const fields = { item, sequence, signedHeight, expiryHeight, key, payloads, attempts, isVoid };
  return { type: "put", key: `${BATCH_PREFIX}${name}`, value: encodeBatchRecord(fields) };
}

export function removal(batch: Batch): JournalOperation {
  return { type: "del", key: `${BATCH_PREFIX}${batch.name}` };
}

/** Removes the records of earlier submissions whose last payload has a new one now. */
export function moved(entries: readonly Entry[]): JournalOperation[] {
  const operations: JournalOperation[] = [];
  for (const entry of entries) {
    const { origin } = entry;
    if (origin === undefined) continue;
    entry.origin = undefined;
    origin.unmoved -= 1;
    if (origin.unmoved === 0) operations.push(removal(origin));
  }
  return operations;
}
