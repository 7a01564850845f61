/** Options that several commands share, with their checks. */
import { type Command, InvalidArgumentError, Option } from "commander";
import { parseAddress } from "../../proto/address.ts";
import { fromHex } from "../../proto/bytes.ts";
import { snakeCase } from "../../proto/codec/record.ts";
import { PARAM_NAMES, type ParamsState } from "../../proto/codec/weft-state.ts";
import { accountAddress, ROLLUP_NAME } from "../../proto/codec/weft-tx.ts";
import { isHostPort } from "../../proto/host-port.ts";
import { type Page, PAGE_ENTRIES, PAGE_ENTRIES_MAX } from "../../proto/grpc/page.ts";
import { CHAIN_ID_BYTES_MAX } from "../../proto/limits.ts";
import type { GenesisAppState } from "../app/genesis.ts";
import { DEFAULT_PARAMS, PARAM_BOUNDS, paramFaults } from "../app/params.ts";
import { defaultHome } from "../node/home.ts";
import { type EngineName, ENGINES } from "../node/home-engine.ts";
import { parsePeerAddress } from "../p2p/address.ts";
import { nearestName } from "../node/nearest-name.ts";
import { parseScalar } from "../node/scalar.ts";
import { cliError } from "./cli-error.ts";
import type { CommandContext } from "./context.ts";

export function homeOption(context: CommandContext): Option {
  return new Option("--home <dir>", "home directory").default(defaultHome(context.environment));
}

export function engineOption(): Option {
  return new Option(
    "--engine <name>",
    "who makes the blocks: embedded, or cometbft beside this process; default: engine of the configuration",
  ).choices(ENGINES);
}

/** The configuration that the option asks for. */
export function engineConfig(engine: EngineName | undefined): Readonly<Record<string, unknown>> {
  return engine === undefined ? {} : { engine };
}

export function resumeOption(): Option {
  return new Option(
    "--resume-after-halt <height>",
    "vote on after validators halted the chain at this height, once their operators agree",
  ).argParser((text) => {
    const height = Number(text);
    if (/^[1-9][0-9]{0,15}$/.test(text) && Number.isSafeInteger(height)) return height;
    throw new InvalidArgumentError("expected the height that the node said it was halted at");
  });
}

/** The configuration that the option asks for. */
export function resumeConfig(height: number | undefined): Readonly<Record<string, unknown>> {
  return height === undefined ? {} : { resume_after_halt: height };
}

export function settingsOption(): Option {
  return new Option(
    "--set <key=value...>",
    "configuration values over the file, such as consensus.timeout_commit=1s",
  ).default([]);
}

/** `key=value` pairs as configuration overrides. */
export function parseSettings(settings: readonly string[]): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    settings.map((setting) => {
      const at = setting.indexOf("=");
      if (at < 1) throw cliError("USAGE", `expected key=value, got ${setting}`);
      const value = parseScalar(setting.slice(at + 1));
      return [setting.slice(0, at), value];
    }),
  );
}

export function nodeOption(): Option {
  return new Option("--node <host:port>", "gRPC address of a node")
    .default("127.0.0.1:9090")
    .argParser(parseHostPort);
}

export function rpcOption(): Option {
  return new Option("--rpc <url>", "JSON-RPC address of a node, http://host:port or host:port")
    .default("http://127.0.0.1:26657")
    .argParser(parseRpcUrl);
}

/** For a command that asks the gRPC port: says so to whoever names the RPC port. */
export function notRpcOption(): Option {
  return new Option("--rpc <url>", "not this one")
    .hideHelp()
    .argParser(() => refuse("this command asks a node's gRPC port: use --node host:9090"));
}

/** For a command that asks the RPC port: says so to whoever names the gRPC port. */
export function notNodeOption(): Option {
  return new Option("--node <host:port>", "not this one")
    .hideHelp()
    .argParser(() => refuse("this command asks a node's JSON-RPC: use --rpc http://host:26657"));
}

function refuse(words: string): never {
  throw new InvalidArgumentError(words);
}

