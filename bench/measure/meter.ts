/** CPU time and memory of processes over a window. */
import type { ProfileWindow } from "./cpu-profile.ts";
import { type ProcessUse, readMachineCpuSeconds, readProcess } from "./processes.ts";

/** One validator or the generator; a validator may be several processes. */
export interface MeteredProcess {
  readonly name: string;
  readonly pids: readonly number[];
}

/** Use of one of them during a window. */
export interface ProcessReport {
  readonly name: string;
  readonly cpuSeconds: number;
  readonly residentBytes: number;
}

export interface WindowUse {
  readonly windowSeconds: number;
  readonly window: ProfileWindow;
  readonly processes: readonly ProcessReport[];
  /** CPU seconds of everything else on the machine during the window. */
  readonly foreignCpuSeconds: number;
}

export interface Meter {
  edge(edge: "begin" | "end"): void;
  /** An edge that was not reached counts as now. */
  read(): WindowUse;
}

/** Reads CPU time and memory at both edges of the window. */
export function createMeter(processes: readonly MeteredProcess[]): Meter {
  interface Reading {
    readonly atMicros: number;
    readonly machineCpuSeconds: number;
    readonly uses: readonly ProcessUse[];
  }
  const take = (): Reading => ({
    atMicros: Number(process.hrtime.bigint() / 1_000n),
    machineCpuSeconds: readMachineCpuSeconds(),
    uses: processes.map(({ pids }) => readProcesses(pids)),
  });
  const readings: Partial<Record<"begin" | "end", Reading>> = {};
  return {
    edge(edge: "begin" | "end"): void {
      readings[edge] = take();
    },
    read() {
      const begin = readings.begin ?? take();
      const end = readings.end ?? take();
      const uses = processes.map(({ name }, i) => ({
        name,
        cpuSeconds: (end.uses[i]?.cpuSeconds ?? 0) - (begin.uses[i]?.cpuSeconds ?? 0),
        residentBytes: end.uses[i]?.residentBytes ?? 0,
      }));
      const own = uses.reduce((sum, { cpuSeconds }) => sum + cpuSeconds, 0);
      const all = end.machineCpuSeconds - begin.machineCpuSeconds;
      return {
        windowSeconds: (end.atMicros - begin.atMicros) / 1e6,
        window: { fromMicros: begin.atMicros, toMicros: end.atMicros },
        processes: uses,
        foreignCpuSeconds: Math.max(0, all - own),
      };
    },
  };
}

function readProcesses(pids: readonly number[]): ProcessUse {
  const uses = pids.map(readProcess);
  return {
    cpuSeconds: uses.reduce((sum, use) => sum + use.cpuSeconds, 0),
    residentBytes: uses.reduce((sum, use) => sum + use.residentBytes, 0),
  };
}
