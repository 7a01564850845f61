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
