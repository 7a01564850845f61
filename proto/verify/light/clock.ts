import type { Timestamp } from "../../types.ts";

/** The part of a clock that the light client uses. */
export interface LightClock {
  now(): Timestamp;
  /** Calls `task` once after `delayMs`. */
  after(delayMs: number, task: () => void): { cancel(): void };
}

/** Resolves after `delayMs`. @throws the reason of `signal` when that comes first */
export async function pause(
  clock: Pick<LightClock, "after">,
  delayMs: number,
  signal?: AbortSignal,
): Promise<void> {
  await new Promise<void>((resolve) => {
    const end = (): void => {
      timer.cancel();
      signal?.removeEventListener("abort", end);
      resolve();
    };
    const timer = clock.after(delayMs, end);
    signal?.addEventListener("abort", end, { once: true });
    if (signal?.aborted === true) end();
  });
  signal?.throwIfAborted();
}
