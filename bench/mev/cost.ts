/** By the clock, and CPU time of all threads, from which others that run beside it take less away. */
export interface Cost {
  readonly ms: number;
  readonly cpuMs: number;
}

export async function timed<T>(
  task: () => Promise<T>,
): Promise<{ readonly result: T; readonly cost: Cost }> {
  const startMs = performance.now();
  const before = process.cpuUsage();
  const result = await task();
  const { user, system } = process.cpuUsage(before);
  return { result, cost: { ms: performance.now() - startMs, cpuMs: (user + system) / 1_000 } };
}
