/** CometBFT validators in the same namespaces, to compare with: a binary that is at hand. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inNamespace, type NodeNamespace } from "./namespaces.ts";
import { type NodeProcesses, startNodes } from "./node-processes.ts";

/** Its defaults with its own key-value application; only the pace is ours. */
export async function startCometBft(options: {
  /** Path of a `cometbft` v0.38 binary. */
  readonly binary: string;
  readonly nodes: readonly NodeNamespace[];
  readonly isVerbose: boolean;
}): Promise<NodeProcesses> {
  const { binary, nodes } = options;
  const root = mkdtempSync(join(tmpdir(), "weft-links-"));
  const [first] = nodes;
  const addresses = ["--populate-persistent-peers", "--starting-ip-address", first?.address ?? ""];
  execFileSync(binary, ["testnet", "--v", `${nodes.length}`, "--o", root, ...addresses], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  return await startNodes({
    root,
    isVerbose: options.isVerbose,
    nodes: nodes.map((node, i) => {
      const home = join(root, `node${i}`);
      const file = join(home, "config", "config.toml");
      const config = readFileSync(file, "utf8");
      writeFileSync(file, config.replace('timeout_commit = "1s"', 'timeout_commit = "500ms"'));
      const args = ["start", "--home", home, "--proxy_app", "kvstore"];
      return {
        name: `node${i}`,
        command: inNamespace(node.name, binary, args),
        logFile: join(home, "node.log"),
      };
    }),
    parse(line) {
      const height = /committed state.*\bheight=(\d+)/i.exec(line)?.[1];
      return height === undefined ? undefined : { height: Number(height), round: undefined };
    },
  });
}
