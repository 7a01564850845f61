/** Runs a target on mutants of its seeds, keeps what is new, and finds what no input may cause. */
import { setImmediate as atNextTurn } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { Random } from "../support/random.ts";
import {
  BYTES_MAX,
  CORPUS_MAX,
  HEAP_GROWTH_BYTES_MAX,
  KEPT_BYTES_MAX,
  SLOW_MS,
  STALL_MS,
  VERDICTS_MAX,
} from "./limits.ts";
import { minimise } from "./minimise.ts";
import { mutate } from "./mutate.ts";
import type { Target, Verdict } from "./target.ts";

export interface FuzzFinding {
  readonly target: string;
  /** `error`: not a declared one. `slow`, `stall`: took too long. `memory`: heap that stays. */
  readonly kind: "error" | "slow" | "stall" | "memory";
  readonly message: string;
  readonly inputHex: string;
}

export interface FuzzReport {
  readonly target: string;
  readonly inputs: number;
  readonly accepted: number;
  /** Kinds of answers seen. */
  readonly verdicts: number;
  readonly slowestMs: number;
  readonly slowestBytes: number;
  /** All of it, minimising included. */
  readonly seconds: number;
  readonly findings: readonly FuzzFinding[];
}

export interface FuzzOptions {
  readonly inputs: number;
  readonly seed: number;
  /** No limits on time and heap: other tests run beside this one. */
  readonly isTimed: boolean;
  /** Inputs between two looks at the heap, 20,000 by default: a collection takes a while. */
  readonly heapCheckInputs?: number;
}

const HEAP_CHECK_INPUTS = 20_000;
/** Findings after which a target is given up: the next ones are mostly the same. */
const FINDINGS_MAX = 20;

export async function fuzz(target: Target, options: FuzzOptions): Promise<FuzzReport> {
  const begunMs = performance.now();
  const random = new Random(options.seed);
  const bytesMax = target.bytesMax ?? BYTES_MAX;
  const slowMs = target.slowMs ?? SLOW_MS;
  const { heapCheckInputs = HEAP_CHECK_INPUTS } = options;
  const seeds = target.seeds(options.seed);
  const corpus = [...seeds];
  const verdicts = new Set<Verdict>();
  const findings = new Map<string, FuzzFinding>();
  let [accepted, slowestMs, slowestBytes] = [0, 0, 0];
  let heapStart: number | undefined;

  const note = async (
    kind: FuzzFinding["kind"],
    message: string,
    input: Uint8Array,
    again: Again,
  ) => {
    const key = `${kind} ${message.replace(/\d+/g, "#").slice(0, 100)}`;
    if (findings.has(key)) return;
    const small = kind === "memory" ? input : await minimise(input, again);
    const inputHex = Buffer.from(small).toString("hex");
    findings.set(key, { target: target.name, kind, message, inputHex });
  };

  let done = 0;
  for (; done < options.inputs && findings.size < FINDINGS_MAX; done++) {
    // Every seed itself first, then mutants.
    const input =
      seeds[done] ??
      mutate(random.pick(corpus) ?? new Uint8Array(0), corpus, target.format, random, bytesMax);
    const startMs = performance.now();
    let verdict: Verdict;
    try {
      const answer = target.run(input);
      verdict = typeof answer === "string" ? answer : await answer;
    } catch (error) {
      const message = describe(error);
      await note(
        "error",
        message,
        input,
        async (bytes) => (await failure(target, bytes)) === message,
      );
      continue;
    }
    const ms = performance.now() - startMs;
    if (options.isTimed && ms > slowestMs) {
      const least = Math.min(ms, await leastMs(target, input, slowMs));
      if (least > slowestMs) [slowestMs, slowestBytes] = [least, input.length];
      if (least > slowMs) {
        const took = async (bytes: Uint8Array) =>
          (await leastMs(target, bytes, slowMs, MINIMISING_RUNS)) > slowMs;
        const kind = least > STALL_MS ? "stall" : "slow";
        await note(kind, `${least.toFixed(1)} ms for ${input.length} bytes`, input, took);
      }
    }
    if (verdict === "accepted") accepted += 1;
    const isNew = !verdicts.has(verdict) && verdicts.size < VERDICTS_MAX;
    if (isNew) verdicts.add(verdict);
    const isKept = isNew || (verdict === "accepted" && random.below(200) === 0);
    if (isKept && input.length <= KEPT_BYTES_MAX) keep(corpus, input, seeds.length, random);
    if (options.isTimed && (done + 1) % heapCheckInputs === 0) {
      const heap = heapBytes();
      heapStart ??= heap;
      if (heap - heapStart > HEAP_GROWTH_BYTES_MAX) {
        await note("memory", `${heap - heapStart} bytes more than before`, input, async () => true);
      }
    }
  }
  target.stop?.();
  return {
    target: target.name,
    inputs: done,
    accepted,
    verdicts: verdicts.size,
    slowestMs,
    slowestBytes,
    seconds: (performance.now() - begunMs) / 1_000,
    findings: [...findings.values()],
  };
}

/** What a target throws on an input; undefined when nothing. */
export async function failure(target: Target, input: Uint8Array): Promise<string | undefined> {
  try {
    await target.run(input);
    return undefined;
  } catch (error) {
    return describe(error);
  }
}

type Again = (bytes: Uint8Array) => Promise<boolean>;

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const frame = error.stack?.split("\n").find((line) => /^\s+at /.test(line)) ?? "";
  const place = /([\w.-]+\.[jt]s:\d+)/.exec(frame)?.[1] ?? "";
  return `${error.name}: ${error.message.slice(0, 160)} (${place})`;
}

/** Runs of which the fastest counts: a collection is no fault of the input. */
const TIMED_RUNS = 25;
/** The same while an input is made smaller, a thousand times over. */
const MINIMISING_RUNS = 3;

/**
 * The least time of some runs, ms; no more of them once it is short. What the process did not spend on
 * the processor, it waited for other processes.
 */
async function leastMs(
  target: Target,
  input: Uint8Array,
  slowMs: number,
  runs: number = TIMED_RUNS,
): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i < runs && (i < 2 || least > slowMs); i++) {
    const [startMs, startCpu] = [performance.now(), process.cpuUsage()];
    try {
      await target.run(input);
    } catch {
      // Only its time is of interest here.
    }
    const { user, system } = process.cpuUsage(startCpu);
    least = Math.min(least, performance.now() - startMs, (user + system) / 1_000);
    await atNextTurn();
  }
  return least;
}

/** Seeds stay; what was found makes room for what is found later. */
function keep(corpus: Uint8Array[], input: Uint8Array, seeds: number, random: Random): void {
  if (corpus.length < seeds + CORPUS_MAX) corpus.push(input);
  else corpus[seeds + random.below(CORPUS_MAX)] = input;
}

setFlagsFromString("--expose-gc");
const collect: unknown = runInNewContext("gc");

/** Heap and buffers in use after a collection. */
export function heapBytes(): number {
  if (typeof collect === "function") Reflect.apply(collect, undefined, []);
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}
