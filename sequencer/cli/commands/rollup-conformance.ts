import type { Command } from "commander";
import { cliError } from "../cli-error.ts";
import type { GlobalOptions } from "../context.ts";
import { parseHostPort } from "../options.ts";
import type { ConformanceOptions } from "../run-conformance.ts";

export function registerConformance(rollup: Command): void {
  rollup
    .command("conformance")
    .description(
      "check an executor against the contract of weft.execution.v1; it must be fresh, and its data is of no use afterwards",
    )
    .argument("[host:port]", "address of the executor", parseHostPort)
    .option(
      "--second <host:port>",
      "a second fresh instance of the same rollup, which must come to the same hashes and state roots",
      parseHostPort,
    )
    .option("--payloads <file>", "payloads that the rollup can use, one a line in hex, in order")
    .option(
      "--legs <file>",
      "level 1: legs that the rollup can execute atomically, one a line: its payloads in hex (docs/execution.md)",
    )
    .option(
      "--restart-command <command>",
      "shell command that kills the executor (SIGKILL) and starts it again with its data at the same address",
    )
    .option("--restart-prompt", "ask on the terminal to kill the executor and start it again")
    .option("--list", "name the checks, their rules and their reasons, and check nothing")
    .action(
      async (
        address: string | undefined,
        options: ConformanceOptions & { list?: boolean },
        command: Command,
      ) => {
        const { json } = command.optsWithGlobals<GlobalOptions>();
        const { listChecks, checkExecutor } = await import("../run-conformance.ts");
        if (options.list === true) return listChecks(json);
        if (address === undefined) {
          throw cliError("USAGE", "name the executor to check, host:port, or give --list");
        }
        await checkExecutor(address, options, json);
      },
    );
}
