/** `npm run bench -- --vs cometbft`, from the options to what is printed. */
import { openNativeBatch } from "../../sequencer/node/signature-workers/native-batch.ts";
import { NULL_LOGGER } from "../../sequencer/ports/logger.ts";
import { NODE_CONFIG } from "../homes.ts";
import { calibrate, type Calibration } from "../measure/calibration.ts";
import { PAYLOAD_BYTES } from "../limits.ts";
import { machine } from "../report.ts";
import { compare, type ScenarioResult } from "./compare.ts";
import { startWeftNetwork } from "./compared-network.ts";
import {
  COMETBFT_SETTINGS,
  startCometWeftNetwork,
  startKvstoreNetwork,
} from "./cometbft-network.ts";
import {
  COMPILED_FIRST_WARMUP_MS,
  FIRST_WARMUP_MS,
  FULL_FIRST_WARMUP_MS,
  FULL_ROUNDS,
  FULL_WINDOW_MS,
  ROUNDS,
  WINDOW_MS,
} from "./limits.ts";
import { type Ratios, ratios } from "./ratios.ts";
import { FULL, SHORT } from "./scenarios.ts";

export interface CompareRun {
  /** The `cometbft` program and its version. */
  readonly binary: { readonly path: string; readonly version: string };
  /** One and four validators and every scenario, instead of the three ratios at four. */
  readonly isFull: boolean;
  /** Only the scenarios with this in their name. */
  readonly only: string;
  readonly validators: number | undefined;
  readonly seconds: number | undefined;
  readonly rounds: number | undefined;
  /** Of our validators, beside `NODE_CONFIG`. */
  readonly config: Readonly<Record<string, unknown>>;
  readonly isVerbose: boolean;
}

export interface CompareReport {
  readonly machine: ReturnType<typeof machine>;
  readonly startedAt: string;
  /** Length of a window, s. */
  readonly seconds: number;
  readonly rounds: number;
  readonly payloadBytes: number;
  readonly cometbft: {
    readonly version: string;
    readonly settings: Readonly<Record<string, unknown>>;
  };
  readonly weft: {
    readonly settings: Readonly<Record<string, unknown>>;
    /** Whether the nodes found the native module that checks batches. */
    readonly signatures: "native" | "one by one";
  };
  readonly calibrationBefore: Calibration;
  readonly calibrationAfter: Calibration;
  /** Of the network with four validators, or of the only one. */
  readonly ratio: Ratios;
  readonly networks: readonly ComparedReport[];
}

export interface ComparedReport {
  readonly validators: number;
  readonly ratio: Ratios;
  readonly results: readonly ScenarioResult[];
}

const VALIDATORS = 4;
const FULL_VALIDATORS = [1, 4];

export async function runCompare(
  run: CompareRun,
  progress: (text: string) => void,
): Promise<CompareReport> {
  const { isFull, binary, isVerbose, config } = run;
  const rounds = run.rounds ?? (isFull ? FULL_ROUNDS : ROUNDS);
  const windowMs = run.seconds === undefined ? windowOf(isFull) : run.seconds * 1_000;
  const sizes =
    run.validators === undefined && isFull ? FULL_VALIDATORS : [run.validators ?? VALIDATORS];
  const startedAt = new Date().toISOString();
  const calibrationBefore = calibrate();
  const networks: ComparedReport[] = [];
  for (const validators of sizes) {
    progress(`${validators} validators`);
    const results = await compare(
      {
        scenarios: (isFull ? FULL : SHORT).filter(({ name }) => name.includes(run.only)),
        rounds,
        windowMs,
        firstWarmupMs(subject) {
          if (subject === "cometbft+kvstore") return COMPILED_FIRST_WARMUP_MS;
          return isFull ? FULL_FIRST_WARMUP_MS : FIRST_WARMUP_MS;
        },
        start(subject) {
          const comet = { binary: binary.path, validators, isVerbose };
          if (subject === "cometbft+kvstore") return startKvstoreNetwork(comet);
          if (subject === "cometbft+weft") return startCometWeftNetwork(comet);
          return startWeftNetwork({ validators, config, isProfiled: false, isVerbose });
        },
      },
      progress,
    );
    networks.push({ validators, ratio: ratios(results), results });
  }
  return {
    machine: machine(),
    startedAt,
    seconds: windowMs / 1_000,
    rounds,
    payloadBytes: PAYLOAD_BYTES,
    cometbft: { version: binary.version, settings: COMETBFT_SETTINGS },
    weft: {
      settings: { ...NODE_CONFIG, ...config },
      signatures: openNativeBatch(NULL_LOGGER) === undefined ? "one by one" : "native",
    },
    calibrationBefore,
    calibrationAfter: calibrate(),
    ratio:
      (networks.find(({ validators }) => validators === VALIDATORS) ?? networks[0])?.ratio ??
      ratios([]),
    networks,
  };
}

function windowOf(isFull: boolean): number {
  return isFull ? FULL_WINDOW_MS : WINDOW_MS;
}
