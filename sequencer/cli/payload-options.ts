/** How commands that put data into a rollup's order are given it. */
import { readFileSync } from "node:fs";
import type { Command } from "commander";
import { cliError } from "./cli-error.ts";
import { addTxOptions, parseHexBytes, parseRollupName } from "./options.ts";
import type { TxOptions } from "./send-tx.ts";

/** See `addPayloadOptions`. */
export interface PayloadOptions extends TxOptions {
  readonly file?: readonly string[];
}

/** Adds the arguments `<rollup> [data...]`, and `--file` beside what every transaction has. */
export function addPayloadOptions(command: Command): Command {
  return addTxOptions(
    command
      .argument("<rollup>", "name of the rollup", parseRollupName)
      .argument("[data...]", "payloads in hex", appendHex, [])
      .option("--file <paths...>", "payloads read from files"),
  );
}

/**
 * At least one payload: those in hex, then the files.
 * @throws WeftError<CliErrorInfo> USAGE, FILE
 */
export function payloadsOf(
  hex: readonly Uint8Array[],
  { file = [] }: PayloadOptions,
): readonly Uint8Array[] {
  const payloads = [...hex, ...file.map(readPayloadFile)];
  if (payloads.length === 0) throw cliError("USAGE", "nothing to submit: give hex or --file");
  return payloads;
}

function readPayloadFile(path: string): Uint8Array {
  try {
    return new Uint8Array(readFileSync(path));
  } catch (cause) {
    throw cliError("FILE", `cannot read --file ${path}: give a file with one payload`, cause);
  }
}

function appendHex(text: string, previous: Uint8Array[]): Uint8Array[] {
  return [...previous, parseHexBytes(undefined)(text)];
}
