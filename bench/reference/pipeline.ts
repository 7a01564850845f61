/**
 * P_ref: what a stripped CometBFT-shaped pipeline reaches on this machine at this moment, so that the
 * node's figures can be read as ratios. Four processes, 1 KiB frames, blocks of 4,000 × 256 bytes,
 * transaction tree on every node, two signed votes, the fsyncs of CometBFT's WAL, no pause between blocks.
 */
import { type ChildProcess, fork } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { PAYLOAD_BYTES } from "../limits.ts";
import { readProcess } from "../measure/processes.ts";
import { type SeenBlock, throughput, type Throughput } from "../measure/statistics.ts";
import { freePorts } from "../ports.ts";
import type { ReferenceBlock, ReferenceNodeOptions } from "./node.ts";
import type { Sealing } from "./wire.ts";

const NODE = fileURLToPath(new URL("./node.js", import.meta.url));
const TXS_PER_BLOCK = 4_000;
const WARMUP_MS = 800;

export interface ReferenceReport {
  readonly sealing: Sealing;
  readonly throughput: Throughput;
  /** CPU time of all four processes for one transaction, µs: comparable even on a busy machine. */
  readonly cpuMicrosPerTx: number;
}

export async function runReference(options: {
  readonly validators: number;
  readonly sealing: Sealing;
  readonly seconds: number;
}): Promise<ReferenceReport> {
  const { validators, sealing, seconds } = options;
  const folder = mkdtempSync(join(tmpdir(), "weft-bench-ref-"));
  const ports = await freePorts(validators);
  const children = ports.map((_, index) => {
    const node: ReferenceNodeOptions = {
      index,
      ports,
      txsPerBlock: TXS_PER_BLOCK,
      txBytes: PAYLOAD_BYTES,
      sealing,
      folder,
    };
    return fork(NODE, [JSON.stringify(node)], {
      stdio: ["ignore", "inherit", "inherit", "ipc"],
      // A scheduling group each, as the validators have.
      detached: true,
    });
  });
  try {
    await Promise.all(children.map(untilMessage));
    const blocks: SeenBlock[] = [];
    children[0]?.on("message", (message: ReferenceBlock) => {
      if (message.kind !== "block") return;
      blocks.push({
        atMs: performance.now(),
        payloads: TXS_PER_BLOCK,
        bytes: TXS_PER_BLOCK * PAYLOAD_BYTES,
        round: 0,
      });
    });
    for (const child of children) child.send("go");
    await sleep(WARMUP_MS);
    const fromMs = performance.now();
    const cpuFrom = cpuSeconds(children);
    await sleep(seconds * 1_000);
    const toMs = performance.now();
    const cpu = cpuSeconds(children) - cpuFrom;
    const committed = blocks.filter(({ atMs }) => atMs >= fromMs && atMs < toMs).length;
    return {
      sealing,
      throughput: throughput(blocks, fromMs, toMs),
      cpuMicrosPerTx: committed === 0 ? 0 : (cpu * 1e6) / (committed * TXS_PER_BLOCK),
    };
  } finally {
    await Promise.all(children.map(stop));
    rmSync(folder, { recursive: true, force: true });
  }
}

function cpuSeconds(children: readonly ChildProcess[]): number {
  return children.reduce((sum, { pid }) => sum + readProcess(pid ?? 0).cpuSeconds, 0);
}

function untilMessage(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    child.once("message", () => resolve());
    child.once("exit", (code) => reject(new Error(`a reference node ended with ${code ?? "?"}`)));
  });
}

function stop(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null) {
      resolve();
      return;
    }
    child.once("exit", () => resolve());
    // The node ends when its channel does; its peers' errors meanwhile are expected.
    child.kill("SIGKILL");
  });
}
