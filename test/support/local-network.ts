/**
 * A network of real processes for the end-to-end tests: the built `weft` on ports that were free a
 * moment ago, in a temporary folder, with every process ended by `close`.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Ed25519KeyPair } from "../../proto/verify/ed25519.ts";
import { createGrpcSequencerClient } from "../../rollup-adapter/client/grpc-sequencer-client.ts";
import type { SequencerClient } from "../../rollup-adapter/client/sequencer-client.ts";
import { freeBasePorts } from "../../sequencer/cli/free-ports.ts";
import {
  type LocalNetwork,
  type LocalNetworkOptions,
  prepareLocalNetwork,
} from "../../sequencer/cli/local-network.ts";
import type { BasePorts, RollupPlace, ValidatorPlace } from "../../sequencer/cli/network-layout.ts";
import { createGatewayKey, rollupHomeAt } from "../../sequencer/cli/rollup-files.ts";
import type { EngineName } from "../../sequencer/node/home-engine.ts";
import { readKeyFile } from "../../sequencer/ports/key-file.ts";
import { createSystemClock } from "../../sequencer/ports/system-clock.ts";
import { pauseSince } from "./polling.ts";

/** The built command line; `npm test` builds it first. This file may be its source or itself be built. */
export const ENTRY = fileURLToPath(
  new URL(
    import.meta.url.endsWith(".ts")
      ? "../../dist/sequencer/cli/main.js"
      : "../../sequencer/cli/main.js",
    import.meta.url,
  ),
);

export interface TestValidator extends ValidatorPlace {
  readonly rpc: string;
  readonly ws: string;
  readonly grpc: string;
  readonly metrics: string;
  /** Calls the node's gRPC service; closed with the network. */
  readonly client: SequencerClient;
}

export interface TestRollup extends RollupPlace {
  /** Name of its process. */
  readonly process: string;
  readonly rpc: string;
  readonly ws: string;
  readonly metrics: string;
}

export interface TestNetworkOptions {
  readonly validators?: number;
  readonly rollups?: readonly string[];
  /** Rollups of the list above that a second node follows, as process `follower-<rollup>`. */
  readonly followers?: readonly string[];
  /** Configuration of every validator by dotted path. */
  readonly config?: Readonly<Record<string, unknown>>;
  /** Parameters of the application that differ from their defaults, by their names in genesis.json. */
  readonly params?: LocalNetworkOptions["params"];
  /** Whether the rollups' gateways seal what wallets send. */
  readonly seal?: boolean;
  /** Whether the rollups sell the tops of their blocks in one group, and their gateways bid. */
  readonly auction?: boolean;
  /** Programs that run in place of the built `weft`, by index of the validator. */
  readonly programs?: Readonly<Record<number, string>>;
  /** Of those, the ones that run on another engine than the embedded one. */
  readonly programEngines?: Readonly<Record<number, EngineName>>;
}

export interface TestNetwork {
  readonly root: string;
  readonly validators: readonly TestValidator[];
  readonly rollups: readonly TestRollup[];
  /** Second nodes of rollups. */
  readonly followers: readonly TestRollup[];
  readonly owner: Ed25519KeyPair;
  readonly ownerKeyFile: string;
  /** Starts what is named; all when nothing is. */
  start(...names: readonly string[]): void;
  /** Starts everything and waits until validators commit and rollups follow. */
  startAll(): Promise<void>;
  /** Sends a signal to a process; resolves with how it ended, such as `ended with exit code 0`. */
  end(name: string, signal: "SIGKILL" | "SIGTERM"): Promise<string>;
  /** Resolves with how it ended when a process ends by itself. */
  untilEnded(name: string): Promise<string>;
  /** What each validator says of itself: one line each, for the report of a failed test. */
  report(): Promise<string>;
  /** SIGTERM to everything, as Ctrl-C of `weft dev` does. */
  stopAll(): Promise<void>;
  isRunning(name: string): boolean;
  pid(name: string): number;
  /** Ends everything and removes the folder. Throws when a process had ended by itself before. */
  close(): Promise<void>;
}

