/** How many of something that everybody shares (connections, calls, subscriptions) one requester may hold at once. */

export interface ShareOptions {
  /** All requesters together. */
  readonly max: number;
  /** One of them; 0: no limit. */
  readonly eachMax: number;
}

export interface Share {
  /** Takes one; `release` gives it back, once. `full`: whose limit leaves none, everybody's or the requester's own. */
  take(
    requester: string,
    options?: { readonly isExempt?: boolean },
  ): { readonly release: () => void } | { readonly full: "all" | "requester" };
}

/** Holds a count for each requester that has something, and forgets it with the last. */
export function createShare({ max, eachMax }: ShareOptions): Share {
  const held = new Map<string, number>();
  let total = 0;

  return {
    take(requester, { isExempt = false } = {}) {
      if (total >= max) return { full: "all" };
      const own = held.get(requester) ?? 0;
      if (!isExempt && eachMax > 0 && own >= eachMax) return { full: "requester" };
      total += 1;
      held.set(requester, own + 1);
      let isReleased = false;
      return {
        release() {
          if (isReleased) return;
          isReleased = true;
          total -= 1;
          const left = (held.get(requester) ?? 1) - 1;
          if (left === 0) held.delete(requester);
          else held.set(requester, left);
        },
      };
    },
  };
}
