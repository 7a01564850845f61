/** What `npm run bench -- --partition` and `--wan` start in the hub's namespace; see `in-namespaces.ts`. */
import { runPartitions } from "./partition.ts";
import { runWan } from "./wan.ts";
import type { LinkTask } from "./in-namespaces.ts";

const [text = ""] = process.argv.slice(2);
// Written by `runInNamespaces` of the same build.
const task = JSON.parse(text) as LinkTask;
const progress = (line: string): void => {
  if (!task.isQuiet) process.stderr.write(`${line}\n`);
};
const report =
  task.kind === "wan" ? await runWan(task, progress) : await runPartitions(task, progress);
process.stdout.write(`${JSON.stringify(report)}\n`);
