/**
 * Many concurrent block streams of one node: what they cost it, and what they do to the chain. Windows with and without
 * readers take turns, so that a machine that is busy with something else shows in both.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { type ClientReadableStream, Client, credentials } from "@grpc/grpc-js";
import { Height } from "../../proto/brands.ts";
import { toHex } from "../../proto/bytes.ts";
import { decodeSignedHeader } from "../../proto/codec/block.ts";
import { rollupData, rollupIdOfName } from "../../proto/codec/weft-tx.ts";
import { Level, type RollupBlock } from "../../proto/grpc/rollup-block.ts";
import { ROLLUP_SERVICE } from "../../proto/grpc/rollup-service.ts";
import { timeToMs } from "../../proto/time.ts";
import { createGrpcSequencerClient } from "../../rollup-adapter/client/grpc-sequencer-client.ts";
import {
  ACCOUNTS,
  STREAM_FEED_EVERY_MS,
  STREAM_HISTORY_MS,
  STREAM_PROBE_EVERY_MS,
  STREAM_SETTLE_MS,
} from "../limits.ts";
import { createItemFactory } from "../load/shape.ts";
import type { ProfileWindow } from "../measure/cpu-profile.ts";
import { createMeter } from "../measure/meter.ts";
import { type Quantiles, quantiles } from "../measure/statistics.ts";
import { startNetwork } from "../network.ts";
import { type BenchReport, machine } from "../report.ts";
import type { ReaderReport, ReaderSpec } from "./reader-messages.ts";
import { startReaders } from "./readers.ts";

export interface StreamsOptions {
  readonly readers: number;
  /** Of them: take nothing. */
  readonly deaf: number;
  /** Of them: begin at the first block. */
  readonly history: number;
  readonly isGzip: boolean;
  readonly rollups: number;
  readonly processes: number;
  readonly validators: number;
  readonly seconds: number;
  readonly rounds: number;
  /** Submissions per second, and the bytes of each. */
  readonly rate: number;
  readonly payloadBytes: number;
  readonly config: Readonly<Record<string, unknown>>;
  readonly isProfiled: boolean;
  readonly isVerbose: boolean;
}

export interface StreamsWindow {
  readonly hasReaders: boolean;
  readonly seconds: number;
  readonly window: ProfileWindow;
  readonly blocks: number;
  readonly intervalMs: Quantiles;
  /** What a caller of GetChainInfo waits meanwhile. */
  readonly callMs: Quantiles;
  readonly nodeCpuSeconds: number;
  readonly nodeResidentBytes: number;
  readonly readersCpuSeconds: number;
  readonly foreignCpuSeconds: number;
  readonly messages: number;
  readonly bytes: number;
  readonly gaps: number;
  readonly ended: Readonly<Record<string, number>>;
  /** Heights that the reader of live blocks furthest behind lacks at the end. */
  readonly behindMax: number;
}

export interface StreamsReport {
  readonly machine: BenchReport["machine"];
  readonly options: Omit<StreamsOptions, "isProfiled" | "isVerbose">;
  readonly windows: readonly StreamsWindow[];
  readonly profiles: readonly string[];
}

export async function runStreams(
  options: StreamsOptions,
  progress: (text: string) => void,
): Promise<StreamsReport> {
  const names = Array.from({ length: options.rollups }, (_, i) => `stream-${i}`);
  progress("starting validators");
  const network = await startNetwork({
    validators: options.validators,
    isProfiled: options.isProfiled,
    isVerbose: options.isVerbose,
    rollups: names,
    config: {
      "consensus.timeout_commit": "500ms",
      "grpc.max_open_connections": options.readers + 100,
      "grpc.max_open_connections_per_peer": options.readers + 100,
      "grpc.max_streams": options.readers + 100,
      "grpc.max_streams_per_peer": options.readers + 100,
      ...options.config,
    },
  });
  const readers = startReaders(options.processes);
  try {
    const [node] = network.validators;
    if (node === undefined) throw new Error("a network has a validator");
    const feeder = await startFeeder(node.grpc, network.chainId, names, options);
    progress(`${STREAM_HISTORY_MS / 1_000} s of history`);
    await sleep(STREAM_HISTORY_MS);
    const meter = () =>
      createMeter([
        { name: "node", pids: [node.pid] },
        { name: "readers", pids: readers.pids },
      ]);
    const windows: StreamsWindow[] = [];
    for (let round = 0; round < options.rounds; round++) {
      for (const hasReaders of [false, true]) {
        progress(`round ${round + 1}, ${hasReaders ? `${options.readers} readers` : "no readers"}`);
        if (hasReaders) await readers.open(node.grpc, specsOf(names, options, feeder.height()));
        await sleep(STREAM_SETTLE_MS);
        const at = meter();
        const fromMs = Date.now();
        const before = await readers.report();
        at.edge("begin");
        feeder.resetCalls();
        await Promise.race([sleep(options.seconds * 1_000), network.failed]);
        at.edge("end");
        const after = await readers.report();
        const behindMax = hasReaders ? Math.max(0, feeder.height() - after.lastHeights[0]) : 0;
        windows.push({
          hasReaders,
          behindMax,
          callMs: feeder.callMs(),
          ...intervals(feeder.times(), fromMs, Date.now()),
          ...used(at.read()),
          ...received(before, after),
        });
        if (hasReaders) await readers.close();
        await sleep(STREAM_SETTLE_MS);
      }
    }
    feeder.stop();
    const profiles = await network.stop();
    const { isProfiled: _, isVerbose: __, ...told } = options;
    return { machine: machine(), options: told, windows, profiles };
  } finally {
    readers.stop();
    await network.stop();
  }
}

