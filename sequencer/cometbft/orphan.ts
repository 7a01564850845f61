/**
 * A CometBFT that outlived the process that started it. It ends by itself when its application's socket
 * closes; whoever starts the next one waits for that, for its databases are locked until then.
 */
import { execFileSync } from "node:child_process";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import type { Clock } from "../ports/clock.ts";
import type { Logger } from "../ports/logger.ts";
import { ORPHAN_GRACE_MS, ORPHAN_POLL_MS } from "./limits.ts";

/** Writes down which process serves a home. */
export function writePidFile(path: string, pid: number): void {
  writeFileSync(path, `${pid}\n`, { mode: 0o600 });
}

export function removePidFile(path: string): void {
  rmSync(path, { force: true });
}

/**
 * Resolves when no CometBFT of that home is left of an earlier run: at once, or when it has ended by
 * itself, or when it was told to, and at last killed.
 * @param homeDirectory CometBFT's; its processes have it among their arguments
 */
export async function untilNoOrphan(
  pidFile: string,
  homeDirectory: string,
  { clock, logger }: { readonly clock: Clock; readonly logger: Logger },
): Promise<void> {
  const pid = readPid(pidFile);
  const isThere = (): boolean => pid !== undefined && commandOf(pid).includes(homeDirectory);
  if (pid === undefined || !isThere()) return;
  logger.warn("a CometBFT of an earlier run is still there; waiting for its end", { pid });
  for (const signal of [undefined, "SIGTERM", "SIGKILL"] as const) {
    if (signal !== undefined) kill(pid, signal);
    const end = clock.monotonicMs() + ORPHAN_GRACE_MS;
    while (isThere() && clock.monotonicMs() < end) {
      await new Promise<void>((resolve) => clock.after(ORPHAN_POLL_MS, resolve));
    }
    if (!isThere()) return;
  }
}

function readPid(path: string): number | undefined {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch {
    // None was written, or it was removed at a clean end.
    return undefined;
  }
  const pid = Number(text.trim());
  return Number.isSafeInteger(pid) && pid > 1 ? pid : undefined;
}

/** The command line of a process; empty when there is none. */
function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8");
  } catch {
    if (process.platform === "linux") return "";
  }
  try {
    return execFileSync("ps", ["-o", "command=", "-p", String(pid)], { encoding: "utf8" });
  } catch {
    // No such process.
    return "";
  }
}

function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It ended a moment ago.
  }
}
