/**
 * genesis.json in CometBFT's JSON (spec/cometbft-v0.38.md §19.2; `types/genesis.go`): what every
 * node of a chain starts from. `app_state` is kept as the very text that stands in the file.
 */
import { open, readFile, rename, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { Height } from "../../proto/brands.ts";
import { bytesEqual, utf8ToBytes } from "../../proto/bytes.ts";
import { isWeftError } from "../../proto/errors.ts";
import { sha256 } from "../../proto/hash.ts";
import { parseJson, type JsonNode } from "../../proto/json-reader.ts";
import {
  consensusParamsFromJson,
  consensusParamsToJson,
  hexJson,
  publicKeyFromJson,
  publicKeyToJson,
} from "../../proto/json.ts";
import { CHAIN_ID_BYTES_MAX } from "../../proto/limits.ts";
import { formatTime, isZeroTime } from "../../proto/time.ts";
import type { ConsensusParams, PublicKey, Timestamp } from "../../proto/types.ts";
import { validatorAddress } from "../../proto/validator-set.ts";
import { isMissingFile } from "../ports/node-file-system.ts";
import { DEFAULT_CONSENSUS_PARAMS, checkConsensusParams } from "./consensus-params.ts";
import { EngineError } from "./errors.ts";
import { GENESIS_FILE_BYTES_MAX } from "./limits.ts";
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
    const isMissing = isMissingFile(cause);
    const why = isMissing ? `${path} is missing` : `cannot read ${path}: ${String(cause)}`;
    throw refusal("", `${why}; ${GENESIS_REMEDY}`, isMissing ? undefined : cause);
  }
  try {
    return parseGenesis(text);
  } catch (cause) {
    if (!(cause instanceof EngineError)) throw cause;
    const said = `${cause.message} (${path}); ${GENESIS_REMEDY}`;
    throw new EngineError(cause.info, said, { cause: cause.cause });
  }
}

const GENESIS_REMEDY =
  "take the network's, which is the same on all of its nodes; a new home is made with it by: weft init --genesis FILE";

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
  try {
    return readGenesis(parseJson(text), text);
  } catch (cause) {
    if (cause instanceof EngineError && cause.code === "ENGINE_GENESIS") throw cause;
    if (!isWeftError(cause)) throw cause;
    throw refusal("", cause.message, cause);
  }
}

/** The document as CometBFT writes it: two spaces of indentation, `app_state` verbatim. */
export function genesisToJson(genesis: Genesis): string {
  const doc = {
    genesis_time: formatTime(genesis.genesisTime),
    chain_id: genesis.chainId,
    initial_height: String(genesis.initialHeight),
    consensus_params: consensusParamsToJson(genesis.consensusParams),
    validators: genesis.validators.map(({ address, publicKey, power, name }) => ({
      address: hexJson(address),
      pub_key: publicKeyToJson(publicKey),
      power: String(power),
      name,
    })),
    app_hash: hexJson(genesis.appHash),
  };
  const text = JSON.stringify(doc, undefined, 2);
  if (genesis.appState === "") return `${text}\n`;
  return `${text.slice(0, text.lastIndexOf("\n"))},\n  "app_state": ${genesis.appState}\n}\n`;
}

/**
 * SHA-256 of what the document says: the same for a file that was only formatted anew. It tells a home
 * whether genesis.json is still the one its chain began with; no other node sees it.
 */
export function genesisDigest(genesis: Genesis): Uint8Array {
  const { appState } = genesis;
  const compact = appState === "" ? "" : JSON.stringify(JSON.parse(appState));
  return sha256(utf8ToBytes(genesisToJson({ ...genesis, appState: compact })));
}

