import type { Command } from "commander";
import { describeOldHead, isHeadOld, type PulseSource } from "../chain-pulse.ts";
import { callRpc } from "../clients.ts";
import type { GlobalOptions } from "../context.ts";
import { engineOfStatus } from "../engine-of-node.ts";
import { notNodeOption, rpcOption } from "../options.ts";
import { printResult } from "../output.ts";

export function registerStatus(program: Command): void {
  program
    .command("status")
    .description(
      "print what a node says of itself: engine, height, time, sync, validator, and if it stands",
    )
    .addOption(rpcOption())
    .addOption(notNodeOption())
    .action(async (options: { rpc: string }, command: Command) => {
      const [status, net] = await Promise.all([
        callRpc(options.rpc, "status", {}),
        callRpc(options.rpc, "net_info", {}),
      ]);
      const attention = isAlone(status, net) ? ALONE : await attentionFor(status, options.rpc);
      printResult(
        {
          engine: engineOfStatus(status),
          ...status,
          peers: net["n_peers"],
          ...(attention === undefined ? {} : { attention }),
        },
        command.optsWithGlobals<GlobalOptions>().json,
      );
    });
}

const ALONE =
  "it fetches blocks and has no peer: /readyz of its metrics port and its log say what became of each of p2p.persistent_peers";

function isAlone(status: PulseSource, net: { readonly n_peers?: unknown }): boolean {
  return status.sync_info?.catching_up === true && net.n_peers === "0";
}

async function attentionFor(status: PulseSource, rpc: string): Promise<string | undefined> {
  const now = Date.now();
  if (!isHeadOld(status, now)) return undefined;
  // Loaded where a chain stands alone. A node that tells no round state is old all the same.
  const { waitOfNode } = await import("../wait-of-node.ts");
  const wait = await waitOfNode(rpc).catch(() => undefined);
  return describeOldHead(status, wait, now);
}
