import type { Command } from "commander";
import type { CommandContext, GlobalOptions } from "../context.ts";
import { homeOption, parseCount } from "../options.ts";

export function registerDb(program: Command, context: CommandContext): void {
  const db = program.command("db").description("the databases of a node that does not run");
  const height = parseCount(1, Number.MAX_SAFE_INTEGER);
  db.command("check")
    .description(
      "walk blocks and states: hashes, links, commits, answers of the application, heights, sizes",
    )
    .addOption(homeOption(context))
    .option("--from <height>", "first height to look at; default: the first that is kept", height)
    .action(async (options: { home: string; from?: number }, command: Command) => {
      const { checkDatabases } = await import("../db-tools.ts");
      await checkDatabases(options.home, options.from ?? 1, isJson(command));
    });
  db.command("prune")
    .description("remove blocks and states below a height, and give the space back")
    .addOption(homeOption(context))
    .requiredOption("--retain-height <height>", "first height to keep", height)
    .action(async (options: { home: string; retainHeight: number }, command: Command) => {
      const { pruneDatabases } = await import("../db-tools.ts");
      await pruneDatabases(options.home, options.retainHeight, isJson(command));
    });
}

function isJson(command: Command): boolean {
  return command.optsWithGlobals<GlobalOptions>().json;
}
