/** Which transactions of a log go into one message, and messages that several peers are sent. */
import { TX_ALONE_BYTES_MIN, TX_BATCHES_SHARED_MAX } from "../limits.ts";
import type { LoggedTx, TxLog } from "./tx-log.ts";

export type Decision = "send" | "skip" | "wait";

export interface Batch {
  readonly txs: readonly Uint8Array[];
  /** Sequence number after the last entry looked at. */
  readonly end: number;
  /** An entry was left out, so that the batch is not for everybody. */
  readonly hasExceptions: boolean;
  /** The entry at `end` is to be sent later. */
  readonly isWaiting: boolean;
}

/** Tag and length of one transaction in a message, at most. */
const TX_FRAMING_BYTES_MAX = 6;

/** The next entries of `log` from `start` on that fill one message of at most `bytesMax`, or one alone. */
export function collect(
  log: TxLog,
  start: number,
  bytesMax: number,
  decide: (entry: LoggedTx) => Decision,
): Batch {
  const txs: Uint8Array[] = [];
  let bytes = 0;
  let hasExceptions = false;
  let end = start;
  for (; end < log.end; end++) {
    const entry = log.at(end);
    if (entry === undefined || entry.isRemoved) continue;
    const decision = decide(entry);
    if (decision === "wait") return { txs, end, hasExceptions, isWaiting: true };
    if (decision === "skip") {
      hasExceptions = true;
      continue;
    }
    const { length } = entry.tx;
    const isAlone = length >= TX_ALONE_BYTES_MIN;
    const isFull = bytes + length + TX_FRAMING_BYTES_MAX > bytesMax;
    if (txs.length > 0 && (isAlone || isFull)) break;
    txs.push(entry.tx);
    bytes += length + TX_FRAMING_BYTES_MAX;
    if (isAlone) {
      end += 1;
      break;
    }
  }
  return { txs, end, hasExceptions, isWaiting: false };
}

/** A message of consecutive entries without exceptions: the same bytes serve every peer. */
export interface SharedBatch {
  /** Sequence number after its last entry. */
  readonly end: number;
  readonly bytes: Uint8Array;
}

/** Messages that peers which take them more slowly will be sent too, so that each is encoded once. */
export class SharedBatches {
  readonly #byStart = new Map<number, SharedBatch>();

  /** The one whose first entry has this sequence number. */
  from(start: number): SharedBatch | undefined {
    return this.#byStart.get(start);
  }

  /** The oldest is forgotten when there are too many. */
  put(start: number, batch: SharedBatch): void {
    this.#byStart.set(start, batch);
    if (this.#byStart.size <= TX_BATCHES_SHARED_MAX) return;
    const oldest = this.#byStart.keys().next();
    if (oldest.done !== true) this.#byStart.delete(oldest.value);
  }

  /** Every peer has had the entries before `start`. */
  forgetBefore(start: number): void {
    for (const [first] of this.#byStart) if (first < start) this.#byStart.delete(first);
  }

  clear(): void {
    this.#byStart.clear();
  }
}
