/** What was submitted and is not decided yet, and how long the rest took. Pure. */

export interface Submission {
  readonly payloads: number;
  readonly bytes: number;
  /** When it was due (open loop) or handed to gRPC (closed loop), ms. */
  readonly atMs: number;
}

export interface Latency {
  readonly submittedMs: number;
  readonly latencyMs: number;
}

export interface Ledger {
  submitted(id: string, submission: Submission): void;
  /** The node refused it; its answer counts once. */
  refused(id: string, reason: string): void;
  /** It is in a block; undefined when it is not (or no longer) ours. */
  committed(id: string, atMs: number): Submission | undefined;
  readonly outstandingItems: number;
  readonly outstandingBytes: number;
  readonly submittedPayloads: number;
  readonly committedPayloads: number;
  readonly latencies: readonly Latency[];
  /** Refused submissions by reason. */
  readonly refusals: Readonly<Record<string, number>>;
}

export function createLedger(): Ledger {
  const outstanding = new Map<string, Submission>();
  const latencies: Latency[] = [];
  const refusals: Record<string, number> = {};
  let outstandingBytes = 0;
  let submittedPayloads = 0;
  let committedPayloads = 0;

  function take(id: string): Submission | undefined {
    const submission = outstanding.get(id);
    if (submission === undefined) return undefined;
    outstanding.delete(id);
    outstandingBytes -= submission.bytes;
    return submission;
  }

  return {
    submitted(id, submission) {
      outstanding.set(id, submission);
      outstandingBytes += submission.bytes;
      submittedPayloads += submission.payloads;
    },
    refused(id, reason) {
      if (take(id) !== undefined) refusals[reason] = (refusals[reason] ?? 0) + 1;
    },
    committed(id, atMs) {
      const submission = take(id);
      if (submission === undefined) return undefined;
      committedPayloads += submission.payloads;
      latencies.push({ submittedMs: submission.atMs, latencyMs: atMs - submission.atMs });
      return submission;
    },
    get outstandingItems() {
      return outstanding.size;
    },
    get outstandingBytes() {
      return outstandingBytes;
    },
    get submittedPayloads() {
      return submittedPayloads;
    },
    get committedPayloads() {
      return committedPayloads;
    },
    latencies,
    refusals,
  };
}
