/** What a driver's status means for whoever asks whether the rollup's state is fresh. */
import { formatTime } from "../../proto/time.ts";
import { catchingUpText } from "../driver/catch-up.ts";
import type { DriverStatus } from "../driver/driver.ts";

/** `syncing`: nothing has verified on this stream yet, or what was executed is far behind the order. `stalled`: no new block for too long. `failed`: its operator must act. */
export type RollupReadiness =
  | { readonly status: "ready" }
  | { readonly status: "syncing" | "stalled" | "failed"; readonly reason: string };

/**
 * @param status undefined before the driver is there
 * @param silenceMs without a new block for this long it is stalled; 0: never for that reason
 * @param fault why it does not do its work, whatever the driver does
 */
export function readiness(
  status: DriverStatus | undefined,
  silenceMs: number,
  fault?: string,
): RollupReadiness {
  if (fault !== undefined) return { status: "failed", reason: fault };
  if (status !== undefined && silenceMs > 0 && status.silentForMs >= silenceMs) {
    const { silentSince, silentForMs, lastError } = status;
    const silence = `no block to execute has come since ${formatTime(silentSince)} (${Math.round(silentForMs / 1_000)} s): the sequencer is silent, or sealed transactions of the rollup wait to be opened`;
    return {
      status: "stalled",
      reason: lastError === undefined ? silence : `${silence}; last failure: ${lastError}`,
    };
  }
  const behind = status?.catchingUp && catchingUpText(status.catchingUp);
  if (status?.isStreaming === true) {
    return behind === undefined ? { status: "ready" } : { status: "syncing", reason: behind };
  }
  const reason = status?.lastError ?? behind ?? "not following a sequencer yet";
  return { status: "syncing", reason };
}
