/**
 * genesis.json in CometBFT's JSON (spec/cometbft-v0.38.md §19.2; `types/genesis.go`): what every
 * node of a chain starts from. `app_state` is kept as the very text that stands in the file.
 */
import { open, readFile, rename, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { Height } from "../../proto/brands.ts";
import { bytesEqual, fromBase64, fromHex, toBase64, toHex } from "../../proto/bytes.ts";
import { isWeftError } from "../../proto/errors.ts";
import { formatTime, parseTime } from "../../proto/time.ts";
import type { ConsensusParams, PublicKey, Timestamp } from "../../proto/types.ts";
import { validatorAddress } from "../../proto/validator-set.ts";
import { DEFAULT_CONSENSUS_PARAMS, checkConsensusParams } from "./consensus-params.ts";
import { EngineError } from "./errors.ts";
import { CHAIN_ID_LENGTH_MAX, GENESIS_FILE_BYTES_MAX } from "./limits.ts";
import { rawMember } from "./raw-json.ts";

export interface GenesisValidator {
  readonly address: Uint8Array;
  readonly publicKey: PublicKey;
  readonly power: bigint;
  readonly name: string;
}

export interface Genesis {
  readonly genesisTime: Timestamp;
  readonly chainId: string;
  readonly initialHeight: Height;
  readonly consensusParams: ConsensusParams;
  readonly validators: readonly GenesisValidator[];
  readonly appHash: Uint8Array;
  /** JSON text, passed to InitChain verbatim; empty when the file has none. */
  readonly appState: string;
}

/** @throws EngineError ENGINE_GENESIS when the file is missing, too large or not a genesis. */
export async function loadGenesis(path: string): Promise<Genesis> {
  let text: string;
  try {
    const { size } = await stat(path);
    if (size > GENESIS_FILE_BYTES_MAX) {
      throw refusal("", `expected at most ${GENESIS_FILE_BYTES_MAX} bytes, got ${size}`);
    }
    text = await readFile(path, "utf8");
  } catch (cause) {
    if (isWeftError(cause)) throw cause;
    throw refusal("", `cannot read ${path}: ${String(cause)}`, cause);
  }
  return parseGenesis(text);
}

/** Writes the file at once and whole, synced. */
export async function saveGenesis(path: string, genesis: Genesis): Promise<void> {
  const temporary = `${path}.new`;
  const file = await open(temporary, "w", 0o644);
  try {
    await file.writeFile(genesisToJson(genesis));
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(temporary, path);
  const directory = await open(dirname(path), "r");
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

/**
 * Reads and completes a genesis document as CometBFT's ValidateAndComplete does. A document without
 * a time is refused, where CometBFT would take each node's own clock.
 * @throws EngineError ENGINE_GENESIS
 */
export function parseGenesis(text: string): Genesis {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw refusal("", `not JSON: ${String(cause)}`, cause);
  }
  const doc = object(json, "");
  const chainId = optional(doc["chain_id"], "", (value) => string(value, "chain_id"));
  if (chainId === "") throw refusal("chain_id", "the genesis must have a non-empty chain_id");
  if (chainId.length > CHAIN_ID_LENGTH_MAX) {
    throw refusal(
      "chain_id",
      `chain_id has ${chainId.length} characters, at most ${CHAIN_ID_LENGTH_MAX} are allowed`,
    );
  }
  const initialHeight = optional(doc["initial_height"], 0n, (v) => int64(v, "initial_height"));
  if (initialHeight < 0n || initialHeight > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw refusal("initial_height", `expected 0 to 2^53, got ${initialHeight}`);
  }
  const validators = optional(doc["validators"], [], (value) =>
    array(value, "validators").map(readValidator),
  );
  return {
    genesisTime: readTime(doc["genesis_time"]),
    chainId,
    initialHeight: Height(initialHeight === 0n ? 1 : Number(initialHeight)),
    consensusParams: readParams(doc["consensus_params"]),
    validators,
    appHash: optional(doc["app_hash"], new Uint8Array(0), (value) => hex(value, "app_hash")),
    appState: doc["app_state"] === undefined ? "" : (rawMember(text, "app_state") ?? ""),
  };
}

/** The document as CometBFT writes it: two spaces of indentation, `app_state` verbatim. */
export function genesisToJson(genesis: Genesis): string {
  const { consensusParams: params } = genesis;
  const doc = {
    genesis_time: formatTime(genesis.genesisTime),
    chain_id: genesis.chainId,
    initial_height: String(genesis.initialHeight),
    consensus_params: {
      block: {
        max_bytes: String(params.block.maxBytes),
        max_gas: String(params.block.maxGas),
      },
      evidence: {
        max_age_num_blocks: String(params.evidence.maxAgeBlocks),
        max_age_duration: String(params.evidence.maxAgeDurationNanos),
        max_bytes: String(params.evidence.maxBytes),
      },
      validator: { pub_key_types: params.validator.publicKeyTypes },
      version: { app: String(params.version.app) },
      abci: {
        vote_extensions_enable_height: String(params.abci.voteExtensionsEnableHeight),
      },
    },
    validators: genesis.validators.map(({ address, publicKey, power, name }) => ({
      address: toHex(address).toUpperCase(),
      pub_key: { type: KEY_TAGS[publicKey.type], value: toBase64(publicKey.bytes) },
      power: String(power),
      name,
    })),
    app_hash: toHex(genesis.appHash).toUpperCase(),
  };
  const text = JSON.stringify(doc, undefined, 2);
  if (genesis.appState === "") return `${text}\n`;
  return `${text.slice(0, text.lastIndexOf("\n"))},\n  "app_state": ${genesis.appState}\n}\n`;
}

const KEY_TAGS = {
  ed25519: "tendermint/PubKeyEd25519",
  secp256k1: "tendermint/PubKeySecp256k1",
} as const;
const KEY_BYTES = { ed25519: 32, secp256k1: 33 } as const;

function readTime(value: unknown): Timestamp {
  if (value === undefined) {
    throw refusal("genesis_time", "the genesis must have a genesis_time, the same on every node");
  }
  try {
    return parseTime(string(value, "genesis_time"));
  } catch (cause) {
    throw refusal("genesis_time", String(cause), cause);
  }
}

function readValidator(value: unknown, index: number): GenesisValidator {
  const field = `validators[${index}]`;
  const json = object(value, field);
  const publicKey = readPublicKey(json["pub_key"], `${field}.pub_key`);
  const power = int64(json["power"], `${field}.power`);
  if (power <= 0n) {
    throw refusal(
      `${field}.power`,
      `the genesis cannot contain validators with no voting power: got ${power}`,
    );
  }
  const address = validatorAddress(publicKey);
  const stated = optional(json["address"], new Uint8Array(0), (v) => hex(v, `${field}.address`));
  if (stated.length > 0 && !bytesEqual(stated, address)) {
    throw refusal(
      `${field}.address`,
      `incorrect address ${toHex(stated).toUpperCase()}, it should be ${toHex(address).toUpperCase()}`,
    );
  }
  const name = optional(json["name"], "", (v) => string(v, `${field}.name`));
  return { address, publicKey, power, name };
}

function readPublicKey(value: unknown, field: string): PublicKey {
  const json = object(value, field);
  const tag = string(json["type"], `${field}.type`);
  const type = tag === KEY_TAGS.ed25519 ? "ed25519" : "secp256k1";
  if (tag !== KEY_TAGS[type]) {
    throw refusal(`${field}.type`, `expected ${KEY_TAGS.ed25519}, got ${JSON.stringify(tag)}`);
  }
  let bytes: Uint8Array;
  try {
    bytes = fromBase64(string(json["value"], `${field}.value`));
  } catch (cause) {
    throw refusal(`${field}.value`, String(cause), cause);
  }
  if (bytes.length !== KEY_BYTES[type]) {
    throw refusal(`${field}.value`, `expected ${KEY_BYTES[type]} bytes, got ${bytes.length}`);
  }
  return { type, bytes };
}

/** Groups and fields that are absent take CometBFT's zero of that field, except a wholly absent document. */
function readParams(value: unknown): ConsensusParams {
  if (value === undefined || value === null) return DEFAULT_CONSENSUS_PARAMS;
  const at = (group: string): Record<string, unknown> =>
    optional(object(value, "consensus_params")[group], {}, (v) =>
      object(v, `consensus_params.${group}`),
    );
  const number = (group: string, name: string): bigint =>
    optional(at(group)[name], 0n, (v) => int64(v, `consensus_params.${group}.${name}`));
  const enableHeight = number("abci", "vote_extensions_enable_height");
  if (enableHeight < 0n || enableHeight > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw refusal("consensus_params.abci", `expected 0 to 2^53, got ${enableHeight}`);
  }
  const types = "consensus_params.validator.pub_key_types";
  const params: ConsensusParams = {
    block: { maxBytes: number("block", "max_bytes"), maxGas: number("block", "max_gas") },
    evidence: {
      maxAgeBlocks: number("evidence", "max_age_num_blocks"),
      maxAgeDurationNanos: number("evidence", "max_age_duration"),
      maxBytes: number("evidence", "max_bytes"),
    },
    validator: {
      publicKeyTypes: optional(at("validator")["pub_key_types"], [], (list) =>
        array(list, types).map((type) => string(type, types)),
      ),
    },
    version: { app: number("version", "app") },
    abci: { voteExtensionsEnableHeight: Height(Number(enableHeight)) },
  };
  try {
    checkConsensusParams(params);
  } catch (cause) {
    if (!isWeftError(cause)) throw cause;
    throw refusal("consensus_params", cause.message, cause);
  }
  return params;
}

function optional<T>(value: unknown, fallback: T, read: (value: unknown) => T): T {
  return value === undefined || value === null ? fallback : read(value);
}

function object(value: unknown, field: string): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw refusal(field, `expected an object, got ${brief(value)}`);
  }
  return Object.fromEntries(Object.entries(value));
}

