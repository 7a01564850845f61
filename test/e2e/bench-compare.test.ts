/** The comparison with CometBFT, as short as it goes: whether its figures are there, not how large they are. */
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { isCometBftAway } from "../support/cometbft.ts";

const BENCH = fileURLToPath(new URL("../../dist/bench/main.js", import.meta.url));

interface Outcome {
  readonly code: number | null;
  readonly output: string;
  readonly errors: string;
}

async function bench(
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<Outcome> {
  const child = spawn(process.execPath, [BENCH, ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...environment },
  });
  let [output, errors] = ["", ""];
  child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (errors += chunk.toString()));
  const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
  return { code, output, errors };
}

interface Result {
  readonly name: string;
  readonly median: {
    readonly payloadsPerSecond: number;
    readonly latencyMs: { readonly p50: number };
    readonly validatorsCpuMicros: number;
    readonly residentBytesMax: number;
    readonly refused: number;
    readonly lost: number;
  };
}

describe.skipIf(isCometBftAway)("npm run bench -- --vs cometbft", () => {
  it("prints one object with every figure and the ratios of the two engines", async () => {
    const short = ["--validators", "1", "--rounds", "1", "--seconds", "1"];
    const { code, output, errors } = await bench(["--vs", "cometbft", "--json", ...short]);
    expect(code, errors).toBe(0);
    const { ratio, networks } = JSON.parse(output) as {
      ratio: Readonly<Record<"single" | "batch100" | "latency", number>>;
      networks: { validators: number; results: Result[] }[];
    };
    for (const key of ["single", "batch100", "latency"] as const) {
      expect(ratio[key], key).toBeGreaterThan(0);
    }
    expect(networks.map(({ validators }) => validators)).toEqual([1]);
    for (const { name, median } of networks[0]?.results ?? []) {
      expect(median.payloadsPerSecond, name).toBeGreaterThan(0);
      expect(median.latencyMs.p50, name).toBeGreaterThan(0);
      expect(median.validatorsCpuMicros, name).toBeGreaterThan(0);
      expect(median.residentBytesMax, name).toBeGreaterThan(0);
      expect([median.refused, median.lost], name).toEqual([0, 0]);
    }
  }, 600_000);
});

it("says how to get CometBFT when there is none, and measures nothing", async () => {
  const { code, output, errors } = await bench(["--vs", "cometbft"], {
    WEFT_COMETBFT: "/nowhere/cometbft",
  });
  expect([code, output]).toEqual([1, ""]);
  expect(errors).toContain("not measured: WEFT_COMETBFT is /nowhere/cometbft");
});
