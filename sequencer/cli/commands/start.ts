import type { Command } from "commander";
import { loadConfig } from "../../node/config.ts";
import { growHeapBetweenCollections } from "../../node/heap-growth.ts";
import { homeAt } from "../../node/home.ts";
import type { BlockSummary } from "../../node/notifier.ts";
import { createPinoLogger } from "../../ports/pino-logger.ts";
import { createSystemClock } from "../../ports/system-clock.ts";
import type { CommandContext, GlobalOptions } from "../context.ts";
import { homeOption, parseSettings, settingsOption } from "../options.ts";
import { toJson } from "../output.ts";
import { stopInTime, untilStopped } from "../stop-signal.ts";

export function registerStart(program: Command, context: CommandContext): void {
  program
    .command("start")
    .description("run a node; prints one line per block")
    .addOption(homeOption(context))
    .addOption(settingsOption())
    .action(async (options: { home: string; set: string[] }, command: Command) => {
      const home = homeAt(options.home);
      const config = loadConfig(home.configFile, parseSettings(options.set), context.environment);
      const isJson = command.optsWithGlobals<GlobalOptions>().json;
      const isJsonLog = isJson || config.log_format === "json";
      const logger = createPinoLogger({
        level: config.log_level,
        format: isJsonLog ? "json" : "plain",
      });
      growHeapBetweenCollections();
      const { createNode } = await import("../../node/node.ts");
      const node = await createNode(
        {
          home,
          config,
          onBlock: (block) => process.stdout.write(`${statusLine(block, isJsonLog)}\n`),
        },
        { clock: createSystemClock(), logger },
      );
      await node.start();
      const reason = await untilStopped();
      logger.info("stopping", { reason });
      await stopInTime(() => node.stop());
      logger.info("stopped");
    });
}

function statusLine(block: BlockSummary, isJson: boolean): string {
  if (isJson) return toJson(block);
  const size = block.bytes < 10_240 ? `${block.bytes} B` : `${Math.round(block.bytes / 1_024)} KiB`;
  return [
    `block ${block.height}`,
    `${block.txs} txs`,
    size,
    block.intervalMs === undefined ? "- ms" : `${block.intervalMs} ms`,
    `round ${block.round}`,
    `peers ${block.peers}`,
    `pool ${block.pool}`,
    `app ${block.appHash.slice(0, 8)}`,
  ].join("  ");
}
