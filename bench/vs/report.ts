/** What a comparison prints: lines for people, or rows for a document. */
import type { ScenarioResult } from "./compare.ts";
import type { Ratios } from "./ratios.ts";
import type { ComparedReport, CompareReport } from "./run-compare.ts";

export function compareText(report: CompareReport, asMarkdown: boolean): string {
  const { machine: on, cometbft, weft, seconds, rounds } = report;
  return [
    `${report.startedAt.slice(0, 10)}, ${on["cores"]} × ${on["cpu"]}, ${on["memoryGib"]} GiB, ${on["system"]}, Node ${on["node"]}; ${rounds} rounds in turns, windows of ${seconds} s, medians.`,
    `Before and after: ed25519 ${pair(report, (at) => at.verifySodiumPerSecond)} checks/s, SHA-256 ${pair(report, (at) => at.sha256MegabytesPerSecond)} MB/s, fdatasync p50 ${report.calibrationBefore.fdatasyncP50Ms.toFixed(2)} and ${report.calibrationAfter.fdatasyncP50Ms.toFixed(2)} ms.`,
    `CometBFT ${cometbft.version}: ${settings(cometbft.settings)}. Its transactions are key=value of ${report.payloadBytes} bytes that nobody signs.`,
    `Weft: ${settings(weft.settings)}. Its transactions are signed, with a payload of ${report.payloadBytes} bytes, or 100 of them; ${weft.signatures === "native" ? "signatures are checked in batches (ops/ed25519-batch)" : "signatures are checked one by one (ops/ed25519-batch is not built)"}.`,
    "Latency is from submission to the block's event at the client; all submissions go to one validator. Validators' CPU is theirs together, and load shares the machine.",
    ...report.networks.flatMap((network) => networkText(network, asMarkdown)),
  ].join("\n");
}

function networkText(
  { validators, ratio, results }: ComparedReport,
  asMarkdown: boolean,
): string[] {
  const heading = ["", `${validators} ${validators === 1 ? "validator" : "validators"}`, ""];
  const table = results.map(row);
  if (asMarkdown) {
    const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
    return [
      ...heading,
      line(HEAD),
      `|${"---|".repeat(HEAD.length)}`,
      ...table.map(line),
      "",
      ratioText(ratio),
    ];
  }
  const widths = HEAD.map((head, i) =>
    Math.max(head.length, ...table.map((cells) => cells[i]?.length ?? 0)),
  );
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0)))
      .join("  ");
  return [...heading, line(HEAD), ...table.map(line), "", ratioText(ratio)];
}

const HEAD = [
  "engine and application, transactions, interface, load",
  "committed tx/s",
  "blocks/s",
  "latency p50 / p95 / p99 ms",
  "CPU µs per tx, validators + generator",
  "CPU s per s, validators / generator / others",
  "MiB per validator",
];

function row({ name, median }: ScenarioResult): string[] {
  const { latencyMs } = median;
  return [
    name,
    whole(median.payloadsPerSecond),
    median.blocksPerSecond.toFixed(1),
    `${whole(latencyMs.p50)} / ${whole(latencyMs.p95)} / ${whole(latencyMs.p99)}`,
    `${whole(median.validatorsCpuMicros)} + ${whole(median.generatorCpuMicros)}`,
    [median.validatorsCpuPerSecond, median.generatorCpuPerSecond, median.foreignCpuPerSecond]
      .map((value) => value.toFixed(2))
      .join(" / "),
    whole(median.residentBytesMax / 2 ** 20),
  ];
}

const RATIO_NAMES: Readonly<Record<keyof Ratios, string>> = {
  single: "single transactions",
  batch100: "payloads in batches of 100 : single transactions",
  latency: "latency p50 at light load",
  singleGrpc: "single transactions, ours over its gRPC stream",
  latencyGrpc: "latency p50 at light load, ours over its gRPC stream",
  latencyLowRate: "latency p50 at the lower rate",
  batch100ByLargeValues: "payloads in batches of 100 : values of that size",
  singleByCpu: "single transactions by CPU time",
  batch100ByCpu: "batches of 100 by CPU time",
};

function ratioText(ratio: Ratios): string {
  const parts = Object.entries(RATIO_NAMES).flatMap(([key, name]) => {
    const value = Object.entries(ratio).find(([one]) => one === key)?.[1];
    return value === undefined ? [] : [`${name} ${value.toFixed(2)}`];
  });
  return `Weft by CometBFT + kvstore: ${parts.join("; ")}`;
}

function settings(values: Readonly<Record<string, unknown>>): string {
  return Object.entries(values)
    .map(([key, value]) => `${key} ${String(value)}`)
    .join(", ");
}

function pair(
  { calibrationBefore, calibrationAfter }: CompareReport,
  value: (at: CompareReport["calibrationBefore"]) => number,
): string {
  return `${whole(value(calibrationBefore))} and ${whole(value(calibrationAfter))}`;
}

function whole(value: number): string {
  return Math.round(value).toLocaleString("en-US");
}
