import { existsSync } from "node:fs";
import { resolve } from "node:path";
import type { Command } from "commander";
import { createPinoLogger } from "../../ports/pino-logger.ts";
import { createSystemClock } from "../../ports/system-clock.ts";
import { cliError } from "../cli-error.ts";
import type { CommandContext, GlobalOptions } from "../context.ts";
import { printResult } from "../output.ts";

const BLOCK = "ethereum/block24476005.json";
/** Where people find the files; the repository does not hold them. */
const SOURCE =
  "block24476005.json and block24476005State.json in packages/vm/examples/data of github.com/ethereumjs/ethereumjs-monorepo";
const STATE = "ethereum/block24476005State.json";

export function registerReplay(program: Command, context: CommandContext): void {
  program
    .command("replay")
    .description(
      "replay an Ethereum block through a network of four validators and compare gas and receipts",
    )
    .argument(
      "[block]",
      "block with full transactions, as eth_getBlockByHash answers; default: mainnet block 24476005",
    )
    .argument("[state]", "the state the block read")
    .action(
      async (block: string | undefined, state: string | undefined, _options, command: Command) => {
        const folder = context.environment["WEFT_VECTORS"] ?? "../shared/vectors";
        const blockFile = block ?? resolve(folder, BLOCK);
        const stateFile = state ?? resolve(folder, STATE);
        const missing = [blockFile, stateFile].find((file) => !existsSync(file));
        if (missing !== undefined) {
          throw cliError(
            "FILE",
            `there is no ${missing}; the two files of the default block are ${SOURCE}; then: weft replay BLOCK.json STATE.json`,
          );
        }
        // The EVM and its libraries load only here.
        const { loadBlockFixture } = await import("../../../rollup-adapter/evm/replay.ts");
        const { replayThroughNetwork } = await import("../replay.ts");
        const fixture = await loadBlockFixture(blockFile, stateFile);
        const result = await replayThroughNetwork(fixture, context.entry, {
          clock: createSystemClock(),
          logger: createPinoLogger({ level: "warn", format: "plain" }),
        });
        printResult({ ...result }, command.optsWithGlobals<GlobalOptions>().json);
        if (result.differences.length > 0) {
          throw cliError(
            "VERIFICATION",
            `the replay differs from the block: ${result.differences.join("; ")}`,
          );
        }
      },
    );
}
