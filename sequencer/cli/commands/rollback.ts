import type { Command } from "commander";
import type { CommandContext, GlobalOptions } from "../context.ts";
import { homeOption } from "../options.ts";

export function registerRollback(program: Command, context: CommandContext): void {
  program
    .command("rollback")
    .description(
      "take a stopped node one height back: its state and its application; the last block is executed again at the next start",
    )
    .addOption(homeOption(context))
    .option("--hard", "remove the last block too: the height is fetched or decided again", false)
    .action(async (options: { home: string; hard: boolean }, command: Command) => {
      const { rollBack } = await import("../rollback-tool.ts");
      await rollBack(options.home, options.hard, command.optsWithGlobals<GlobalOptions>().json);
    });
}
