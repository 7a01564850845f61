/**
 * Writes the home directories of a whole network: keys, one genesis, one configuration each. Used by
 * `weft init`, `weft testnet`, `weft dev`, the benchmark and the tests.
 */
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { formatAddress } from "../../proto/address.ts";
import { Height } from "../../proto/brands.ts";
import { fromHex, toHex } from "../../proto/bytes.ts";
import { accountAddress } from "../../proto/codec/weft-tx.ts";
import type { Timestamp } from "../../proto/types.ts";
import { validatorAddress } from "../../proto/validator-set.ts";
import { type Ed25519KeyPair, nodeIdOfPublicKey } from "../../proto/verify/ed25519.ts";
import type { GenesisAppState } from "../app/genesis.ts";
import { DEFAULT_CONSENSUS_PARAMS } from "../engine/consensus-params.ts";
import { type Genesis, saveGenesis } from "../engine/genesis.ts";
import { loadConfig, renderConfig } from "../node/config.ts";
import { type Home, homeAt } from "../node/home.ts";
import { readOrCreateKeyFile } from "../ports/key-file.ts";
import { loadOrCreateNodeKey } from "../p2p/node-key.ts";
import { cliError } from "./cli-error.ts";
import { differencesFrom } from "./existing-network.ts";
import { OPERATOR_BALANCE } from "./limits.ts";
import { makeFolder } from "./make-folder.ts";
import {
  abciSettings,
  isLoopback,
  powerOfValidator,
  type ValidatorPlace,
} from "./network-layout.ts";

/** Bytes of a block in the networks this command makes; a parameter of the chain. */
const BLOCK_BYTES_MAX = 4n << 20n;

export interface GenesisAccount {
  /** 20 bytes. */
  readonly address: Uint8Array;
  /** nweft. */
  readonly balance: bigint;
}

export interface GenesisRollup {
  readonly name: string;
  /** ed25519, 32 bytes. */
  readonly ownerKey: Uint8Array;
  /** What it chooses otherwise than by default. */
  readonly policy?: NonNullable<GenesisAppState["rollups"]>[number]["policy"];
}

export interface TestnetOptions {
  readonly chainId: string;
  readonly genesisTime: Timestamp;
  readonly validators: readonly ValidatorPlace[];
  readonly accounts: readonly GenesisAccount[];
  readonly rollups: readonly GenesisRollup[];
  /** Parameters of the application that differ from their defaults. */
  readonly params?: NonNullable<GenesisAppState["params"]>;
  /** Voting power of each validator; default: 10 each. Its operator has staked what that takes. */
  readonly powers?: readonly bigint[];
  /** Configuration values by dotted path for every node, over the defaults. */
  readonly config: Readonly<Record<string, unknown>>;
  /** Host that peers dial, by validator. */
  readonly host: (index: number) => string;
  /** Whether a network that is there must have these very hosts. */
  readonly comparesHosts?: boolean;
  /** What to do about one that is there and differs. */
  readonly howToReplace?: string;
}

/**
 * Writes the network's files. What is there already is left as it is, and must be what is asked for;
 * so the call may be repeated.
 * @returns whether the files were there already
 */
export async function createTestnet(
  options: TestnetOptions,
): Promise<{ readonly isUnchanged: boolean }> {
  const homes = options.validators.map((place) => homeAt(place.home));
  const started = homes.find((home) => existsSync(home.genesisFile));
  if (started !== undefined) {
    const isWhole = homes.every((home) => existsSync(home.genesisFile));
    const differences = isWhole ? await differencesFrom(options) : await missingHomes(options);
    if (differences.length === 0) return { isUnchanged: true };
    throw cliError(
      "FILE",
      `${started.root} is there already and stays as it is, but not as asked for:\n  ${differences.join("\n  ")}\n${options.howToReplace ?? "choose another folder, or remove it"}`,
    );
  }
  const keys = homes.map(createKeys);
  const genesis = createGenesis(options, keys);
  const peers = keys.map(
    ({ nodeId }, i) => `${nodeId}@${options.host(i)}:${options.validators[i]?.p2pPort ?? 0}`,
  );
  for (const [i, place] of options.validators.entries()) {
    const home = homes[i];
    if (home === undefined) continue;
    const others = peers.filter((_, j) => j !== i).join(",");
    const neighbours = options.validators.filter((_, j) => j !== i);
    const config = nodeConfig(place, others, neighbours, options.host(i), options.config);
    writeFileSync(home.configFile, renderConfig(config));
    // Last: a genesis file says that the home is complete.
    await saveGenesis(home.genesisFile, genesis);
  }
  return { isUnchanged: false };
}

