/** The suite's results in words. */
import type { Check } from "./check.ts";
import type { CheckResult } from "./suite.ts";

const WORDS = { passed: "ok  ", failed: "FAIL", notRun: "-   ", notApplicable: "-   " } as const;
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
  readonly notApplicable: number;
}

export function summarize(results: readonly CheckResult[]): ConformanceSummary {
  const count = (outcome: CheckResult["outcome"]): number =>
    results.filter((result) => result.outcome === outcome).length;
  return {
    passed: count("passed"),
    failed: count("failed"),
    notRun: count("notRun"),
    notApplicable: count("notApplicable"),
  };
}

/** One line for all checks that are for executors of the other level; undefined where there are none. */
export function describeLevel(results: readonly CheckResult[]): string | undefined {
  const others = results.filter(({ outcome }) => outcome === "notApplicable");
  const other = others[0]?.level;
  if (other === undefined) return undefined;
  const checks = others.length === 1 ? "1 check" : `${others.length} checks`;
  const verb = others.length === 1 ? "does" : "do";
  return `level ${1 - other}: ${checks} of level ${other} ${verb} not apply`;
}

/** What `--list` says of one check. */
export function describeCheck({ id, title, rule, why, needs, level }: Check): string {
  const options = (needs ?? []).map((need) => (need === "restart" ? "restart-command" : need));
  const needed = options.map((option) => `; needs --${option}`).join("");
  const only = level === undefined ? "" : `; level ${level} only`;
  return `${id.padEnd(ID_WIDTH)}${title}\n${"".padEnd(ID_WIDTH)}without it ${why}\n${"".padEnd(ID_WIDTH)}docs/execution.md#${rule}${needed}${only}`;
}
