import type { InclusionMetrics } from "../app/inclusion/metrics.ts";
import type { SpecsOf } from "../ports/prometheus.ts";

export const INCLUSION_SPECS: SpecsOf<InclusionMetrics> = {
  listItems: {
    type: "gauge",
    name: "weft_mev_list_items",
    help: "Transactions that the state has as listed by some validator",
  },
  dueItems: {
    type: "gauge",
    name: "weft_mev_due_items",
    help: "Transactions that the next block has to hold",
  },
  obligationsArmed: {
    type: "counter",
    name: "weft_mev_obligations_armed_total",
    help: "Transactions that validators with more than 2/3 of the power have listed",
  },
  obligationsMet: {
    type: "counter",
    name: "weft_mev_obligations_met_total",
    help: "Armed transactions that a block holds",
  },
  obligationsExcused: {
    type: "counter",
    name: "weft_mev_obligations_excused_total",
    help: "Due transactions that could not stand in their block, by code of why",
    labels: ["code"],
  },
  obligationsWithdrawn: {
    type: "counter",
    name: "weft_mev_obligations_withdrawn_total",
    help: "Validators' words that they cannot have an armed transaction",
  },
  obligationsForgotten: {
    type: "counter",
    name: "weft_mev_obligations_forgotten_total",
    help: "Armed transactions that too many validators could not have",
  },
  obligationInclusionBlocks: {
    type: "histogram",
    name: "weft_mev_obligation_inclusion_blocks",
    help: "Blocks from the first listing of an armed transaction to the block that holds it",
    buckets: [1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 16, 24, 32, 64],
  },
  inclusionDelaySeconds: {
    type: "histogram",
    name: "weft_mev_inclusion_delay_seconds",
    help: "Time from this node's first sight of a transaction to its block, by lane (number); of at most 64 transactions of a block",
    labels: ["lane"],
    buckets: [0.05, 0.1, 0.25, 0.5, 1, 2, 3, 5, 8, 13, 21, 34, 60, 300],
  },
  inclusionDelayBlocks: {
    type: "histogram",
    name: "weft_mev_inclusion_delay_blocks",
    help: "Blocks from this node's first sight of a transaction to its block; of at most 64 transactions of a block",
    buckets: [1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 16, 24, 32, 64],
  },
  reorderDistance: {
    type: "histogram",
    name: "weft_mev_reorder_distance",
    help: "Pairs of a rollup's listed transactions of one block that stand the other way round than validators received them, of all pairs, by rollup (at most 200)",
    labels: ["rollup"],
    buckets: [0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.75, 1],
  },
  censorshipScore: {
    type: "gauge",
    name: "weft_mev_censorship_score",
    help: "Part that a proposer left out of what more than 2/3 of the power had listed and its block had room for, a moving average over its blocks, by validator (at most 200)",
    labels: ["validator"],
  },
  bodiesAsked: {
    type: "counter",
    name: "weft_mev_bodies_asked_total",
    help: "Listed transactions that this node lacked and asked others for",
  },
  bodiesServed: {
    type: "counter",
    name: "weft_mev_bodies_served_total",
    help: "Listed transactions that this node gave to others",
  },
  bodiesMissing: {
    type: "counter",
    name: "weft_mev_bodies_missing_total",
    help: "Due transactions that this node did not have when it proposed",
  },
  bodiesKeptBytes: {
    type: "gauge",
    name: "weft_mev_bodies_kept_bytes",
    help: "Bytes of listed transactions that are kept beside the pool",
  },
};
