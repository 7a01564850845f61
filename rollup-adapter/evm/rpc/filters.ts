/**
 * Installed filters: what happened since somebody last asked. A filter remembers a bounded number of
 * entries; one that nobody asks about is forgotten, as is the longest unasked when too many exist.
 */
import { randomBytes } from "node:crypto";
import { bytesToHex } from "@ethereumjs/util";
import type { Clock } from "../../../sequencer/ports/clock.ts";
import type { EvmChain } from "../executor.ts";
import { FILTERS_MAX, FILTER_ENTRIES_MAX, FILTER_IDLE_MS } from "../limits.ts";
import type { EvmMetrics } from "../metrics.ts";
import { serverError } from "./errors.ts";
import type { Json } from "./format.ts";
import { logsOfBlock } from "./logs.ts";
import type { LogFilter } from "./params.ts";
import type { PendingPool } from "./pending-pool.ts";

type Kind =
  | {
      readonly kind: "logs";
      readonly filter: LogFilter;
      readonly isInRange: (n: number) => boolean;
    }
  | { readonly kind: "blocks" }
  | { readonly kind: "pending" };

interface Installed {
  readonly kind: Kind;
  entries: Json[];
  askedMs: number;
}

export class FilterTable {
  readonly #filters = new Map<string, Installed>();
  readonly #clock: Clock;
  readonly #metrics: EvmMetrics;
  readonly #stops: readonly (() => void)[];

  constructor(dependencies: {
    readonly chain: EvmChain;
    readonly pool: PendingPool;
    readonly clock: Clock;
    readonly metrics: EvmMetrics;
  }) {
    this.#clock = dependencies.clock;
    this.#metrics = dependencies.metrics;
    this.#stops = [
      dependencies.chain.onBlock(({ block, receipts }) => {
        this.#forgetIdle();
        for (const installed of this.#filters.values()) {
          const { kind } = installed;
          if (kind.kind === "blocks") this.#add(installed, [bytesToHex(block.hash)]);
          else if (kind.kind === "logs" && kind.isInRange(block.number)) {
            this.#add(installed, logsOfBlock(block, receipts, kind.filter));
          }
        }
      }),
      dependencies.pool.onTransaction(({ hash }) => {
        for (const installed of this.#filters.values()) {
          if (installed.kind.kind === "pending") this.#add(installed, [bytesToHex(hash)]);
        }
      }),
    ];
  }

  close(): void {
    for (const stop of this.#stops) stop();
    this.#filters.clear();
  }

  /** Returns the id to ask with. */
  install(kind: Kind): string {
    this.#forgetIdle();
    const [oldest] = this.#filters.keys();
    if (this.#filters.size >= FILTERS_MAX && oldest !== undefined) {
      this.#filters.delete(oldest);
      this.#metrics.rpcDropped.inc({ what: "filter" });
    }
    const id = bytesToHex(randomBytes(16));
    this.#filters.set(id, { kind, entries: [], askedMs: this.#clock.monotonicMs() });
    return id;
  }

  uninstall(id: string): boolean {
    return this.#filters.delete(id);
  }

  changes(id: string): Json[] {
    const installed = this.#touch(id);
    const { entries } = installed;
    installed.entries = [];
    return entries;
  }

  logFilter(id: string): LogFilter {
    const { kind } = this.#touch(id);
    if (kind.kind !== "logs") throw serverError("filter not found");
    return kind.filter;
  }

  #touch(id: string): Installed {
    const installed = this.#filters.get(id);
    if (installed === undefined) throw serverError("filter not found");
    installed.askedMs = this.#clock.monotonicMs();
    this.#filters.delete(id);
    this.#filters.set(id, installed);
    return installed;
  }

  #add(installed: Installed, entries: readonly Json[]): void {
    installed.entries.push(...entries);
    const excess = installed.entries.length - FILTER_ENTRIES_MAX;
    if (excess <= 0) return;
    installed.entries.splice(0, excess);
    this.#metrics.rpcDropped.inc({ what: "filter_entry" }, excess);
  }

  #forgetIdle(): void {
    const oldest = this.#clock.monotonicMs() - FILTER_IDLE_MS;
    for (const [id, { askedMs }] of this.#filters) {
      if (askedMs > oldest) return;
      this.#filters.delete(id);
    }
  }
}
