import type { Command } from "commander";
import { isWeftError } from "../../../proto/errors.ts";
import { loadConfig } from "../../node/config.ts";
import { growHeapBetweenCollections } from "../../node/heap-growth.ts";
import { homeAt } from "../../node/home.ts";
import type { EngineName } from "../../node/home-engine.ts";
import type { RunningNode } from "../../node/node.ts";
import type { BlockSummary } from "../../node/notifier.ts";
import type { Logger } from "../../ports/logger.ts";
import { createPinoLogger } from "../../ports/pino-logger.ts";
import { createSystemClock } from "../../ports/system-clock.ts";
import { cliError, exitCodeOf } from "../cli-error.ts";
import { ExitCode } from "../exit-codes.ts";
import type { CommandContext, GlobalOptions } from "../context.ts";
import {
  engineConfig,
  engineOption,
  homeOption,
  parseSettings,
  resumeConfig,
  resumeOption,
  settingsOption,
} from "../options.ts";
import { toJson } from "../output.ts";
import { stopInTime, unlessStopped, untilStopped } from "../stop-signal.ts";

export function registerStart(program: Command, context: CommandContext): void {
  program
    .command("start")
    .description("run a node; prints one line per block")
    .addOption(homeOption(context))
    .addOption(engineOption())
    .addOption(resumeOption())
    .addOption(settingsOption())
    .action(async (options: StartOptions, command: Command) => {
      const home = homeAt(options.home);
      const settings = {
        ...parseSettings(options.set),
        ...engineConfig(options.engine),
        ...resumeConfig(options.resumeAfterHalt),
      };
      const config = loadConfig(home.configFile, settings, context.environment);
      const isJson = command.optsWithGlobals<GlobalOptions>().json;
      const isJsonLog = isJson || config.log_format === "json";
      const logger = createPinoLogger({
        level: config.log_level,
        format: isJsonLog ? "json" : "plain",
      });
      growHeapBetweenCollections();
      const stopped = untilStopped();
      const parts = { clock: createSystemClock(), logger };
      const onBlock = (block: BlockSummary): void => {
        process.stdout.write(`${statusLine(block, isJsonLog)}\n`);
      };
      if (config.engine === "embedded") {
        const { createNode } = await import("../../node/node.ts");
        const node = await unlessStopped(stopped, createNode({ home, config, onBlock }, parts));
        await runUntil(stopped, node, logger);
        return;
      }
      const { createCometBftNode } = await import("../../node/cometbft-node.ts");
      const { environment } = context;
      const creating = createCometBftNode({ home, config, onBlock, environment }, parts);
      await runUntil(stopped, await unlessStopped(stopped, creating), logger);
    });
}

interface StartOptions {
  readonly home: string;
  readonly engine?: EngineName;
  readonly resumeAfterHalt?: number;
  readonly set: readonly string[];
}

/** Starts a node, and stops it when it is told to, also while it starts, or cannot go on; that error ends the command. */
async function runUntil(
  stopped: Promise<string>,
  node: RunningNode,
  logger: Logger,
): Promise<void> {
  const running = node.start().then(() => node.failed, throwPlainly);
  // Of a start that is cut short nobody needs to hear.
  running.catch(() => {});
  const reason = await Promise.race([stopped, running]);
  logger.info("stopping", { reason: reason instanceof Error ? reason.message : reason });
  await stopInTime(() => node.stop());
  if (reason instanceof Error) {
    const isKnown = exitCodeOf(reason) !== ExitCode.UNEXPECTED;
    throw isKnown ? reason : cliError("UNEXPECTED", reason.message, reason);
  }
  logger.info("stopped");
}

/** CometBFT has said why it ended, and no stack of ours adds to that. */
function throwPlainly(error: unknown): never {
  if (isWeftError(error) && error.code === "COMETBFT_ENDED") {
    throw cliError("UNEXPECTED", error.message, error);
  }
  throw error;
}

function statusLine(block: BlockSummary, isJson: boolean): string {
  if (isJson) return toJson(block);
  const size = block.bytes < 10_240 ? `${block.bytes} B` : `${Math.round(block.bytes / 1_024)} KiB`;
  return [
    `block ${block.height}`,
    `${block.txs} txs`,
    size,
    // The first block has none before it.
    ...(block.intervalMs === undefined ? [] : [`${block.intervalMs} ms`]),
    `round ${block.round}`,
    `peers ${block.peers}`,
    `pool ${block.pool}`,
    `app ${block.appHash.slice(0, 8)}`,
  ].join("  ");
}
