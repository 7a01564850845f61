/** Writes the home of an EVM rollup node: rollup.json and the gateway's key. */
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { toHex } from "../../proto/bytes.ts";
import { createValidatorSet, validatorSetHash } from "../../proto/validator-set.ts";
import type { EvmGenesisDocument } from "../../rollup-adapter/evm/genesis.ts";
import type { RollupConfigDocument } from "../../rollup-adapter/node/rollup-config.ts";
import type { Genesis } from "../engine/genesis.ts";
import { readOrCreateKeyFile } from "../ports/key-file.ts";
import { cliError } from "./cli-error.ts";
import { makeFolder } from "./make-folder.ts";

/** Beside rollup.json. */
const EXECUTOR_KEY_FILE = "executor_key.json";
/** Gas of one rollup block in the genesis files that this command writes. */
const EVM_GAS_LIMIT = 15_000_000;

export interface RollupHome {
  readonly root: string;
  readonly configFile: string;
  readonly gatewayKeyFile: string;
  readonly dataDir: string;
}

export function rollupHomeAt(root: string): RollupHome {
  return {
    root,
    configFile: join(root, "config", "rollup.json"),
    gatewayKeyFile: join(root, "config", "gateway_key.json"),
    dataDir: join(root, "data"),
  };
}

export interface RollupFilesOptions {
  readonly home: RollupHome;
  readonly name: string;
  readonly evmChainId: bigint;
  readonly sequencerGenesis: Genesis;
  /** host:port of gRPC listeners. */
  readonly sequencerNodes: readonly string[];
  readonly rpcPort: number;
  readonly metricsPort: number | undefined;
  /** Balances in wei by address. */
  readonly alloc: Readonly<Record<string, bigint>>;
  /** The `executor` section of a rollup that is executed elsewhere; left out: by the EVM of the node. */
  readonly executor?: RollupConfigDocument["executor"];
  /** Whether its gateway seals what wallets send; not written when left out. */
  readonly seal?: boolean;
  /** nweft that its gateway bids at most in its own name; not written when left out. */
  readonly bidMax?: number;
  /** Whether legs of bundles are executed atomically, and this node votes about them with a key of its own. */
  readonly atomic?: boolean;
}

/** Makes the folders and the key that votes about legs of atomic bundles; returns its public key (32 bytes). */
export function createExecutorKey(home: RollupHome): Uint8Array {
  makeFolder(join(home.root, "config"));
  return readOrCreateKeyFile(join(home.root, "config", EXECUTOR_KEY_FILE)).publicKey;
}

/** Makes the folders and the gateway's key; returns its public key (32 bytes). */
export function createGatewayKey(home: RollupHome): Uint8Array {
  makeFolders(home);
  return readOrCreateKeyFile(home.gatewayKeyFile).publicKey;
}

function makeFolders(home: RollupHome): void {
  makeFolder(join(home.root, "config"));
  makeFolder(home.dataDir);
}

/**
 * Writes rollup.json; trust begins at the sequencer's genesis. One that is there stays as it is, and must
 * be what is asked for.
 * @param compares `all` that is asked for, or only the `identity`: rollup, chains and port; what else the file
 * says may have been edited. Sealing that is asked for is then switched on in the file, and stays on: it concerns
 * this node's wallets alone
 * @returns `isUnchanged`: the file was there already
 */
export function createRollupFiles(
  options: RollupFilesOptions,
  compares: "all" | "identity" = "all",
): { readonly isUnchanged: boolean } {
  const { home } = options;
  const document = rollupDocument(options);
  if (existsSync(home.configFile)) {
    const there: unknown = JSON.parse(readFileSync(home.configFile, "utf8"));
    const asked = compares === "all" ? document : identityOf(document);
    const differences = differencesOf(there, JSON.parse(JSON.stringify(asked)), "");
    if (differences.length === 0) {
      if (compares === "identity" && options.seal === true) switchSealingOn(home.configFile, there);
      return { isUnchanged: true };
    }
    throw cliError(
      "FILE",
      `${home.configFile} is there already and stays as it is, but not as asked for:\n  ${differences.join("\n  ")}\nedit it, choose another --home, or remove it together with ${home.dataDir}`,
    );
  }
  createGatewayKey(home);
  if (options.atomic === true) createExecutorKey(home);
  writeFileSync(home.configFile, `${JSON.stringify(document, undefined, 2)}\n`);
  return { isUnchanged: false };
}

