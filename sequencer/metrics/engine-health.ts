import type { Engine } from "../engine/engine.ts";
import type { HealthReport } from "./health.ts";

/** A node's health as its engine tells it; until the engine has started once, it is starting. */
export function createEngineHealth(engine: {
  status(): Pick<ReturnType<Engine["status"]>, "height" | "catchingUp" | "haltReason">;
  /** Why no block comes; undefined while they do, or need not. */
  readonly stall?: () => string | undefined;
  /** Why no block can be fetched, while it catches up; undefined while they can. */
  readonly loneliness?: () => string | undefined;
  /** Why the chain has not begun; undefined once it may. */
  readonly waits?: () => string | undefined;
  /** Why the chain stands on purpose; undefined while it does not. */
  readonly halt?: () => string | undefined;
  /** Whether an engine that is a process of its own answers. */
  readonly isUp?: () => boolean;
  /** Whether that engine restores a snapshot, while it catches up. */
  readonly isRestoring?: () => boolean;
}): {
  /** To be called when a snapshot is about to be restored, before the engine starts. */
  restoring(): void;
  /** To be called when `Engine.start` has resolved. */
  started(): void;
  report(): HealthReport;
} {
  let hasStarted = false;
  let isRestoring = false;
  return {
    restoring() {
      isRestoring = true;
    },
    started() {
      hasStarted = true;
    },
    report() {
      const { height, catchingUp, haltReason } = engine.status();
      if (haltReason !== undefined) return { status: "failed", height, reason: haltReason };
      const waits = engine.waits?.();
      if (waits !== undefined) return { status: "starting", height, reason: waits };
      const isSyncing = hasStarted && catchingUp && engine.isRestoring?.() === true;
      if (isSyncing || (!hasStarted && isRestoring)) {
        return { status: "syncing", height, reason: "restoring a snapshot of the state" };
      }
      if (hasStarted && engine.isUp?.() === false) {
        return { status: "starting", height, reason: "the engine ended, and starts again" };
      }
      if (!hasStarted) return { status: "starting", height, reason: "handshake and replay" };
      if (catchingUp) {
        const reason = engine.loneliness?.() ?? "catching up with the chain";
        return { status: "syncing", height, reason };
      }
      const halt = engine.halt?.();
      if (halt !== undefined) return { status: "halted", height, reason: halt };
      const stall = engine.stall?.();
      if (stall !== undefined) return { status: "stalled", height, reason: stall };
      return { status: "ready", height };
    },
  };
}
