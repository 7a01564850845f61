/** LevelDB's own lock (an OS lock: gone with the process) stands in the way. */
export function isLevelLocked(error: unknown): boolean {
  for (let at: unknown = error; at instanceof Error; at = at.cause) {
    if ("code" in at && at.code === "LEVEL_LOCKED") return true;
  }
  return false;
}
