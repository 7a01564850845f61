/** `weft rollup conformance`: the suite against executors at addresses, one printed line a check. */
import { spawn } from "node:child_process";
import { createInterface } from "node:readline/promises";
import { readLegs, readPayloads } from "../../rollup-adapter/conformance/payloads.ts";
import {
  describeCheck,
  describeLevel,
  formatResult,
  summarize,
} from "../../rollup-adapter/conformance/report.ts";
import { CHECKS, runConformance } from "../../rollup-adapter/conformance/suite.ts";
import { connectTarget } from "../../rollup-adapter/conformance/target.ts";
import { cliError } from "./cli-error.ts";
import { ExitCode } from "./exit-codes.ts";
import { toJson } from "./output.ts";

export interface ConformanceOptions {
  readonly second?: string;
  readonly payloads?: string;
  readonly legs?: string;
  readonly restartCommand?: string;
  readonly restartPrompt?: boolean;
}

export function listChecks(isJson: boolean): void {
  const checks = CHECKS.map(({ id, title, rule, why, needs, level }) => ({
    id,
    title,
    rule: `docs/execution.md#${rule}`,
    why,
    needs: needs ?? [],
    level: level ?? null,
  }));
  const text = CHECKS.map(describeCheck).join("\n\n");
  process.stdout.write(`${isJson ? toJson({ checks }) : text}\n`);
}

/** Sets the exit code VERIFICATION when a check fails; what was not run is said, and is no failure. */
export async function checkExecutor(
  address: string,
  options: ConformanceOptions,
  isJson: boolean,
): Promise<void> {
  const say = (line: string): void => {
    if (!isJson) process.stdout.write(`${line}\n`);
  };
  const payloads = options.payloads === undefined ? [] : await readPayloads(options.payloads);
  const legs = options.legs === undefined ? undefined : await readLegs(options.legs);
  const target = connectTarget(address);
  const second = options.second === undefined ? undefined : connectTarget(options.second);
  say(`checking ${address}; what it holds is of no use afterwards`);
  try {
    const results = await runConformance(
      { payloads, ...(legs === undefined ? {} : { legs }) },
      { target, second, restart: restartOf(options, isJson) },
      (result) => {
        if (result.outcome !== "notApplicable") say(formatResult(result));
      },
    );
    const summary = summarize(results);
    const { passed, failed, notRun } = summary;
    const level = describeLevel(results);
    if (level !== undefined) say(level);
    say(`${passed} passed, ${failed} failed, ${notRun} not run`);
    if (isJson) process.stdout.write(`${toJson({ address, ...summary, checks: results })}\n`);
    if (failed > 0) process.exitCode = ExitCode.VERIFICATION;
  } finally {
    target.close();
    second?.close();
  }
}

function restartOf(
  { restartCommand, restartPrompt }: ConformanceOptions,
  isJson: boolean,
): (() => Promise<void>) | undefined {
  if (restartCommand !== undefined) return () => runShell(restartCommand);
  if (restartPrompt !== true) return undefined;
  return async () => {
    const output = isJson ? process.stderr : process.stdout;
    const terminal = createInterface({ input: process.stdin, output });
    await terminal.question(
      "kill the executor (kill -9), start it again with its data at the same address, then press Enter: ",
    );
    terminal.close();
  };
}

/** What the command starts may go on running: only the shell's own end is waited for. */
function runShell(command: string): Promise<void> {
  return new Promise((resolve, reject) => {
    // Its words must not get between the lines of the report.
    const shell = spawn("sh", ["-c", command], { stdio: ["ignore", 2, 2] });
    shell.once("error", reject);
    shell.once("exit", (code, signal) => {
      if (code === 0) resolve();
      else {
        const how = signal === null ? `exit code ${code ?? "?"}` : `signal ${signal}`;
        reject(cliError("USAGE", `the restart command ended with ${how}: ${command}`));
      }
    });
  });
}
