import { describe, expect, it } from "vitest";
import {
  parseCpuSeconds,
  parseMachineCpuSeconds,
  parseResidentBytes,
  readProcess,
} from "./processes.ts";

describe("reading /proc", () => {
  it("takes user and system time, whatever the process is called", () => {
    const rest = "S 1 42 42 0 -1 4194560 100 0 0 0 250 125 7 8 20 0 11 0 500 0 0";
    expect(parseCpuSeconds(`42 (node) ${rest}`)).toBe(3.75);
    expect(parseCpuSeconds(`42 (a) b (c) ${rest}`)).toBe(3.75);
  });

  it("takes the resident set in bytes", () => {
    expect(parseResidentBytes("Name:\tnode\nVmHWM:\t 900 kB\nVmRSS:\t  200 kB\n")).toBe(204_800);
  });

  it("leaves out idle and waiting time of the machine", () => {
    expect(parseMachineCpuSeconds("cpu  100 20 30 99999 5000 4 6 0 0 0\ncpu0 1 2 3\n")).toBe(1.6);
  });

  it("reads this process", () => {
    const { cpuSeconds, residentBytes } = readProcess(process.pid);
    expect(cpuSeconds).toBeGreaterThan(0);
    expect(residentBytes).toBeGreaterThan(10_000_000);
  });
});
