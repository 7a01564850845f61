/** Long work on the main loop, cut into slices (style.md §3). */
export interface Pacer {
  /** Whether the current slice is over; cheap enough for every storage access. */
  isDue(): boolean;
  /** Lets everything else that waits run once, then starts a new slice. */
  rest(): Promise<void>;
}

export function createPacer(sliceMs: number): Pacer {
  let started = performance.now();
  return {
    isDue: () => performance.now() - started >= sliceMs,
    rest: () =>
      new Promise((resolve) => {
        setImmediate(() => {
          started = performance.now();
          resolve();
        });
      }),
  };
}

/** `items` mapped one by one, giving way to others after every slice. */
export async function mapPaced<T, R>(
  items: readonly T[],
  sliceMs: number,
  map: (item: T, index: number) => R,
): Promise<R[]> {
  const pacer = createPacer(sliceMs);
  const results: R[] = [];
  for (const [index, item] of items.entries()) {
    if (pacer.isDue()) await pacer.rest();
    results.push(map(item, index));
  }
  return results;
}
