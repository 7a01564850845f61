/** Seeds on several processes at once; what they say comes in the order of the seeds. */
import { fork, type ChildProcess } from "node:child_process";
import { SEED_REAL_MS_MAX, SEEDS_AHEAD_MAX } from "./limits.ts";
import { LOST_PROCESS, lostSeed, seedResultSchema, type SeedResult } from "./seed-result.ts";

export interface PoolOptions {
  readonly from: number;
  readonly seeds: number;
  /** From one seed to the next; 1. */
  readonly step?: number;
  readonly jobs: number;
  /** The program that takes a seed as a message and answers with its result. */
  readonly workerPath: URL;
  readonly workerArguments?: readonly string[];
  /** True when no further seed need be begun. */
  readonly isEnough?: () => boolean;
}

/** Runs all seeds; a process that dies, or answers nothing, costs the seed that it had. */
export function runPool(options: PoolOptions, onResult: (result: SeedResult) => void) {
  const { from, seeds, step = 1, jobs, workerPath, workerArguments = [], isEnough } = options;
  const end = from + seeds * step;
  const ready = new Map<number, SeedResult>();
  let next = from;
  let told = from;
  /** Workers that wait until the oldest seed is done. */
  const idle: (() => void)[] = [];

  const finish = (result: SeedResult): void => {
    ready.set(result.seed, result);
    for (let due = ready.get(told); due !== undefined; due = ready.get(told)) {
      ready.delete(told);
      told += step;
      onResult(due);
    }
    for (const wake of idle.splice(0)) wake();
  };

  const work = (): Promise<void> =>
    new Promise((resolve) => {
      let worker: ChildProcess | undefined;
      let current: number | undefined;
      let timer: NodeJS.Timeout | undefined;
      const settle = (result: SeedResult): void => {
        clearTimeout(timer);
        current = undefined;
        finish(result);
        advance();
      };
      const start = (): ChildProcess => {
        const child = fork(workerPath, workerArguments, { execArgv: ["--max-semi-space-size=64"] });
        child.on("message", (message) => settle(seedResultSchema.parse(message)));
        child.on("exit", (code, signal) => {
          if (worker === child) worker = undefined;
          if (current === undefined) return;
          settle(lostSeed(current, `${LOST_PROCESS} with ${code ?? signal ?? "nothing"}`));
        });
        return child;
      };
      const advance = (): void => {
        if (next >= end || isEnough?.() === true) {
          worker?.disconnect();
          worker = undefined;
          resolve();
          return;
        }
        if (next >= told + SEEDS_AHEAD_MAX * step) {
          idle.push(advance);
          return;
        }
        const seed = next;
        next += step;
        current = seed;
        worker ??= start();
        const child = worker;
        timer = setTimeout(() => child.kill("SIGKILL"), SEED_REAL_MS_MAX);
        child.send(seed);
      };
      advance();
    });

  return Promise.all(Array.from({ length: Math.min(jobs, seeds) }, work));
}
