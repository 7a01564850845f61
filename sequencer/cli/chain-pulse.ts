/** Whether blocks come, from what CometBFT's JSON-RPC says: for people who wait for one. */
import { HEAD_OLD_AFTER_MS } from "./limits.ts";

/** The parts of `status` that are read here; anything may be missing. */
export interface PulseSource {
  readonly sync_info?: {
    readonly latest_block_height?: string;
    readonly latest_block_time?: string;
    readonly catching_up?: boolean;
  };
}

/** Milliseconds since the time of the last block; undefined before the first one. */
export function headAgeMs(status: PulseSource, nowMs: number): number | undefined {
  const { latest_block_height: height, latest_block_time: time } = status.sync_info ?? {};
  const at = time === undefined ? Number.NaN : Date.parse(time);
  if (Number.isNaN(at) || height === undefined || height === "0") return undefined;
  return Math.max(0, nowMs - at);
}

/** Whether the head is so old that somebody should look; block sync is looked at by itself. */
export function isHeadOld(status: PulseSource, nowMs: number): boolean {
  return (
    status.sync_info?.catching_up !== true && (headAgeMs(status, nowMs) ?? 0) > HEAD_OLD_AFTER_MS
  );
}

/** One sentence on a head that does not move. @param wait where consensus stands, as `describeWait` says it */
export function describeOldHead(
  status: PulseSource,
  wait: string | undefined,
  nowMs: number,
): string {
  const seconds = Math.round((headAgeMs(status, nowMs) ?? 0) / 1_000);
  const head = `no block for ${seconds} s: the chain stands, this node is cut off from it, or it failed (its /readyz and log say so)`;
  return wait === undefined ? head : `${head}; ${wait}`;
}
