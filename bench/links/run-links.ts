/** `npm run bench -- --partition` and `-- --wan`, from the options to what is printed. */
import type { Quantiles } from "../measure/statistics.ts";
import { machine } from "../report.ts";
import { type LinkTask, runInNamespaces } from "./in-namespaces.ts";
import type { PartitionReport } from "./partition.ts";
import type { WanReport } from "./wan.ts";

export interface LinkRun extends Omit<LinkTask, "nodes" | "seconds"> {
  readonly validators: number | undefined;
  readonly seconds: number | undefined;
}

export interface LinkReport {
  readonly machine: ReturnType<typeof machine>;
  readonly config: LinkTask["config"];
  readonly partition?: PartitionReport;
  readonly wan?: WanReport;
  readonly text: string;
}

export async function runLinks(run: LinkRun): Promise<LinkReport> {
  const about = { machine: machine(), config: run.config };
  // Both reports were made by the same build, in the hub's namespace.
  if (run.kind === "partition") {
    const task = { ...run, seconds: run.seconds ?? 20 };
    const partition = (await runInNamespaces(run.validators ?? 4, task)) as PartitionReport;
    return { ...about, partition, text: partitionText(partition) };
  }
  const task = { ...run, seconds: run.seconds ?? 60 };
  const wan = (await runInNamespaces(run.validators ?? 7, task)) as WanReport;
  return { ...about, wan, text: wanText(wan) };
}

function partitionText(report: PartitionReport): string {
  return [
    `${report.validators} validators, links between two halves cut for ${report.seconds} s, ${report.recoveries.length} times`,
    `recovery    first new block after a median of ${report.firstMedianMs} ms, at most ${report.firstMaxMs} ms; everywhere after at most ${report.lastMaxMs} ms`,
  ].join("\n");
}

function wanText(report: WanReport): string {
  const { validators, delayMs, loss, seconds, frames } = report;
  return [
    `${validators} validators, ${delayMs[0]} to ${delayMs[1]} ms one way, ${loss * 100} % of frames lost (${frames.lost} of ${frames.lost + frames.carried}), ${seconds} s`,
    `interval    ${line(report.intervalMs)}   ${report.blocks} blocks, ${report.blocksOfLaterRounds} in later rounds`,
    `spread      ${line(report.spreadMs)}   first to last validator`,
    `latency     ${line(report.latencyMs)}   ${report.latencyMs.count} transactions, submission to commit`,
    `disconnects ${report.disconnects}`,
  ].join("\n");
}

function line({ p50, p95, p99, max }: Quantiles): string {
  const text = (ms: number): string => ms.toFixed(0);
  return `p50 ${text(p50)}   p95 ${text(p95)}   p99 ${text(p99)}   max ${text(max)} ms`;
}
