import { existsSync } from "node:fs";
import type { Command } from "commander";
import { invalidConfig, loadConfig, renderConfig } from "../../node/config.ts";
import { defaultHome, homeAt } from "../../node/home.ts";
import { meetingListeners } from "../../node/listen-address.ts";
import type { CommandContext, GlobalOptions } from "../context.ts";
import { printResult } from "../output.ts";

export function registerConfig(program: Command, context: CommandContext): void {
  const config = program.command("config").description("show and check config.toml");
  config
    .command("show")
    .description("print the configuration in force: file, environment and defaults together")
    .option("--home <dir>", "home directory", defaultHome(context.environment))
    .action((options: { home: string }, command: Command) => {
      const loaded = loadHomeConfig(options.home, context);
      if (command.optsWithGlobals<GlobalOptions>().json) printResult({ ...loaded }, true);
      else process.stdout.write(renderConfig(loaded));
    });
  config
    .command("check")
    .description("check config.toml and the environment; names every problem")
    .option("--home <dir>", "home directory", defaultHome(context.environment))
    .action((options: { home: string }, command: Command) => {
      const problems = meetingListeners(loadHomeConfig(options.home, context));
      if (problems.length > 0) throw invalidConfig(problems);
      printResult(
        { valid: true, file: homeAt(options.home).configFile },
        command.optsWithGlobals<GlobalOptions>().json,
      );
    });
  config
    .command("docs")
    .description("print the template: every key, its default and its meaning")
    .action((_options, command: Command) => {
      const template = renderConfig(loadConfig(undefined, {}, {}));
      if (command.optsWithGlobals<GlobalOptions>().json) printResult({ template }, true);
      else process.stdout.write(template);
    });
}

function loadHomeConfig(root: string, context: CommandContext) {
  const { configFile } = homeAt(root);
  return loadConfig(existsSync(configFile) ? configFile : undefined, {}, context.environment);
}
