/** `peer_bans.json`: bans outlive a restart. Ours; CometBFT forgets its bans. */
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { NodeId } from "../../proto/brands.ts";
import type { Logger } from "../ports/logger.ts";
import { isMissingFile } from "../ports/node-file-system.ts";
import { BANS_MAX } from "./limits.ts";
import type { Ban } from "./peer-bans.ts";

/** The bans of the file; none when there is none, or when it cannot be read, which is logged. */
export function readBansFile(path: string, logger: Logger): readonly Ban[] {
  try {
    const document = JSON.parse(readFileSync(path, "utf8")) as { readonly bans?: unknown };
    if (!Array.isArray(document.bans)) throw new RangeError('expected {"bans": [...]}');
    return document.bans.slice(0, BANS_MAX).map((entry: unknown) => banOf(entry));
  } catch (error) {
    if (!isMissingFile(error))
      logger.warn("bans unreadable, begun anew", { path, error: String(error) });
    return [];
  }
}

/** At most `BANS_MAX` entries, written at once: bans are rare. */
export function writeBansFile(path: string, bans: readonly Ban[]): void {
  const entries = bans.map(({ id, untilMs, count, code }) => ({
    id,
    until: new Date(untilMs).toISOString(),
    count,
    code,
  }));
  const temporary = `${path}.new`;
  writeFileSync(temporary, `${JSON.stringify({ bans: entries }, undefined, 1)}\n`, { mode: 0o644 });
  renameSync(temporary, path);
}

function banOf(entry: unknown): Ban {
  const { id, until, count, code } = entry as Readonly<Record<string, unknown>>;
  const untilMs = typeof until === "string" ? Date.parse(until) : Number.NaN;
  const isWhole = typeof id === "string" && typeof count === "number" && typeof code === "string";
  if (!isWhole || !Number.isFinite(untilMs))
    throw new RangeError("expected id, until, count, code");
  return { id: NodeId(id), untilMs, count, code };
}
