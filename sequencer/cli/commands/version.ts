import type { Command } from "commander";
import type { GlobalOptions } from "../context.ts";
import { printResult } from "../output.ts";
import { VERSION } from "../../node/version.ts";

export function registerVersion(program: Command): void {
  program
    .command("version")
    .description("print the versions of the node and of the protocols it speaks")
    .action((_options, command: Command) => {
      printResult(
        {
          weft: VERSION.weft,
          cometbft: VERSION.cometbft,
          abci: VERSION.abci,
          p2p: VERSION.p2p,
          block: VERSION.block,
          node: process.version,
        },
        command.optsWithGlobals<GlobalOptions>().json,
      );
    });
}