function readGenesis(doc: JsonNode, text: string): Genesis {
  const chainId = doc.get("chain_id").text();
  if (chainId === "") throw refusal("chain_id", "the genesis must have a non-empty chain_id");
  const { length: chainIdBytes } = utf8ToBytes(chainId);
  if (chainIdBytes > CHAIN_ID_BYTES_MAX) {
    throw refusal(
      "chain_id",
      `chain_id has ${chainIdBytes} bytes, at most ${CHAIN_ID_BYTES_MAX} are allowed`,
    );
  }
  const time = doc.get("genesis_time");
  if (time.isAbsent) throw noTime();
  if (time.text() !== "" && !time.text().endsWith("Z")) {
    throw refusal(
      "genesis_time",
      `expected UTC, ending in Z, as CometBFT wants it, got ${time.text()}: write ${formatTime(time.time())}`,
    );
  }
  const genesisTime = time.time();
  // Go's zero time: CometBFT takes its own clock for that, too.
  if (isZeroTime(genesisTime)) throw noTime();
  for (const path of QUOTED_FIELDS) requireQuoted(doc, path);
  const initialHeight = doc.get("initial_height").height();
  const params = doc.get("consensus_params");
  const consensusParams = params.isAbsent
    ? DEFAULT_CONSENSUS_PARAMS
    : consensusParamsFromJson(params);
  checkConsensusParams(consensusParams);
  return {
    genesisTime,
    chainId,
    initialHeight: initialHeight === 0 ? Height(1) : initialHeight,
    consensusParams,
    validators: readValidators(doc.get("validators")),
    appHash: doc.get("app_hash").hex(),
    appState: doc.get("app_state").isAbsent ? "" : (rawMember(text, "app_state") ?? ""),
  };
}

/** 64-bit integers, which CometBFT takes in quotes alone: a chain with one without could never run on it. */
const QUOTED_FIELDS = [
  "initial_height",
  "consensus_params.block.max_bytes",
  "consensus_params.block.max_gas",
  "consensus_params.evidence.max_age_num_blocks",
  "consensus_params.evidence.max_age_duration",
  "consensus_params.evidence.max_bytes",
  "consensus_params.version.app",
  "consensus_params.abci.vote_extensions_enable_height",
];

/** @param path names from `node` on, with dots */
function requireQuoted(node: JsonNode, path: string): void {
  let at = node;
  for (const name of path.split(".")) {
    if (at.isAbsent) return;
    at = at.get(name);
  }
  if (typeof at.raw === "number") {
    throw at.error("a decimal integer in quotes, as CometBFT wants it");
  }
}

function readValidators(nodes: JsonNode): readonly GenesisValidator[] {
  const seen = new Set<string>();
  return nodes.items().map((node) => {
    const validator = readValidator(node);
    const address = hexJson(validator.address);
    if (seen.has(address)) {
      throw refusal(node.path, `validator ${address} is there twice; leave one out`);
    }
    seen.add(address);
    return validator;
  });
}

function readValidator(node: JsonNode): GenesisValidator {
  requireQuoted(node, "power");
  const publicKey = publicKeyFromJson(node.get("pub_key"));
  const power = node.get("power").bigint();
  if (power <= 0n) {
    throw refusal(
      `${node.path}.power`,
      `the genesis cannot contain validators with no voting power: got ${power}`,
    );
  }
  const address = validatorAddress(publicKey);
  const stated = node.get("address").hex();
  if (stated.length > 0 && !bytesEqual(stated, address)) {
    throw refusal(
      `${node.path}.address`,
      `incorrect address ${hexJson(stated)}, it should be ${hexJson(address)}`,
    );
  }
  return { address, publicKey, power, name: node.get("name").text() };
}

function noTime(): EngineError {
  return refusal("genesis_time", "the genesis must have a genesis_time, the same on every node");
}

function refusal(field: string, detail: string, cause?: unknown): EngineError {
  const at = field === "" ? "genesis.json" : `genesis.json, ${field}`;
  return new EngineError({ code: "ENGINE_GENESIS", field }, `${at}: ${detail}`, { cause });
}
