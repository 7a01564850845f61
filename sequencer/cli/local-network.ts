/**
 * A whole network as processes of this machine: validators and EVM rollups, their files made when
 * missing. `weft dev`, the benchmark and the end-to-end tests run it.
 */
import { existsSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { GROUP_ROLLUPS_MAX } from "../../proto/codec/mev-tx.ts";
import { accountAddress } from "../../proto/codec/weft-tx.ts";
import { loadGenesis } from "../engine/genesis.ts";
import { homeAt } from "../node/home.ts";
import type { EngineName } from "../node/home-engine.ts";
import { readOrCreateKeyFile } from "../ports/key-file.ts";
import { loadOrCreateNodeKey } from "../p2p/node-key.ts";
import type { Clock } from "../ports/clock.ts";
import { cliError } from "./cli-error.ts";
import { PORT_PROBE_MS, PORTS_SHOWN_MAX } from "./limits.ts";
import { makeFolder } from "./make-folder.ts";
import {
  type BasePorts,
  type RollupPlace,
  rollupPlaces,
  type ValidatorPlace,
  validatorPlaces,
} from "./network-layout.ts";
import { createProcessGroup, type ProcessGroup } from "./process-group.ts";
import { createGatewayKey, createRollupFiles, rollupHomeAt } from "./rollup-files.ts";
import {
  accountKeyFile,
  createTestnet,
  type GenesisRollup,
  type TestnetOptions,
} from "./testnet-files.ts";

/** nweft of the account that owns the rollups and pays for tests. */
const OWNER_BALANCE = 1_000_000_000_000_000_000n;
/** nweft of each rollup's gateway account. */
const GATEWAY_BALANCE = 100_000_000_000_000_000n;
/** nweft that a gateway bids at most in its own name: as much as a safe integer of JSON holds with ease. */
const GATEWAY_BID_MAX = 1_000_000_000_000;
/** Wei of each prefunded Ethereum account. */
const EVM_BALANCE = 10n ** 24n;

/**
 * Ethereum accounts that development networks everywhere fund: the first three of the mnemonic
 * "test test test test test test test test test test test junk". Their keys are public knowledge.
 */
export const EVM_DEV_ACCOUNTS = [
  {
    address: "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266",
    privateKey: "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80",
  },
  {
    address: "0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
    privateKey: "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d",
  },
  {
    address: "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC",
    privateKey: "0x5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a",
  },
] as const;

export interface LocalNetworkOptions {
  /** Folder of everything. */
  readonly root: string;
  readonly chainId: string;
  readonly validators: number;
  readonly rollups: readonly string[];
  readonly ports: BasePorts | readonly BasePorts[];
  /** Configuration values for every validator by dotted path. */
  readonly config: Readonly<Record<string, unknown>>;
  /** Parameters of the application that differ from their defaults, at genesis. */
  readonly params?: TestnetOptions["params"];
  /** What validators are started with, whatever their configuration says; theirs when it is not given. */
  readonly engine?: EngineName;
  /** Whether the rollups' gateways are to seal what wallets send; one that does already goes on. */
  readonly seal?: boolean;
  /**
   * Whether the rollups sell the tops of their blocks, all in one group that the first one leads, and their gateways
   * bid in their own names. For a new network; one that is there stays as it is.
   */
  readonly auction?: boolean;
  /** Absolute path of the command line's entry. */
  readonly entry: string;
  /** Lines that validators write to standard output: one per block. */
  readonly onStatusLine: (validator: string, line: string) => void;
  /** A process ended by itself; `restart` is the command line that starts it again. */
  readonly onEnded: (child: {
    readonly name: string;
    readonly reason: string;
    readonly restart: string;
  }) => void;
}

/** Where the processes of a network have their folders and ports. */
export interface NetworkPlaces {
  readonly validators: readonly ValidatorPlace[];
  readonly rollups: readonly RollupPlace[];
}

export interface LocalNetwork extends NetworkPlaces {
  /** Key file of the funded account. */
  readonly ownerKeyFile: string;
  readonly processes: ProcessGroup;
  startValidator(index: number): void;
  startRollup(index: number): void;
}

/** Writes what is missing; starts nothing. */
export async function prepareLocalNetwork(
  options: LocalNetworkOptions,
  clock: Clock,
): Promise<LocalNetwork> {
  const { root } = options;
  makeFolder(join(root, "keys"));
  const { validators, rollups } = networkPlaces(options);
  const ownerKeyFile = accountKeyFile(root, "owner");
  const owner = readOrCreateKeyFile(ownerKeyFile);
  const gateways = rollups.map((place) => createGatewayKey(rollupHomeAt(place.home)));
  await createTestnet({
    chainId: options.chainId,
    genesisTime: clock.now(),
    validators,
    accounts: [
      { address: accountAddress(owner.publicKey), balance: OWNER_BALANCE },
      ...gateways.map((key) => ({ address: accountAddress(key), balance: GATEWAY_BALANCE })),
    ],
    rollups: rollups.map(({ name }, at) => ({
      name,
      ownerKey: owner.publicKey,
      ...(options.auction === true ? { policy: auctionPolicy(options.rollups, at) } : {}),
    })),
    ...(options.params === undefined ? {} : { params: options.params }),
    config: options.config,
    host: () => "127.0.0.1",
    howToReplace: "choose another --home, or begin anew with --reset",
  });
  const [first] = validators;
  if (first === undefined) throw cliError("USAGE", "a network has at least one validator");
  const sequencerGenesis = await loadGenesis(homeAt(first.home).genesisFile);
  for (const place of rollups) {
    createRollupFiles(
      {
        home: rollupHomeAt(place.home),
        name: place.name,
        evmChainId: place.evmChainId,
        sequencerGenesis,
        sequencerNodes: validators.map(({ grpcPort }) => `127.0.0.1:${grpcPort}`),
        rpcPort: place.rpcPort,
        metricsPort: place.metricsPort,
        alloc: Object.fromEntries(EVM_DEV_ACCOUNTS.map(({ address }) => [address, EVM_BALANCE])),
        seal: options.seal ?? false,
        ...(options.auction === true ? { bidMax: GATEWAY_BID_MAX } : {}),
      },
      "identity",
    );
  }
  const engineArgs = options.engine === undefined ? [] : ["--engine", options.engine];
  const processes = createProcessGroup(options.entry, options.onEnded);
  return {
    validators,
    rollups,
    ownerKeyFile,
    processes,
    startValidator(index) {
      const place = validators[index];
      if (place === undefined) throw new RangeError(`there is no validator ${index}`);
      processes.start({
        name: place.name,
        args: ["start", "--home", place.home, ...engineArgs],
        logFile: join(place.home, "node.log"),
        onLine: (line) => options.onStatusLine(place.name, line),
      });
    },
    startRollup(index) {
      const place = rollups[index];
      if (place === undefined) throw new RangeError(`there is no rollup ${index}`);
      processes.start({
        name: `rollup-${place.name}`,
        args: ["rollup", "start", "--home", place.home],
        logFile: join(place.home, "rollup.log"),
        onLine: () => {},
      });
    },
  };
}

/** Refuses at once when a port that the network needs is taken, and says what may be done. */
export async function checkPorts(network: NetworkPlaces, root: string): Promise<void> {
  const wanted = [
    ...network.validators.map((place) => ({
      name: place.name,
      ports: [place.p2pPort, place.rpcPort, place.grpcPort, place.metricsPort],
    })),
    ...network.rollups.map((place) => ({
      name: `rollup ${place.name}`,
      ports: [place.rpcPort, place.metricsPort],
    })),
  ];
  const taken: string[] = [];
  for (const { name, ports } of wanted) {
    const busy: number[] = [];
    for (const port of ports) if (!(await isFree(port))) busy.push(port);
    if (busy.length > 0) taken.push(`${busy.join(", ")} (${name})`);
  }
  if (taken.length === 0) return;
  const shown = taken.slice(0, PORTS_SHOWN_MAX).join(", ");
  const more = taken.length > PORTS_SHOWN_MAX ? ", and others" : "";
  throw cliError(
    "PORT",
    `ports are taken: ${shown}${more}.\n${
      (await isOwnNetwork(network))
        ? `the network of ${root} runs already: stop that one, or run another beside it`
        : "stop what uses them, or run the network on other ports"
    } with: weft dev --home OTHER_FOLDER --port-offset 1000`,
  );
}

/** Whether the first validator's RPC port is held by a node with that validator's key. */
async function isOwnNetwork(network: NetworkPlaces): Promise<boolean> {
  const [first] = network.validators;
  if (first === undefined) return false;
  const { nodeKeyFile } = homeAt(first.home);
  if (!existsSync(nodeKeyFile)) return false;
  const { id } = loadOrCreateNodeKey(nodeKeyFile);
  try {
    const response = await fetch(`http://127.0.0.1:${first.rpcPort}/status`, {
      signal: AbortSignal.timeout(PORT_PROBE_MS),
    });
    return (await response.text()).includes(id);
  } catch {
    // Whatever holds the port, it is no node that answers.
    return false;
  }
}

/** Resolves when `isReady`; rejects with what was missing when time is up or nobody waits any more. */
export async function untilAnswers(
  what: string,
  limit: { readonly timeoutMs: number; readonly signal?: AbortSignal },
  isReady: () => Promise<boolean>,
): Promise<void> {
  const end = performance.now() + limit.timeoutMs;
  for (;;) {
    // A refused connection is "not yet".
    if (await isReady().catch(() => false)) return;
    limit.signal?.throwIfAborted();
    if (performance.now() > end)
      throw cliError("TIMEOUT", `${what} did not answer within ${limit.timeoutMs / 1_000} s`);
    await new Promise((resolve) => {
      setTimeout(resolve, 50);
    });
  }
}

/** Folders and ports of a network, whether it is there or not. */
export function networkPlaces(
  options: Pick<LocalNetworkOptions, "root" | "validators" | "rollups" | "ports">,
): NetworkPlaces {
  const { root, validators: count, rollups: names, ports } = options;
  if (!isPortList(ports)) {
    return {
      validators: validatorPlaces(root, count, ports),
      rollups: rollupPlaces(root, names, count, ports),
    };
  }
  // One entry for each process: tests take ports that are free, wherever they are.
  const at = (i: number): BasePorts => {
    const entry = ports[i];
    if (entry === undefined)
      throw new RangeError(`ports for ${count + names.length} processes, got ${ports.length}`);
    return entry;
  };
  const one = <T>(list: readonly T[]): T => {
    const [entry] = list;
    if (entry === undefined) throw new RangeError("expected one place");
    return entry;
  };
  return {
    validators: Array.from({ length: count }, (_, i) => ({
      ...one(validatorPlaces(root, 1, at(i))),
      name: `validator-${i}`,
      home: join(root, `validator-${i}`),
    })),
    rollups: names.map((name, i) => ({
      ...one(rollupPlaces(root, [name], 0, at(count + i))),
      evmChainId: 4_242n + BigInt(i),
    })),
  };
}

function isPortList(ports: LocalNetworkOptions["ports"]): ports is readonly BasePorts[] {
  return Array.isArray(ports);
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen({ port, host: "127.0.0.1", exclusive: true }, () =>
      server.close(() => resolve(true)),
    );
  });
}

/** One group of as many rollups as may be in one; what is over sells alone. */
function auctionPolicy(names: readonly string[], at: number): GenesisRollup["policy"] {
  const [leader = "", ...members] = names.slice(0, GROUP_ROLLUPS_MAX);
  if (at === 0) return { auction: true, auction_members: members };
  return at < GROUP_ROLLUPS_MAX ? { auction: true, auction_leader: leader } : { auction: true };
}

/** Whether a folder holds a network already. */
export function holdsNetwork(root: string): boolean {
  return existsSync(homeAt(join(root, "validator-0")).genesisFile);
}
