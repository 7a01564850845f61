/**
 * Wallets' transactions through a rollup's gateway: how many a second are accepted, committed by the sequencer and executed
 * by the rollup, and how long each takes. One network, one node of an EVM rollup, transfers that were signed before.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { keccak_256 } from "@noble/hashes/sha3.js";
import { Height, RollupId } from "../../proto/brands.ts";
import { toHex } from "../../proto/bytes.ts";
import { rollupDataEntries, rollupIdOfName } from "../../proto/codec/weft-tx.ts";
import { createGrpcSequencerClient } from "../../rollup-adapter/client/grpc-sequencer-client.ts";
import { freeBasePorts } from "../../sequencer/cli/free-ports.ts";
import { prepareLocalNetwork } from "../../sequencer/cli/local-network.ts";
import { rollupHomeAt } from "../../sequencer/cli/rollup-files.ts";
import { createSystemClock } from "../../sequencer/ports/system-clock.ts";
import { ENTRY, NODE_CONFIG } from "../homes.ts";
import {
  GATEWAY_DRAIN_MS,
  GATEWAY_POLL_MS,
  GATEWAY_START_MS,
  NETWORK_STOP_GRACE_MS,
} from "../limits.ts";
import { readProcess } from "../measure/processes.ts";
import { type Quantiles, quantiles } from "../measure/statistics.ts";
import { type BenchWallet, createPoster, signWallet, walletAccount } from "./wallets.ts";

export interface GatewayBenchOptions {
  readonly validators: number;
  readonly seconds: number;
  readonly wallets: number;
  /** Transactions of each wallet, signed before the window. */
  readonly perWallet: number;
  /** Whether the gateway keeps a journal. */
  readonly isDurable: boolean;
  /** Configuration of the validators beside that of every benchmark. */
  readonly config: Readonly<Record<string, unknown>>;
}

export interface GatewayReport {
  readonly isDurable: boolean;
  readonly wallets: number;
  readonly validators: number;
  readonly seconds: number;
  readonly sent: number;
  readonly refused: number;
  /** The first answer that was one; the wallet that got it sent no more. */
  readonly refusal: string | undefined;
  /** Transactions a second, over the window and what it took to finish what was sent in it. */
  readonly acceptedPerSecond: number;
  readonly committedPerSecond: number;
  readonly executedPerSecond: number;
  /** Since the request was sent, ms. */
  readonly acceptedMs: Quantiles;
  readonly committedMs: Quantiles;
  readonly executedMs: Quantiles;
  /** Places in the order that were paid for, for each transaction that was executed. */
  readonly placesPerTransaction: number;
  readonly submissions: number;
  /** Processor time of the rollup's node, gateway and execution together, idle blocks included. */
  readonly cpuMsPerTransaction: number;
}

interface Sample {
  readonly sentMs: number;
  acceptedMs?: number;
  committedMs?: number;
  executedMs?: number;
}

export async function runGateway(
  options: GatewayBenchOptions,
  progress: (text: string) => void,
): Promise<GatewayReport> {
  const root = mkdtempSync(join(tmpdir(), "weft-bench-gateway-"));
  const clock = createSystemClock();
  const network = await prepareLocalNetwork(
    {
      root,
      chainId: "weft-bench",
      validators: options.validators,
      rollups: ["alpha"],
      ports: await freeBasePorts(options.validators + 1),
      config: { ...NODE_CONFIG, ...options.config },
      entry: ENTRY,
      onStatusLine: () => {},
      onEnded: ({ name, reason }) => progress(`${name} ${reason}`),
    },
    clock,
  );
  try {
    const [rollup] = network.rollups;
    const [validator] = network.validators;
    if (rollup === undefined || validator === undefined) throw new Error("no network");
    const chainId = Number(rollup.evmChainId);
    configure(rollupHomeAt(rollup.home).configFile, options);
    for (let i = 0; i < options.validators; i++) network.startValidator(i);
    network.startRollup(0);
    progress(`signing ${options.wallets * options.perWallet} transactions`);
    const wallets: BenchWallet[] = [];
    for (let i = 0; i < options.wallets; i++) {
      wallets.push(await signWallet(i, options.perWallet, chainId));
    }
    const url = `http://127.0.0.1:${rollup.rpcPort}`;
    await untilReady(`${url}/readyz`);
    progress(`sending for ${options.seconds} s`);
    const pid = network.processes.pids()["rollup-alpha"] ?? 0;
    return await measure(options, wallets, url, `127.0.0.1:${validator.grpcPort}`, pid);
  } finally {
    await network.processes.stop(NETWORK_STOP_GRACE_MS);
    rmSync(root, { recursive: true, force: true });
  }
}

