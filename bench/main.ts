/** `npm run bench`: see README.md. */
import { setFlagsFromString } from "node:v8";
import { Command, Option } from "commander";
import { printJoin, runJoin } from "./join.ts";
import {
  GATEWAY_TRANSACTIONS_MAX,
  GATEWAY_WALLETS_MAX,
  JOIN_BLOCKS_MAX,
  JOIN_TXS_MAX,
  PARTITION_RUNS_MAX,
  RATE_MAX,
  RUN_SECONDS_MAX,
  STREAM_ITEMS_PER_SECOND,
  STREAM_PAYLOAD_BYTES,
  STREAM_PROCESSES,
  STREAM_READERS_MAX,
  STREAM_ROLLUPS,
  VALIDATORS_MAX,
} from "./limits.ts";
import { type Mode, MODES } from "./load/shape.ts";
import { calibrate } from "./measure/calibration.ts";
import { summarizeProfiles } from "./measure/cpu-profile.ts";
import { NODE_CONFIG } from "./homes.ts";
import { startNetwork } from "./network.ts";
import { type ReferenceReport, runReference } from "./reference/pipeline.ts";
import { type BenchReport, machine, printProfile, printReport } from "./report.ts";
import { namespacesFault } from "./links/namespaces.ts";
import { runLinks } from "./links/run-links.ts";
import { runModes } from "./run.ts";
import { type CometBftBinary, findCometBft } from "../sequencer/cometbft/binary.ts";
import { ROUNDS_MAX } from "./vs/limits.ts";
import { compareText } from "./vs/report.ts";
import { runCompare } from "./vs/run-compare.ts";

/**
 * This process makes the load, and its heap is small: under the buffers of a saturating load V8 would collect all of it
 * six times a second, a tenth of the machine that the validators then lack. They run without the flag.
 */
setFlagsFromString("--heap-growing-percent=1000");

interface Options {
  readonly seconds?: number;
  readonly validators?: number;
  readonly mode: Mode | "all";
  readonly rate: number;
  readonly sealedRate: number;
  readonly ingress: "one" | "all";
  readonly reference: boolean;
  readonly profile: boolean;
  readonly micro: boolean;
  readonly sealMicro: boolean;
  readonly dkg: boolean;
  readonly staking: boolean;
  readonly mev: boolean;
  readonly seal: boolean;
  readonly streams: boolean;
  readonly readers: number;
  readonly deaf?: number;
  readonly history?: number;
  readonly gzip: boolean;
  readonly gateway: boolean;
  readonly wallets: number;
  readonly transactions: number;
  readonly join: boolean;
  readonly blocks: number;
  readonly txs: number;
  readonly partition: boolean;
  readonly wan: boolean;
  readonly runs: number;
  readonly vs?: "cometbft";
  readonly full: boolean;
  readonly only: string;
  readonly rounds?: number;
  readonly markdown: boolean;
  readonly cometbft?: string | true;
  readonly verbose: boolean;
  readonly json: boolean;
  readonly set: readonly string[];
}

const REFERENCE_SECONDS = 3;
const HOT_FUNCTIONS = 45;

function integer(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!Number.isInteger(value) || value < min || value > max) {
      throw new RangeError(`expected a whole number from ${min} to ${max}, got ${text}`);
    }
    return value;
  };
}

