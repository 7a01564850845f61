/** The suite's results in words. */
import type { Check } from "./check.ts";
import type { CheckResult } from "./suite.ts";

const WORDS = { passed: "ok  ", failed: "FAIL", notRun: "-   " } as const;
const ID_WIDTH = 24;

/** One line; a check that did not pass says why on the next ones. */
export function formatResult({ id, title, rule, why, outcome, detail }: CheckResult): string {
  const line = `${WORDS[outcome]}  ${id.padEnd(ID_WIDTH)}${title}`;
  if (outcome === "passed") return line;
  if (outcome === "notRun") return `${line}\n        not run: ${detail ?? ""}`;
  return `${line}\n        ${detail ?? ""}\n        rule: docs/execution.md#${rule}; without it ${why}`;
}

export interface ConformanceSummary {
  readonly passed: number;
  readonly failed: number;
  readonly notRun: number;
}

export function summarize(results: readonly CheckResult[]): ConformanceSummary {
  const count = (outcome: CheckResult["outcome"]): number =>
    results.filter((result) => result.outcome === outcome).length;
  return { passed: count("passed"), failed: count("failed"), notRun: count("notRun") };
}

/** What `--list` says of one check. */
export function describeCheck({ id, title, rule, why, needs }: Check): string {
  const needed =
    needs === undefined ? "" : `; needs --${needs === "restart" ? "restart-command" : needs}`;
  return `${id.padEnd(ID_WIDTH)}${title}\n${"".padEnd(ID_WIDTH)}without it ${why}\n${"".padEnd(ID_WIDTH)}docs/execution.md#${rule}${needed}`;
}