/** Funds the wallets in the rollup's genesis, and says how its gateway is to work. */
function configure(file: string, { wallets, isDurable }: GatewayBenchOptions): void {
  const config: {
    genesis: { alloc: Record<string, unknown>; gasLimit: number };
    gateway?: object;
  } = JSON.parse(readFileSync(file, "utf8"));
  for (let i = 0; i < wallets; i++) {
    config.genesis.alloc[walletAccount(i).address] = { balance: "1000000000000000000000" };
  }
  config.genesis.gasLimit = 300_000_000;
  if (!isDurable) config.gateway = { ...config.gateway, durable: false };
  writeFileSync(file, JSON.stringify(config, undefined, 2));
}

async function untilReady(url: string): Promise<void> {
  const end = performance.now() + GATEWAY_START_MS;
  while (performance.now() < end) {
    const isReady = await fetch(url).then(
      ({ ok }) => ok,
      () => false,
    );
    if (isReady) return;
    await pause(GATEWAY_POLL_MS);
  }
  throw new Error(`${url} did not say that it is ready within ${GATEWAY_START_MS} ms`);
}

async function measure(
  options: GatewayBenchOptions,
  wallets: readonly BenchWallet[],
  url: string,
  grpc: string,
  pid: number,
): Promise<GatewayReport> {
  const { cpuSeconds } = readProcess(pid);
  const samples = new Map<string, Sample>();
  const committed = followCommitted(grpc, samples);
  const executed = followExecuted(url, samples);
  const poster = createPoster(url, options.wallets);
  const startedMs = performance.now();
  const endMs = startedMs + options.seconds * 1_000;
  let refused = 0;
  let refusal: string | undefined;

  async function send({ transactions }: BenchWallet): Promise<void> {
    for (const { hash, body } of transactions) {
      if (performance.now() >= endMs) return;
      const sample: Sample = { sentMs: performance.now() };
      samples.set(hash, sample);
      const answer = await poster.post(body);
      if (!answer.includes('"result"')) {
        refused += 1;
        refusal ??= answer;
        samples.delete(hash);
        return; // what would follow has a nonce too high
      }
      sample.acceptedMs = performance.now();
    }
  }

  await Promise.all(wallets.map(send));
  const acceptedEndMs = performance.now();
  const drainMs = acceptedEndMs + GATEWAY_DRAIN_MS;
  const all = [...samples.values()];
  while (performance.now() < drainMs && all.some((one) => one.executedMs === undefined)) {
    await pause(GATEWAY_POLL_MS);
  }
  const places = committed.places();
  const cpuMs = (readProcess(pid).cpuSeconds - cpuSeconds) * 1_000;
  await committed.stop();
  await executed.stop();
  poster.close();

  const spans = (end: (one: Sample) => number | undefined): number[] =>
    all.flatMap((one) => {
      const at = end(one);
      return at === undefined ? [] : [at - one.sentMs];
    });
  const rate = (end: (one: Sample) => number | undefined): number => {
    const ends = all.flatMap((one) => end(one) ?? []);
    return ends.length / ((Math.max(...ends, startedMs + 1) - startedMs) / 1_000);
  };
  const executedMs = spans((one) => one.executedMs);
  return {
    isDurable: options.isDurable,
    wallets: options.wallets,
    validators: options.validators,
    seconds: options.seconds,
    sent: all.length,
    refused,
    refusal,
    acceptedPerSecond: rate((one) => one.acceptedMs),
    committedPerSecond: rate((one) => one.committedMs),
    executedPerSecond: rate((one) => one.executedMs),
    acceptedMs: quantiles(spans((one) => one.acceptedMs)),
    committedMs: quantiles(spans((one) => one.committedMs)),
    executedMs: quantiles(executedMs),
    placesPerTransaction: places.payloads / Math.max(1, executedMs.length),
    submissions: places.items,
    cpuMsPerTransaction: cpuMs / Math.max(1, executedMs.length),
  };
}

