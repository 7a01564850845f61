/** The network under test: validators as processes of this machine, in a temporary folder. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestnetOptions } from "../sequencer/cli/testnet-files.ts";
import { createGrpcSequencerClient } from "../rollup-adapter/client/grpc-sequencer-client.ts";
import { CHAIN_ID, ENTRY, placesIn, writeHomes } from "./homes.ts";
import { type NodeProcess, startProcess, untilHeight } from "./node-process.ts";

export interface BenchValidator {
  readonly name: string;
  readonly pid: number;
  /** host:port */
  readonly grpc: string;
  /** host:port */
  readonly rpc: string;
  readonly metricsUrl: string;
}

export interface BenchNetwork {
  readonly chainId: string;
  readonly validators: readonly BenchValidator[];
  /** Rejects when a validator ends by itself. */
  readonly failed: Promise<never>;
  /** Stops all; gives the CPU profiles they wrote, when they were asked for some. */
  stop(): Promise<readonly string[]>;
}

export async function startNetwork(options: {
  readonly validators: number;
  readonly isProfiled: boolean;
  /** Shows the log of all validators, and the first one's line per block, on standard error. */
  readonly isVerbose: boolean;
  readonly config: Readonly<Record<string, unknown>>;
  /** Parameters of the chain beside those of every benchmark. */
  readonly params?: TestnetOptions["params"];
  /** Other ones than those of every benchmark. */
  readonly rollups?: readonly string[];
}): Promise<BenchNetwork> {
  const root = mkdtempSync(join(tmpdir(), "weft-bench-"));
  const profiles = join(root, "profiles");
  const nodes: NodeProcess[] = [];

  let stopped: Promise<readonly string[]> | undefined;
  const stop = (): Promise<readonly string[]> => (stopped ??= stopAll());

  async function stopAll(): Promise<readonly string[]> {
    await Promise.all(nodes.map((node) => node.stop()));
    const texts = options.isProfiled
      ? readdirSync(profiles).map((file) => readFileSync(join(profiles, file), "utf8"))
      : [];
    rmSync(root, { recursive: true, force: true });
    return texts;
  }

  try {
    const names = Array.from({ length: options.validators }, (_, i) => `validator-${i}`);
    const places = await placesIn(root, names);
    await writeHomes(places, options.config, options.params, options.rollups);
    mkdirSync(profiles);
    const nodeArgs = options.isProfiled ? ["--cpu-prof", "--cpu-prof-dir", profiles] : [];
    for (const { name, home } of places) {
      const command = [process.execPath, ...nodeArgs, ENTRY, "start", "--home", home];
      const node = startProcess({ name, command, logFile: join(home, "node.log") }, options);
      if (options.isVerbose && name === places[0]?.name) node.stdout.pipe(process.stderr);
      node.stdout.resume();
      nodes.push(node);
    }
    const failed = Promise.race(nodes.map((node) => node.failed));
    failed.catch(() => {});
    const validators = places.map((place, i) => ({
      name: place.name,
      pid: nodes[i]?.pid ?? 0,
      grpc: `127.0.0.1:${place.grpcPort}`,
      rpc: `127.0.0.1:${place.rpcPort}`,
      metricsUrl: `http://127.0.0.1:${place.metricsPort}/metrics`,
    }));
    const up = Promise.all(validators.map(({ grpc }) => untilCommitting(grpc)));
    await Promise.race([up, failed]);
    return { chainId: CHAIN_ID, validators, failed, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function untilCommitting(grpc: string): Promise<void> {
  const client = createGrpcSequencerClient(grpc);
  try {
    await untilHeight(grpc, async () => (await client.chainInfo()).height);
  } finally {
    client.close();
  }
}
