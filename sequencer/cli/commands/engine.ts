import { type Command, Option } from "commander";
import { ENGINES, type EngineName } from "../../node/home-engine.ts";
import type { CommandContext, GlobalOptions } from "../context.ts";
import { homeOption } from "../options.ts";

export function registerEngine(program: Command, context: CommandContext): void {
  const engine = program
    .command("engine")
    .description("which engine a home belongs to, and changing it while its node is stopped");
  engine
    .command("show")
    .description(
      "the engine that owns the data, whether a process uses it, an unfinished switch, and data of earlier engines",
    )
    .addOption(homeOption(context))
    .action(async (options: { home: string }, command: Command) => {
      const { showEngine } = await import("../engine-switch.ts");
      await showEngine(options.home, isJson(command));
    });
  engine
    .command("switch")
    .description(
      "convert blocks, state, evidence and the height under way for the other engine; keys, signer's state and the application stay as they are",
    )
    .addOption(homeOption(context))
    .addOption(
      new Option("--to <engine>", "the engine to change to")
        .choices([...ENGINES])
        .makeOptionMandatory(),
    )
    .option("--prune", "delete the data of the engine that is left, and of earlier ones", false)
    .action(async (options: { home: string; to: EngineName; prune: boolean }, command: Command) => {
      const { switchEngine } = await import("../engine-switch.ts");
      const { home, to, prune } = options;
      await switchEngine(home, { to, prune, isJson: isJson(command) }, context.environment);
    });
}

function isJson(command: Command): boolean {
  return command.optsWithGlobals<GlobalOptions>().json;
}
