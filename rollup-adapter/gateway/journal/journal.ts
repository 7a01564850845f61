/**
 * What a gateway has promised, on disk: signed submissions with their bytes, and wallets' transactions until they
 * are executed. Writers that come together share one turn of the disk, so that a promise costs one sync however many
 * make it at once.
 */
import { WeftError } from "../../../proto/errors.ts";
import { type Logger, NULL_LOGGER } from "../../../sequencer/ports/logger.ts";
import type { GatewayMetrics } from "../metrics.ts";
import type { JournalOperation, JournalStore } from "./journal-store.ts";

export type JournalErrorInfo =
  /** The disk refused a write: nothing is promised any more until the process starts again. */
  { readonly code: "GATEWAY_JOURNAL_FAILED" };

export interface Journal {
  /** All records whose key begins with `prefix`, by key without it. */
  load(prefix: string): Promise<ReadonlyMap<string, Uint8Array>>;
  /** All or nothing, and durable when it resolves. @throws WeftError<JournalErrorInfo> */
  write(operations: readonly JournalOperation[]): Promise<void>;
  /** The same with the next turn of the disk; what a crash loses of it is found out again at the start. */
  note(operations: readonly JournalOperation[]): void;
  /** Why nothing is written any more; undefined while all is well. */
  failure(): string | undefined;
  /** Writes what is noted, and frees the disk. */
  close(): Promise<void>;
}

interface Waiter {
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

export function createJournal(
  store: JournalStore,
  metrics: GatewayMetrics,
  logger: Logger = NULL_LOGGER,
): Journal {
  let operations: JournalOperation[] = [];
  let waiters: Waiter[] = [];
  let turn: Promise<void> | undefined;
  let failure: Error | undefined;

  function failed(cause: unknown): Error {
    const message =
      "the gateway's journal cannot be written: nothing is accepted until the node is started again, and what it was asked in that moment may be executed then; is the disk full?";
    logger.error(message, { reason: String(cause) });
    return new WeftError<JournalErrorInfo>({ code: "GATEWAY_JOURNAL_FAILED" }, message, { cause });
  }

  /** Everything that has gathered, turn after turn. */
  async function run(): Promise<void> {
    // What one tick of the loop brings goes together.
    await Promise.resolve();
    while (operations.length > 0 || waiters.length > 0) {
      const taken = operations;
      const told = waiters;
      operations = [];
      waiters = [];
      try {
        if (failure !== undefined) throw failure;
        const startedMs = performance.now();
        await store.write(taken, told.length > 0);
        metrics.journalSeconds.observe((performance.now() - startedMs) / 1_000);
        metrics.journalWrites.inc(undefined, taken.length);
        for (const { resolve } of told) resolve();
      } catch (cause) {
        failure ??= failed(cause);
        metrics.journalFailures.inc(undefined, Math.max(1, told.length));
        for (const { reject } of told) reject(failure);
      }
    }
    // In the same step as the last look: what comes from now on begins a turn of its own.
    turn = undefined;
  }

  function begin(): void {
    turn ??= run();
  }

  return {
    load: (prefix) => store.load(prefix),
    write(added) {
      return new Promise((resolve, reject) => {
        for (const operation of added) operations.push(operation);
        waiters.push({ resolve, reject });
        begin();
      });
    },
    note(added) {
      for (const operation of added) operations.push(operation);
      begin();
    },
    failure: () => failure?.message,
    async close() {
      begin();
      await turn;
      await store.close();
    },
  };
}
