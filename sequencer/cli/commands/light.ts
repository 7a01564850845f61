import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { type Command, InvalidArgumentError, Option } from "commander";
import { Height } from "../../../proto/brands.ts";
import type { TrustLevel } from "../../../proto/verify/commit.ts";
import { parseDurationMs } from "../../node/config-schema.ts";
import { createPinoLogger } from "../../ports/pino-logger.ts";
import { cliError } from "../cli-error.ts";
import type { CommandContext, GlobalOptions } from "../context.ts";
import { parseCount, parseHexBytes } from "../options.ts";
import type { Address } from "../light/run-light.ts";

interface Options {
  readonly primary: string;
  readonly witness: readonly string[];
  readonly trustedHeight?: number;
  readonly trustedHash?: Uint8Array;
  readonly trustingPeriod: bigint;
  readonly trustLevel: TrustLevel;
  readonly home: string;
  readonly laddr: Address;
  readonly metrics?: Address;
  readonly sequential: boolean;
  readonly logLevel: string;
}

const WEEK_NANOS = 7n * 24n * 3_600n * 1_000_000_000n;

export function registerLight(program: Command, context: CommandContext): void {
  program
    .command("light")
    .description(
      "run a light client: CometBFT's RPC of a node you need not trust, every answer verified or marked",
    )
    .argument("<chain-id>", "id of the chain")
    .requiredOption("--primary <url>", "RPC address of the node that is asked first")
    .addOption(
      new Option("--witness <url>", "RPC address of a node that cross-checks it; may be repeated")
        .argParser(parseWitness)
        .makeOptionMandatory(),
    )
    .option(
      "--trusted-height <n>",
      "height of a header from a source you trust; needed the first time",
      parseCount(1, Number.MAX_SAFE_INTEGER),
    )
    .option("--trusted-hash <hex>", "its hash, 32 bytes in hex", parseHexBytes(32))
    .addOption(
      new Option(
        "--trusting-period <duration>",
        "how long a header may be relied upon; well below the time in which validators can be punished",
      )
        .argParser(parsePeriod)
        .default(WEEK_NANOS, "168h"),
    )
    .addOption(
      new Option(
        "--trust-level <fraction>",
        "part of a trusted set that must have signed, from 1/3 to 1",
      )
        .argParser(parseTrustLevel)
        .default({ numerator: 1n, denominator: 3n }, "1/3"),
    )
    .option("--home <dir>", "folder of verified headers", defaultLightHome(context.environment))
    .addOption(
      new Option("--laddr <address>", "where to listen")
        .argParser(parseListen)
        .default({ host: "127.0.0.1", port: 8888 }, "tcp://127.0.0.1:8888"),
    )
    .option("--metrics <address>", "where to serve Prometheus metrics and health", parseListen)
    .option("--sequential", "verify every header instead of skipping", false)
    .option("--log-level <level>", "error, warn, info or debug", "info")
    .action(async (chainId: string, options: Options, command: Command) => {
      const isJson = command.optsWithGlobals<GlobalOptions>().json;
      const { trustedHeight: height, trustedHash: hash } = options;
      if ((height === undefined) !== (hash === undefined)) {
        throw cliError("USAGE", "give both --trusted-height and --trusted-hash, or neither");
      }
      const trust =
        height === undefined || hash === undefined ? undefined : { height: Height(height), hash };
      const { runLight } = await import("../light/run-light.ts");
      await runLight(
        {
          chainId,
          home: resolve(options.home),
          primary: options.primary,
          witnesses: options.witness,
          trust,
          trustingPeriodNanos: options.trustingPeriod,
          trustLevel: options.trustLevel,
          isSequential: options.sequential,
          listen: options.laddr,
          metrics: options.metrics,
        },
        createPinoLogger({
          level: parseLevel(options.logLevel),
          format: isJson ? "json" : "plain",
        }),
        isJson,
      );
    });
}

/** One more of the option's values. */
function parseWitness(url: string, before: readonly string[] | undefined): readonly string[] {
  return [...(before ?? []), url];
}

/** `$WEFT_LIGHT_HOME`, else `~/.weft-light`. */
function defaultLightHome(environment: CommandContext["environment"]): string {
  return environment["WEFT_LIGHT_HOME"] ?? join(homedir(), ".weft-light");
}

function parsePeriod(text: string): bigint {
  const ms = parseDurationMs(text);
  if (ms === undefined || ms <= 0) {
    throw new InvalidArgumentError("expected a duration above 0, such as 168h");
  }
  return BigInt(Math.round(ms)) * 1_000_000n;
}

function parseTrustLevel(text: string): TrustLevel {
  const match = /^(\d{1,9})\/(\d{1,9})$/.exec(text);
  const [numerator, denominator] = [BigInt(match?.[1] ?? 0), BigInt(match?.[2] ?? 0)];
  if (numerator === 0n || numerator > denominator || numerator * 3n < denominator) {
    throw new InvalidArgumentError("expected a fraction from 1/3 to 1/1, such as 2/3");
  }
  return { numerator, denominator };
}

/** `tcp://host:port` or `host:port`; an IPv6 host in brackets. */
function parseListen(text: string): Address {
  const match = /^(?:tcp:\/\/)?(?:\[([0-9a-fA-F:.]+)\]|([^\s:/]+)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  const host = match?.[1] ?? match?.[2];
  if (host === undefined || port > 65_535) {
    throw new InvalidArgumentError("expected an address such as tcp://127.0.0.1:8888");
  }
  return { host, port };
}

function parseLevel(text: string): "error" | "warn" | "info" | "debug" {
  return text === "error" || text === "warn" || text === "debug" ? text : "info";
}
