import type { Command } from "commander";
import type { CommandContext, GlobalOptions } from "../context.ts";
import { homeOption, resumeOption, settingsOption } from "../options.ts";

export interface AbciCommandOptions {
  readonly home: string;
  readonly address?: string;
  readonly resumeAfterHalt?: number;
  readonly set: readonly string[];
}

export function registerAbci(program: Command, context: CommandContext): void {
  program
    .command("abci")
    .description("run the application alone, for a CometBFT that connects to its ABCI socket")
    .addOption(homeOption(context))
    .option(
      "--address <address>",
      "where to listen, tcp://host:port or unix:///path; default: proxy_app of the configuration",
    )
    .addOption(resumeOption())
    .addOption(settingsOption())
    .addHelpText(
      "after",
      "\nExample:\n  weft abci --home ./node --address unix:///run/weft/abci.sock\n  cometbft start --home ./engine --proxy_app unix:///run/weft/abci.sock",
    )
    .action(async (options: AbciCommandOptions, command: Command) => {
      const { runAbci } = await import("../run-abci.ts");
      const { json } = command.optsWithGlobals<GlobalOptions>();
      await runAbci(options, { context, isJson: json });
    });
}