/** Quick blocks, so that a test sees many of them. */
const QUICK: Readonly<Record<string, unknown>> = {
  "consensus.timeout_commit": "100ms",
  "consensus.timeout_propose": "1s",
  "consensus.timeout_propose_delta": "200ms",
  "consensus.timeout_prevote": "300ms",
  "consensus.timeout_prevote_delta": "200ms",
  "consensus.timeout_precommit": "300ms",
  "consensus.timeout_precommit_delta": "200ms",
};

export async function createTestNetwork(options: TestNetworkOptions = {}): Promise<TestNetwork> {
  if (!existsSync(ENTRY)) throw new Error(`${ENTRY} is missing; run: npm run build`);
  const root = mkdtempSync(join(tmpdir(), "weft-e2e-"));
  const names = options.rollups ?? [];
  const count = options.validators ?? 4;
  const followed = options.followers ?? [];
  const ports = await freeBasePorts(count + names.length + followed.length);
  /** Resolved when the process of that name ends. */
  const waiting = new Map<string, ((reason: string) => void)[]>();
  const running = new Set<string>();
  /** Processes that ended although no test ended or awaited them. */
  const deaths: string[] = [];
  const settings: LocalNetworkOptions = {
    root,
    chainId: "weft-e2e",
    validators: count,
    rollups: names,
    ports: ports.slice(0, count + names.length),
    config: { ...QUICK, ...options.config },
    params: options.params,
    seal: options.seal ?? false,
    auction: options.auction ?? false,
    entry: ENTRY,
    onStatusLine: () => {},
    onEnded: ({ name, reason }) => {
      running.delete(name);
      const waiters = waiting.get(name)?.splice(0) ?? [];
      if (waiters.length === 0) {
        // Nobody wanted that: what it last wrote says why.
        deaths.push(`${name} ${reason}`);
        process.stderr.write(`${name} ${reason}\n${logTail(name)}\n`);
      }
      for (const resolve of waiters) resolve(reason);
    },
  };
  let network = await prepareLocalNetwork(settings, createSystemClock());
  const validators = network.validators.map(describeValidator);
  const rollups = network.rollups.map((place) => describeRollup(place, `rollup-${place.name}`));
  const followers = followed.map((name, i) => {
    const original = rollups.find((place) => place.name === name);
    const at = ports[count + names.length + i];
    if (original === undefined || at === undefined) throw new Error(`there is no rollup ${name}`);
    return describeRollup(createFollower(root, original, at), `follower-${name}`);
  });

  function logTail(name: string): string {
    const place = [...validators, ...rollups, ...followers].find(
      (one) => one.name === name || ("process" in one && one.process === name),
    );
    const file = place && join(place.home, "process" in place ? "rollup.log" : "node.log");
    if (file === undefined || !existsSync(file)) return "";
    return readFileSync(file, "utf8").split("\n").slice(-LOG_TAIL_LINES).join("\n");
  }

  function start(...wanted: readonly string[]): void {
    const isWanted = (name: string) => wanted.length === 0 || wanted.includes(name);
    for (const [i, { name, home }] of validators.entries()) {
      if (!isWanted(name) || running.has(name)) continue;
      const entry = options.programs?.[i];
      if (entry === undefined) {
        begin(name, () => network.startValidator(i));
        continue;
      }
      const engine = options.programEngines?.[i];
      const args = ["start", "--home", home, ...(engine === undefined ? [] : ["--engine", engine])];
      const logFile = join(home, "node.log");
      begin(name, () => network.processes.start({ name, entry, args, logFile, onLine: () => {} }));
    }
    for (const [i, { process: name }] of rollups.entries()) {
      if (isWanted(name) && !running.has(name)) begin(name, () => network.startRollup(i));
    }
    for (const { process: name, home } of followers) {
      if (!isWanted(name) || running.has(name)) continue;
      const args = ["rollup", "start", "--home", home];
      const logFile = join(home, "rollup.log");
      begin(name, () => network.processes.start({ name, args, logFile, onLine: () => {} }));
    }
  }

  function begin(name: string, run: () => void): void {
    running.add(name);
    run();
  }

  function pid(name: string): number {
    const id = network.processes.pids()[name];
    if (id === undefined || !running.has(name)) throw new Error(`${name} is not running`);
    return id;
  }

  function untilEnded(name: string): Promise<string> {
    return new Promise((resolve) => {
      waiting.set(name, [...(waiting.get(name) ?? []), resolve]);
    });
  }

  async function stopAll(): Promise<void> {
    await network.processes.stop(STOP_GRACE_MS);
    running.clear();
    // A stopped group is done: the next start belongs to a new one, as with a second `weft dev`.
    network = await prepareLocalNetwork(settings, createSystemClock());
  }

  return {
    root,
    validators,
    rollups,
    followers,
    owner: readKeyFile(network.ownerKeyFile),
    ownerKeyFile: network.ownerKeyFile,
    start,
    async startAll() {
      start();
      await untilUp(validators, [...rollups, ...followers], network);
    },
    async end(name, signal) {
      const ended = untilEnded(name);
      process.kill(pid(name), signal);
      return await ended;
    },
    untilEnded,
    async report() {
      const lines = await Promise.all(
        validators.map(async (place) => {
          const health = place.metrics.replace("/metrics", "/health");
          const answers = await Promise.all([
            rpc(place, "consensus_state").catch(String),
            rpc<{ n_peers: string }>(place, "net_info").then(({ n_peers: n }) => n, String),
            fetch(health).then((response) => response.text(), String),
          ]);
          return `${place.name} ${running.has(place.name) ? "runs" : "is down"}: ${JSON.stringify(answers)}`;
        }),
      );
      return `${root}\n${lines.join("\n")}\n`;
    },
    stopAll,
    isRunning: (name) => running.has(name),
    pid,
    async close() {
      for (const { client } of validators) client.close();
      await network.processes.stop(STOP_GRACE_MS);
      if (process.env["WEFT_E2E_KEEP"] === undefined) {
        rmSync(root, { recursive: true, force: true });
      }
      if (deaths.length > 0) throw new Error(`ended by themselves: ${deaths.join("; ")}`);
    },
  };
}

