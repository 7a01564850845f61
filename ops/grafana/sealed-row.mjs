// The row of the node's dashboard about sealed transactions.
import { events, gauge, increase, mean, NODE, panel, quantile, sumBy } from "./panels.mjs";

export const SEALED_ROW = [
  "Sealed transactions",
  panel(
    "Keys",
    "short",
    [gauge("weft_seal_key"), `${NODE} in force`],
    [gauge("weft_seal_generation"), `${NODE} being generated`],
    [gauge("weft_seal_key_members"), `${NODE} members of the one in force`],
  ),
  panel(
    "Heights of keys",
    "short",
    [gauge("weft_seal_key_height"), `${NODE} in force since`],
    [gauge("weft_seal_next_key_height"), `${NODE} next from`],
  ),
  panel("Blocks take sealed transactions", "bool", [gauge("weft_seal_open"), NODE]),
  panel(
    "Waiting for their content",
    "short",
    [gauge("weft_seal_pending_items"), `${NODE} sealed`],
    [gauge("weft_seal_asked_items"), `${NODE} asked of the next votes`],
    [gauge("weft_seal_pending_commits"), `${NODE} commits`],
  ),
  panel("Settled", "short", [
    sumBy("instance, kind, outcome", events("weft_seal_resolved_total")),
    `${NODE} {{kind}} {{outcome}}`,
  ]),
  panel(
    "Blocks from order to content (mean, p95)",
    "short",
    [mean("weft_seal_reveal_blocks"), `${NODE} mean`],
    [quantile(0.95, "weft_seal_reveal_blocks"), `${NODE} p95`],
  ),
  panel("Votes without their shares, by validator", "short", [
    `max by (validator) (${events("weft_seal_missing_shares_total")})`,
    "{{validator}}",
  ]),
  panel(
    "Disputes and faults",
    "short",
    [increase("weft_seal_disputes_total"), `${NODE} disputed`],
    [
      sumBy("instance, code", events("weft_seal_parts_rejected_total")),
      `${NODE} shares refused, {{code}}`,
    ],
    [increase("weft_seal_parts_unwatched_total"), `${NODE} not looked at`],
    [
      sumBy("instance, kind", events("weft_seal_evidence_found_total")),
      `${NODE} proof of {{kind}}`,
    ],
  ),
  panel("Opened ahead of their block, or for it", "short", [
    sumBy("instance, when", events("weft_seal_opened_items_total")),
    `${NODE} {{when}}`,
  ]),
  panel("Arithmetic (p95)", "s", [
    quantile(0.95, "weft_seal_work_seconds", "instance, work"),
    `${NODE} {{work}}`,
  ]),
];
