/** The network under test: validators as processes of this machine, in a temporary folder. */
import { type ChildProcess, spawn } from "node:child_process";
import {
  createWriteStream,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { accountAddress } from "../proto/codec/weft-tx.ts";
import { generateEd25519KeyPair } from "../proto/verify/ed25519.ts";
import { createGrpcSequencerClient } from "../rollup-adapter/client/grpc-sequencer-client.ts";
import type { ValidatorPlace } from "../sequencer/cli/network-layout.ts";
import { SUPERVISED } from "../sequencer/cli/process-group.ts";
import { createTestnet } from "../sequencer/cli/testnet-files.ts";
import { createSystemClock } from "../sequencer/ports/system-clock.ts";
import { ACCOUNTS, NETWORK_START_TIMEOUT_MS, NETWORK_STOP_GRACE_MS } from "./limits.ts";
import { freePorts } from "./ports.ts";
import { benchAccount, MAX_FEE_PER_BYTE, ROLLUP_NAMES } from "./load/shape.ts";

const CHAIN_ID = "weft-bench";
const ENTRY = fileURLToPath(new URL("../sequencer/cli/main.js", import.meta.url));
const BALANCE = 100_000_000_000_000_000n;

/** Configuration beside the defaults; printed with every result. */
export const NODE_CONFIG: Readonly<Record<string, unknown>> = {
  "consensus.timeout_commit": "0s",
  "mempool.size": 50_000,
  "mempool.max_txs_bytes": 256 << 20,
  "tx_index.indexer": "null",
  log_level: "warn",
};

export interface BenchValidator {
  readonly name: string;
  readonly pid: number;
  /** host:port */
  readonly grpc: string;
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
}): Promise<BenchNetwork> {
  const root = mkdtempSync(join(tmpdir(), "weft-bench-"));
  const children: ChildProcess[] = [];
  const profiles = join(root, "profiles");
  let isStopping = false;
  let fail: (error: Error) => void = () => {};
  const failed = new Promise<never>((_, reject) => {
    fail = reject;
  });
  failed.catch(() => {});

  let stopped: Promise<readonly string[]> | undefined;
  const stop = (): Promise<readonly string[]> => (stopped ??= stopAll());

  async function stopAll(): Promise<readonly string[]> {
    isStopping = true;
    const ended = children.map(
      (child) =>
        new Promise<void>((resolve) => {
          if (child.exitCode !== null || child.signalCode !== null) resolve();
          else child.once("exit", () => resolve());
        }),
    );
    for (const child of children) child.kill("SIGTERM");
    const timer = setTimeout(() => {
      for (const child of children) child.kill("SIGKILL");
    }, NETWORK_STOP_GRACE_MS);
    await Promise.all(ended);
    clearTimeout(timer);
    const texts = options.isProfiled
      ? readdirSync(profiles).map((file) => readFileSync(join(profiles, file), "utf8"))
      : [];
    rmSync(root, { recursive: true, force: true });
    return texts;
  }

  try {
    const places = await placesIn(root, options.validators);
    await writeHomes(places, options.config);
    mkdirSync(profiles);
    const nodeArgs = options.isProfiled ? ["--cpu-prof", "--cpu-prof-dir", profiles] : [];
    for (const { name, home } of places) {
      const child = spawn(process.execPath, [...nodeArgs, ENTRY, "start", "--home", home], {
        // Standard input ends with this process, and the validator with it.
        stdio: ["pipe", "pipe", "pipe"],
        env: { ...process.env, [SUPERVISED]: "1" },
        // A scheduling group of its own, and Ctrl-C for the benchmark alone, which stops them all.
        detached: true,
      });
      const log = join(home, "node.log");
      child.stderr?.pipe(createWriteStream(log));
      if (options.isVerbose) {
        child.stderr?.pipe(process.stderr);
        if (name === places[0]?.name) child.stdout?.pipe(process.stderr);
      }
      child.stdout?.resume();
      child.once("exit", (code, signal) => {
        if (isStopping) return;
        const tail = readFileSync(log, "utf8").slice(-2_000);
        fail(new Error(`${name} ended with ${signal ?? `code ${code ?? "?"}`}\n${tail}`));
      });
      children.push(child);
    }
    const validators = places.map((place, i) => ({
      name: place.name,
      pid: children[i]?.pid ?? 0,
      grpc: `127.0.0.1:${place.grpcPort}`,
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

async function writeHomes(
  places: readonly ValidatorPlace[],
  config: Readonly<Record<string, unknown>>,
): Promise<void> {
  const owner = generateEd25519KeyPair();
  const accounts = Array.from({ length: ACCOUNTS }, (_, i) => ({
    address: accountAddress(benchAccount(i).publicKey),
    balance: BALANCE,
  }));
  await createTestnet({
    chainId: CHAIN_ID,
    genesisTime: createSystemClock().now(),
    validators: places,
    accounts,
    rollups: ROLLUP_NAMES.map((name) => ({ name, ownerKey: owner.publicKey })),
    // Blocks are full for as long as a run lasts: the base fee rises to its cap and stays.
    params: { base_fee_max: MAX_FEE_PER_BYTE.toString() },
    config: { ...NODE_CONFIG, ...config },
    host: () => "127.0.0.1",
  });
}

/** Resolves when the node has committed two blocks. */
async function untilCommitting(grpc: string): Promise<void> {
  const client = createGrpcSequencerClient(grpc);
  const endMs = performance.now() + NETWORK_START_TIMEOUT_MS;
  try {
    for (;;) {
      // A refused call is "not yet".
      const height = await client.chainInfo().then(
        (info) => info.height,
        () => 0,
      );
      if (height >= 2) return;
      if (performance.now() > endMs) {
        throw new Error(`${grpc} has committed nothing within ${NETWORK_START_TIMEOUT_MS} ms`);
      }
      await new Promise((resolve) => {
        setTimeout(resolve, 50);
      });
    }
  } finally {
    client.close();
  }
}

async function placesIn(root: string, count: number): Promise<ValidatorPlace[]> {
  const ports = await freePorts(count * 4);
  return Array.from({ length: count }, (_, i) => {
    const port = (kind: number): number => ports[i * 4 + kind] ?? 0;
    return {
      name: `validator-${i}`,
      home: join(root, `validator-${i}`),
      p2pPort: port(0),
      rpcPort: port(1),
      grpcPort: port(2),
      metricsPort: port(3),
    };
  });
}