const options: Options = new Command("bench")
  .description("committed throughput and latency of a network of validators on this machine")
  .option(
    "--seconds <n>",
    "length of each window (4; 1.2 against CometBFT, 8 in full), of a partition (20) or of the run over wide links (60)",
    integer(1, RUN_SECONDS_MAX),
  )
  .option(
    "--validators <n>",
    "validators, a process each (4; 7 over wide links)",
    integer(1, VALIDATORS_MAX),
  )
  .addOption(
    new Option("--mode <mode>", "payloads per signed submission")
      .choices([...Object.keys(MODES), "all"])
      .default("all"),
  )
  .option("--rate <n>", "payloads per second at light load; 0: none", integer(0, RATE_MAX), 1_000)
  .option(
    "--sealed-rate <n>",
    "with --seal: sealed transactions offered per second; 0: as many as the network takes",
    integer(0, RATE_MAX),
    0,
  )
  .addOption(
    new Option("--ingress <which>", "validators that submissions go to")
      .choices(["one", "all"])
      .default("one"),
  )
  .option("--no-reference", "do not run the reference pipeline")
  .option("--set <key=value...>", "configuration of the validators, such as p2p.send_rate=0", [])
  .option("--profile", "write CPU profiles of the validators and sum them up", false)
  .option("--micro", "run the micro benchmarks instead", false)
  .option("--seal-micro", "measure each step of a sealed transaction, on one thread", false)
  .option("--dkg", "measure a key generation of 4, 20 and 100 validators, on one thread", false)
  .option("--staking", "measure begin and end of blocks of a chain with much stake", false)
  .option("--mev", "measure a full block with every lane, 4 and 100 validators", false)
  .option("--seal", "measure sealed transactions: through a network, and step by step", false)
  .option("--streams", "measure many concurrent block streams of one node", false)
  .option("--readers <n>", "with --streams: readers", integer(1, STREAM_READERS_MAX), 1_000)
  .option(
    "--deaf <n>",
    "with --streams: readers that take nothing (2 %)",
    integer(0, STREAM_READERS_MAX),
  )
  .option(
    "--history <n>",
    "with --streams: readers that begin at block 1 (10 %)",
    integer(0, STREAM_READERS_MAX),
  )
  .option("--gzip", "with --streams: readers that ask for compression", false)
  .option("--gateway", "measure wallets' transactions through a rollup's gateway", false)
  .option("--wallets <n>", "with --gateway: wallets", integer(1, GATEWAY_WALLETS_MAX), 64)
  .option(
    "--transactions <n>",
    "with --gateway: transactions signed before each window",
    integer(1, GATEWAY_TRANSACTIONS_MAX),
    8_000,
  )
  .option("--join", "measure a node that joins by block sync and by state sync", false)
  .option(
    "--blocks <n>",
    "blocks of the chain that is joined",
    integer(10, JOIN_BLOCKS_MAX),
    10_000,
  )
  .option("--txs <n>", "transactions of each of them", integer(0, JOIN_TXS_MAX), 5)
  .addOption(
    new Option("--vs <engine>", "measure our engine and another one in turns").choices([
      "cometbft",
    ]),
  )
  .option("--full", "with --vs: 1 and 4 validators, all applications and interfaces", false)
  .option("--only <text>", "with --vs: measurements that have this in their name", "")
  .option("--rounds <n>", "with --vs: turns of each (3)", integer(1, ROUNDS_MAX))
  .option("--markdown", "with --vs: print tables for a document", false)
  .option("--partition", "measure recovery after partitions, in network namespaces (root)", false)
  .option("--wan", "measure commits over slow, lossy links, in network namespaces (root)", false)
  .option(
    "--cometbft [binary]",
    "with --partition: measure CometBFT v0.38 instead; with --vs: this program instead of the one found",
  )
  .option("--runs <n>", "partitions", integer(1, PARTITION_RUNS_MAX), 5)
  .option("--verbose", "show what the validators log", false)
  .option("--json", "print one JSON object", false)
  .parse()
  .opts();

const progress = (text: string): void => {
  if (!options.json) process.stderr.write(`${text}\n`);
};

if (options.partition || options.wan) {
  const fault = namespacesFault();
  if (fault !== undefined) {
    process.stderr.write(`not measured: ${fault}\n`);
    process.exit(1);
  }
  const report = await runLinks({
    kind: options.wan ? "wan" : "partition",
    validators: options.validators,
    seconds: options.seconds,
    runs: options.runs,
    config: Object.fromEntries(options.set.map(setting)),
    isVerbose: options.verbose,
    isQuiet: options.json,
    cometbft: options.cometbft === undefined ? undefined : (await cometBft()).path,
  });
  process.stdout.write(options.json ? `${JSON.stringify(report)}\n` : `${report.text}\n`);
} else if (options.vs !== undefined) {
  const binary = await cometBft();
  const report = await runCompare(
    {
      binary,
      isFull: options.full,
      only: options.only,
      validators: options.validators,
      seconds: options.seconds,
      rounds: options.rounds,
      config: Object.fromEntries(options.set.map(setting)),
      isVerbose: options.verbose,
    },
    progress,
  );
  const text = options.json ? JSON.stringify(report) : compareText(report, options.markdown);
  process.stdout.write(`${text}\n`);
} else if (options.streams) {
  const { runStreams } = await import("./streams/streams.ts");
  const { streamsText } = await import("./streams/report.ts");
  const { profiles, ...report } = await runStreams(
    {
      readers: options.readers,
      deaf: options.deaf ?? Math.floor(options.readers / 50),
      history: options.history ?? Math.floor(options.readers / 10),
      isGzip: options.gzip,
      rollups: STREAM_ROLLUPS,
      processes: STREAM_PROCESSES,
      validators: options.validators ?? 1,
      seconds: options.seconds ?? 15,
      rounds: options.rounds ?? 2,
      rate: STREAM_ITEMS_PER_SECOND,
      payloadBytes: STREAM_PAYLOAD_BYTES,
      config: Object.fromEntries(options.set.map(setting)),
      isProfiled: options.profile,
      isVerbose: options.verbose,
    },
    progress,
  );
  process.stdout.write(options.json ? `${JSON.stringify(report)}\n` : `${streamsText(report)}\n`);
  if (options.profile) {
    const loaded = report.windows.filter(({ hasReaders }) => hasReaders);
    const at = loaded.map(({ window }) => window);
    printProfile(summarizeProfiles(profiles, at, HOT_FUNCTIONS), "windows with readers");
  }
} else if (options.gateway) {
  const { gatewayText, runGateway } = await import("./gateway/gateway.ts");
  const { wallets, transactions } = options;
  const reports = [];
  for (const isDurable of [true, false]) {
    reports.push(
      await runGateway(
        {
          validators: options.validators ?? 4,
          seconds: options.seconds ?? 6,
          wallets,
          perWallet: Math.ceil(transactions / wallets),
          isDurable,
          config: Object.fromEntries(options.set.map(setting)),
        },
        progress,
      ),
    );
  }
  process.stdout.write(options.json ? `${JSON.stringify(reports)}\n` : `${gatewayText(reports)}\n`);
} else if (options.join) {
  const report = await runJoin(
    {
      blocks: options.blocks,
      txsPerBlock: options.txs,
      config: Object.fromEntries(options.set.map(setting)),
      isProfiled: options.profile,
      isVerbose: options.verbose,
    },
    progress,
  );
  if (options.json) process.stdout.write(`${JSON.stringify(report)}\n`);
  else printJoin(report);
} else if (options.seal) {
  const { runSeal } = await import("./seal/seal.ts");
  const { sealText } = await import("./seal/report.ts");
  const report = await runSeal(
    {
      validators: options.validators ?? 4,
      seconds: options.seconds ?? 8,
      rate: options.sealedRate,
      isProfiled: options.profile,
      isVerbose: options.verbose,
      config: Object.fromEntries(options.set.map(setting)),
    },
    progress,
  );
  process.stdout.write(options.json ? `${JSON.stringify(report)}\n` : `${sealText(report)}\n`);
} else if (options.staking) {
  const { runStaking } = await import("./staking/staking.ts");
  await runStaking(options.json, progress);
} else if (options.mev) {
  const { mevText, runMev } = await import("./mev/mev.ts");
  const counts = options.validators === undefined ? [4, 100] : [options.validators];
  const report = await runMev(counts, progress);
  process.stdout.write(options.json ? `${JSON.stringify(report)}\n` : `${mevText(report)}\n`);
} else if (options.sealMicro) {
  const { runSealMicro } = await import("./micro/seal.ts");
  runSealMicro(options.json);
} else if (options.dkg) {
  const { dkgText, runDkg } = await import("./seal/dkg.ts");
  const report = runDkg(progress);
  process.stdout.write(options.json ? `${JSON.stringify(report)}\n` : `${dkgText(report)}\n`);
} else if (options.micro) {
  const { runMicro } = await import("./micro/micro.ts");
  await runMicro(options.json);
} else {
  const report = await run();
  if (options.json) process.stdout.write(`${JSON.stringify(report)}\n`);
  else printReport(report);
}

