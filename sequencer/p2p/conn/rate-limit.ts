/** A token bucket that may go into debt by one write: bytes per second, with a tenth of it as burst. */
export interface RateLimit {
  /** Accounts for bytes that have passed. */
  take(bytes: number, nowMs: number): void;
  /** Milliseconds until more may pass; 0 when it may now. */
  delayMs(nowMs: number): number;
}

const BURST_SECONDS = 0.1;
const BURST_BYTES_MIN = 65_536;

/** `bytesPerSecond` of 0 lifts the limit. */
export function createRateLimit(options: {
  readonly bytesPerSecond: number;
  readonly nowMs: number;
}): RateLimit {
  const { bytesPerSecond } = options;
  if (bytesPerSecond === 0) return { take: () => {}, delayMs: () => 0 };
  const burst = Math.max(BURST_BYTES_MIN, bytesPerSecond * BURST_SECONDS);
  let tokens = burst;
  let lastMs = options.nowMs;
  const refill = (nowMs: number): void => {
    tokens = Math.min(burst, tokens + ((nowMs - lastMs) * bytesPerSecond) / 1_000);
    lastMs = nowMs;
  };
  return {
    take(bytes, nowMs) {
      refill(nowMs);
      tokens -= bytes;
    },
    delayMs(nowMs) {
      refill(nowMs);
      return tokens > 0 ? 0 : Math.max(1, (-tokens * 1_000) / bytesPerSecond);
    },
  };
}
