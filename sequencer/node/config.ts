/**
 * Loading and writing `config.toml`. Precedence: flag > environment (`WEFT_SECTION__KEY`) > file >
 * default. Unknown keys are errors; all problems are reported at once, each with its path.
 */
import { readFileSync, statSync } from "node:fs";
import { parse, TomlError } from "smol-toml";
import { z } from "zod";
import { WeftError } from "../../proto/errors.ts";
import { type Config, configSchema, parseDurationMs } from "./config-schema.ts";
import { CONFIG_BYTES_MAX, STALL_AFTER_MS_MIN, STALL_AFTER_ROUNDS } from "./limits.ts";
import { editDistance, nearestName } from "./nearest-name.ts";
import { parseScalar } from "./scalar.ts";

export type ConfigErrorInfo =
  /** The file cannot be read. */
  | { readonly code: "CONFIG_UNREADABLE"; readonly path: string }
  /** The file is not TOML. */
  | { readonly code: "CONFIG_NOT_TOML"; readonly path: string }
  /** Keys are unknown or values are out of range. */
  | { readonly code: "CONFIG_INVALID"; readonly problems: readonly string[] };

/** Values by dotted path, such as `{"rpc.laddr": "tcp://127.0.0.1:0"}`; from flags. */
export type ConfigOverrides = Readonly<Record<string, unknown>>;

/**
 * Reads a configuration.
 * @param path file to read; undefined for defaults alone
 * @throws WeftError<ConfigErrorInfo> naming every problem and where the value came from
 */
export function loadConfig(
  path: string | undefined,
  overrides: ConfigOverrides,
  environment: Readonly<Record<string, string | undefined>>,
): Config {
  const raw: Record<string, unknown> = path === undefined ? {} : readToml(path);
  /** Where a value that is not the file's came from, by dotted path. */
  const sources = new Map<string, string>();
  for (const { name, key, value } of environmentOverrides(environment)) {
    setPath(raw, key, value);
    sources.set(key, name);
  }
  for (const [key, value] of Object.entries(overrides)) {
    setPath(raw, key, value);
    sources.set(key, "--set");
  }
  const parsed = configSchema.safeParse(raw);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.flatMap((issue) =>
    describeIssue(issue, raw).map(({ key, text }) => `${key}: ${text}${placeOf(key)}`),
  );
  throw invalidConfig(problems);

  function placeOf(key: string): string {
    const source = sources.get(key) ?? path;
    return source === undefined ? "" : ` (${source})`;
  }
}

/** The error that names all of what is wrong with a configuration. */
export function invalidConfig(problems: readonly string[]): WeftError<ConfigErrorInfo> {
  return new WeftError(
    { code: "CONFIG_INVALID", problems },
    `the configuration has ${problems.length} problem(s):\n  ${problems.join("\n  ")}`,
  );
}

/** A duration of a checked configuration in milliseconds. */
export function durationMs(text: string): number {
  const ms = parseDurationMs(text);
  if (ms === undefined) throw new RangeError(`expected a checked duration, got ${text}`);
  return ms;
}

/** Milliseconds without a block after which a node says that the chain stands. */
export function stallAfterMs({ consensus }: Pick<Config, "consensus">): number {
  const { timeout_propose, timeout_prevote, timeout_precommit, timeout_commit } = consensus;
  const steps = [timeout_propose, timeout_prevote, timeout_precommit, timeout_commit];
  const roundMs = steps.reduce((sum, step) => sum + durationMs(step), 0);
  return Math.max(STALL_AFTER_MS_MIN, STALL_AFTER_ROUNDS * roundMs);
}

/** `config.toml` with every key, its value and its meaning. */
export function renderConfig(config: Config): string {
  const lines = [
    "# Weft node configuration. Every key is shown; delete a line to get its default.",
    "",
  ];
  const sections: string[] = [];
  const shape: Readonly<Record<string, z.core.$ZodType>> = configSchema.shape;
  for (const [key, value] of Object.entries(config)) {
    const schema = shape[key];
    if (typeof value === "object" && !Array.isArray(value)) {
      sections.push("", `[${key}]`, "");
      const fields = sectionShape(schema);
      for (const [name, setting] of Object.entries(value)) {
        sections.push(`# ${describe(fields[name])}`, `${name} = ${tomlValue(setting)}`);
      }
    } else {
      lines.push(`# ${describe(schema)}`, `${key} = ${tomlValue(value)}`);
    }
  }
  return `${[...lines, ...sections].join("\n")}\n`;
}