function specsOf(
  names: readonly string[],
  { readers, deaf, history, isGzip }: StreamsOptions,
  height: number,
): readonly ReaderSpec[] {
  const ids = names.map((name) => toHex(rollupIdOfName(name)));
  return Array.from({ length: readers }, (_, i) => ({
    rollupId: ids[i % ids.length] ?? "",
    fromHeight: i < history ? 1 : height,
    isGzip,
    isDeaf: i >= readers - deaf,
  }));
}

function used(use: ReturnType<ReturnType<typeof createMeter>["read"]>) {
  const of = (name: string) => use.processes.find((one) => one.name === name);
  return {
    seconds: use.windowSeconds,
    window: use.window,
    nodeCpuSeconds: of("node")?.cpuSeconds ?? 0,
    nodeResidentBytes: of("node")?.residentBytes ?? 0,
    readersCpuSeconds: of("readers")?.cpuSeconds ?? 0,
    foreignCpuSeconds: use.foreignCpuSeconds,
  };
}

function received(before: ReaderReport, after: ReaderReport) {
  return {
    messages: after.messages - before.messages,
    bytes: after.bytes - before.bytes,
    gaps: after.gaps,
    ended: after.ended,
  };
}

/** From the times in headers: those of the chain, not of whoever looks. */
function intervals(times: readonly number[], fromMs: number, toMs: number) {
  const seen = times.filter((time) => time >= fromMs && time < toMs);
  const between = seen.slice(1).map((time, i) => time - (seen[i] ?? time));
  return { blocks: seen.length, intervalMs: quantiles(between) };
}

/** Data for all rollups at a constant rate, and the eye on the chain. */
async function startFeeder(
  address: string,
  chainId: string,
  names: readonly string[],
  { rate, payloadBytes }: StreamsOptions,
) {
  const client = new Client(address, credentials.createInsecure(), {
    "grpc.max_receive_message_length": 64 << 20,
  });
  const info = createGrpcSequencerClient(address);
  const begin = await info.chainInfo();
  const times: number[] = [];
  let height: number = begin.height;
  const { submitStream, streamBlocks } = ROLLUP_SERVICE;
  const submissions = client.makeBidiStreamRequest(
    submitStream.path,
    submitStream.requestSerialize,
    submitStream.responseDeserialize,
  );
  submissions.resume();
  submissions.on("error", () => {});
  const watched: ClientReadableStream<RollupBlock> = client.makeServerStreamRequest(
    streamBlocks.path,
    streamBlocks.requestSerialize,
    streamBlocks.responseDeserialize,
    {
      // Nobody's: its messages are small.
      rollupId: rollupIdOfName("nobody"),
      fromHeight: Height(begin.height + 1),
      level: Level.COMMITTED,
    },
  );
  watched.on("data", (block: RollupBlock) => {
    height = block.height;
    times.push(timeToMs(decodeSignedHeader(block.signedHeader).header.time));
  });
  watched.on("error", () => {});
  const ids = names.map(rollupIdOfName);
  const payload = Buffer.alloc(payloadBytes);
  let made = 0;
  const factory = createItemFactory(
    { chainId, payloadsPerItem: 1, payloadBytes, accounts: ACCOUNTS },
    () => {
      made += 1;
      // Half of it text, as calls and logs are: what compresses, and what does not.
      payload.fill(`call ${made} `, 0, payloadBytes / 2);
      for (let at = payloadBytes / 2; at < payloadBytes; at += 1) payload[at] = (at * made) % 251;
      return rollupData(ids[made % ids.length] ?? Buffer.alloc(32), [Uint8Array.from(payload)]);
    },
  );
  let owed = 0;
  const feeding = setInterval(() => {
    owed += (rate * STREAM_FEED_EVERY_MS) / 1_000;
    for (; owed >= 1; owed -= 1) submissions.write({ item: factory(height + 100).item });
  }, STREAM_FEED_EVERY_MS);
  let calls: number[] = [];
  let isStopped = false;
  const probing = (async () => {
    while (!isStopped) {
      const startMs = performance.now();
      await info.chainInfo().catch(() => undefined);
      calls.push(performance.now() - startMs);
      await sleep(STREAM_PROBE_EVERY_MS);
    }
  })();
  return {
    height: () => height,
    times: () => times,
    callMs: () => quantiles(calls),
    resetCalls: () => {
      calls = [];
    },
    stop() {
      isStopped = true;
      clearInterval(feeding);
      void probing.then(() => info.close());
      submissions.cancel();
      watched.cancel();
      client.close();
    },
  };
}