function array(value: unknown, field: string): readonly unknown[] {
  if (!Array.isArray(value)) throw refusal(field, `expected an array, got ${brief(value)}`);
  return value;
}

function string(value: unknown, field: string): string {
  if (typeof value !== "string") throw refusal(field, `expected a string, got ${brief(value)}`);
  return value;
}

/** An int64, which CometBFT writes as a decimal string. */
function int64(value: unknown, field: string): bigint {
  if (typeof value !== "string" || !/^-?\d{1,19}$/.test(value)) {
    throw refusal(field, `expected a decimal number in quotes, got ${brief(value)}`);
  }
  const number = BigInt(value);
  if (BigInt.asIntN(64, number) !== number) {
    throw refusal(field, `expected an int64, got ${value}`);
  }
  return number;
}

function hex(value: unknown, field: string): Uint8Array {
  try {
    return fromHex(string(value, field));
  } catch (cause) {
    if (isWeftError(cause)) throw cause;
    throw refusal(field, String(cause), cause);
  }
}

function brief(value: unknown): string {
  return (JSON.stringify(value) ?? "nothing").slice(0, 80);
}

function refusal(field: string, detail: string, cause?: unknown): EngineError {
  const at = field === "" ? "genesis.json" : `genesis.json, ${field}`;
  return new EngineError({ code: "ENGINE_GENESIS", field }, `${at}: ${detail}`, { cause });
}
