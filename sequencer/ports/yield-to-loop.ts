/** Lets the event loop run whatever else is ready; resolves on its next turn. */
export type YieldToLoop = () => Promise<void>;

/** The real one. Tests may pass `() => Promise.resolve()`. */
export const yieldToLoop: YieldToLoop = () =>
  new Promise((resolve) => {
    setImmediate(resolve);
  });
