/** How commands are told of bundles and bids: data by rollup, heights, replacement keys. */
import { readFileSync } from "node:fs";
import { type Command, InvalidArgumentError } from "commander";
import { Height } from "../../proto/brands.ts";
import {
  BUNDLE_AHEAD_MAX,
  BUNDLE_WINDOW_MAX,
  REPLACEMENT_KEY_BYTES,
  type Replacement,
  RevertMode,
} from "../../proto/codec/mev-tx.ts";
import { rollupIdOfName } from "../../proto/codec/weft-tx.ts";
import { cliError } from "./cli-error.ts";
import { parseCount, parseHexBytes, parseNweft, parseRollupName } from "./options.ts";
import type { TxOptions } from "./send-tx.ts";

/** Of one rollup, by its name. */
export interface Named<Value> {
  readonly name: string;
  readonly value: Value;
}

/** See `addWindowOptions`. */
export interface WindowOptions extends TxOptions {
  readonly min: number;
  readonly max?: number;
}

/** See `addLegOption`. */
export interface LegOptions {
  readonly leg: readonly Named<Uint8Array>[];
}

/** Data for one rollup and what is said about it. */
export interface NamedLeg {
  readonly rollupId: Uint8Array;
  readonly data: readonly Uint8Array[];
  readonly revertMode: RevertMode;
  readonly tip: bigint;
}

const REVERT_MODES: Readonly<Record<string, RevertMode>> = {
  allow: RevertMode.ALLOW,
  drop: RevertMode.DROP,
  fail: RevertMode.FAIL,
};

/** Adds `--leg`, which is given at least once. */
export function addLegOption(command: Command): Command {
  return command.requiredOption(
    "--leg <rollup=data>",
    "data for a rollup, in hex or @file; again for more of it, and for other rollups",
    appendOf((text) => {
      if (text.startsWith("@")) return new Uint8Array(readFileSync(text.slice(1)));
      return parseHexBytes(undefined)(text);
    }),
  );
}

/** Adds `--min` and `--max`. */
export function addWindowOptions(command: Command): Command {
  const height = parseCount(0, Number.MAX_SAFE_INTEGER);
  return command
    .option("--min <height>", "first block that may hold it; 0: any", height, 0)
    .option(
      "--max <height>",
      `last block that may hold it; default: ${BUNDLE_WINDOW_MAX} after the first that may`,
      height,
    );
}

export const appendRevert = appendOf((text): RevertMode => {
  const mode = Object.hasOwn(REVERT_MODES, text) ? REVERT_MODES[text] : undefined;
  if (mode !== undefined) return mode;
  throw new InvalidArgumentError(`expected one of ${Object.keys(REVERT_MODES).join(", ")}`);
});
export const appendTip = appendOf(parseNweft);

/** 16 bytes in hex, or a UUID. */
export function parseKey(text: string): Uint8Array {
  return parseHexBytes(REPLACEMENT_KEY_BYTES)(text.replaceAll("-", ""));
}

/**
 * The block at `height` is the last one that is committed. `latest`: no later block may hold it anyway.
 * @throws WeftError<CliErrorInfo> USAGE
 */
export function windowOf(
  { min, max }: WindowOptions,
  height: number,
  latest = Number.MAX_SAFE_INTEGER,
): { readonly minHeight: Height; readonly maxHeight: Height } {
  const first = Math.max(min, height + 1);
  const last = max ?? Math.min(first + BUNDLE_WINDOW_MAX, height + 1 + BUNDLE_AHEAD_MAX, latest);
  if (last < first) {
    const why = last === latest ? "its key ends there" : "choose a later --max";
    throw cliError("USAGE", `no block from ${first} to ${last} may hold it: ${why}`);
  }
  return { minHeight: Height(min), maxHeight: Height(last) };
}

/** @throws WeftError<CliErrorInfo> USAGE */
export function legsOf(
  leg: readonly Named<Uint8Array>[],
  reverts: readonly Named<RevertMode>[] = [],
  tips: readonly Named<bigint>[] = [],
): readonly NamedLeg[] {
  const names = [...new Set(leg.map(({ name }) => name))];
  for (const { name } of [...reverts, ...tips]) {
    if (!names.includes(name)) throw cliError("USAGE", `there is no --leg for ${name}`);
  }
  return names.map((name) => ({
    rollupId: rollupIdOfName(name),
    data: leg.filter((one) => one.name === name).map(({ value }) => value),
    revertMode: reverts.findLast((one) => one.name === name)?.value ?? RevertMode.ALLOW,
    tip: tips.findLast((one) => one.name === name)?.value ?? 0n,
  }));
}

/** @throws WeftError<CliErrorInfo> USAGE */
export function replacementOf(
  key: Uint8Array | undefined,
  sequence: bigint | undefined,
): Replacement | undefined {
  if (key !== undefined) return { key, sequence: sequence ?? BigInt(Date.now()) };
  if (sequence === undefined) return undefined;
  throw cliError("USAGE", "--sequence needs --key: it orders bundles of one key");
}

/** For an option that is given again and again as `<rollup>=<value>`. */
function appendOf<Value>(
  parse: (text: string) => Value,
): (text: string, before?: readonly Named<Value>[]) => readonly Named<Value>[] {
  return (text, before = []) => {
    const at = text.indexOf("=");
    if (at < 1) throw new InvalidArgumentError("expected <rollup>=<value>");
    return [
      ...before,
      { name: parseRollupName(text.slice(0, at)), value: parse(text.slice(at + 1)) },
    ];
  };
}
