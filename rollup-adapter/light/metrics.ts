import {
  type Counter,
  type Gauge,
  NULL_COUNTER,
  NULL_GAUGE,
} from "../../sequencer/ports/instruments.ts";

/** Metrics of a light client and of the answers verified with it. */
export interface LightMetrics {
  /** weft_light_trusted_height: Highest height that the light client has verified. */
  readonly trustedHeight: Gauge;
  /** weft_light_blocks_examined_total: Light blocks looked at on the way to verified ones. */
  readonly blocksExamined: Counter;
  /** weft_light_witnesses: Witnesses that cross-check the primary. */
  readonly witnesses: Gauge;
  /** weft_light_provider_faults_total: Providers that failed or lied, by what became of them (primary_replaced, primary_behind, witness_removed, witness_silent). */
  readonly providerFaults: Counter<"kind">;
  /** weft_light_attacks_total: Attacks detected: two verified headers that contradict each other. */
  readonly attacks: Counter;
  /** weft_light_answers_total: Answers of the primary, by method and outcome (verified, passed_on, refused). */
  readonly answers: Counter<"method" | "outcome">;
}

export const NULL_LIGHT_METRICS: LightMetrics = {
  trustedHeight: NULL_GAUGE,
  blocksExamined: NULL_COUNTER,
  witnesses: NULL_GAUGE,
  providerFaults: NULL_COUNTER,
  attacks: NULL_COUNTER,
  answers: NULL_COUNTER,
};
