/** CometBFT validators in the same namespaces, to compare with: a binary that is at hand. */
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { writeCometBftHomes } from "../cometbft-homes.ts";
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
  const homes = writeCometBftHomes({
    binary,
    root,
    validators: nodes.length,
    firstAddress: nodes[0]?.address ?? "",
    settings: () => ({ "consensus.timeout_commit": "500ms" }),
  });
  return await startNodes({
    root,
    isVerbose: options.isVerbose,
    nodes: nodes.map((node, i) => {
      const home = homes[i] ?? "";
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
