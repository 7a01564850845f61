/** One node as a process of this machine. */
import { spawn } from "node:child_process";
import { createWriteStream, readFileSync } from "node:fs";
import type { Readable } from "node:stream";
import { SUPERVISED } from "../sequencer/cli/process-group.ts";
import { NETWORK_START_TIMEOUT_MS, NETWORK_STOP_GRACE_MS } from "./limits.ts";

/** Characters of a log that are told when its process ends by itself. */
const LOG_TAIL = 2_000;

export interface NodeSpec {
  readonly name: string;
  readonly command: readonly string[];
  /** What it writes to standard error is added to this file. */
  readonly logFile: string;
}

export interface NodeProcess {
  readonly pid: number;
  /** Somebody has to read it. */
  readonly stdout: Readable;
  /** Rejects when it ends by itself. */
  readonly failed: Promise<never>;
  /** SIGTERM, and SIGKILL to one that takes too long. */
  stop(): Promise<void>;
}

export function startProcess(
  { name, command, logFile }: NodeSpec,
  { isVerbose }: { readonly isVerbose: boolean },
): NodeProcess {
  const [file = "", ...args] = command;
  const child = spawn(file, args, {
    // Standard input ends with this process, and the node with it.
    stdio: ["pipe", "pipe", "pipe"],
    env: { ...process.env, [SUPERVISED]: "1" },
    // A scheduling group of its own, and Ctrl-C for the benchmark alone, which stops them all.
    detached: true,
  });
  child.stderr.pipe(createWriteStream(logFile, { flags: "a" }));
  if (isVerbose) child.stderr.pipe(process.stderr);
  let isStopping = false;
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const failed = new Promise<never>((_, reject) => {
    child.once("exit", (code, signal) => {
      if (isStopping) return;
      const tail = readFileSync(logFile, "utf8").slice(-LOG_TAIL);
      reject(new Error(`${name} ended with ${signal ?? `code ${code ?? "?"}`}\n${tail}`));
    });
  });
  // Looked at where somebody waits for the node.
  failed.catch(() => {});
  return {
    pid: child.pid ?? 0,
    stdout: child.stdout,
    failed,
    async stop() {
      isStopping = true;
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill("SIGTERM");
      const timer = setTimeout(() => child.kill("SIGKILL"), NETWORK_STOP_GRACE_MS);
      await ended;
      clearTimeout(timer);
    },
  };
}

/**
 * Resolves when the node has committed two blocks.
 *
 * @param height asks the node; an error is "not yet"
 */
export async function untilHeight(address: string, height: () => Promise<number>): Promise<void> {
  const endMs = performance.now() + NETWORK_START_TIMEOUT_MS;
  for (;;) {
    const reached = await height().catch(() => 0);
    if (reached >= 2) return;
    if (performance.now() > endMs) {
      throw new Error(`${address} has committed nothing within ${NETWORK_START_TIMEOUT_MS} ms`);
    }
    await new Promise((resolve) => {
      setTimeout(resolve, 50);
    });
  }
}
