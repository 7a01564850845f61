/** Writes the home of an EVM rollup node: rollup.json and the gateway's key. */
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { toHex } from "../../proto/bytes.ts";
import { createValidatorSet, validatorSetHash } from "../../proto/validator-set.ts";
import type { EvmGenesisDocument } from "../../rollup-adapter/evm/genesis.ts";
import type { RollupConfigDocument } from "../../rollup-adapter/evm-node/rollup-config.ts";
import type { Genesis } from "../engine/genesis.ts";
import { readOrCreateKeyFile } from "../node/key-file.ts";

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
}

/** Makes the folders and the gateway's key; returns its public key (32 bytes). */
export function createGatewayKey(home: RollupHome): Uint8Array {
  mkdirSync(join(home.root, "config"), { recursive: true, mode: 0o700 });
  mkdirSync(home.dataDir, { recursive: true, mode: 0o700 });
  return readOrCreateKeyFile(home.gatewayKeyFile).publicKey;
}

/** Writes rollup.json unless it is there; trust begins at the sequencer's genesis. */
export function createRollupFiles(options: RollupFilesOptions): void {
  const { home, sequencerGenesis } = options;
  createGatewayKey(home);
  if (existsSync(home.configFile)) return;
  const genesis: EvmGenesisDocument = {
    rollup: options.name,
    chainId: options.evmChainId.toString(),
    // What an EVM in JavaScript can execute between two blocks even when the code is hostile.
    gasLimit: EVM_GAS_LIMIT,
    timestamp: sequencerGenesis.genesisTime.seconds.toString(),
    alloc: Object.fromEntries(
      Object.entries(options.alloc).map(([address, wei]) => [address, { balance: wei.toString() }]),
    ),
  };
  const document: RollupConfigDocument = {
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
    rpc: { host: "127.0.0.1", port: options.rpcPort, cors_origins: [] },
    ...(options.metricsPort === undefined
      ? {}
      : { metrics: { host: "127.0.0.1", port: options.metricsPort } }),
    genesis,
  };
  writeFileSync(home.configFile, `${JSON.stringify(document, undefined, 2)}\n`);
}
