/** Makes namespaces, runs a task in the hub's, and removes them again, whatever happens. */
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { createNamespaces, inNamespace, type NodeNamespace } from "./namespaces.ts";

const ENTRY = fileURLToPath(new URL("./main.js", import.meta.url));

export interface LinkTask {
  readonly kind: "partition" | "wan";
  readonly nodes: readonly NodeNamespace[];
  readonly seconds: number;
  readonly runs: number;
  readonly config: Readonly<Record<string, unknown>>;
  readonly isVerbose: boolean;
  readonly isQuiet: boolean;
  /** Path of a CometBFT binary to measure instead of ours. */
  readonly cometbft?: string | undefined;
}

/** The task's report, as its JSON. Throws when it fails. */
export async function runInNamespaces(
  validators: number,
  task: Omit<LinkTask, "nodes">,
): Promise<unknown> {
  const namespaces = createNamespaces(validators);
  try {
    const whole: LinkTask = { ...task, nodes: namespaces.nodes };
    const [command = "", ...args] = inNamespace(namespaces.hub, process.execPath, [
      ENTRY,
      JSON.stringify(whole),
    ]);
    const child = spawn(command, args, { stdio: ["ignore", "pipe", "inherit"] });
    const stop = (): void => void child.kill("SIGTERM");
    process.once("SIGINT", stop);
    process.once("SIGTERM", stop);
    let output = "";
    child.stdout.setEncoding("utf8");
    child.stdout.on("data", (chunk: string) => (output += chunk));
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once("error", reject);
      child.once("close", (status) => resolve(status));
    });
    process.removeListener("SIGINT", stop);
    process.removeListener("SIGTERM", stop);
    if (code !== 0) throw new Error(`the run in the namespaces ended with code ${code ?? "?"}`);
    return JSON.parse(output) as unknown;
  } finally {
    namespaces.remove();
  }
}
