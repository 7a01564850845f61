/** What a run of many streams prints. */
import type { StreamsReport, StreamsWindow } from "./streams.ts";

export function streamsText({
  machine: on,
  options,
  windows,
}: Omit<StreamsReport, "profiles">): string {
  const lines = [
    `${on["cores"]} × ${on["cpu"]}, ${on["memoryGib"]} GiB, ${on["system"]}, Node ${on["node"]}`,
    `${options.validators} validators; ${options.readers} readers of ${options.rollups} rollups in ${options.processes} processes, a connection each: ${options.history} from the first block, ${options.deaf} that take nothing${options.isGzip ? "; gzip" : ""}; ${options.rate} submissions/s of ${options.payloadBytes} bytes`,
    "",
    "| readers | blocks | interval ms p50 / p95 / max | a call ms p50 / p99 / max | node CPU | node MiB | messages/s | MB/s out | gaps | ended | furthest behind | others' CPU |",
    "|---|---|---|---|---|---|---|---|---|---|---|---|",
    ...windows.map(row),
    "",
    ...sums(windows, options.readers),
  ];
  return lines.join("\n");
}

function row(window: StreamsWindow): string {
  const { intervalMs, callMs, seconds } = window;
  const ended = Object.entries(window.ended).map(([status, count]) => `${count} × ${status}`);
  return `| ${[
    window.hasReaders ? "yes" : "no",
    window.blocks,
    [intervalMs.p50, intervalMs.p95, intervalMs.max].map(Math.round).join(" / "),
    [callMs.p50, callMs.p99, callMs.max].map((ms) => ms.toFixed(1)).join(" / "),
    `${((100 * window.nodeCpuSeconds) / seconds).toFixed(0)} %`,
    Math.round(window.nodeResidentBytes / 2 ** 20),
    Math.round(window.messages / seconds),
    (window.bytes / seconds / 1e6).toFixed(1),
    window.gaps,
    ended.join(", ") || "none",
    window.behindMax,
    `${((100 * window.foreignCpuSeconds) / seconds).toFixed(0)} %`,
  ].join(" | ")} |`;
}

/** Differences between windows with readers and without, over all rounds. */
function sums(windows: readonly StreamsWindow[], readers: number): readonly string[] {
  const mean = (hasReaders: boolean, of: (window: StreamsWindow) => number) => {
    const some = windows.filter((window) => window.hasReaders === hasReaders);
    return some.reduce((sum, window) => sum + of(window), 0) / Math.max(1, some.length);
  };
  const cpuShare = (window: StreamsWindow) => window.nodeCpuSeconds / window.seconds;
  const perSecond = (window: StreamsWindow) => window.messages / window.seconds;
  const cpu = mean(true, cpuShare) - mean(false, cpuShare);
  const memory =
    mean(true, (window) => window.nodeResidentBytes) -
    mean(false, (window) => window.nodeResidentBytes);
  const interval = (hasReaders: boolean) => mean(hasReaders, (window) => window.intervalMs.p50);
  return [
    `CPU of the node per message: ${((cpu * 1e6) / mean(true, perSecond)).toFixed(1)} µs`,
    `memory of the node per reader: ${(memory / readers / 1_024).toFixed(0)} KiB`,
    `median interval without readers ${interval(false).toFixed(0)} ms, with ${interval(true).toFixed(0)} ms`,
  ];
}