const LOG_TAIL_LINES = 30;
const STOP_GRACE_MS = 15_000;
const UP_TIMEOUT_MS = 60_000;

async function untilUp(
  validators: readonly TestValidator[],
  rollups: readonly TestRollup[],
  network: LocalNetwork,
): Promise<void> {
  // Whoever ends while it starts says why; that is the message one wants.
  const failed = network.processes.failed.then(({ name, reason }) => {
    throw new Error(`${name} ${reason}`);
  });
  const up = Promise.all([
    ...validators.map((place) =>
      until(`${place.name} commits`, async () => (await height(place)) > 0, UP_TIMEOUT_MS),
    ),
    ...rollups.map((place) =>
      until(
        `rollup ${place.name} is ready`,
        async () => (await fetch(`${place.rpc}/readyz`)).ok,
        UP_TIMEOUT_MS,
      ),
    ),
  ]);
  await Promise.race([up, failed]);
}

/** The validator of that index, which has to be there. */
export function validatorAt<Place>(
  { validators }: { readonly validators: readonly Place[] },
  index: number,
): Place {
  const found = validators[index];
  if (found === undefined) throw new Error(`there is no validator ${index}`);
  return found;
}

/** The last height that a node has committed. */
export async function height(validator: TestValidator): Promise<number> {
  return (await validator.client.chainInfo()).height;
}

/**
 * Resolves with what `look` gives as soon as that is true-ish. A call that fails is "not yet"; the
 * last failure is in the message when time is up.
 */
export async function until<T>(
  what: string,
  look: () => Promise<T | false | undefined>,
  timeoutMs = 30_000,
): Promise<T> {
  const start = performance.now();
  const end = start + timeoutMs;
  let last: unknown;
  for (;;) {
    try {
      const found = await look();
      if (found !== false && found !== undefined) return found;
      last = undefined;
    } catch (error) {
      last = error;
    }
    if (performance.now() > end) {
      throw new Error(`not within ${timeoutMs / 1_000} s: ${what}`, { cause: last });
    }
    await pauseSince(start);
  }
}

