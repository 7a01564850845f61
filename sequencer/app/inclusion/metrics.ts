import {
  type Counter,
  type Gauge,
  type Histogram,
  NULL_COUNTER,
  NULL_GAUGE,
  NULL_HISTOGRAM,
} from "../../ports/instruments.ts";

/** Instruments of inclusion lists; a part of the application's. */
export interface InclusionMetrics {
  /** `weft_mev_list_items`: Transactions that the state has as listed by some validator. */
  readonly listItems: Gauge;
  /** `weft_mev_due_items`: Transactions that the next block has to hold. */
  readonly dueItems: Gauge;
  /** `weft_mev_obligations_armed_total`: Transactions that validators with more than 2/3 of the power have listed. */
  readonly obligationsArmed: Counter;
  /** `weft_mev_obligations_met_total`: Armed transactions that a block holds. */
  readonly obligationsMet: Counter;
  /** `weft_mev_obligations_excused_total`: Due transactions that could not stand in their block, by code of why. */
  readonly obligationsExcused: Counter<"code">;
  /** `weft_mev_obligations_withdrawn_total`: Validators' words that they cannot have an armed transaction. */
  readonly obligationsWithdrawn: Counter;
  /** `weft_mev_obligations_forgotten_total`: Armed transactions that too many validators could not have. */
  readonly obligationsForgotten: Counter;
  /** `weft_mev_obligation_inclusion_blocks`: Blocks from the first listing of an armed transaction to the block that holds it. */
  readonly obligationInclusionBlocks: Histogram;
  /** `weft_mev_inclusion_delay_seconds`: Time from this node's first sight of a transaction to its block, by lane (number); of at most 64 transactions of a block. */
  readonly inclusionDelaySeconds: Histogram<"lane">;
  /** `weft_mev_inclusion_delay_blocks`: Blocks from this node's first sight of a transaction to its block; of at most 64 transactions of a block. */
  readonly inclusionDelayBlocks: Histogram;
  /** `weft_mev_reorder_distance`: Pairs of a rollup's listed transactions of one block that stand the other way round than validators received them, of all pairs, by rollup (at most 200). */
  readonly reorderDistance: Histogram<"rollup">;
  /** `weft_mev_censorship_score`: Part that a proposer left out of what more than 2/3 of the power had listed and its block had room for, a moving average over its blocks, by validator (at most 200). */
  readonly censorshipScore: Gauge<"validator">;
  /** `weft_mev_bodies_asked_total`: Listed transactions that this node lacked and asked others for. */
  readonly bodiesAsked: Counter;
  /** `weft_mev_bodies_served_total`: Listed transactions that this node gave to others. */
  readonly bodiesServed: Counter;
  /** `weft_mev_bodies_missing_total`: Due transactions that this node did not have when it proposed. */
  readonly bodiesMissing: Counter;
  /** `weft_mev_bodies_kept_bytes`: Bytes of listed transactions that are kept beside the pool. */
  readonly bodiesKeptBytes: Gauge;
}

export const NULL_INCLUSION_METRICS: InclusionMetrics = {
  listItems: NULL_GAUGE,
  dueItems: NULL_GAUGE,
  obligationsArmed: NULL_COUNTER,
  obligationsMet: NULL_COUNTER,
  obligationsExcused: NULL_COUNTER,
  obligationsWithdrawn: NULL_COUNTER,
  obligationsForgotten: NULL_COUNTER,
  obligationInclusionBlocks: NULL_HISTOGRAM,
  inclusionDelaySeconds: NULL_HISTOGRAM,
  inclusionDelayBlocks: NULL_HISTOGRAM,
  reorderDistance: NULL_HISTOGRAM,
  censorshipScore: NULL_GAUGE,
  bodiesAsked: NULL_COUNTER,
  bodiesServed: NULL_COUNTER,
  bodiesMissing: NULL_COUNTER,
  bodiesKeptBytes: NULL_GAUGE,
};
