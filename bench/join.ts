/**
 * `npm run bench -- --join`: a node with an empty disk joins a chain that stands still, once by block
 * sync and once by state sync; how long each takes, and how much memory.
 */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { assert } from "../proto/errors.ts";
import { nodeIdOfPublicKey } from "../proto/verify/ed25519.ts";
import { createGrpcSequencerClient } from "../rollup-adapter/client/grpc-sequencer-client.ts";
import { callRpc } from "../sequencer/cli/clients.ts";
import { createFollowerFiles } from "../sequencer/cli/follower-files.ts";
import type { ValidatorPlace } from "../sequencer/cli/network-layout.ts";
import { homeAt } from "../sequencer/node/home.ts";
import { loadOrCreateNodeKey } from "../sequencer/p2p/node-key.ts";
import { CHAIN_ID, ENTRY, NODE_CONFIG, placesIn, writeHomes } from "./homes.ts";
import {
  ACCOUNTS,
  EXPIRY_AHEAD,
  JOIN_OUTSTANDING_MAX,
  JOIN_POLL_MS,
  JOIN_SNAPSHOT_INTERVAL,
  JOIN_TIMEOUT_MS,
  PAYLOAD_BYTES,
} from "./limits.ts";
import { createItemFactory } from "./load/shape.ts";
import { type HotFunction, summarizeProfiles } from "./measure/cpu-profile.ts";
import { parsePeakResidentBytes, readMachineCpuSeconds, readProcess } from "./measure/processes.ts";
import { type NodeProcess, startProcess } from "./node-process.ts";
import { machine } from "./report.ts";

const HOT_FUNCTIONS = 40;

export interface JoinOptions {
  readonly blocks: number;
  readonly txsPerBlock: number;
  /** Configuration of all nodes over the benchmark's. */
  readonly config: Readonly<Record<string, unknown>>;
  readonly isProfiled: boolean;
  readonly isVerbose: boolean;
}

export interface JoinResult {
  readonly way: "block sync" | "state sync";
  /** From the start of the process to the last block. */
  readonly seconds: number;
  readonly blocksPerSecond: number;
  /** Blocks that it holds: those that it executed itself. */
  readonly blocksHeld: number;
  readonly peakResidentBytes: number;
  readonly cpuSeconds: number;
  readonly servingCpuSeconds: number;
  readonly foreignCpuSeconds: number;
  readonly diskBytes: number;
  readonly hot: readonly HotFunction[] | undefined;
}

export interface JoinReport {
  readonly machine: ReturnType<typeof machine>;
  readonly startedAt: string;
  readonly config: Readonly<Record<string, unknown>>;
  readonly height: number;
  readonly txs: number;
  readonly chainSeconds: number;
  readonly chainDiskBytes: number;
  readonly snapshotBytes: number;
  readonly joins: readonly JoinResult[];
}

/** Makes the chain, holds it still, and joins it twice. Takes some minutes for 10,000 blocks. */
export async function runJoin(
  options: JoinOptions,
  progress: (text: string) => void,
): Promise<JoinReport> {
  const root = mkdtempSync(join(tmpdir(), "weft-bench-join-"));
  const nodes = new Set<Node>();
  const stopAll = async (): Promise<void> => {
    await Promise.all([...nodes].map((node) => node.stop()));
    rmSync(root, { recursive: true, force: true });
  };
  const interrupted = (): void => void stopAll().then(() => process.exit(130));
  process.once("SIGINT", interrupted);
  process.once("SIGTERM", interrupted);
  const begin = (
    place: ValidatorPlace,
    args: readonly string[],
    nodeArgs: readonly string[] = [],
  ) => {
    const node = startNode(place, args, nodeArgs, options.isVerbose);
    nodes.add(node);
    return node;
  };
  try {
    const [maker, follower, restorer] = await placesIn(root, ["maker", "block-sync", "state-sync"]);
    assert(
      maker !== undefined && follower !== undefined && restorer !== undefined,
      "there is a place for each name",
    );
    const config = {
      ...NODE_CONFIG,
      "storage.snapshot_interval": JOIN_SNAPSHOT_INTERVAL,
      ...options.config,
    };
    await writeHomes([maker], config);
    progress(`making ${options.blocks} blocks of ${options.txsPerBlock} transactions`);
    const startMs = performance.now();
    const first = begin(maker, []);
    const txs = await makeBlocks(first, options, progress);
    const chainSeconds = (performance.now() - startMs) / 1_000;
    await first.stop();
    // From now on it makes no block for an hour: what joins has a fixed end to reach.
    const serving = begin(maker, ["--set", "consensus.timeout_commit=1h"]);
    const height = await untilStill(serving, options.blocks);
    progress(`the chain stands at ${height}`);
    const peer = `${nodeIdOfPublicKey(loadOrCreateNodeKey(homeAt(maker.home).nodeKeyFile).publicKey)}@127.0.0.1:${maker.p2pPort}`;
    const joins: JoinResult[] = [];
    for (const [way, place] of [
      ["block sync", follower],
      ["state sync", restorer],
    ] as const) {
      progress(`joining by ${way}`);
      await createFollowerFiles({
        home: place.home,
        genesisFile: homeAt(maker.home).genesisFile,
        config: {
          ...config,
          ...addresses(place, peer),
          ...(way === "state sync" ? await stateSyncConfig(maker) : {}),
        },
      });
      const profiles = join(root, `profiles ${joins.length}`);
      mkdirSync(profiles);
      const nodeArgs = options.isProfiled ? ["--cpu-prof", "--cpu-prof-dir", profiles] : [];
      const joined = await measureJoin(() => begin(place, [], nodeArgs), serving, height);
      joins.push({
        way,
        ...joined,
        diskBytes: sizeOf(homeAt(place.home).dataDir),
        hot: options.isProfiled ? hotFunctions(profiles) : undefined,
      });
    }
    return {
      machine: machine(),
      startedAt: new Date().toISOString(),
      config,
      height,
      txs,
      chainSeconds,
      chainDiskBytes: sizeOf(homeAt(maker.home).dataDir),
      snapshotBytes: newestSnapshotBytes(maker),
      joins,
    };
  } finally {
    process.off("SIGINT", interrupted);
    process.off("SIGTERM", interrupted);
    await stopAll();
  }
}

