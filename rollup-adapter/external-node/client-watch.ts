/** Whether the execution client answers, asked also while the order has nothing for it. */
import type { Clock } from "../../sequencer/ports/clock.ts";
import type { Logger } from "../../sequencer/ports/logger.ts";
import type { RollupReadiness } from "../node/readiness.ts";
import { CLIENT_WATCH_MS } from "../limits.ts";

export interface ClientWatch {
  /** Why the client did not answer when it was asked last; undefined when it did. */
  failure(): string | undefined;
  close(): void;
}

export interface ClientWatchDependencies {
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Asks at once, and again `CLIENT_WATCH_MS` after each answer or failure. */
export function watchClient(
  ask: () => Promise<unknown>,
  { clock, logger }: ClientWatchDependencies,
): ClientWatch {
  let failure: string | undefined;
  let isClosed = false;
  let cancel = () => {};

  function settled(now: string | undefined): void {
    if (isClosed) return;
    if (now !== undefined && failure === undefined) {
      logger.warn("the execution client does not answer; nothing is executed until it does", {
        error: now,
      });
    }
    if (now === undefined && failure !== undefined) {
      logger.info("the execution client answers again");
    }
    failure = now;
    const timer = clock.after(CLIENT_WATCH_MS, again);
    cancel = () => timer.cancel();
  }
  function again(): void {
    ask().then(
      () => settled(undefined),
      (error: unknown) => settled(error instanceof Error ? error.message : String(error)),
    );
  }

  again();
  return {
    failure: () => failure,
    close() {
      isClosed = true;
      cancel();
    },
  };
}

/** A rollup that follows the order is ready only while somebody executes it. */
export function withClient(
  following: RollupReadiness,
  failure: string | undefined,
): RollupReadiness {
  if (failure === undefined || following.status !== "ready") return following;
  return { status: "stalled", reason: `the execution client does not answer: ${failure}` };
}
