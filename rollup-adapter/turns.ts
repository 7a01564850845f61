/** Work that must not overlap: one piece at a time, in the order in which it came. */
export interface Turns {
  /** Settles as `work` does; what came after it has its turn whatever became of it. */
  take<T>(work: () => Promise<T>): Promise<T>;
  /** Pieces that wait or are under way. */
  count(): number;
  /** When all is done that has come until now. */
  done(): Promise<void>;
}

export function createTurns(): Turns {
  let count = 0;
  let last: Promise<void> = Promise.resolve();
  const ended = (): void => {
    count -= 1;
  };
  return {
    take(work) {
      count += 1;
      const turn = last.then(work);
      // An error is its caller's.
      last = turn.then(ended, ended);
      return turn;
    },
    count: () => count,
    done: () => last,
  };
}