export function printJoin(report: JoinReport): void {
  const print = (text: string): void => void process.stdout.write(`${text}\n`);
  const mib = (bytes: number): string => `${Math.round(bytes / 2 ** 20)} MiB`;
  const on = report.machine;
  print(
    `${on["cores"]} × ${on["cpu"]}, ${on["memoryGib"]} GiB, ${on["system"]}, Node ${on["node"]}`,
  );
  print(`configuration: ${JSON.stringify(report.config)}`);
  print(
    `chain: ${report.height} blocks, ${report.txs} transactions of ${PAYLOAD_BYTES} bytes, made in ${report.chainSeconds.toFixed(0)} s; ${mib(report.chainDiskBytes)} on disk, newest snapshot ${(report.snapshotBytes / 1_024).toFixed(0)} KiB`,
  );
  for (const one of report.joins) {
    print(
      `${one.way}: ${one.seconds.toFixed(1)} s, ${one.blocksPerSecond.toFixed(0)} blocks/s, ${one.blocksHeld} blocks executed, peak memory ${mib(one.peakResidentBytes)}, ${mib(one.diskBytes)} on disk`,
    );
    print(
      `  CPU ${one.cpuSeconds.toFixed(1)} s, of the node that serves ${one.servingCpuSeconds.toFixed(1)} s, of others ${one.foreignCpuSeconds.toFixed(1)} s`,
    );
    for (const { where, ms, share } of one.hot ?? []) {
      print(
        `  ${(share * 100).toFixed(1).padStart(5)} %  ${ms.toFixed(0).padStart(7)} ms  ${where}`,
      );
    }
  }
}

interface Node extends NodeProcess {
  readonly grpc: string;
  /** Told of each block: its height and how many transactions it holds. */
  onBlock: (height: number, txs: number) => void;
}

function startNode(
  { name, home, grpcPort }: ValidatorPlace,
  args: readonly string[],
  nodeArgs: readonly string[],
  isVerbose: boolean,
): Node {
  const command = [process.execPath, ...nodeArgs, ENTRY, "--json", "start", "--home", home];
  const child = startProcess(
    { name, command: [...command, ...args], logFile: `${home}.log` },
    { isVerbose },
  );
  const node: Node = { ...child, grpc: `127.0.0.1:${grpcPort}`, onBlock: () => {} };
  createInterface(child.stdout).on("line", (line) => {
    const block = JSON.parse(line) as { readonly height?: number; readonly txs?: number };
    if (block.height !== undefined) node.onBlock(block.height, block.txs ?? 0);
  });
  return node;
}

/** Submits so much with each block that about that many transactions are in the next; their number. */
async function makeBlocks(
  node: Node,
  { blocks, txsPerBlock }: JoinOptions,
  progress: (text: string) => void,
): Promise<number> {
  const client = createGrpcSequencerClient(node.grpc);
  const makeItem = createItemFactory({
    chainId: CHAIN_ID,
    payloadsPerItem: 1,
    payloadBytes: PAYLOAD_BYTES,
    accounts: ACCOUNTS,
  });
  let outstanding = 0;
  let txs = 0;
  const done = new Promise<void>((resolve) => {
    node.onBlock = (height, count) => {
      // Without the manifest and the injected commit.
      txs += Math.max(0, count - 2);
      if (height % 1_000 === 0) progress(`  ${height}`);
      if (height >= blocks + AFTER_SNAPSHOT) resolve();
      for (let i = 0; i < txsPerBlock && outstanding < JOIN_OUTSTANDING_MAX; i++) {
        outstanding += 1;
        // What is refused, or was asked of a node that stops, is one transaction less.
        client
          .submit(makeItem(height + EXPIRY_AHEAD).item)
          .catch(() => {})
          .finally(() => (outstanding -= 1));
      }
    };
  });
  try {
    await Promise.race([done, node.failed]);
  } finally {
    node.onBlock = () => {};
    client.close();
  }
  return txs;
}

