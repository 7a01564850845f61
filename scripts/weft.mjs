// The command line for `npm start` and `npm run weft`: built when it is not there yet, or with --build.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

const root = new URL("../", import.meta.url);
const entry = fileURLToPath(new URL("dist/sequencer/cli/main.js", root));
const args = process.argv.slice(2);
const isBuildWanted = args[0] === "--build";
const isBuilt = existsSync(entry);
if (isBuildWanted || !isBuilt) {
  if (!isBuilt) process.stderr.write("building, up to a minute this first time\n");
  const tsc = fileURLToPath(new URL("node_modules/typescript/bin/tsc", root));
  const { status } = spawnSync(process.execPath, [tsc, "-b", "sequencer/cli"], {
    cwd: fileURLToPath(root),
    stdio: ["ignore", 2, 2],
  });
  if (status !== 0) process.exit(status ?? 1);
}
process.argv = [process.execPath, entry, ...(isBuildWanted ? args.slice(1) : args)];
await import(entry);
