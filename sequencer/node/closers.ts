import type { Logger } from "../ports/logger.ts";

type Close = () => Promise<void> | void;

/** What has been opened or started, to be closed in the reverse order. */
export interface Closers {
  /** Throws once everything is being closed, so that a start under way goes no further; these are closed too. */
  push(...closers: readonly Close[]): void;
  /** A long wait of a start, and how to end it: done first when everything is closed meanwhile. */
  wait<T>(task: () => Promise<T>, end: Close): Promise<T>;
  /**
   * Waits for a task of `guard` under way, which gets no further than its next `push`, and closes everything,
   * whatever fails on the way: what comes last holds files and locks. Throws what failed.
   */
  closeAll(): Promise<void>;
  /**
   * Runs `task`, and closes everything when it fails: half a node is none. Its failure is what is thrown; a
   * failure to close on top of it goes to the log.
   */
  guard<T>(task: () => Promise<T>): Promise<T>;
}

export function createClosers(logger: Logger): Closers {
  const closers: Close[] = [];
  let endWait: Close | undefined;
  let isClosing = false;
  let closing: Promise<void> | undefined;
  /** Settles with the last task; never rejects. */
  let guarded: Promise<unknown> = Promise.resolve();

  async function close(what: readonly Close[]): Promise<void> {
    const failures: unknown[] = [];
    for (const one of what) {
      try {
        await one();
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length === 1) throw failures[0];
    if (failures.length > 1) throw new AggregateError(failures, "the node did not stop cleanly");
  }
  function goOn(): void {
    if (isClosing) throw new Error("the node was stopped while it started");
  }
  const closeOpened = (): Promise<void> => close(closers.splice(0).reverse());

  async function closeOnFailure<T>(task: () => Promise<T>): Promise<T> {
    try {
      return await task();
    } catch (failure) {
      // Whoever closes everything waits for this, and is told what could not be closed.
      if (isClosing) throw failure;
      await closeOpened().catch((error: unknown) => {
        logger.error("could not close everything", { error: String(error) });
      });
      throw failure;
    }
  }

  return {
    push(...more) {
      closers.push(...more);
      goOn();
    },
    async wait(task, end) {
      goOn();
      endWait = end;
      try {
        return await task();
      } finally {
        endWait = undefined;
      }
    },
    closeAll() {
      isClosing = true;
      closing ??= close([async () => endWait?.(), async () => void (await guarded), closeOpened]);
      return closing;
    },
    guard(task) {
      const run = closeOnFailure(task);
      guarded = run.catch(() => {});
      return run;
    },
  };
}