/** The headers that say what a snapshot of the last round height must be, and some to follow. */
const AFTER_SNAPSHOT = 5;

/** Height of a chain that does not grow any more. */
async function untilStill(node: Node, atLeast: number): Promise<number> {
  const client = createGrpcSequencerClient(node.grpc);
  try {
    let last = 0;
    for (;;) {
      await Promise.race([sleep(1_000), node.failed]);
      const height = await client.chainInfo().then(
        (info) => info.height,
        () => 0,
      );
      if (height >= atLeast && height === last) return height;
      last = height;
    }
  } finally {
    client.close();
  }
}

async function measureJoin(
  start: () => Node,
  serving: Node,
  height: number,
): Promise<Omit<JoinResult, "way" | "diskBytes" | "hot">> {
  const [machineBefore, servingBefore] = [readMachineCpuSeconds(), readProcess(serving.pid)];
  const [ownBefore, startMs] = [process.cpuUsage(), performance.now()];
  const node = start();
  const client = createGrpcSequencerClient(node.grpc);
  try {
    for (;;) {
      const info = await client.chainInfo().catch(() => undefined);
      if (info !== undefined && info.height >= height) {
        const seconds = (performance.now() - startMs) / 1_000;
        const { cpuSeconds } = readProcess(node.pid);
        const servingCpuSeconds = readProcess(serving.pid).cpuSeconds - servingBefore.cpuSeconds;
        const { user, system } = process.cpuUsage(ownBefore);
        const all = readMachineCpuSeconds() - machineBefore;
        return {
          seconds,
          blocksPerSecond: height / seconds,
          blocksHeld: info.height - info.earliestHeight + 1,
          peakResidentBytes: parsePeakResidentBytes(
            readFileSync(`/proc/${node.pid}/status`, "utf8"),
          ),
          cpuSeconds,
          servingCpuSeconds,
          foreignCpuSeconds: all - cpuSeconds - servingCpuSeconds - (user + system) / 1e6,
        };
      }
      if (performance.now() - startMs > JOIN_TIMEOUT_MS) {
        throw new Error(`not at ${height} within ${JOIN_TIMEOUT_MS / 1_000} s`);
      }
      await Promise.race([sleep(JOIN_POLL_MS), node.failed]);
    }
  } finally {
    client.close();
    await node.stop();
  }
}

/** The one server is asked under two names: what is measured is the work, not the trust. */
async function stateSyncConfig(maker: ValidatorPlace): Promise<Readonly<Record<string, unknown>>> {
  const { rpcPort } = maker;
  const commit = (await callRpc(`http://127.0.0.1:${rpcPort}`, "commit", { height: "1" })) as {
    readonly signed_header: { readonly commit: { readonly block_id: { readonly hash: string } } };
  };
  return {
    "statesync.enable": true,
    "statesync.rpc_servers": `http://127.0.0.1:${rpcPort},http://localhost:${rpcPort}`,
    "statesync.trust_height": 1,
    "statesync.trust_hash": commit.signed_header.commit.block_id.hash,
    "statesync.discovery_time": "1s",
  };
}

function addresses(place: ValidatorPlace, peer: string): Readonly<Record<string, unknown>> {
  return {
    moniker: place.name,
    "rpc.laddr": `tcp://127.0.0.1:${place.rpcPort}`,
    "grpc.laddr": `tcp://127.0.0.1:${place.grpcPort}`,
    "p2p.laddr": `tcp://127.0.0.1:${place.p2pPort}`,
    "p2p.persistent_peers": peer,
    "p2p.allow_duplicate_ip": true,
    "p2p.send_rate": 1_000_000_000,
    "p2p.recv_rate": 1_000_000_000,
    "instrumentation.prometheus_listen_addr": `tcp://127.0.0.1:${place.metricsPort}`,
  };
}

function hotFunctions(directory: string): readonly HotFunction[] {
  const texts = readdirSync(directory).map((file) => readFileSync(join(directory, file), "utf8"));
  // Of its whole life.
  const whole = [{ fromMicros: 0, toMicros: Number.MAX_SAFE_INTEGER }];
  return summarizeProfiles(texts, whole, HOT_FUNCTIONS).own;
}

function newestSnapshotBytes({ home }: ValidatorPlace): number {
  const { snapshotsDir } = homeAt(home);
  const names = readdirSync(snapshotsDir).toSorted();
  const newest = names.at(-1)?.split(".")[0] ?? "";
  return names
    .filter((name) => name.startsWith(newest))
    .reduce((sum, name) => sum + statSync(join(snapshotsDir, name)).size, 0);
}

function sizeOf(path: string): number {
  const stat = statSync(path);
  if (!stat.isDirectory()) return stat.size;
  return readdirSync(path).reduce((sum, name) => sum + sizeOf(join(path, name)), 0);
}
