import type { Logger } from "../ports/logger.ts";

/** What has been opened or started, to be closed in the reverse order. */
export interface Closers {
  push(...closers: readonly (() => Promise<void> | void)[]): void;
  /** Closes everything, whatever fails on the way: what comes last holds files and locks. Throws what failed. */
  closeAll(): Promise<void>;
  /**
   * Runs `task`, and closes everything when it fails: half a node is none. Its failure is what is thrown; a
   * failure to close on top of it goes to the log.
   */
  guard<T>(task: () => Promise<T>): Promise<T>;
}

export function createClosers(logger: Logger): Closers {
  const closers: (() => Promise<void> | void)[] = [];

  async function closeAll(): Promise<void> {
    const failures: unknown[] = [];
    for (const close of closers.splice(0).reverse()) {
      try {
        await close();
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length === 1) throw failures[0];
    if (failures.length > 1) throw new AggregateError(failures, "the node did not stop cleanly");
  }

  return {
    push: (...more) => void closers.push(...more),
    closeAll,
    async guard(task) {
      try {
        return await task();
      } catch (failure) {
        await closeAll().catch((error: unknown) => {
          logger.error("could not close everything", { error: String(error) });
        });
        throw failure;
      }
    },
  };
}
