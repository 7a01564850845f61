// The row of the node's dashboard about lanes, refused proposals and inclusion lists.
import { events, gauge, increase, mean, NODE, panel, quantile, rate, sumBy } from "./panels.mjs";

export const INCLUSION_ROW = [
  "Lanes and inclusion lists",
  panel("Bytes of transactions by lane", "Bps", [
    sumBy("lane", rate("weft_mev_lane_bytes_total")),
    "lane {{lane}}",
  ]),
  panel("Refused proposals by check and proposer", "short", [
    sumBy("check, proposer", events("weft_mev_proposals_refused_total")),
    "{{check}} {{proposer}}",
  ]),
  panel(
    "Listed and due",
    "short",
    [gauge("weft_mev_list_items"), `${NODE} listed`],
    [gauge("weft_mev_due_items"), `${NODE} due in the next block`],
  ),
  panel(
    "What became of what had to be included",
    "short",
    [increase("weft_mev_obligations_armed_total"), `${NODE} armed`],
    [increase("weft_mev_obligations_met_total"), `${NODE} included`],
    [
      sumBy("instance, code", events("weft_mev_obligations_excused_total")),
      `${NODE} excused, {{code}}`,
    ],
    [increase("weft_mev_obligations_withdrawn_total"), `${NODE} withdrawn by a validator`],
    [increase("weft_mev_obligations_forgotten_total"), `${NODE} forgotten`],
  ),
  panel(
    "Blocks from the first listing to inclusion (mean, p95)",
    "short",
    [mean("weft_mev_obligation_inclusion_blocks"), `${NODE} mean`],
    [quantile(0.95, "weft_mev_obligation_inclusion_blocks"), `${NODE} p95`],
  ),
  panel("Time from first sight to the block (p95)", "s", [
    quantile(0.95, "weft_mev_inclusion_delay_seconds", "instance, lane"),
    `${NODE} lane {{lane}}`,
  ]),
  panel(
    "Blocks from first sight to the block (mean, p95)",
    "short",
    [mean("weft_mev_inclusion_delay_blocks"), `${NODE} mean`],
    [quantile(0.95, "weft_mev_inclusion_delay_blocks"), `${NODE} p95`],
  ),
  panel("Order against receipt, by rollup (mean)", "percentunit", [
    mean("weft_mev_reorder_distance"),
    "{{rollup}}",
  ]),
  panel("Left out of what 2/3 list, by proposer", "percentunit", [
    `max by (validator) (${gauge("weft_mev_censorship_score")})`,
    "{{validator}}",
  ]),
  panel(
    "Listed transactions from and to others",
    "short",
    [increase("weft_mev_bodies_asked_total"), `${NODE} asked for`],
    [increase("weft_mev_bodies_served_total"), `${NODE} given`],
    [increase("weft_mev_bodies_missing_total"), `${NODE} missing when it proposed`],
  ),
  panel("Listed transactions kept", "bytes", [gauge("weft_mev_bodies_kept_bytes"), NODE]),
];