/** Notes when each transaction is first in a committed block of the sequencer. */
function followCommitted(grpc: string, samples: ReadonlyMap<string, Sample>) {
  const client = createGrpcSequencerClient(grpc);
  const abort = new AbortController();
  let payloads = 0;
  let items = 0;
  async function follow(): Promise<void> {
    const rollupId = RollupId(toHex(rollupIdOfName("alpha")));
    const { height } = await client.chainInfo();
    const { signal } = abort;
    const from = { rollupId, fromHeight: Height(height + 1), level: "committed", signal } as const;
    for await (const { slice } of client.blocks(from)) {
      const nowMs = performance.now();
      if (slice.slice.kind !== "presence") continue;
      for (const { payload } of slice.slice.entries) {
        items += 1;
        for (const transaction of rollupDataEntries(payload)) {
          payloads += 1;
          const sample = samples.get(`0x${toHex(keccak_256(transaction))}`);
          if (sample !== undefined) sample.committedMs ??= nowMs;
        }
      }
    }
  }
  const done = follow().catch((error: unknown) => {
    if (!abort.signal.aborted) throw error;
  });
  return {
    places: () => ({ payloads, items }),
    async stop(): Promise<void> {
      abort.abort();
      await done;
      client.close();
    },
  };
}

/** Notes when each transaction is in a block that the rollup's node shows. */
function followExecuted(url: string, samples: ReadonlyMap<string, Sample>) {
  let isStopped = false;
  const poster = createPoster(url, 1);
  async function block(number: number): Promise<readonly string[] | undefined> {
    const params = [`0x${number.toString(16)}`, false];
    const answer: { result: { transactions: string[] } | null } = JSON.parse(
      await poster.post(
        JSON.stringify({ jsonrpc: "2.0", id: 1, method: "eth_getBlockByNumber", params }),
      ),
    );
    return answer.result?.transactions;
  }
  async function follow(): Promise<void> {
    for (let number = 1; !isStopped; ) {
      const hashes = await block(number);
      if (hashes === undefined) {
        await pause(GATEWAY_POLL_MS);
        continue;
      }
      number += 1;
      const nowMs = performance.now();
      for (const hash of hashes) {
        const sample = samples.get(hash);
        if (sample !== undefined) sample.executedMs ??= nowMs;
      }
    }
  }
  const done = follow();
  return {
    async stop(): Promise<void> {
      isStopped = true;
      await done;
      poster.close();
    },
  };
}

async function pause(ms: number): Promise<void> {
  await new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}

export function gatewayText(reports: readonly GatewayReport[]): string {
  const ms = ({ p50, p95 }: Quantiles): string => `${Math.round(p50)} / ${Math.round(p95)} ms`;
  return reports
    .map((report) =>
      [
        `${report.wallets} wallets, ${report.validators} validators, ${report.isDurable ? "journal synced before each answer" : "no journal"}, ${report.seconds} s`,
        `  sent ${report.sent}, refused ${report.refused}${report.refusal === undefined ? "" : ` (${report.refusal})`}; ${report.submissions} submissions, ${report.placesPerTransaction.toFixed(2)} places paid for each transaction; ${report.cpuMsPerTransaction.toFixed(1)} ms of processor time of the rollup's node for each`,
        `  accepted   ${Math.round(report.acceptedPerSecond)} tx/s   p50 / p95 ${ms(report.acceptedMs)}`,
        `  committed  ${Math.round(report.committedPerSecond)} tx/s   p50 / p95 ${ms(report.committedMs)}`,
        `  executed   ${Math.round(report.executedPerSecond)} tx/s   p50 / p95 ${ms(report.executedMs)}   (${report.executedMs.count} of ${report.sent})`,
      ].join("\n"),
    )
    .join("\n");
}
