/** Processes of validators, watched by what they write: when each committed what. */
import { rmSync } from "node:fs";
import { createInterface } from "node:readline";
import { NETWORK_START_TIMEOUT_MS } from "../limits.ts";
import { type NodeSpec, startProcess } from "../node-process.ts";

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
  let failure: Error | undefined;
  const wake = (): void => {
    for (const look of waiters) look();
  };
  const processes = nodes.map((spec, node) => {
    const one = startProcess(spec, options);
    createInterface({ input: one.stdout }).on("line", (line) => {
      const block = options.parse(line);
      if (block === undefined) return;
      heights[node] = block.height;
      seen.push({ node, ...block, atMs: performance.now() });
      wake();
    });
    one.failed.catch((error: Error) => {
      failure = error;
      wake();
    });
    return one;
  });
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
    await Promise.all(processes.map((one) => one.stop()));
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