function describe(schema: z.core.$ZodType | undefined): string {
  return (schema instanceof z.ZodType ? schema.description : undefined) ?? "";
}

function sectionShape(
  schema: z.core.$ZodType | undefined,
): Readonly<Record<string, z.core.$ZodType>> {
  if (schema instanceof z.ZodPrefault) return sectionShape(schema.unwrap());
  return schema instanceof z.ZodObject ? schema.shape : {};
}

function tomlValue(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(tomlValue).join(", ")}]`;
  return JSON.stringify(value);
}

function readToml(path: string): Record<string, unknown> {
  let source: string;
  try {
    if (statSync(path).size > CONFIG_BYTES_MAX) throw new RangeError("the file is over 1 MiB");
    source = readFileSync(path, "utf8");
  } catch (cause) {
    throw new WeftError<ConfigErrorInfo>(
      { code: "CONFIG_UNREADABLE", path },
      `cannot read ${path}; run "weft init" first or pass --home`,
      { cause },
    );
  }
  try {
    return parse(source);
  } catch (cause) {
    const where = cause instanceof TomlError ? ` (line ${cause.line}, column ${cause.column})` : "";
    throw new WeftError<ConfigErrorInfo>(
      { code: "CONFIG_NOT_TOML", path },
      `${path} is not valid TOML${where}: ${cause instanceof Error ? cause.message.split("\n")[0] : String(cause)}`,
      { cause },
    );
  }
}

function environmentOverrides(
  environment: Readonly<Record<string, string | undefined>>,
): { readonly name: string; readonly key: string; readonly value: unknown }[] {
  const known = new Set(["WEFT_HOME", "WEFT_VECTORS", "WEFT_SUPERVISED"]);
  return Object.entries(environment)
    .filter(
      ([name, value]) => /^WEFT_[A-Z0-9_]*$/.test(name) && value !== undefined && !known.has(name),
    )
    .filter(
      ([name]) =>
        // Of the names without a section only the keys: others may have variables of their own.
        name.includes("__") || knownKeys().includes(name.slice(5).toLowerCase()),
    )
    .map(([name, value]) => ({
      name,
      key: name.slice(5).toLowerCase().replace("__", "."),
      value: parseScalar(value ?? ""),
    }));
}

function setPath(target: Record<string, unknown>, path: string, value: unknown): void {
  const dot = path.indexOf(".");
  if (dot < 0) {
    target[path] = value;
    return;
  }
  const head = path.slice(0, dot);
  const section = target[head];
  const inner: Record<string, unknown> = isRecord(section) ? section : {};
  target[head] = inner;
  setPath(inner, path.slice(dot + 1), value);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

interface Problem {
  readonly key: string;
  readonly text: string;
}

function describeIssue(issue: z.core.$ZodIssue, raw: unknown): Problem[] {
  const path = issue.path.join(".");
  if (issue.code === "unrecognized_keys") {
    const prefix = path === "" ? "" : `${path}.`;
    return issue.keys.map((key) => {
      const nearest = nearestName(`${prefix}${key}`, knownKeys(), keyDistance);
      const hint = nearest === undefined ? "" : `, did you mean ${nearest}?`;
      return { key: `${prefix}${key}`, text: `unknown key${hint}` };
    });
  }
  const value = issue.path.reduce<unknown>(
    (at, part) => (isRecord(at) && typeof part === "string" ? at[part] : undefined),
    raw,
  );
  const got = value === undefined ? "" : `, got ${JSON.stringify(value)}`;
  return [{ key: path, text: `${issue.message}${got}` }];
}

/** A key without its section, or in the wrong one, is near to its namesake. */
function keyDistance(known: string, unknown: string): number {
  const isNamesake =
    known.slice(known.indexOf(".") + 1) === unknown.slice(unknown.indexOf(".") + 1);
  return isNamesake ? 0.5 : editDistance(known, unknown);
}

function knownKeys(): string[] {
  const shape: Readonly<Record<string, z.core.$ZodType>> = configSchema.shape;
  return Object.entries(shape).flatMap(([key, schema]) => {
    const inner = Object.keys(sectionShape(schema));
    return inner.length === 0 ? [key] : inner.map((name) => `${key}.${name}`);
  });
}
