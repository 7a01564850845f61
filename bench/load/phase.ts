/** One phase of load against running validators: as much as they take, or so much per second. */
import {
  DRAIN_TIMEOUT_MS,
  OUTSTANDING_BYTES_MAX,
  OUTSTANDING_ITEMS_MAX,
  PAYLOAD_BYTES,
} from "../limits.ts";
import type { SeenBlock } from "../measure/statistics.ts";
import { type Ingress, openIngress } from "./ingress.ts";
import type { ItemSource } from "./item-source.ts";
import { createLedger, type Ledger } from "./ledger.ts";

export interface PhaseOptions {
  /** gRPC addresses; submissions go to them in turn. Blocks are watched at each. */
  readonly addresses: readonly string[];
  readonly payloadsPerItem: number;
  /** Payloads per second; undefined: as many as the bounds on what is outstanding allow. */
  readonly rate: number | undefined;
  readonly warmupMs: number;
  readonly windowMs: number;
}

export interface PhaseResult {
  readonly ledger: Ledger;
  /** As the first ingress sent them. */
  readonly blocks: readonly SeenBlock[];
  readonly fromMs: number;
  readonly toMs: number;
  /** Submissions that were neither committed nor refused in the end. */
  readonly lost: number;
}

/** How often an open loop looks whether something is due, ms. */
const TICK_MS = 2;
/** Submissions in one turn of the loop. */
const BURST_MAX = 64;

export interface Phase {
  /** Highest height that any stream has brought. */
  height(): number;
  run(source: ItemSource, onWindow: (edge: "begin" | "end") => void): Promise<PhaseResult>;
  close(): void;
}

export async function openPhase(options: PhaseOptions): Promise<Phase> {
  const { addresses, payloadsPerItem, rate } = options;
  const ledger = createLedger();
  const blocks: SeenBlock[] = [];
  let wake: () => void = () => {};
  let fail: (error: Error) => void = () => {};
  const failed = new Promise<never>((_, reject) => {
    fail = reject;
  });
  failed.catch(() => {});

  const ingresses: Ingress[] = await Promise.all(
    addresses.map((address, place) =>
      openIngress(address, {
        block({ round, itemIds }, atMs) {
          let payloads = 0;
          for (const id of itemIds) {
            // An item counts when the validator that took it shows it in a block.
            if (owners.get(id) !== place) continue;
            owners.delete(id);
            payloads += ledger.committed(id, atMs)?.payloads ?? 0;
          }
          const bytes = payloads * PAYLOAD_BYTES;
          if (place === 0) blocks.push({ atMs, round, payloads, bytes });
          else if (payloads > 0) addToLast(blocks, payloads, bytes);
          wake();
        },
        refused(id, reason) {
          owners.delete(id);
          ledger.refused(id, reason);
        },
        ready: () => wake(),
        failed: (error) => fail(error),
      }),
    ),
  );
  /** Which ingress took an item. */
  const owners = new Map<string, number>();
  let turn = 0;

  /** Submits the next item; false when none is ready or gRPC holds enough. */
  function submitNext(source: ItemSource, atMs: number): boolean {
    const item = source.next();
    if (item === undefined) return false;
    const place = turn % ingresses.length;
    turn += 1;
    owners.set(item.id, place);
    ledger.submitted(item.id, { payloads: payloadsPerItem, bytes: item.item.length, atMs });
    return ingresses[place]?.submit(item) ?? false;
  }

  /** Keeps the outstanding bytes at their bound until `endMs`. */
  async function saturate(source: ItemSource, endMs: number): Promise<void> {
    while (performance.now() < endMs) {
      let burst = 0;
      while (
        burst < BURST_MAX &&
        ledger.outstandingBytes < OUTSTANDING_BYTES_MAX &&
        ledger.outstandingItems < OUTSTANDING_ITEMS_MAX &&
        submitNext(source, performance.now())
      ) {
        burst += 1;
      }
      if (burst === BURST_MAX) await nextTurn();
      else await untilWoken(TICK_MS);
    }
  }

  /** Submits what is due, however the system does; latency counts from when it was due. */
  async function pace(source: ItemSource, perSecond: number, endMs: number): Promise<void> {
    const stepMs = (1_000 * payloadsPerItem) / perSecond;
    let dueMs = performance.now();
    while (dueMs < endMs) {
      const waitMs = dueMs - performance.now();
      if (waitMs > 0) {
        await untilTime(waitMs);
        continue;
      }
      submitNext(source, dueMs);
      dueMs += stepMs;
    }
  }

  async function drain(): Promise<void> {
    const endMs = performance.now() + DRAIN_TIMEOUT_MS;
    while (ledger.outstandingItems > 0 && performance.now() < endMs) await untilWoken(20);
  }

  function untilWoken(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  return {
    height: () => Math.max(...ingresses.map((ingress) => ingress.height)),
    async run(source, onWindow) {
      const fromMs = performance.now() + options.warmupMs;
      const toMs = fromMs + options.windowMs;
      const begin = setTimeout(() => onWindow("begin"), options.warmupMs);
      const end = setTimeout(() => onWindow("end"), options.warmupMs + options.windowMs);
      const load = rate === undefined ? saturate(source, toMs) : pace(source, rate, toMs);
      try {
        await Promise.race([load.then(drain), failed]);
      } finally {
        clearTimeout(begin);
        clearTimeout(end);
      }
      return { ledger, blocks, fromMs, toMs, lost: ledger.outstandingItems };
    },
    close() {
      for (const ingress of ingresses) ingress.close();
    },
  };
}

function addToLast(blocks: SeenBlock[], payloads: number, bytes: number): void {
  const last = blocks.pop();
  if (last === undefined) return;
  blocks.push({ ...last, payloads: last.payloads + payloads, bytes: last.bytes + bytes });
}

function untilTime(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, Math.min(ms, TICK_MS));
  });
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
