/** Printing results: one JSON object with `--json`, aligned text for people otherwise. */
import type { Command } from "commander";
import type { GlobalOptions } from "./context.ts";

/** What is said of files that a repeated command found as it would have written them. */
export const ALREADY_THERE = "already there with these values, left as it is";

/** JSON with bigint as decimal text and bytes as lower-case hex. */
export function toJson(value: unknown): string {
  return JSON.stringify(value, (_key, v: unknown) => {
    if (typeof v === "bigint") return v.toString();
    if (v instanceof Uint8Array) return Buffer.from(v).toString("hex");
    return v;
  });
}

/** Prints one result. Nested objects are indented, empty values shown as a dash. */
export function printResult(value: Readonly<Record<string, unknown>>, asJson: boolean): void {
  process.stdout.write(asJson ? `${toJson(value)}\n` : `${render(value, "")}\n`);
}

function render(value: Readonly<Record<string, unknown>>, indent: string): string {
  const width = Math.max(0, ...Object.keys(value).map((key) => key.length));
  const lines: string[] = [];
  for (const [key, entry] of Object.entries(value)) {
    const label = `${indent}${key.padEnd(width)}  `;
    if (Array.isArray(entry)) lines.push(...renderList(label, key, entry, indent));
    else if (isPlainObject(entry)) lines.push(`${indent}${key}`, render(entry, `${indent}  `));
    else lines.push(`${label}${scalar(entry)}${momentOf(key, entry)}`);
  }
  return lines.join("\n");
}

/** No duration of the chain is as long (a year at most), no moment of it as early. */
const MOMENT_SECONDS_MIN = 1_000_000_000;
const MOMENT_SECONDS_MAX = 1_000_000_000_000;

/** The date behind seconds since 1970, in UTC; nothing where the value is a duration or none. */
function momentOf(key: string, value: unknown): string {
  const seconds = key.endsWith("Seconds") ? Number(value) : 0;
  if (!(seconds >= MOMENT_SECONDS_MIN && seconds <= MOMENT_SECONDS_MAX)) return "";
  return `  (${new Date(seconds * 1_000).toISOString().replace(".000Z", "Z")})`;
}

function renderList(
  label: string,
  key: string,
  list: readonly unknown[],
  indent: string,
): string[] {
  if (list.length === 0) return [`${label}-`];
  if (list.some(isPlainObject)) {
    const lines = [`${indent}${key}`];
    for (const entry of list) {
      if (!isPlainObject(entry)) lines.push(`${indent}  ${scalar(entry)}`);
      else lines.push(render(entry, `${indent}  `), "");
    }
    return lines;
  }
  const texts = list.map(scalar);
  // Sentences and commands stand alone, to be read and copied.
  if (texts.some((text) => text.includes(" "))) {
    return [`${indent}${key}`, ...texts.map((text) => `${indent}  ${text}`)];
  }
  return [`${label}${texts.join(", ")}`];
}

function scalar(value: unknown): string {
  if (value === undefined || value === null || value === "") return "-";
  if (value instanceof Uint8Array) return Buffer.from(value).toString("hex") || "-";
  return typeof value === "string" ? value : toJson(value).replace(/^"|"$/g, "");
}

function isPlainObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return (
    typeof value === "object" &&
    value !== null &&
    !Array.isArray(value) &&
    !(value instanceof Uint8Array)
  );
}

/** Prints the answer to a query of a command, as its global options ask. */
export function printAnswer(value: Readonly<Record<string, unknown>>, command: Command): void {
  printResult(value, command.optsWithGlobals<GlobalOptions>().json);
}

const DECIMAL_DIGITS = 18;

/** Units of 10^-18 as a decimal number: 1500000000000000000 is "1.5". */
export function formatDecimal(value: bigint): string {
  const digits = value.toString().padStart(DECIMAL_DIGITS + 1, "0");
  const fraction = digits.slice(-DECIMAL_DIGITS).replace(/0+$/, "");
  const whole = digits.slice(0, -DECIMAL_DIGITS);
  return fraction === "" ? whole : `${whole}.${fraction}`;
}