/** A URL; `host:port` and CometBFT's `tcp://host:port` are taken as HTTP. */
export function parseRpcUrl(text: string): string {
  const url = /^[a-z]+:\/\//.test(text) ? text.replace(/^tcp:/, "http:") : `http://${text}`;
  if (!URL.canParse(url) || !/^https?:/.test(url)) {
    throw new InvalidArgumentError("expected http://host:port, such as http://127.0.0.1:26657");
  }
  return url;
}

/** An option that takes nweft; its default is shown as text. */
export function amountOption(flags: string, description: string, fallback?: bigint): Option {
  const option = new Option(flags, description).argParser(parseNweft);
  return fallback === undefined ? option : option.default(fallback, fallback.toString());
}

/** Adds `--from` and the fee options of every transaction. */
export function addTxOptions(command: Command): Command {
  return command
    .requiredOption("--from <key file>", "key that signs and pays")
    .addOption(nodeOption())
    .addOption(notRpcOption())
    .addOption(amountOption("--tip <nweft>", "tip per byte, over the base fee", 0n))
    .addOption(
      amountOption(
        "--max-fee <nweft>",
        "highest fee per byte; default: twice the base fee plus the tip",
      ),
    )
    .addOption(
      new Option(
        "--nonce <n>",
        "use this account nonce instead of an unordered transaction",
      ).argParser(parseAmount),
    )
    .option("--no-wait", "do not wait until the transaction is in a block");
}

export function parseHostPort(text: string): string {
  if (isHostPort(text)) return text;
  throw new InvalidArgumentError("expected host:port, such as 127.0.0.1:9090 or [::1]:9090");
}

/** A whole number from 0 to 2^63 - 1. */
export function parseAmount(text: string): bigint {
  if (!/^\d{1,19}$/.test(text) || BigInt(text) >= 1n << 63n) {
    throw new InvalidArgumentError("expected a whole number from 0 to 2^63 - 1");
  }
  return BigInt(text);
}

/** An amount of money, which has neither unit nor point. */
export function parseNweft(text: string): bigint {
  if (/^\d+$/.test(text)) return parseAmount(text);
  throw new InvalidArgumentError("expected whole nweft, digits only (1 WEFT is 1000000000 nweft)");
}

/** A whole number of things, at least `min`, at most `max`. */
export function parseCount(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < min || value > max) {
      throw new InvalidArgumentError(`expected a whole number from ${min} to ${max}`);
    }
    return value;
  };
}

/** A rollup's name, as the chain takes it. */
export function parseRollupName(text: string): string {
  if (!ROLLUP_NAME.test(text)) {
    throw new InvalidArgumentError(
      `${JSON.stringify(text)} is no rollup's name: expected 1-64 characters of a-z, 0-9 and -`,
    );
  }
  return text;
}

/** An option that takes parameters by the names that governance uses; see `genesisParams`. */
export function paramsOption(): Option {
  return new Option(
    "--param <name=value...>",
    "parameters of the chain that differ from their defaults, such as epochLength=10",
  ).argParser(addParam);
}

/** A parameter of the chain; undefined of a name that is not known here. One that is nearly a known one is refused. */
export function knownParam(given: string): (typeof PARAM_NAMES)[number] | undefined {
  const known = PARAM_NAMES.find((name) => name === given);
  const nearest = known === undefined ? nearestName(given, PARAM_NAMES) : undefined;
  if (nearest === undefined) return known;
  throw new InvalidArgumentError(`there is no ${given}, did you mean ${nearest}?`);
}

function addParam(pair: string, before: Partial<ParamsState> = {}): Partial<ParamsState> {
  const [given = "", text = ""] = pair.split("=", 2);
  const name = knownParam(given);
  if (name === undefined) {
    throw new InvalidArgumentError(
      `expected name=value with one of these names: ${PARAM_NAMES.join(", ")}`,
    );
  }
  if (Object.hasOwn(before, name)) throw new InvalidArgumentError(`${name} is named twice`);
  const { min, max, doc } = PARAM_BOUNDS[name];
  const value = /^\d{1,19}$/.test(text) ? BigInt(text) : -1n;
  if (value >= min && value <= max) {
    return { ...before, [name]: typeof DEFAULT_PARAMS[name] === "bigint" ? value : Number(value) };
  }
  throw new InvalidArgumentError(`${name}: expected ${min} to ${max} (${doc.slice(0, -1)})`);
}