/** The program of the options, or the one that is found; ends with what to do about it when there is none. */
async function cometBft(): Promise<CometBftBinary> {
  const named =
    typeof options.cometbft === "string" ? { WEFT_COMETBFT: options.cometbft } : undefined;
  return await findCometBft({ environment: { ...process.env, ...named } }).catch(
    (error: unknown) => {
      const why = error instanceof Error ? error.message : String(error);
      process.stderr.write(`not measured: ${why}\n`);
      return process.exit(1);
    },
  );
}

async function run(): Promise<BenchReport> {
  const { validators = 4, seconds = 4, rate, ingress } = options;
  const modes: readonly Mode[] =
    options.mode === "all" ? ["single", "batch100", "batch1000"] : [options.mode];
  const config = Object.fromEntries(options.set.map(setting));
  const calibrationBefore = calibrate();
  const references: ReferenceReport[] = [];
  if (options.reference) {
    for (const sealing of ["openssl", "sodium"] as const) {
      progress(`reference pipeline (${sealing})`);
      references.push(await runReference({ validators, sealing, seconds: REFERENCE_SECONDS }));
    }
  }
  progress("starting validators");
  const network = await startNetwork({
    validators,
    isProfiled: options.profile,
    isVerbose: options.verbose,
    config,
  });
  const stopAndExit = (): void => {
    void network.stop().then(() => process.exit(130));
  };
  process.once("SIGINT", stopAndExit);
  process.once("SIGTERM", stopAndExit);
  let profiles: readonly string[] = [];
  try {
    const results = await runModes(network, { modes, seconds, rate, ingress }, progress);
    profiles = await network.stop();
    return {
      machine: machine(),
      startedAt: new Date().toISOString(),
      validators,
      ingress,
      config: { ...NODE_CONFIG, ...config },
      calibrationBefore,
      calibrationAfter: calibrate(),
      references,
      modes: results,
      profile: options.profile
        ? summarizeProfiles(
            profiles,
            results.flatMap(({ phases }) =>
              phases.filter(({ load }) => load === "saturated").map(({ window }) => window),
            ),
            HOT_FUNCTIONS,
          )
        : undefined,
    };
  } finally {
    await network.stop();
  }
}

function setting(text: string): readonly [string, unknown] {
  const at = text.indexOf("=");
  if (at < 1) throw new RangeError(`expected key=value, got ${text}`);
  const value = text.slice(at + 1);
  const parsed = /^\d+$/.test(value)
    ? Number(value)
    : value === "true" || value === "false"
      ? value === "true"
      : value;
  return [text.slice(0, at), parsed];
}
