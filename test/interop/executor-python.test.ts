/** The example in Python on grpcio as Debian packages it, against the suite and against the same rollup in TypeScript. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { readPayloads } from "../../rollup-adapter/conformance/payloads.ts";
import { CHECKS, runConformance } from "../../rollup-adapter/conformance/suite.ts";
import { connectTarget } from "../../rollup-adapter/conformance/target.ts";
import {
  EXAMPLE_PAYLOADS,
  type ExampleExecutor,
  pythonMissing,
  startPythonExecutor,
  startTypeScriptExecutor,
} from "../support/example-executors.ts";

let directory: string;
const started: ExampleExecutor[] = [];

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "weft-python-"));
});

afterAll(async () => {
  for (const executor of started) await executor.kill();
  rmSync(directory, { recursive: true, force: true });
});

if (pythonMissing !== undefined && process.env["CI"] === undefined) {
  process.stderr.write(`the example in Python is not tested: ${pythonMissing}\n`);
}

it.skipIf(pythonMissing !== undefined && process.env["CI"] === undefined)(
  "the example in Python passes the whole suite, killed in the middle too, with the hashes of the one in TypeScript",
  async () => {
    expect(pythonMissing).toBe(undefined);
    const python = await startPythonExecutor("names", directory);
    started.push(python);
    const other = await startTypeScriptExecutor("names", directory);
    started.push(other);
    const [target, second] = [connectTarget(python.address), connectTarget(other.address)];
    const payloads = await readPayloads(EXAMPLE_PAYLOADS);
    const restart = () => python.restart();
    const results = await runConformance({ payloads }, { target, second, restart }, () => {});
    for (const one of [target, second]) one.close();
    expect(results.filter(({ outcome }) => outcome !== "passed")).toEqual([]);
    expect(results).toHaveLength(CHECKS.length);
  },
);
