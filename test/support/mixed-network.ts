/**
 * A network of real processes of both kinds: `weft start`, and CometBFT with `weft abci`, on one genesis.
 * Every link between two validators can be held. Peers are those of the configuration, so that nobody
 * finds a way around a link.
 */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { copyFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { accountAddress } from "../../proto/codec/weft-tx.ts";
import { toHex, utf8ToBytes } from "../../proto/bytes.ts";
import { sha256 } from "../../proto/hash.ts";
import { ed25519Address, type Ed25519KeyPair } from "../../proto/verify/ed25519.ts";
import { freePorts } from "../../sequencer/cli/free-ports.ts";
import type { ValidatorPlace } from "../../sequencer/cli/network-layout.ts";
import { createTestnet, type TestnetOptions } from "../../sequencer/cli/testnet-files.ts";
import { cometBftHomeAt, writeCometBftConfig } from "../../sequencer/cometbft/config-file.ts";
import { openSignStateFile } from "../../sequencer/engine/privval/sign-state.ts";
import { loadConfig, renderConfig } from "../../sequencer/node/config.ts";
import { homeAt } from "../../sequencer/node/home.ts";
import { loadOrCreateNodeKey } from "../../sequencer/p2p/node-key.ts";
import { readOrCreateKeyFile } from "../../sequencer/ports/key-file.ts";
import { NODE_FILE_SYSTEM } from "../../sequencer/ports/node-file-system.ts";
import { createSystemClock } from "../../sequencer/ports/system-clock.ts";
import { type RunningChild, startChild } from "./child-process.ts";
import { cometBft } from "./cometbft.ts";
import { type HeldLink, startHeldLink } from "./held-link.ts";
import { ENTRY, rpc, until, untilAllAt } from "./local-network.ts";

/** `weft`: the embedded engine. `cometbft`: Go, with our application. */
export type EngineKind = "weft" | "cometbft";

export interface MixedNetworkOptions {
  /** The validators' kinds, in order. */
  readonly validators: readonly EngineKind[];
  /** Programs that run in place of the built `weft`, by index of the validator, which is a `weft`. */
  readonly programs?: Readonly<Record<number, string>>;
  /**
   * Where there are seeds, every node knows those of the other kind alone, and finds its peers by them (the
   * links between validators are not used then).
   */
  readonly seeds?: readonly FollowerOptions[];
  /** Nodes that follow: each knows all validators, or the seeds. */
  readonly followers?: readonly FollowerOptions[];
  /** Configuration of every node by dotted path. */
  readonly config?: Readonly<Record<string, unknown>>;
  readonly rollups?: readonly string[];
  /** Parameters of the application that differ from their defaults, by their names in genesis.json. */
  readonly params?: TestnetOptions["params"];
  /** Accounts besides the owner's, for a state of some size. */
  readonly accounts?: number;
  /** CometBFT nodes are `weft start --engine cometbft`, not `weft abci` and `cometbft` beside it. */
  readonly isSupervised?: boolean;
}

export interface FollowerOptions {
  readonly name: string;
  readonly kind: EngineKind;
  /** Over the network's. */
  readonly config?: Readonly<Record<string, unknown>>;
}

export interface MixedNode {
  readonly name: string;
  readonly kind: EngineKind;
  readonly home: string;
  /** `<id>@127.0.0.1:<port>`, not through any link. */
  readonly peerAddress: string;
  readonly rpc: string;
  /** Metrics of Weft's process: of a CometBFT node, of its application. */
  readonly metrics: string;
  /** gRPC's host and port; a CometBFT node has none here. */
  readonly grpc: string | undefined;
  /** Upper-case hex of the consensus address; undefined for a follower. */
  readonly validatorAddress: string | undefined;
  isRunning(): boolean;
  /** Changes keys of its configuration, by dotted path, for its next start. */
  configure(changes: Readonly<Record<string, unknown>>): Promise<void>;
  /** Starts it, or again. */
  start(): Promise<void>;
  /** Ends it: all of it, or of a CometBFT node only the engine (the application then runs on). */
  end(signal: "SIGKILL" | "SIGTERM"): Promise<void>;
  /** Stops it in its tracks, and lets it run on. */
  pause(): void;
  resume(): void;
  /** What its processes last wrote. */
  tail(): string;
  /** Files that its engine logs to. */
  readonly logFile: string;
}

export interface MixedNetwork {
  readonly root: string;
  readonly validators: readonly MixedNode[];
  readonly seeds: readonly MixedNode[];
  readonly followers: readonly MixedNode[];
  readonly nodes: readonly MixedNode[];
  readonly owner: Ed25519KeyPair;
  /** Holds every link of a validator to the others, or lets bytes pass again. */
  cutOff(node: MixedNode): void;
  reconnect(node: MixedNode): void;
  /** Holds every link between validators of different kinds, or lets bytes pass again. */
  partKinds(): void;
  joinKinds(): void;
  /** What every node says of itself, for the report of a failed test. */
  report(): Promise<string>;
  close(): Promise<void>;
}

export const CHAIN_ID = "weft-mixed";
const OWNER_BALANCE = 1_000_000_000_000_000_000n;
const ADDRESS_BYTES = 20;
const END_TIMEOUT_MS = 20_000;
/** A second on an idle machine. */
const START_TIMEOUT_MS = 120_000;

/** Quick blocks, so that a test sees many of them. */
const QUICK: Readonly<Record<string, unknown>> = {
  "consensus.timeout_commit": "100ms",
  "consensus.timeout_propose": "1s",
  "consensus.timeout_propose_delta": "200ms",
  "consensus.timeout_prevote": "300ms",
  "consensus.timeout_prevote_delta": "200ms",
  "consensus.timeout_precommit": "300ms",
  "consensus.timeout_precommit_delta": "200ms",
  "p2p.allow_duplicate_ip": true,
  "p2p.addr_book_strict": false,
  "p2p.pex": false,
  "p2p.send_rate": 1_000_000_000,
  "p2p.recv_rate": 1_000_000_000,
  signature_workers: 0,
};

/** Makes homes and links; starts nothing. */
export async function createMixedNetwork(options: MixedNetworkOptions): Promise<MixedNetwork> {
  if (!existsSync(ENTRY)) throw new Error(`${ENTRY} is missing; run: npm run build`);
  const { path: program } = await cometBft();
  const launch: Launch = { program, isSupervised: options.isSupervised ?? false, entry: ENTRY };
  const root = mkdtempSync(join(tmpdir(), "weft-mixed-"));
  const kinds = options.validators;
  const seeds = options.seeds ?? [];
  const others = [...seeds, ...(options.followers ?? [])];
  const ports = await freePorts((kinds.length + others.length) * PORTS_PER_NODE);
  const placeOf = (index: number, name: string): ValidatorPlace => {
    const [p2pPort = 0, rpcPort = 0, grpcPort = 0, metricsPort = 0] = ports.slice(
      index * PORTS_PER_NODE,
    );
    return { name, home: join(root, name), p2pPort, rpcPort, grpcPort, metricsPort };
  };
  const places = kinds.map((kind, i) => placeOf(i, `${kind}-${i}`));
  mkdirSync(join(root, "keys"), { mode: 0o700 });
  const owner = readOrCreateKeyFile(join(root, "keys", "owner.json"));
  const config = { ...QUICK, ...options.config };
  await createTestnet({
    chainId: CHAIN_ID,
    genesisTime: createSystemClock().now(),
    validators: places,
    accounts: [
      { address: accountAddress(owner.publicKey), balance: OWNER_BALANCE },
      ...Array.from({ length: options.accounts ?? 0 }, (_, i) => ({
        address: sha256(utf8ToBytes(`account ${i}`)).subarray(0, ADDRESS_BYTES),
        balance: 1n,
      })),
    ],
    rollups: (options.rollups ?? []).map((name) => ({ name, ownerKey: owner.publicKey })),
    ...(options.params === undefined ? {} : { params: options.params }),
    config,
    host: () => "127.0.0.1",
  });

  const links = new Map<string, HeldLink>();
  const linkOf = (from: ValidatorPlace, to: ValidatorPlace): string => `${from.name} ${to.name}`;
  for (const from of places) {
    for (const to of places) {
      if (from !== to) links.set(linkOf(from, to), await startHeldLink(to.p2pPort));
    }
  }
  const idOf = ({ home }: ValidatorPlace): string =>
    loadOrCreateNodeKey(homeAt(home).nodeKeyFile).id;
  const otherPlaces = others.map(({ name }, i) => placeOf(kinds.length + i, name));
  for (const { home } of otherPlaces) {
    mkdirSync(homeAt(home).configDir, { recursive: true, mode: 0o700 });
    mkdirSync(homeAt(home).dataDir, { recursive: true, mode: 0o700 });
  }
  const addressOf = (place: ValidatorPlace): string => `${idOf(place)}@127.0.0.1:${place.p2pPort}`;
  /** Whom a node is told of. */
  function acquaintances(kind: EngineKind, peers: readonly string[]) {
    if (seeds.length === 0) return { "p2p.persistent_peers": peers.join(",") };
    const known = otherPlaces.filter((_, i) => seeds[i] !== undefined && seeds[i].kind !== kind);
    return { "p2p.persistent_peers": "", "p2p.seeds": known.map(addressOf).join(",") };
  }

  const validators: MixedNode[] = [];
  for (const [i, place] of places.entries()) {
    const peers = places
      .filter((other) => other !== place)
      .map((to) => `${idOf(to)}@127.0.0.1:${links.get(linkOf(place, to))?.port ?? 0}`);
    const kind = kinds[i] ?? "weft";
    const entry = options.programs?.[i] ?? ENTRY;
    const own = acquaintances(kind, peers);
    validators.push(await prepareNode({ ...launch, entry }, kind, place, own));
  }
  const direct = places.map(addressOf);
  const outside: MixedNode[] = [];
  for (const [i, other] of others.entries()) {
    const place = otherPlaces[i];
    if (place === undefined) break;
    await createFollowerHome(place, places[0], {
      ...config,
      ...acquaintances(other.kind, direct),
      ...other.config,
    });
    outside.push(await prepareNode(launch, other.kind, place, {}));
  }
  const following = outside.slice(seeds.length);
  const nodes = [...validators, ...outside];

  function ofNode(node: MixedNode): HeldLink[] {
    return [...links].flatMap(([name, link]) =>
      name.split(" ").includes(node.name) ? [link] : [],
    );
  }

  /** A validator's name begins with its kind. */
  function betweenKinds(): HeldLink[] {
    const kindOf = (name = ""): string => name.slice(0, name.indexOf("-"));
    return [...links].flatMap(([name, link]) => {
      const [from, to] = name.split(" ");
      return kindOf(from) === kindOf(to) ? [] : [link];
    });
  }

  return {
    root,
    validators,
    seeds: outside.slice(0, seeds.length),
    followers: following,
    nodes,
    owner,
    cutOff: (node) => {
      for (const link of ofNode(node)) link.hold();
    },
    reconnect: (node) => {
      for (const link of ofNode(node)) link.release();
    },
    partKinds: () => {
      for (const link of betweenKinds()) link.hold();
    },
    joinKinds: () => {
      for (const link of betweenKinds()) link.release();
    },
    async report() {
      const lines = await Promise.all(
        nodes.map(async (node) => {
          const state = await rpc<unknown>(node, "consensus_state").catch(String);
          const peers = await rpc<{ n_peers: string }>(node, "net_info").catch(String);
          const count = typeof peers === "string" ? peers : peers.n_peers;
          return `${node.name}, ${count} peers: ${JSON.stringify(state)}\n${node.tail()}`;
        }),
      );
      return `${root}\n${lines.join("\n")}\n`;
    },
    async close() {
      for (const node of nodes) node.resume();
      await Promise.all(nodes.map((node) => node.end("SIGTERM")));
      for (const link of links.values()) await link.close();
      if (process.env["WEFT_E2E_KEEP"] === undefined) {
        rmSync(root, { recursive: true, force: true });
      }
    },
  };
}

const PORTS_PER_NODE = 4;

async function createFollowerHome(
  place: ValidatorPlace,
  validator: ValidatorPlace | undefined,
  config: Readonly<Record<string, unknown>>,
): Promise<void> {
  if (validator === undefined) throw new Error("a network has a validator");
  const home = homeAt(place.home);
  const loaded = loadConfig(
    undefined,
    {
      moniker: place.name,
      "rpc.laddr": `tcp://127.0.0.1:${place.rpcPort}`,
      "grpc.laddr": `tcp://127.0.0.1:${place.grpcPort}`,
      "p2p.laddr": `tcp://127.0.0.1:${place.p2pPort}`,
      "instrumentation.prometheus_listen_addr": `tcp://127.0.0.1:${place.metricsPort}`,
      ...config,
    },
    {},
  );
  writeFileSync(home.configFile, renderConfig(loaded));
  await copyFile(homeAt(validator.home).genesisFile, home.genesisFile);
}

interface Launch {
  /** The path of `cometbft`. */
  readonly program: string;
  readonly isSupervised: boolean;
  /** The file that is run as `weft`. */
  readonly entry: string;
}

/** Writes the node's configuration with the keys in `own` changed. */
async function prepareNode(
  { program, isSupervised, entry }: Launch,
  kind: EngineKind,
  place: ValidatorPlace,
  own: Readonly<Record<string, unknown>>,
): Promise<MixedNode> {
  const home = homeAt(place.home);
  const socket = join(place.home, "abci.sock");
  const engineHome = cometBftHomeAt(home);
  async function configure(changes: Readonly<Record<string, unknown>>): Promise<void> {
    const config = loadConfig(home.configFile, changes, {});
    writeFileSync(home.configFile, renderConfig(config));
    if (kind === "weft") return;
    await writeCometBftConfig(home, config, {
      proxyApp: `unix://${socket}`,
      prometheus: undefined,
      logFormat: "json",
    });
  }
  // The default is a port that anything on this machine may have.
  await configure({ ...own, engine_rpc: `tcp://127.0.0.1:${place.rpcPort}` });
  if (kind === "cometbft" && existsSync(home.validatorKeyFile)) {
    await (await openSignStateFile(home.validatorStateFile, true, NODE_FILE_SYSTEM)).close();
  }
  const nodeLog = join(place.home, "node.log");
  const engineLog = join(place.home, "cometbft.log");
  /** In the order of their start. */
  let children: RunningChild[] = [];
  const weft = (...args: readonly string[]): RunningChild =>
    startChild(process.execPath, [entry, ...args, "--home", place.home], {
      logFile: nodeLog,
      environment: { WEFT_SUPERVISED: "1", WEFT_COMETBFT: program },
    });
  /** A node that is stopped in its tracks is stopped with what it started. */
  const signalAll = (signal: NodeJS.Signals): void => {
    for (const child of children) {
      if (!child.isRunning()) continue;
      const below = childrenOf(child.pid);
      child.signal(signal);
      for (const pid of below) process.kill(pid, signal);
    }
  };

  return {
    name: place.name,
    kind,
    home: place.home,
    peerAddress: `${loadOrCreateNodeKey(home.nodeKeyFile).id}@127.0.0.1:${place.p2pPort}`,
    rpc: `http://127.0.0.1:${place.rpcPort}`,
    metrics: `http://127.0.0.1:${place.metricsPort}/metrics`,
    grpc: kind === "weft" ? `127.0.0.1:${place.grpcPort}` : undefined,
    validatorAddress: existsSync(home.validatorKeyFile)
      ? toHex(ed25519Address(readOrCreateKeyFile(home.validatorKeyFile).publicKey)).toUpperCase()
      : undefined,
    logFile: kind === "weft" || isSupervised ? nodeLog : engineLog,
    configure,
    isRunning: () => children.length > 0 && children.every((child) => child.isRunning()),
    async start() {
      if (kind === "weft" || isSupervised) {
        children = [weft("start", "--engine", kind === "weft" ? "embedded" : "cometbft")];
        return;
      }
      const application = weft("abci", "--address", `unix://${socket}`);
      children = [application];
      await until(
        `${place.name}'s application listens`,
        async () => {
          if (!application.isRunning()) throw new Error(application.tail());
          return isSocket(socket);
        },
        START_TIMEOUT_MS,
      );
      children = [
        application,
        startChild(program, ["start", "--home", engineHome.root], { logFile: engineLog }),
      ];
    },
    async end(signal) {
      // The engine first: an application that goes away under it is a fault of its own.
      for (const child of children.toReversed()) {
        child.signal(signal);
        if (signal === "SIGTERM") {
          const timer = setTimeout(() => child.signal("SIGKILL"), END_TIMEOUT_MS);
          await child.ended;
          clearTimeout(timer);
        } else {
          await child.ended;
        }
      }
      children = [];
      rmSync(socket, { force: true });
    },
    pause: () => signalAll("SIGSTOP"),
    resume: () => signalAll("SIGCONT"),
    tail: () => children.map((child) => child.tail()).join("\n"),
  };
}

/** Processes that a process has started and that still run. */
function childrenOf(pid: number): readonly number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8")
    .split(" ")
    .filter(Boolean)
    .map(Number);
}

function isSocket(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isSocket() ?? false;
}

/** The last height that a node has committed. */
export async function heightOf(node: Pick<MixedNode, "rpc">): Promise<number> {
  const { sync_info: info } = await rpc<{
    sync_info: { latest_block_height: string };
  }>(node, "status");
  return Number(info.latest_block_height);
}

/** Resolves when every node has committed `target`. */
export async function untilHeights(
  nodes: readonly MixedNode[],
  target: number,
  timeoutMs = 60_000,
): Promise<void> {
  await untilAllAt(nodes, heightOf, target, timeoutMs);
}
