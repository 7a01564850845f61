import type { Command } from "commander";
import type { CommandContext, GlobalOptions } from "../context.ts";
import { homeOption, parseCount } from "../options.ts";

/** Each part loads only when it runs. */
export function registerWal(program: Command, context: CommandContext): void {
  const wal = program
    .command("wal")
    .description("the write-ahead log of consensus of a node that does not run");
  wal
    .command("dump")
    .description("every record, oldest first, one JSON object per line")
    .addOption(homeOption(context))
    .option(
      "--height <n>",
      "only what was logged while this height was decided",
      parseCount(0, Number.MAX_SAFE_INTEGER),
    )
    .action(async (options: { home: string; height?: number }) => {
      const { dumpLog } = await import("../wal-tools.ts");
      await dumpLog(options.home, options.height);
    });
  wal
    .command("verify")
    .description("check checksums, form and order; names the byte of each fault")
    .addOption(homeOption(context))
    .option("--cut", "cut damaged files to their good prefix; copies are kept", false)
    .action(async (options: { home: string; cut: boolean }, command: Command) => {
      const { verifyLogCommand } = await import("../wal-tools.ts");
      await verifyLogCommand(options.home, options.cut, isJson(command));
    });
  wal
    .command("replay")
    .description("tell the height under way to the core again: its states, nothing signed or sent")
    .addOption(homeOption(context))
    .action(async (options: { home: string }, command: Command) => {
      const { replayLog } = await import("../wal-tools.ts");
      await replayLog(options.home, context.environment, isJson(command));
    });
}

function isJson(command: Command): boolean {
  return command.optsWithGlobals<GlobalOptions>().json;
}