function switchSealingOn(file: string, there: unknown): void {
  if (!isRecord(there)) return;
  const { gateway = {} } = there;
  if (!isRecord(gateway) || gateway["seal"] === true) return;
  const text = `${JSON.stringify({ ...there, gateway: { ...gateway, seal: true } }, undefined, 2)}\n`;
  writeFileSync(`${file}.new`, text);
  renameSync(`${file}.new`, file);
}

function identityOf({ sequencer, rpc, genesis, executor }: RollupConfigDocument) {
  return {
    sequencer: { chain_id: sequencer.chain_id },
    ...(rpc === undefined ? {} : { rpc: { port: rpc.port } }),
    ...(genesis === undefined
      ? {}
      : { genesis: { rollup: genesis["rollup"], chainId: genesis["chainId"] } }),
    ...(executor === undefined ? {} : { executor }),
  };
}

/** What `asked` names and `there` has otherwise; what people added to the file is theirs. */
function differencesOf(there: unknown, asked: unknown, path: string): string[] {
  if (isRecord(asked) && isRecord(there)) {
    return Object.keys(asked).flatMap((key) =>
      differencesOf(there[key], asked[key], path === "" ? key : `${path}.${key}`),
    );
  }
  const [a, b] = [JSON.stringify(there), JSON.stringify(asked)];
  return a === b ? [] : [`${path}: ${a ?? "nothing"} is there, ${b} was asked for`];
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function rollupDocument(options: RollupFilesOptions): RollupConfigDocument {
  const { sequencerGenesis } = options;
  const genesis: EvmGenesisDocument = {
    rollup: options.name,
    chainId: options.evmChainId.toString(),
    // What people do with so much an EVM in JavaScript executes between two blocks; hostile code takes it longer.
    gasLimit: EVM_GAS_LIMIT,
    timestamp: sequencerGenesis.genesisTime.seconds.toString(),
    ...(options.atomic === true ? { atomic: true } : {}),
    alloc: Object.fromEntries(
      Object.entries(options.alloc).map(([address, wei]) => [address, { balance: wei.toString() }]),
    ),
  };
  return {
    sequencer: {
      chain_id: sequencerGenesis.chainId,
      nodes: [...options.sequencerNodes],
      start_height: sequencerGenesis.initialHeight,
      trust: {
        height: sequencerGenesis.initialHeight - 1,
        next_validators_hash: toHex(
          validatorSetHash(
            createValidatorSet(
              sequencerGenesis.validators.map(({ publicKey, power }) => ({
                publicKey,
                votingPower: power,
              })),
            ),
          ),
        ),
      },
    },
    ...(options.executor?.kind === "grpc"
      ? {}
      : { rpc: { host: "127.0.0.1", port: options.rpcPort, cors_origins: [] } }),
    ...(options.metricsPort === undefined
      ? {}
      : { metrics: { host: "127.0.0.1", port: options.metricsPort } }),
    ...(options.seal === true || options.bidMax !== undefined
      ? {
          gateway: {
            ...(options.seal === true ? { seal: true } : {}),
            ...(options.bidMax === undefined ? {} : { bid_max: options.bidMax }),
          },
        }
      : {}),
    ...(options.atomic === true ? { atomic: { key_file: EXECUTOR_KEY_FILE } } : {}),
    ...(options.executor === undefined ? { genesis } : { executor: options.executor }),
  };
}
