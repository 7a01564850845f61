/**
 * Installed filters: what happened since somebody last asked. Blocks and logs are looked up when they
 * are asked for, so a filter costs next to nothing. One that nobody asks about is forgotten, as is the
 * one unasked the longest when there are too many.
 */
import { randomBytes } from "node:crypto";
import type { Clock } from "../../../sequencer/ports/clock.ts";
import type { EvmChain } from "../executor.ts";
import {
  FILTERS_MAX,
  FILTER_ENTRIES_MAX,
  FILTER_IDLE_MS,
  LOG_RANGE_BLOCKS_MAX,
} from "../limits.ts";
import type { EvmMetrics } from "../metrics.ts";
import { serverError } from "../../json-rpc/errors.ts";
import type { Json } from "../../json-rpc/method.ts";
import { bytesToHex } from "../../json-rpc/hex.ts";
import { collectLogs } from "./logs.ts";
import type { LogFilter } from "./params.ts";
import type { PendingPool } from "../../gateway/pool/pending-pool.ts";

type Installed = { askedMs: number } & (
  | {
      readonly kind: "logs";
      readonly filter: LogFilter;
      /** First block that was not told yet, and the last that belongs to the filter. */
      next: number;
      readonly last: number;
    }
  | { readonly kind: "blocks"; next: number }
  | { readonly kind: "pending"; hashes: string[] }
);

export class FilterTable {
  readonly #filters = new Map<string, Installed>();
  readonly #chain: EvmChain;
  readonly #clock: Clock;
  readonly #metrics: EvmMetrics;
  readonly #stop: () => void;

  constructor(dependencies: {
    readonly chain: EvmChain;
    readonly pool: PendingPool;
    readonly clock: Clock;
    readonly metrics: EvmMetrics;
  }) {
    this.#chain = dependencies.chain;
    this.#clock = dependencies.clock;
    this.#metrics = dependencies.metrics;
    this.#stop = dependencies.pool.onTransaction(({ hash }) => {
      for (const installed of this.#filters.values()) {
        if (installed.kind === "pending") this.#note(installed.hashes, bytesToHex(hash));
      }
    });
  }

  close(): void {
    this.#stop();
    this.#filters.clear();
  }

  /** Logs of blocks from now on that lie within `first` and `last`; returns the id to ask with. */
  installLogs(filter: LogFilter, first: number, last: number): string {
    const next = Math.max(first, this.#chain.head().number + 1);
    return this.#install({ kind: "logs", filter, next, last, askedMs: 0 });
  }

  installBlocks(): string {
    return this.#install({ kind: "blocks", next: this.#chain.head().number + 1, askedMs: 0 });
  }

  installPending(): string {
    return this.#install({ kind: "pending", hashes: [], askedMs: 0 });
  }

  uninstall(id: string): boolean {
    return this.#filters.delete(id);
  }

  /** What is new since the last call. */
  async changes(id: string): Promise<Json[]> {
    const installed = this.#touch(id);
    const head = this.#chain.head().number;
    switch (installed.kind) {
      case "pending":
        return installed.hashes.splice(0);
      case "blocks": {
        const end = Math.min(head, installed.next + LOG_RANGE_BLOCKS_MAX - 1);
        const hashes: string[] = [];
        for (; installed.next <= end; installed.next++) {
          hashes.push(bytesToHex(this.#chain.blockHash(installed.next) ?? new Uint8Array(32)));
        }
        return hashes;
      }
      case "logs": {
        const from = installed.next;
        const to = Math.min(head, installed.last);
        if (from > to) return [];
        const { logs, next } = await collectLogs(this.#chain, installed.filter, from, to);
        installed.next = Math.max(installed.next, next);
        return logs;
      }
      default:
        throw serverError("filter not found");
    }
  }

  logFilter(id: string): LogFilter {
    const installed = this.#touch(id);
    if (installed.kind !== "logs") throw serverError("filter not found");
    return installed.filter;
  }

  #install(installed: Installed): string {
    this.#forgetIdle();
    const [oldest] = this.#filters.keys();
    if (this.#filters.size >= FILTERS_MAX && oldest !== undefined) {
      this.#filters.delete(oldest);
      this.#metrics.rpcDropped.inc({ what: "filter" });
    }
    const id = bytesToHex(randomBytes(16));
    installed.askedMs = this.#clock.monotonicMs();
    this.#filters.set(id, installed);
    return id;
  }

  #touch(id: string): Installed {
    const installed = this.#filters.get(id);
    if (installed === undefined) throw serverError("filter not found");
    installed.askedMs = this.#clock.monotonicMs();
    this.#filters.delete(id);
    this.#filters.set(id, installed);
    return installed;
  }

  #note(hashes: string[], hash: string): void {
    hashes.push(hash);
    if (hashes.length <= FILTER_ENTRIES_MAX) return;
    hashes.shift();
    this.#metrics.rpcDropped.inc({ what: "filter_entry" });
  }

  #forgetIdle(): void {
    const oldest = this.#clock.monotonicMs() - FILTER_IDLE_MS;
    for (const [id, { askedMs }] of this.#filters) {
      if (askedMs > oldest) return;
      this.#filters.delete(id);
    }
  }
}
