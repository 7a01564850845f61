/** What `npm run bench -- --seal` prints for people. */
import { sealStepsText } from "../micro/seal.ts";
import type { SealReport, SealRun } from "./seal.ts";

export function sealText(report: SealReport): string {
  const { machine, steps } = report;
  return [
    `${machine["cores"]} × ${machine["cpu"]}, ${machine["memoryGib"]} GiB, Node ${machine["node"]}; ${report.validators} validators, a process each`,
    `ed25519 checks ${Math.round(report.calibrationBefore.verifySodiumPerSecond)}/s before, ${Math.round(report.calibrationAfter.verifySodiumPerSecond)}/s after`,
    "",
    sealStepsText(steps),
    ...report.runs.flatMap(runLines),
    ...(report.profile === undefined
      ? []
      : [
          "",
          "by function, validators together, blocks as fast as they go",
          ...report.profile.self.map(hotLine),
          "",
          "by the function of ours that called it",
          ...report.profile.own.map(hotLine),
        ]),
  ].join("\n");
}

function runLines(run: SealRun): readonly string[] {
  const { throughput: rates, revealMs, latencyMs } = run;
  const after = Object.entries(run.openedAfterBlocks).map(([blocks, n]) => `+${blocks}: ${n}`);
  const refusals = Object.entries(run.refusals).map(([reason, n]) => `${reason} ${n}`);
  const offered = run.offeredPerSecond === undefined ? "saturated" : `${run.offeredPerSecond} tx/s`;
  return [
    "",
    `timeout_commit ${run.timeoutCommit}, ${offered}; ${run.threshold} of ${run.tickets} tickets, key in force from block ${run.keyHeight}`,
    `  sealed      ${whole(rates.payloadsPerSecond)} tx/s   ${rates.blocksPerSecond.toFixed(2)} blocks/s   ${whole(rates.payloadsPerBlock)} tx/block   ${rates.blocksOfLaterRounds} of ${rates.blocks} blocks in later rounds`,
    `  opened      ${whole(run.openedPerSecond)} tx/s   by blocks after the order: ${after.join(", ") || "none"}   other ends ${run.lost}   still sealed ${run.unopened}`,
    `  to order    p50 ${whole(latencyMs.p50)}   p95 ${whole(latencyMs.p95)}   p99 ${whole(latencyMs.p99)} ms`,
    `  to content  p50 ${whole(revealMs.p50)}   p95 ${whole(revealMs.p95)}   p99 ${whole(revealMs.p99)} ms after the order`,
    `  refused     ${refusals.length === 0 ? "none" : refusals.join(", ")}; sealed during the window ${run.signedLate}`,
    `  CPU per tx  ${whole(run.cpuMicrosPerPayload)} µs, ${whole(run.cpuMicrosPerPayloadOfValidators)} µs of it in validators; others ${run.foreignCpuSeconds.toFixed(2)} s in ${run.windowSeconds.toFixed(1)} s`,
    `  arithmetic  ${Object.entries(run.work)
      .map(([work, { batches, seconds }]) => `${work} ${batches} batches ${seconds.toFixed(1)} s`)
      .join("; ")}`,
    `  memory      ${run.processes.map(({ name, residentBytes }) => `${name} ${whole(residentBytes / 2 ** 20)} MiB`).join("; ")}`,
  ];
}

function hotLine({ where, ms, share }: { where: string; ms: number; share: number }): string {
  return `  ${(share * 100).toFixed(1).padStart(5)} %  ${whole(ms).padStart(8)} ms  ${where}`;
}

function whole(value: number): string {
  return Math.round(value).toString();
}
