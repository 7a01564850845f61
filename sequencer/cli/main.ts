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
import type { CommandContext } from "./context.ts";
import { ExitCode, isExitName } from "./exit-codes.ts";
import { toJson } from "./output.ts";
import { guardStandardStreams } from "./standard-streams.ts";

type Register = (program: Command, context: CommandContext) => void;

/** In the order of the help. Loaded when asked for: all of them together take a quarter of a second. */
const COMMANDS: Readonly<Record<string, () => Promise<Register>>> = {
  dev: async () => (await import("./commands/dev.ts")).registerDev,
  init: async () => (await import("./commands/init.ts")).registerInit,
  start: async () => (await import("./commands/start.ts")).registerStart,
  abci: async () => (await import("./commands/abci.ts")).registerAbci,
  signer: async () => (await import("./commands/signer.ts")).registerSigner,
  testnet: async () => (await import("./commands/testnet.ts")).registerTestnet,
  keys: async () => (await import("./commands/keys.ts")).registerKeys,
  tx: async () => (await import("./commands/tx.ts")).registerTx,
  query: async () => (await import("./commands/query.ts")).registerQuery,
  status: async () => (await import("./commands/status.ts")).registerStatus,
  light: async () => (await import("./commands/light.ts")).registerLight,
  rollup: async () => (await import("./commands/rollup.ts")).registerRollup,
  replay: async () => (await import("./commands/replay.ts")).registerReplay,
  wal: async () => (await import("./commands/wal.ts")).registerWal,
  db: async () => (await import("./commands/db.ts")).registerDb,
  rollback: async () => (await import("./commands/rollback.ts")).registerRollback,
  engine: async () => (await import("./commands/engine.ts")).registerEngine,
  config: async () => (await import("./commands/config.ts")).registerConfig,
  version: async () => (await import("./commands/version.ts")).registerVersion,
};

/** @param args of the command line; the commands of a program that is told none are all there */
export async function createProgram(
  context: CommandContext,
  args: readonly string[] = [],
): Promise<Command> {
  const program = new Command("weft")
    .description("A shared, decentralized sequencer network: one BFT order for many rollups.")
    .version(VERSION.weft, "--version", "print this program's version")
    .option("--json", "print one JSON object per result", false)
    .configureHelp({ showGlobalOptions: true })
    .showHelpAfterError("(run with --help for the options)")
    .showSuggestionAfterError(true)
    .exitOverride();
  const asked = args.find((arg) => arg !== "--json") ?? "";
  const isOne = Object.hasOwn(COMMANDS, asked);
  const loads = Object.entries(COMMANDS).filter(([name]) => !isOne || name === asked);
  for (const register of await Promise.all(loads.map(([, load]) => load()))) {
    register(program, context);
  }
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

/** The words that name a command, after the program's own: "rollup start". */
function wordsOf(command: Command): string {
  const outer = command.parent;
  if (outer === null) return "";
  return `${wordsOf(outer)} ${command.name()}`.trim();
}

async function main(): Promise<void> {
  const context: CommandContext = {
    entry: fileURLToPath(import.meta.url),
    environment: process.env,
  };
  const given = process.argv.slice(2);
  const guard = guardStandardStreams(process, (code) => process.exit(code ?? process.exitCode));
  const program = await createProgram(context, given);
  program.hook("preAction", (_program, command) => guard.runs(wordsOf(command)));
  try {
    const args = withoutHelpOfNothing(program, given);
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