async function missingHomes(options: TestnetOptions): Promise<string[]> {
  const isThere = ({ home }: ValidatorPlace) => existsSync(homeAt(home).genesisFile);
  const there = options.validators.filter(isThere);
  // Who is missing stands among the peers of those who are there.
  const differences = await differencesFrom({
    ...options,
    validators: there,
    comparesHosts: false,
  });
  const missing = options.validators.filter((place) => !isThere(place));
  return [
    ...differences.filter((text) => !text.startsWith("validators: ")),
    `no home of ${missing.map(({ name }) => name).join(", ")}`,
  ];
}

interface ValidatorKeys {
  readonly consensus: Ed25519KeyPair;
  readonly application: Ed25519KeyPair;
  readonly nodeId: string;
}

function createKeys(home: Home): ValidatorKeys {
  makeFolder(home.configDir);
  makeFolder(home.dataDir);
  return {
    consensus: readOrCreateKeyFile(home.validatorKeyFile),
    application: readOrCreateKeyFile(home.applicationKeyFile),
    nodeId: nodeIdOfPublicKey(loadOrCreateNodeKey(home.nodeKeyFile).publicKey),
  };
}

function createGenesis(options: TestnetOptions, keys: readonly ValidatorKeys[]): Genesis {
  const appState: GenesisAppState = {
    accounts: [
      ...options.accounts,
      // Operators, who are the accounts of the application keys here, pay fees as everybody does.
      ...keys.map(({ application }) => ({
        address: accountAddress(application.publicKey),
        balance: OPERATOR_BALANCE,
      })),
    ].map(({ address, balance }) => ({
      address: formatAddress(address),
      balance: balance.toString(),
    })),
    validators: keys.map(({ consensus, application }, i) => ({
      address: toHex(accountAddress(consensus.publicKey)),
      application_key: toHex(application.publicKey),
      moniker: options.validators[i]?.name ?? "",
    })),
    rollups: options.rollups.map(({ name, ownerKey, policy }) => ({
      name,
      owner_key: toHex(ownerKey),
      ...(policy === undefined ? {} : { policy }),
    })),
    params: options.params ?? {},
  };
  return {
    genesisTime: options.genesisTime,
    chainId: options.chainId,
    initialHeight: Height(1),
    consensusParams: {
      ...DEFAULT_CONSENSUS_PARAMS,
      block: { ...DEFAULT_CONSENSUS_PARAMS.block, maxBytes: BLOCK_BYTES_MAX },
      abci: { voteExtensionsEnableHeight: Height(1) },
    },
    validators: keys.map(({ consensus }, i) => {
      const publicKey = { type: "ed25519", bytes: consensus.publicKey } as const;
      return {
        address: validatorAddress(publicKey),
        publicKey,
        power: powerOfValidator(options.powers, i),
        name: options.validators[i]?.name ?? "",
      };
    }),
    appHash: fromHex(""),
    appState: JSON.stringify(appState),
  };
}

function nodeConfig(
  place: ValidatorPlace,
  peers: string,
  neighbours: readonly ValidatorPlace[],
  host: string,
  extra: Readonly<Record<string, unknown>>,
) {
  const isOneMachine = isLoopback(host);
  const isV6 = host.startsWith("[");
  const own = isV6 ? "[::1]" : "127.0.0.1";
  const everywhere = isV6 ? "[::]" : "0.0.0.0";
  return loadConfig(
    undefined,
    {
      moniker: place.name,
      ...abciSettings(place.rpcPort),
      "rpc.laddr": `tcp://127.0.0.1:${place.rpcPort}`,
      "grpc.laddr": `tcp://127.0.0.1:${place.grpcPort}`,
      "p2p.laddr": `tcp://${isOneMachine ? own : everywhere}:${place.p2pPort}`,
      "p2p.persistent_peers": peers,
      // One machine: the default pace per peer would be the bottleneck, not the protection.
      ...(isOneMachine
        ? {
            "p2p.allow_duplicate_ip": true,
            "p2p.send_rate": 1_000_000_000,
            "p2p.recv_rate": 1_000_000_000,
            // On other machines gRPC listens to its own machine only, unless the operator says otherwise.
            "mev.body_peers": neighbours.map(({ grpcPort }) => `127.0.0.1:${grpcPort}`).join(","),
          }
        : {}),
      "instrumentation.prometheus_listen_addr": `tcp://127.0.0.1:${place.metricsPort}`,
      ...extra,
    },
    {},
  );
}

/** The folder of a network's own accounts. */
export function accountKeyFile(root: string, name: string): string {
  return join(root, "keys", `${name}.json`);
}