/** Resolves when every named node has committed `target`. */
export async function untilHeight(
  validators: readonly TestValidator[],
  target: number,
  timeoutMs = 30_000,
): Promise<void> {
  await untilAllAt(validators, height, target, timeoutMs);
}

/** Resolves when every node has come to `target`, each asked by `heightOf`. */
export async function untilAllAt<Node extends { readonly name: string }>(
  nodes: readonly Node[],
  heightOf: (node: Node) => Promise<number>,
  target: number,
  timeoutMs: number,
): Promise<void> {
  await Promise.all(
    nodes.map((node) =>
      until(
        `${node.name} commits height ${target}`,
        async () => (await heightOf(node)) >= target,
        timeoutMs,
      ),
    ),
  );
}

/** Calls a method of CometBFT's JSON-RPC; throws what the node answers as an error. */
export async function rpc<T>(
  node: Pick<TestValidator, "rpc">,
  method: string,
  params: Readonly<Record<string, unknown>> = {},
): Promise<T> {
  const response = await fetch(node.rpc, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }),
    signal: AbortSignal.timeout(10_000),
  });
  const body = (await response.json()) as {
    result?: T;
    error?: { message: string; data?: string };
  };
  if (body.error !== undefined) {
    throw new Error(`${method}: ${body.error.message}: ${body.error.data ?? ""}`);
  }
  return body.result as T;
}

/** `Promise.all` of `task` over the items, at most 32 at a time; results in order. */
export async function mapSome<T, R>(
  items: readonly T[],
  task: (item: T) => Promise<R>,
): Promise<R[]> {
  const results: R[] = [];
  for (let at = 0; at < items.length; at += TASKS_MAX) {
    results.push(...(await Promise.all(items.slice(at, at + TASKS_MAX).map(task))));
  }
  return results;
}

const TASKS_MAX = 32;

/** The whole numbers from `first` to `last`. */
export function range(first: number, last: number): readonly number[] {
  return Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => first + i);
}

/** Value of a metric, summed over its labels, of a Prometheus page; 0 while no label has a value. */
export async function metric(page: string, name: string, label = ""): Promise<number> {
  const text = await (await fetch(page)).text();
  const lines = text
    .split("\n")
    .filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`))
    .filter((line) => line.includes(label));
  if (!text.includes(`# TYPE ${name} `)) throw new Error(`${page} has no metric ${name}`);
  return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" ") + 1)), 0);
}

function describeValidator(place: ValidatorPlace): TestValidator {
  return {
    ...place,
    rpc: `http://127.0.0.1:${place.rpcPort}`,
    ws: `ws://127.0.0.1:${place.rpcPort}`,
    grpc: `127.0.0.1:${place.grpcPort}`,
    metrics: `http://127.0.0.1:${place.metricsPort}/metrics`,
    client: createGrpcSequencerClient(`127.0.0.1:${place.grpcPort}`),
  };
}

/** Another node of a rollup: the same configuration, its own ports, data and key. */
function createFollower(root: string, original: TestRollup, ports: BasePorts): RollupPlace {
  const home = join(root, `follower-${original.name}`);
  createGatewayKey(rollupHomeAt(home));
  const document = JSON.parse(readFileSync(rollupHomeAt(original.home).configFile, "utf8")) as {
    rpc: { port: number };
    metrics: { port: number };
  };
  document.rpc.port = ports.rollupRpc;
  document.metrics.port = ports.metrics;
  writeFileSync(rollupHomeAt(home).configFile, JSON.stringify(document));
  return { ...original, home, rpcPort: ports.rollupRpc, metricsPort: ports.metrics };
}

function describeRollup(place: RollupPlace, process: string): TestRollup {
  return {
    ...place,
    process,
    ws: `ws://127.0.0.1:${place.rpcPort}`,
    rpc: `http://127.0.0.1:${place.rpcPort}`,
    metrics: `http://127.0.0.1:${place.metricsPort}/metrics`,
  };
}
