/** One phase of load against running validators: as much as they take, or so much per second. */
import { DRAIN_TIMEOUT_MS, PAYLOAD_BYTES, WINDOW_EXTRA_MS_MAX } from "../limits.ts";
import type { SeenBlock } from "../measure/statistics.ts";
import type { Ingress, ObservedBlock, OpenIngress } from "./ingress.ts";
import type { ItemSource } from "./item-source.ts";
import { createLedger, type Ledger } from "./ledger.ts";

export interface PhaseOptions {
  /** Submissions go to them in turn. Blocks are watched at each. */
  readonly ingresses: readonly OpenIngress[];
  readonly payloadsPerItem: number;
  /** Payloads per second; undefined: as many as the bounds on what is outstanding allow. */
  readonly rate: number | undefined;
  readonly warmupMs: number;
  readonly windowMs: number;
  /** Blocks with payloads that a window lasts for in any case, within `WINDOW_EXTRA_MS_MAX` more. */
  readonly blocksMin: number;
  /** Submitted and neither committed nor refused: above it nothing is submitted without a rate. */
  readonly outstandingItemsMax: number;
  readonly outstandingBytesMax: number;
  /** Told of every block that the first ingress sends. */
  readonly onBlock?: (block: ObservedBlock, atMs: number) => void;
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
  const { payloadsPerItem, rate } = options;
  const ledger = createLedger();
  const blocks: SeenBlock[] = [];
  let wake: () => void = () => {};
  let fail: (error: Error) => void = () => {};
  const failed = new Promise<never>((_, reject) => {
    fail = reject;
  });
  failed.catch(() => {});

  /** Which ingress took an item. */
  const owners = new Map<string, number>();
  const ingresses: Ingress[] = await Promise.all(
    options.ingresses.map((open, place) =>
      open({
        block(block, atMs) {
          const { round, itemIds } = block;
          if (place === 0) options.onBlock?.(block, atMs);
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

  /** Keeps the outstanding bytes at their bound. */
  async function saturate(source: ItemSource, isOver: () => boolean): Promise<void> {
    while (!isOver()) {
      let burst = 0;
      while (
        burst < BURST_MAX &&
        ledger.outstandingBytes < options.outstandingBytesMax &&
        ledger.outstandingItems < options.outstandingItemsMax &&
        submitNext(source, performance.now())
      ) {
        burst += 1;
      }
      if (burst === BURST_MAX) await nextTurn();
      else await untilWoken(TICK_MS);
    }
  }

  /** Submits what is due, however the system does; latency counts from when it was due. */
  async function pace(source: ItemSource, perSecond: number, isOver: () => boolean): Promise<void> {
    const stepMs = (1_000 * payloadsPerItem) / perSecond;
    let dueMs = performance.now();
    while (!isOver()) {
      const waitMs = dueMs - performance.now();
      if (waitMs > 0) {
        await untilTime(waitMs);
        continue;
      }
      submitNext(source, dueMs);
      dueMs += stepMs;
    }
  }

  function fullBlocksSince(fromMs: number): number {
    return blocks.filter(({ atMs, payloads }) => atMs >= fromMs && payloads > 0).length;
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
      const endMs = fromMs + options.windowMs;
      const lastMs = endMs + WINDOW_EXTRA_MS_MAX;
      let toMs = endMs;
      const isOver = (): boolean => {
        const nowMs = performance.now();
        return nowMs >= lastMs || (nowMs >= endMs && fullBlocksSince(fromMs) >= options.blocksMin);
      };
      const loadAndDrain = async (): Promise<void> => {
        if (rate === undefined) await saturate(source, isOver);
        else await pace(source, rate, isOver);
        toMs = performance.now();
        onWindow("end");
        await drain();
      };
      const begin = setTimeout(() => onWindow("begin"), options.warmupMs);
      try {
        await Promise.race([loadAndDrain(), failed]);
      } finally {
        clearTimeout(begin);
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
