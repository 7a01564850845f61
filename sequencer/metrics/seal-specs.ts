import type { SealMetrics } from "../app/seal/metrics.ts";
import type { SpecsOf } from "../ports/prometheus.ts";
import { SECONDS_BUCKETS } from "../ports/prometheus.ts";

export const SEAL_SPECS: SpecsOf<SealMetrics> = {
  sealKey: {
    type: "gauge",
    name: "weft_seal_key",
    help: "Number of the key in force for sealed transactions; 0 when there is none",
  },
  sealKeyHeight: {
    type: "gauge",
    name: "weft_seal_key_height",
    help: "First height of the key in force; 0 when there is none",
  },
  sealNextKeyHeight: {
    type: "gauge",
    name: "weft_seal_next_key_height",
    help: "First height of the key that is final and not in force yet; 0 when there is none",
  },
  sealKeyMembers: {
    type: "gauge",
    name: "weft_seal_key_members",
    help: "Validators that hold shares of the key in force",
  },
  sealGeneration: {
    type: "gauge",
    name: "weft_seal_generation",
    help: "Number of the key that is being generated; 0 when none is",
  },
  sealOpen: {
    type: "gauge",
    name: "weft_seal_open",
    help: "1 while blocks take sealed transactions, 0 otherwise",
  },
  sealPendingItems: {
    type: "gauge",
    name: "weft_seal_pending_items",
    help: "Sealed transactions that are ordered and not resolved",
  },
  sealAskedItems: {
    type: "gauge",
    name: "weft_seal_asked_items",
    help: "Sealed transactions that extensions of the next height bring shares for",
  },
  sealPendingCommits: {
    type: "gauge",
    name: "weft_seal_pending_commits",
    help: "Commits that are neither revealed nor void",
  },
  sealResolved: {
    type: "counter",
    name: "weft_seal_resolved_total",
    help: "Places whose content is settled, by kind (sealed, commit) and outcome (opened, invalid, expired, void)",
    labels: ["kind", "outcome"],
  },
  sealRevealBlocks: {
    type: "histogram",
    name: "weft_seal_reveal_blocks",
    help: "Blocks from the order of a sealed transaction to its content",
    buckets: [1, 2, 3, 4, 6, 8, 12, 16, 24, 32],
  },
  sealDisputes: {
    type: "counter",
    name: "weft_seal_disputes_total",
    help: "Sealed transactions that a proposer disputed",
  },
  sealMissingShares: {
    type: "counter",
    name: "weft_seal_missing_shares_total",
    help: "Votes without the shares that they owed, by validator (at most 200)",
    labels: ["validator"],
  },
  sealPartsRejected: {
    type: "counter",
    name: "weft_seal_parts_rejected_total",
    help: "Parts with shares in votes of others that were refused, by code",
    labels: ["code"],
  },
  sealPartsUnwatched: {
    type: "counter",
    name: "weft_seal_parts_unwatched_total",
    help: "Parts with shares that were not looked at for provable faults, because there were too many",
  },
  sealEvidenceFound: {
    type: "counter",
    name: "weft_seal_evidence_found_total",
    help: "Faults in shares of others that this node can prove, by kind of evidence",
    labels: ["kind"],
  },
  sealOpenedItems: {
    type: "counter",
    name: "weft_seal_opened_items_total",
    help: "Sealed transactions that were opened, by when: ahead of the block that shows their points, or for a block",
    labels: ["when"],
  },
  sealWorkSeconds: {
    type: "histogram",
    name: "weft_seal_work_seconds",
    help: "Duration of one batch of arithmetic, waiting for a thread included, by work (check, make, verify, combine, open)",
    labels: ["work"],
    buckets: SECONDS_BUCKETS,
  },
};
