import type { Command } from "commander";
import { callRpc } from "../clients.ts";
import type { GlobalOptions } from "../context.ts";
import { rpcOption } from "../options.ts";
import { printResult } from "../output.ts";

export function registerStatus(program: Command): void {
  program
    .command("status")
    .description("print what a node says of itself: height, time, sync, validator")
    .addOption(rpcOption())
    .action(async (options: { rpc: string }, command: Command) => {
      const [status, net] = await Promise.all([
        callRpc(options.rpc, "status", {}),
        callRpc(options.rpc, "net_info", {}),
      ]);
      printResult(
        { ...status, peers: net["n_peers"] },
        command.optsWithGlobals<GlobalOptions>().json,
      );
    });
}
