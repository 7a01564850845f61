/** `npm run bench -- --micro`: hot code by itself, on one thread, without a network. */
import { bench, run } from "mitata";
import { abciCases } from "./abci.ts";
import { applicationCases } from "./application.ts";
import type { MicroCase } from "./case.ts";
import { codecCases } from "./codecs.ts";
import { transportCases } from "./transport.ts";

interface MicroResult {
  readonly name: string;
  readonly microsP50: number;
  readonly microsP99: number;
  readonly megabytesPerSecond: number | undefined;
}

export async function runMicro(isJson: boolean): Promise<void> {
  const abci = await abciCases();
  const cases = [
    ...codecCases(),
    ...transportCases(),
    ...abci.cases,
    ...(await applicationCases()),
  ];
  for (const { name, work } of cases) bench(name, work);
  const { benchmarks } = await run({ format: "quiet", throw: true });
  await abci.stop();
  const byName = new Map(cases.map((entry) => [entry.name, entry]));
  const results: MicroResult[] = [];
  for (const { alias, runs } of benchmarks) {
    const stats = runs[0]?.stats;
    const entry = byName.get(alias);
    if (stats !== undefined && entry !== undefined) results.push(resultOf(entry, stats));
  }
  if (isJson) process.stdout.write(`${JSON.stringify({ micro: results })}\n`);
  else print(results);
}

function resultOf(
  { name, bytes }: MicroCase,
  { p50, p99 }: { readonly p50: number; readonly p99: number },
): MicroResult {
  return {
    name,
    microsP50: p50 / 1_000,
    microsP99: p99 / 1_000,
    megabytesPerSecond: bytes === undefined ? undefined : (bytes / p50) * 1_000,
  };
}

function print(results: readonly MicroResult[]): void {
  const width = Math.max(...results.map(({ name }) => name.length));
  for (const { name, microsP50, microsP99, megabytesPerSecond } of results) {
    const times = `p50 ${micros(microsP50)}   p99 ${micros(microsP99)}`;
    const rate =
      megabytesPerSecond === undefined ? "" : `   ${Math.round(megabytesPerSecond)} MB/s`;
    process.stdout.write(`${name.padEnd(width)}   ${times}${rate}\n`);
  }
}

function micros(value: number): string {
  return `${value < 10 ? value.toFixed(2) : value.toFixed(0)} µs`.padStart(10);
}
