/** What a node has opened: a start that fails leaves nothing open, and a stop closes everything, the newest first. */
export interface Opened {
  /** Has `close` called when its turn comes. */
  add(close: () => unknown): void;
  /** The same for what closes itself; gives it back. */
  keep<T extends { close(): unknown }>(one: T): T;
  /** Closes all of it once, also when one of them fails; rejects with the first failure. */
  close(): Promise<void>;
}

export function createOpened(): Opened {
  const closers: (() => unknown)[] = [];
  return {
    add(close) {
      closers.push(close);
    },
    keep(one) {
      closers.push(() => one.close());
      return one;
    },
    async close() {
      const failures: unknown[] = [];
      for (let close = closers.pop(); close !== undefined; close = closers.pop()) {
        try {
          await close();
        } catch (error) {
          failures.push(error);
        }
      }
      if (failures.length > 0) throw failures[0];
    },
  };
}

/** What `open` makes; when it fails, what it has added until then is closed. */
export async function openOrClose<T>(open: (opened: Opened) => Promise<T>): Promise<T> {
  const opened = createOpened();
  try {
    return await open(opened);
  } catch (error) {
    // Why it did not start is what its operator has to read, not what that led to.
    await opened.close().catch(() => {});
    throw error;
  }
}
