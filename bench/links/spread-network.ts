/** Validators in namespaces of their own, watched from the hub's. */
import { type ChildProcess, spawn } from "node:child_process";
import { createWriteStream, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { DEFAULT_PORTS } from "../../sequencer/cli/network-layout.ts";
import { SUPERVISED } from "../../sequencer/cli/process-group.ts";
import { createTestnet } from "../../sequencer/cli/testnet-files.ts";
import { createSystemClock } from "../../sequencer/ports/system-clock.ts";
import { accountAddress } from "../../proto/codec/weft-tx.ts";
import { generateEd25519KeyPair } from "../../proto/verify/ed25519.ts";
import { benchAccount, ROLLUP_NAMES } from "../load/shape.ts";
import { NETWORK_START_TIMEOUT_MS, NETWORK_STOP_GRACE_MS } from "../limits.ts";
import { inNamespace, type NodeNamespace, nodeAddress } from "./namespaces.ts";

export const LINKS_CHAIN_ID = "weft-links";
const BALANCE = 100_000_000_000_000_000n;
const ENTRY = fileURLToPath(new URL("../../sequencer/cli/main.js", import.meta.url));

/** One block, as one node reported it. */
export interface SeenHeight {
  readonly node: number;
  readonly height: number;
  readonly round: number;
  readonly atMs: number;
}

export interface SpreadNetwork {
  /** Everything that nodes have committed so far, in the order it was seen. */
  readonly seen: readonly SeenHeight[];
  /** Highest height that a node has committed. */
  height(node: number): number;
  /** Resolves when `condition` holds after a block or `timeoutMs`; rejects when a node ends by itself. */
  until(what: string, condition: () => boolean, timeoutMs: number): Promise<void>;
  rpc(node: number, path: string): Promise<unknown>;
  metrics(node: number): Promise<string>;
  stop(): Promise<void>;
}

export async function startSpreadNetwork(options: {
  readonly nodes: readonly NodeNamespace[];
  /** Configuration beside the defaults of a node, for every node. */
  readonly config: Readonly<Record<string, unknown>>;
  readonly isVerbose: boolean;
}): Promise<SpreadNetwork> {
  const { nodes } = options;
  const root = mkdtempSync(join(tmpdir(), "weft-links-"));
  const places = nodes.map((_, i) => ({
    name: `validator-${i}`,
    home: join(root, `validator-${i}`),
    p2pPort: DEFAULT_PORTS.p2p,
    rpcPort: DEFAULT_PORTS.rpc,
    grpcPort: DEFAULT_PORTS.grpc,
    metricsPort: DEFAULT_PORTS.metrics,
  }));
  const owner = generateEd25519KeyPair();
  await createTestnet({
    chainId: LINKS_CHAIN_ID,
    genesisTime: createSystemClock().now(),
    validators: places,
    accounts: [{ address: accountAddress(benchAccount(0).publicKey), balance: BALANCE }],
    rollups: ROLLUP_NAMES.map((name) => ({ name, ownerKey: owner.publicKey })),
    config: {
      // Each has its namespace: the same ports everywhere, reachable for whoever measures.
      "p2p.laddr": `tcp://0.0.0.0:${DEFAULT_PORTS.p2p}`,
      "rpc.laddr": `tcp://0.0.0.0:${DEFAULT_PORTS.rpc}`,
      "grpc.laddr": `tcp://0.0.0.0:${DEFAULT_PORTS.grpc}`,
      "instrumentation.prometheus_listen_addr": `tcp://0.0.0.0:${DEFAULT_PORTS.metrics}`,
      "p2p.allow_duplicate_ip": false,
      "p2p.send_rate": 5_120_000,
      "p2p.recv_rate": 5_120_000,
      ...options.config,
    },
    host: nodeAddress,
  });

  const seen: SeenHeight[] = [];
  const heights = nodes.map(() => 0);
  const waiters = new Set<() => void>();
  const children: ChildProcess[] = [];
  let failure: Error | undefined;
  let isStopping = false;
  const wake = (): void => {
    for (const look of waiters) look();
  };
  for (const [i, node] of nodes.entries()) {
    const home = places[i]?.home ?? "";
    const [command = "", ...args] = inNamespace(node.name, process.execPath, [
      ENTRY,
      "--json",
      "start",
      "--home",
      home,
    ]);
    const child = spawn(command, args, {
      stdio: ["pipe", "pipe", "pipe"],
      env: { ...process.env, [SUPERVISED]: "1" },
      detached: true,
    });
    const log = join(home, "node.log");
    child.stderr.pipe(createWriteStream(log));
    if (options.isVerbose) child.stderr.pipe(process.stderr);
    createInterface({ input: child.stdout }).on("line", (line) => {
      const { height, round } = JSON.parse(line) as { height: number; round: number };
      heights[i] = height;
      seen.push({ node: i, height, round, atMs: performance.now() });
      wake();
    });
    child.once("exit", (code, signal) => {
      if (isStopping) return;
      const tail = readFileSync(log, "utf8").slice(-2_000);
      failure = new Error(`validator-${i} ended with ${signal ?? `code ${code ?? "?"}`}\n${tail}`);
      wake();
    });
    children.push(child);
  }
  const until = async (
    what: string,
    condition: () => boolean,
    timeoutMs: number,
  ): Promise<void> => {
    await new Promise<void>((resolve, reject) => {
      const end = (act: () => void): void => {
        clearTimeout(timer);
        waiters.delete(look);
        act();
      };
      const look = (): void => {
        if (failure !== undefined) {
          const why = failure;
          end(() => reject(why));
        } else if (condition()) end(resolve);
      };
      const timer = setTimeout(
        () =>
          end(() =>
            reject(new Error(`not within ${timeoutMs} ms: ${what}; at ${heights.join(" ")}`)),
          ),
        timeoutMs,
      );
      waiters.add(look);
      look();
    });
  };
  const stop = async (): Promise<void> => {
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
    rmSync(root, { recursive: true, force: true });
  };
  try {
    await until(
      "every validator commits",
      () => heights.every((h) => h >= 2),
      NETWORK_START_TIMEOUT_MS,
    );
  } catch (error) {
    await stop();
    throw error;
  }
  const fetchText = async (node: number, port: number, path: string): Promise<string> => {
    const answer = await fetch(`http://${nodes[node]?.controlAddress ?? ""}:${port}${path}`);
    return await answer.text();
  };
  return {
    seen,
    height: (node) => heights[node] ?? 0,
    until,
    rpc: async (node, path) =>
      JSON.parse(await fetchText(node, DEFAULT_PORTS.rpc, path)) as unknown,
    metrics: (node) => fetchText(node, DEFAULT_PORTS.metrics, "/metrics"),
    stop,
  };
}
