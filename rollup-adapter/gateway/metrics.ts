import {
  type Counter,
  type Gauge,
  type Histogram,
  NULL_COUNTER,
  NULL_GAUGE,
  NULL_HISTOGRAM,
} from "../../sequencer/ports/instruments.ts";

/** Metrics of a gateway: what it carries into the order. */
export interface GatewayMetrics {
  /** weft_gateway_pending: payloads accepted or queued and not ordered yet. */
  readonly pending: Gauge;
  /** weft_gateway_submissions_total{result}: signed submissions by answer: accepted, refused, resealed for another key, or sent_again as they were. */
  readonly submissions: Counter<"result">;
  /** weft_gateway_resubmissions_total: payloads submitted again. */
  readonly resubmissions: Counter;
  /** weft_gateway_abandoned_total: payloads given up after their last submission. */
  readonly abandoned: Counter;
  /** weft_gateway_bundles_total{result}: bundles, bids and cancellations sent for searchers: accepted, refused, or resealed for another key. */
  readonly bundles: Counter<"result">;
  /** weft_gateway_batch_bytes: size of a signed submission. */
  readonly batchBytes: Histogram;
  /** weft_gateway_journal_seconds: time of one turn of the disk, for all that was written in it. */
  readonly journalSeconds: Histogram;
  /** weft_gateway_journal_writes_total: records written to the journal or removed from it. */
  readonly journalWrites: Counter;
  /** weft_gateway_journal_failures_total: promises refused because the journal could not be written. */
  readonly journalFailures: Counter;
  /** weft_gateway_recovered_total{what}: found in the journal at a start: submission sent again, submission ordered before, transaction. */
  readonly recovered: Counter<"what">;
}

export const NULL_GATEWAY_METRICS: GatewayMetrics = {
  pending: NULL_GAUGE,
  submissions: NULL_COUNTER,
  resubmissions: NULL_COUNTER,
  abandoned: NULL_COUNTER,
  bundles: NULL_COUNTER,
  batchBytes: NULL_HISTOGRAM,
  journalSeconds: NULL_HISTOGRAM,
  journalWrites: NULL_COUNTER,
  journalFailures: NULL_COUNTER,
  recovered: NULL_COUNTER,
};