/**
 * The parameters as genesis writes them. What does not go together is refused here, and not by every
 * node at its start.
 * @throws WeftError<CliErrorInfo> USAGE
 */
export function genesisParams(
  params: Partial<ParamsState>,
  evidenceMaxAgeSeconds: number,
): NonNullable<GenesisAppState["params"]> {
  const faults = paramFaults(
    { ...DEFAULT_PARAMS, ...params },
    { evidenceMaxAgeSeconds, setSizeMax: Number(PARAM_BOUNDS.validatorsMax.max) },
  );
  if (faults.length > 0) throw cliError("USAGE", `--param: ${faults.join("; ")}`);
  return Object.fromEntries(
    Object.entries(params).map(([name, value]) => [
      snakeCase(name),
      typeof value === "bigint" ? value.toString() : value,
    ]),
  );
}

/** An option that takes several rollups' names. */
export function rollupNamesOption(flags: string, description: string, defaults: string[]): Option {
  return new Option(flags, description)
    .default(defaults)
    .argParser((text: string, previous: readonly string[]) => {
      // The default is replaced, not added to.
      const before = previous === defaults ? [] : previous;
      const name = parseRollupName(text);
      if (before.includes(name)) throw new InvalidArgumentError(`${name} is named twice`);
      return [...before, name];
    });
}

export function parseChainId(text: string): string {
  if (text.length === 0 || text.length > CHAIN_ID_BYTES_MAX || !/^[\x21-\x7e]+$/.test(text)) {
    throw new InvalidArgumentError(
      `expected 1 to ${CHAIN_ID_BYTES_MAX} printable ASCII characters without spaces, got ${text.length}`,
    );
  }
  return text;
}

/** An Ethereum address: 20 bytes in hex after 0x. */
export function parseEvmAddress(text: string): string {
  if (!/^0x[0-9a-fA-F]{40}$/.test(text)) {
    throw new InvalidArgumentError("expected an Ethereum address: 0x and 40 hex digits");
  }
  return text;
}

/** One more peer. */
export function addPeer(text: string, before: readonly string[] = []): readonly string[] {
  try {
    parsePeerAddress(text);
  } catch {
    throw new InvalidArgumentError(
      "expected id@host:port, such as 0123456789abcdef0123456789abcdef01234567@10.0.0.1:26656; the id is in that node's status (node_info.id)",
    );
  }
  return [...before, text];
}

export function parsePort(text: string): number {
  return parseCount(0, 65_535)(text);
}

export function parseHexBytes(length: number | undefined): (text: string) => Uint8Array {
  return (text) => {
    const bare = text.replace(/^0x/, "");
    const isHex = /^([0-9a-fA-F]{2})*$/.test(bare);
    if (!isHex || (length !== undefined && bare.length !== length * 2)) {
      throw new InvalidArgumentError(
        length === undefined ? "expected hex" : `expected ${length} bytes in hex`,
      );
    }
    return fromHex(bare);
  };
}

/** An account: `weft1...`, or a public key in hex. */
export function parseAccount(text: string): Uint8Array {
  if (/^[0-9a-fA-F]{64}$/.test(text)) return accountAddress(fromHex(text));
  try {
    return parseAddress(text);
  } catch (error) {
    throw new InvalidArgumentError(error instanceof Error ? error.message : "expected weft1...");
  }
}

/** A validator's consensus address: 20 bytes in hex. */
export function parseValidator(text: string): Uint8Array {
  if (!/^[0-9a-fA-F]{40}$/.test(text)) {
    throw new InvalidArgumentError(
      "expected a validator's consensus address, 40 hex digits: weft query staking validators",
    );
  }
  return fromHex(text);
}

/** Where to ask, and which page of a list. */
export interface PageOptions {
  readonly node: string;
  readonly limit: number;
  readonly after: string;
}

export function addPageOptions(command: Command): Command {
  return command
    .addOption(nodeOption())
    .addOption(notRpcOption())
    .option("--limit <n>", "entries of a page", parseCount(1, PAGE_ENTRIES_MAX), PAGE_ENTRIES)
    .option("--after <next>", "go on where a page ended: its next", "");
}

export function pageOf({ limit, after }: PageOptions): Page {
  return { limit, after };
}
