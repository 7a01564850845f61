#!/usr/bin/env node
/**
 * The `weft` command. Each command stands in a file of its own under `commands/`; here they are put
 * together, and every failure becomes a message and a stable exit code.
 */
import { realpathSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Command, CommanderError } from "commander";
import { isWeftError } from "../../proto/errors.ts";
import { VERSION } from "../node/version.ts";
import { describeError, exitCodeOf } from "./cli-error.ts";
import { registerAbci } from "./commands/abci.ts";
import { registerConfig } from "./commands/config.ts";
import { registerDb } from "./commands/db.ts";
import { registerDev } from "./commands/dev.ts";
import { registerEngine } from "./commands/engine.ts";
import { registerInit } from "./commands/init.ts";
import { registerKeys } from "./commands/keys.ts";
import { registerLight } from "./commands/light.ts";
import { registerQuery } from "./commands/query.ts";
import { registerReplay } from "./commands/replay.ts";
import { registerRollback } from "./commands/rollback.ts";
import { registerRollup } from "./commands/rollup.ts";
import { registerSigner } from "./commands/signer.ts";
import { registerStart } from "./commands/start.ts";
import { registerStatus } from "./commands/status.ts";
import { registerTestnet } from "./commands/testnet.ts";
import { registerTx } from "./commands/tx.ts";
import { registerVersion } from "./commands/version.ts";
import { registerWal } from "./commands/wal.ts";
import type { CommandContext } from "./context.ts";
import { ExitCode, isExitName } from "./exit-codes.ts";
import { toJson } from "./output.ts";

export function createProgram(context: CommandContext): Command {
  const program = new Command("weft")
    .description("A shared, decentralized sequencer network: one BFT order for many rollups.")
    .version(VERSION.weft, "--version", "print this program's version")
    .option("--json", "print one JSON object per result", false)
    .configureHelp({ showGlobalOptions: true })
    .showHelpAfterError("(run with --help for the options)")
    .showSuggestionAfterError(true)
    .exitOverride();
  registerDev(program, context);
  registerInit(program, context);
  registerStart(program, context);
  registerAbci(program, context);
  registerSigner(program);
  registerTestnet(program);
  registerKeys(program, context);
  registerTx(program);
  registerQuery(program);
  registerStatus(program);
  registerLight(program, context);
  registerRollup(program);
  registerReplay(program, context);
  registerWal(program, context);
  registerDb(program, context);
  registerRollback(program, context);
  registerEngine(program, context);
  registerConfig(program, context);
  registerVersion(program);
  nameOptionsAfterErrors(program);
  return program;
}

/** After an error each command names its options: an unknown one may be near to none of them. */
function nameOptionsAfterErrors(command: Command): void {
  const names = command.options.filter(({ hidden }) => !hidden).map(({ long }) => long ?? "");
  if (command.parent !== null && names.length > 0) {
    command.showHelpAfterError(`(takes ${names.join(", ")}; --help explains them)`);
  }
  for (const inner of command.commands) nameOptionsAfterErrors(inner);
}

/**
 * The arguments without `--help` when they name a command that there is not: the parser would print
 * the help of the group as if all were well.
 */
export function withoutHelpOfNothing(program: Command, args: readonly string[]): string[] {
  let at = program;
  for (const arg of args) {
    if (at.commands.length === 0 || arg === "help" || arg === "--help" || arg === "-h") break;
    if (arg.startsWith("-")) continue;
    const next = at.commands.find((one) => one.name() === arg || one.aliases().includes(arg));
    if (next === undefined) return args.filter((one) => one !== "--help" && one !== "-h");
    at = next;
  }
  return [...args];
}

async function main(): Promise<void> {
  const context: CommandContext = {
    entry: fileURLToPath(import.meta.url),
    environment: process.env,
  };
  const program = createProgram(context);
  try {
    const args = withoutHelpOfNothing(program, process.argv.slice(2));
    await program.parseAsync(args, { from: "user" });
  } catch (error) {
    // Whatever happened is said once, in words, with the code that scripts rely on.
    if (error instanceof CommanderError) {
      process.exitCode = error.exitCode === 0 ? ExitCode.OK : ExitCode.USAGE;
      // The parser has told people already; `opts` is of no use when it stopped halfway.
      if (error.exitCode !== 0 && process.argv.includes("--json")) {
        const text = error.message.replace(/^error: /, "");
        process.stdout.write(`${toJson({ error: text, exitCode: ExitCode.USAGE })}\n`);
      }
      return;
    }
    const code = exitCodeOf(error);
    const text = describeError(error);
    if (program.opts<{ json: boolean }>().json) {
      process.stdout.write(`${toJson({ error: text, exitCode: code })}\n`);
    }
    process.stderr.write(`weft: ${text}\n`);
    // A command that chose its words has said it all; anything else is for whoever mends it.
    const isToldAlready = isWeftError(error) && isExitName(error.code);
    if (code === ExitCode.UNEXPECTED && error instanceof Error && !isToldAlready) {
      process.stderr.write(`${error.stack ?? ""}\n`);
    }
    process.exitCode = code;
  }
}

// Run only as the program, not when a test imports `createProgram`; npm starts it through a link.
const started = process.argv[1];
if (started !== undefined && realpathSync(started) === fileURLToPath(import.meta.url)) {
  await main();
}
