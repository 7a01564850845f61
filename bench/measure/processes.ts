/** CPU time and memory of processes, from /proc (Linux). */
import { readFileSync } from "node:fs";

/** USER_HZ, which Linux fixes for what /proc shows. */
const TICKS_PER_SECOND = 100;

export interface ProcessUse {
  readonly cpuSeconds: number;
  readonly residentBytes: number;
}

export function readProcess(pid: number): ProcessUse {
  return {
    cpuSeconds: parseCpuSeconds(readFileSync(`/proc/${pid}/stat`, "utf8")),
    residentBytes: parseResidentBytes(readFileSync(`/proc/${pid}/status`, "utf8")),
  };
}

/** Busy CPU seconds of the whole machine, all cores together. */
export function readMachineCpuSeconds(): number {
  return parseMachineCpuSeconds(readFileSync("/proc/stat", "utf8"));
}

/** User and system time of `/proc/<pid>/stat`, threads included. */
export function parseCpuSeconds(stat: string): number {
  // The name in parentheses may hold anything, blanks and parentheses too.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

export function parseResidentBytes(status: string): number {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1_024;
}

/** The most that the process ever had in memory. */
export function parsePeakResidentBytes(status: string): number {
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1_024;
}

export function parseMachineCpuSeconds(stat: string): number {
  const [user, nice, system, , , irq, softIrq] = (stat.split("\n", 1)[0] ?? "")
    .split(/\s+/)
    .slice(1)
    .map(Number);
  const busy = (user ?? 0) + (nice ?? 0) + (system ?? 0) + (irq ?? 0) + (softIrq ?? 0);
  return busy / TICKS_PER_SECOND;
}
