/** Processes of validators, watched by what they write: when each committed what. */
import { type ChildProcess, spawn } from "node:child_process";
import { createWriteStream, readFileSync, rmSync } from "node:fs";
import { createInterface } from "node:readline";
import { SUPERVISED } from "../../sequencer/cli/process-group.ts";
import { NETWORK_START_TIMEOUT_MS, NETWORK_STOP_GRACE_MS } from "../limits.ts";

/** One block, as one node reported it. */
export interface SeenHeight {
  readonly node: number;
  readonly height: number;
  /** Round that decided the block below; undefined when the node does not say. */
  readonly round: number | undefined;
  readonly atMs: number;
}

export interface NodeProcesses {
  /** Everything that nodes have committed so far, in the order it was seen. */
  readonly seen: readonly SeenHeight[];
  /** Highest height that a node has committed. */
  height(node: number): number;
  /** Resolves when `condition` holds after a block or `timeoutMs`; rejects when a node ends by itself. */
  until(what: string, condition: () => boolean, timeoutMs: number): Promise<void>;
  stop(): Promise<void>;
}

export interface NodeSpec {
  readonly name: string;
  readonly command: readonly string[];
  /** What it writes to standard error goes here. */
  readonly logFile: string;
}

/** Starts all, and resolves when each has committed two blocks; `root` is removed at the end. */
export async function startNodes(options: {
  readonly root: string;
  readonly nodes: readonly NodeSpec[];
  readonly isVerbose: boolean;
  /** The block that a line of standard output tells of, if any. */
  readonly parse: (
    line: string,
  ) => { readonly height: number; readonly round: number | undefined } | undefined;
}): Promise<NodeProcesses> {
  const { root, nodes } = options;
  const seen: SeenHeight[] = [];
  const heights = nodes.map(() => 0);
  const waiters = new Set<() => void>();
  const children: ChildProcess[] = [];
  let failure: Error | undefined;
  let isStopping = false;
  const wake = (): void => {
    for (const look of waiters) look();
  };
  for (const [i, node] of nodes.entries()) {
    const [command = "", ...args] = node.command;
    const child = spawn(command, args, {
      stdio: ["pipe", "pipe", "pipe"],
      env: { ...process.env, [SUPERVISED]: "1" },
      detached: true,
    });
    const log = node.logFile;
    child.stderr.pipe(createWriteStream(log));
    if (options.isVerbose) child.stderr.pipe(process.stderr);
    createInterface({ input: child.stdout }).on("line", (line) => {
      const block = options.parse(line);
      if (block === undefined) return;
      heights[i] = block.height;
      seen.push({ node: i, ...block, atMs: performance.now() });
      wake();
    });
    child.once("exit", (code, signal) => {
      if (isStopping) return;
      const tail = readFileSync(log, "utf8").slice(-2_000);
      failure = new Error(`${node.name} ended with ${signal ?? `code ${code ?? "?"}`}\n${tail}`);
      wake();
    });
    children.push(child);
  }
  const until = async (
    what: string,
    condition: () => boolean,
    timeoutMs: number,
  ): Promise<void> => {
    await new Promise<void>((resolve, reject) => {
      const end = (act: () => void): void => {
        clearTimeout(timer);
        waiters.delete(look);
        act();
      };
      const look = (): void => {
        if (failure !== undefined) {
          const why = failure;
          end(() => reject(why));
        } else if (condition()) end(resolve);
      };
      const timer = setTimeout(
        () =>
          end(() =>
            reject(new Error(`not within ${timeoutMs} ms: ${what}; at ${heights.join(" ")}`)),
          ),
        timeoutMs,
      );
      waiters.add(look);
      look();
    });
  };
  const stop = async (): Promise<void> => {
    isStopping = true;
    const ended = children.map(
      (child) =>
        new Promise<void>((resolve) => {
          if (child.exitCode !== null || child.signalCode !== null) resolve();
          else child.once("exit", () => resolve());
        }),
    );
    for (const child of children) child.kill("SIGTERM");
    const timer = setTimeout(() => {
      for (const child of children) child.kill("SIGKILL");
    }, NETWORK_STOP_GRACE_MS);
    await Promise.all(ended);
    clearTimeout(timer);
    rmSync(root, { recursive: true, force: true });
  };
  try {
    await until(
      "every validator commits",
      () => heights.every((h) => h >= 2),
      NETWORK_START_TIMEOUT_MS,
    );
  } catch (error) {
    await stop();
    throw error;
  }
  return { seen, height: (node) => heights[node] ?? 0, until, stop };
}
