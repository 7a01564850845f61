/** Token buckets: who may ask how often, by address and by signer. */
import { BUCKETS_MAX } from "./limits.ts";

export interface RateLimitOptions {
  /** Requests a second in the long run; 0: no limit. */
  readonly perSecond: number;
  /** Requests at once. */
  readonly burst: number;
}

export interface RateLimit {
  /** Takes `count` tokens (1) of each of `names`; false, and nothing is taken, when one has too few left. */
  take(names: readonly string[], count?: number): boolean;
}

interface Bucket {
  readonly tokens: number;
  readonly atMs: number;
}

/** @param monotonicMs a clock that never goes back */
export function createRateLimit(options: RateLimitOptions, monotonicMs: () => number): RateLimit {
  const { perSecond, burst } = options;
  /** By name, the one used the longest ago first. */
  const buckets = new Map<string, Bucket>();

  function tokensOf(name: string, nowMs: number): number {
    const bucket = buckets.get(name);
    if (bucket === undefined) return burst;
    return Math.min(burst, bucket.tokens + ((nowMs - bucket.atMs) * perSecond) / 1_000);
  }

  return {
    take(names, count = 1) {
      if (perSecond <= 0) return true;
      const nowMs = monotonicMs();
      const left = names.map((name) => tokensOf(name, nowMs) - count);
      if (left.some((tokens) => tokens < 0)) return false;
      for (const [i, name] of names.entries()) {
        buckets.delete(name);
        buckets.set(name, { tokens: left[i] ?? 0, atMs: nowMs });
      }
      for (const oldest of buckets.keys()) {
        if (buckets.size <= BUCKETS_MAX) break;
        buckets.delete(oldest);
      }
      return true;
    },
  };
}
