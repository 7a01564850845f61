/** What is kept of a seed that was run: plain data, so that it goes from one process to another. */
import { z } from "zod";
import type { SimulationReport } from "./simulation.ts";

export const seedResultSchema = z.strictObject({
  seed: z.number(),
  /** Undefined when it held. */
  failure: z.string().optional(),
  validators: z.number(),
  fullNodes: z.number(),
  /** What the byzantine validators do, one text for each. */
  byzantine: z.array(z.string()),
  height: z.number(),
  txCount: z.number(),
  evidenceCount: z.number(),
  events: z.number(),
  virtualMs: z.number(),
  recoveryMs: z.number(),
  faults: z.array(z.tuple([z.string(), z.number()])),
  digest: z.string(),
  /** Processor time that it took. */
  cpuMs: z.number(),
});

export type SeedResult = z.output<typeof seedResultSchema>;

export function seedResult(report: SimulationReport, cpuMs: number): SeedResult {
  const { seed, options, height, txCount, evidenceCount, events, virtualMs, recoveryMs } = report;
  return {
    seed,
    ...(report.failure === undefined ? {} : { failure: report.failure }),
    validators: options.powers.length,
    fullNodes: options.fullNodes,
    byzantine: [...options.byzantine.values()].map((kinds) => kinds.join("+")),
    height,
    txCount,
    evidenceCount,
    events,
    virtualMs,
    recoveryMs,
    faults: [...report.faults],
    digest: report.digest,
    cpuMs,
  };
}

/** How the failure of a seed begins that has no other. */
export const LOST_PROCESS = "its process ended";

/** The result of a seed that ended its process, or never ended. */
export function lostSeed(seed: number, failure: string): SeedResult {
  return {
    seed,
    failure,
    validators: 0,
    fullNodes: 0,
    byzantine: [],
    height: 0,
    txCount: 0,
    evidenceCount: 0,
    events: 0,
    virtualMs: 0,
    recoveryMs: 0,
    faults: [],
    digest: "",
    cpuMs: 0,
  };
}

/** One line for a seed. The real time that it took is no part of it: the same seed gives the same line. */
export function seedLine(result: SeedResult, isVerbose: boolean): string {
  const { seed, failure, validators, fullNodes, byzantine, height, faults } = result;
  const parts = [
    `seed ${seed} ${failure === undefined ? "held" : "FAILED"}`,
    `${validators} validators${fullNodes > 0 ? ` + ${fullNodes}` : ""}`,
    byzantine.length === 0 ? "none byzantine" : `byzantine ${byzantine.join(", ")}`,
    `height ${height}`,
    `${result.txCount} items`,
    `${result.evidenceCount} evidence`,
    `${result.events} events`,
    `${Math.round(result.virtualMs / 1_000)} virtual s`,
    `recovered in ${(result.recoveryMs / 1_000).toFixed(1)} s`,
    `state ${result.digest.slice(0, 16)}`,
  ];
  if (isVerbose) parts.push(`faults: ${listOf(faults)}`);
  return parts.join(" | ");
}

/** Sums over a swarm. */
export class SwarmTotals {
  seeds = 0;
  failed = 0;
  readonly #faults = new Map<string, number>();
  readonly #sizes = new Map<string, number>();
  readonly #cpuMs: number[] = [];
  #byzantineSeeds = 0;
  #heights = 0;
  #txs = 0;
  #evidence = 0;
  #events = 0;
  #virtualMs = 0;
  #slowestMs = 0;

  add(result: SeedResult): void {
    this.seeds += 1;
    if (result.failure !== undefined) this.failed += 1;
    for (const [kind, count] of result.faults) add(this.#faults, kind, count);
    add(this.#sizes, `${result.validators} validators`, 1);
    if (result.fullNodes > 0) add(this.#sizes, "with a full node", 1);
    if (result.byzantine.length > 0) this.#byzantineSeeds += 1;
    this.#cpuMs.push(result.cpuMs);
    this.#heights += result.height;
    this.#txs += result.txCount;
    this.#evidence += result.evidenceCount;
    this.#events += result.events;
    this.#virtualMs += result.virtualMs;
    this.#slowestMs = Math.max(this.#slowestMs, result.recoveryMs);
  }

  /** A few lines for the end of a run. */
  lines(realSeconds: number): readonly string[] {
    const sorted = this.#cpuMs.toSorted((a, b) => a - b);
    const cpu = (share: number): string =>
      ((sorted[Math.floor(share * (sorted.length - 1))] ?? 0) / 1_000).toFixed(2);
    return [
      `networks: ${listOf([...this.#sizes])}, with byzantine validators ${this.#byzantineSeeds}`,
      `faults: ${listOf([...this.#faults])}`,
      `${this.#events} events, ${this.#heights} heights, ${this.#txs} items, ${this.#evidence} pieces of evidence, ` +
        `${Math.round(this.#virtualMs / 60_000)} virtual minutes in ${realSeconds} s; ` +
        `processor time of a seed: median ${cpu(0.5)} s, 95 of 100 within ${cpu(0.95)} s, most ${cpu(1)} s; ` +
        `slowest recovery ${Math.round(this.#slowestMs / 1_000)} virtual s`,
    ];
  }
}

function add(counts: Map<string, number>, key: string, count: number): void {
  counts.set(key, (counts.get(key) ?? 0) + count);
}

function listOf(counts: readonly (readonly [string, number])[]): string {
  const sorted = counts.toSorted(([a], [b]) => (a < b ? -1 : 1));
  return sorted.map(([kind, count]) => `${kind} ${count}`).join(", ");
}
