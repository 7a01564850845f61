/**
 * The longest time that the event loop of this process was held up by its own work. Time that other
 * processes took from it does not count, so that the figure means the same on a busy machine: it is
 * the CPU time of the main thread between two turns, as Linux accounts for it.
 */
import { readFileSync } from "node:fs";

export interface LoopStalls {
  /** Milliseconds since the last `reset`. */
  longestMs(): number;
  reset(): void;
  stop(): void;
}

export function watchLoopStalls(): LoopStalls {
  // The main thread's id is the process's.
  const file = `/proc/self/task/${process.pid}/schedstat`;
  const cpuMs = (): number => Number(readFileSync(file, "latin1").split(" ")[0]) / 1e6;
  let longestMs = 0;
  let beforeMs = cpuMs();
  const look = (): void => {
    const now = cpuMs();
    longestMs = Math.max(longestMs, now - beforeMs);
    beforeMs = now;
  };
  const timer = setInterval(look, 1);
  return {
    longestMs: () => longestMs,
    reset() {
      longestMs = 0;
      beforeMs = cpuMs();
    },
    stop: () => clearInterval(timer),
  };
}
