import type { Height } from "../../proto/brands.ts";
import { grpcError } from "./grpc-error.ts";
import { BLOCK_LOADS_WAITING_MAX } from "./limits.ts";

/** Loads that run, at most so many, and those that wait, first come first served. */
export function createLoads(runningMax: number) {
  let running = 0;
  const waiting: (() => void)[] = [];
  return {
    async run<T>(height: Height, load: () => Promise<T>): Promise<T> {
      if (running >= runningMax) {
        if (waiting.length >= BLOCK_LOADS_WAITING_MAX) {
          throw grpcError(
            "GRPC_RESOURCE_EXHAUSTED",
            `${BLOCK_LOADS_WAITING_MAX} heights wait to be read already; ask for height ${height} again later, or ask another node`,
            { "weft-resume": String(height) },
          );
        }
        await new Promise<void>((resolve) => waiting.push(resolve));
      }
      running += 1;
      try {
        return await load();
      } finally {
        running -= 1;
        waiting.shift()?.();
      }
    },
  };
}
