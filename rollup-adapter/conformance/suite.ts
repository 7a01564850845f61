/** The conformance suite of `weft.execution.v1`: every check in its order, against one fresh executor. */
import { isWeftError, type WeftError } from "../../proto/errors.ts";
import type { AtomicLevel } from "../execution.ts";
import type { Check, Need } from "./check.ts";
import { BLOCK_CHECKS } from "./checks-blocks.ts";
import { BUNDLE_CHECKS } from "./checks-bundles.ts";
import { BUNDLE_ORDER_CHECKS } from "./checks-bundle-order.ts";
import { FINALITY_CHECKS } from "./checks-finality.ts";
import { OVERLAP_CHECKS } from "./checks-overlap.ts";
import { REPEAT_CHECKS } from "./checks-repeats.ts";
import { START_CHECKS } from "./checks-start.ts";
import type { ConformanceErrorInfo } from "./fault.ts";
import { Session, type SessionDependencies, type SessionOptions } from "./session.ts";

export interface ConformanceOptions extends SessionOptions {
  /** Checks to make, in this order; all by default. */
  readonly checks?: readonly Check[];
}

export interface CheckResult {
  readonly id: string;
  readonly title: string;
  readonly rule: string;
  readonly why: string;
  /** Of executors that the rule is for; undefined: of all. */
  readonly level: AtomicLevel | undefined;
  /** `notApplicable`: the rule is for executors of the other level. */
  readonly outcome: "passed" | "failed" | "notRun" | "notApplicable";
  /** What was expected and what came, or why the check was not run. */
  readonly detail: string | undefined;
}

/** All checks, in the order in which they are run. */
export const CHECKS: readonly Check[] = [
  ...START_CHECKS,
  ...BLOCK_CHECKS,
  ...REPEAT_CHECKS,
  ...FINALITY_CHECKS,
  ...BUNDLE_CHECKS,
  ...BUNDLE_ORDER_CHECKS,
  ...OVERLAP_CHECKS,
];

const NEEDED: Readonly<Record<Need, string>> = {
  second: "needs a second fresh instance of the rollup: --second host:port",
  payloads: "needs payloads that the rollup can use: --payloads file",
  legs: "needs legs that the rollup can execute atomically: --legs file",
  restart:
    "needs a way to kill the executor and start it again: --restart-command or --restart-prompt",
};

/**
 * Runs the suite. The executor must be fresh, and is of no further use: its chain is made of what the suite fed it.
 * @param onResult told of each check as it ends
 * @throws WeftError CONFORMANCE_UNREACHABLE or CONFORMANCE_NOT_FRESH when there is nothing to check
 */
export async function runConformance(
  options: ConformanceOptions,
  deps: SessionDependencies,
  onResult: (result: CheckResult) => void,
): Promise<readonly CheckResult[]> {
  const session = new Session(options, deps);
  const available: Readonly<Record<Need, boolean>> = {
    second: deps.second !== undefined,
    payloads: session.hasPayloads,
    legs: session.hasLegs,
    restart: deps.restart !== undefined,
  };
  const results: CheckResult[] = [];
  let isAnswering = true;
  for (const check of options.checks ?? CHECKS) {
    const missing = (check.needs ?? []).find((need) => !available[need]);
    const add = (outcome: CheckResult["outcome"], detail?: string): void => {
      const { id, title, rule, why, level } = check;
      const result = { id, title, rule, why, level, outcome, detail };
      results.push(result);
      onResult(result);
    };
    if (check.level !== undefined && check.level !== session.atomicLevel) {
      add("notApplicable", `the executor offers level ${session.atomicLevel}`);
    } else if (!isAnswering) add("notRun", "the executor answers no longer");
    else if (missing !== undefined) add("notRun", NEEDED[missing]);
    else {
      const error = await check.run(session).then(() => undefined, toFault);
      if (error === undefined) add("passed");
      else if (error.code === "CONFORMANCE_NOT_RUN") add("notRun", error.message);
      else {
        const isUnreachable = error.code === "CONFORMANCE_UNREACHABLE";
        if (error.code === "CONFORMANCE_NOT_FRESH") throw error;
        if (isUnreachable && results.length === 0) throw error;
        add("failed", error.message);
        // One who dies of a payload has broken a rule; what follows cannot be asked.
        isAnswering = !isUnreachable;
      }
    }
  }
  return results;
}

function toFault(error: unknown): WeftError<ConformanceErrorInfo> {
  if (isConformanceError(error)) return error;
  throw error;
}

function isConformanceError(error: unknown): error is WeftError<ConformanceErrorInfo> {
  return isWeftError(error) && error.code.startsWith("CONFORMANCE_");
}
