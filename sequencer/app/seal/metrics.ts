import {
  type Counter,
  type Gauge,
  type Histogram,
  NULL_COUNTER,
  NULL_GAUGE,
  NULL_HISTOGRAM,
} from "../../ports/instruments.ts";

/** Instruments of sealed transactions; a part of the application's. */
export interface SealMetrics {
  /** `weft_seal_key`: Number of the key in force for sealed transactions; 0 when there is none. */
  readonly sealKey: Gauge;
  /** `weft_seal_key_height`: First height of the key in force; 0 when there is none. */
  readonly sealKeyHeight: Gauge;
  /** `weft_seal_next_key_height`: First height of the key that is final and not in force yet; 0 when there is none. */
  readonly sealNextKeyHeight: Gauge;
  /** `weft_seal_key_members`: Validators that hold shares of the key in force. */
  readonly sealKeyMembers: Gauge;
  /** `weft_seal_generation`: Number of the key that is being generated; 0 when none is. */
  readonly sealGeneration: Gauge;
  /** `weft_seal_open`: 1 while blocks take sealed transactions, 0 otherwise. */
  readonly sealOpen: Gauge;
  /** `weft_seal_pending_items`: Sealed transactions that are ordered and not resolved. */
  readonly sealPendingItems: Gauge;
  /** `weft_seal_asked_items`: Sealed transactions that extensions of the next height bring shares for. */
  readonly sealAskedItems: Gauge;
  /** `weft_seal_pending_commits`: Commits that are neither revealed nor void. */
  readonly sealPendingCommits: Gauge;
  /** `weft_seal_resolved_total`: Places whose content is settled, by kind (sealed, commit) and outcome (opened, invalid, expired, void). */
  readonly sealResolved: Counter<"kind" | "outcome">;
  /** `weft_seal_reveal_blocks`: Blocks from the order of a sealed transaction to its content. */
  readonly sealRevealBlocks: Histogram;
  /** `weft_seal_disputes_total`: Sealed transactions that a proposer disputed. */
  readonly sealDisputes: Counter;
  /** `weft_seal_missing_shares_total`: Votes without the shares that they owed, by validator (at most 200). */
  readonly sealMissingShares: Counter<"validator">;
  /** `weft_seal_parts_rejected_total`: Parts with shares in votes of others that were refused, by code. */
  readonly sealPartsRejected: Counter<"code">;
  /** `weft_seal_parts_unwatched_total`: Parts with shares that were not looked at for provable faults, because there were too many. */
  readonly sealPartsUnwatched: Counter;
  /** `weft_seal_evidence_found_total`: Faults in shares of others that this node can prove, by kind of evidence. */
  readonly sealEvidenceFound: Counter<"kind">;
  /** `weft_seal_opened_items_total`: Sealed transactions that were opened, by when: ahead of the block that shows their points, or for a block. */
  readonly sealOpenedItems: Counter<"when">;
  /** `weft_seal_work_seconds`: Duration of one batch of arithmetic, waiting for a thread included, by work (check, make, verify, combine, open). */
  readonly sealWorkSeconds: Histogram<"work">;
}

export const NULL_SEAL_METRICS: SealMetrics = {
  sealKey: NULL_GAUGE,
  sealKeyHeight: NULL_GAUGE,
  sealNextKeyHeight: NULL_GAUGE,
  sealKeyMembers: NULL_GAUGE,
  sealGeneration: NULL_GAUGE,
  sealOpen: NULL_GAUGE,
  sealPendingItems: NULL_GAUGE,
  sealAskedItems: NULL_GAUGE,
  sealPendingCommits: NULL_GAUGE,
  sealResolved: NULL_COUNTER,
  sealRevealBlocks: NULL_HISTOGRAM,
  sealDisputes: NULL_COUNTER,
  sealMissingShares: NULL_COUNTER,
  sealPartsRejected: NULL_COUNTER,
  sealPartsUnwatched: NULL_COUNTER,
  sealEvidenceFound: NULL_COUNTER,
  sealOpenedItems: NULL_COUNTER,
  sealWorkSeconds: NULL_HISTOGRAM,
};
