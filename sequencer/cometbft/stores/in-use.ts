/**
 * Whether a running CometBFT has its databases open. Its lock is `flock`'s, which LevelDB's own does not
 * see: both would write. Where the system does not tell who holds what, the lock of the home has to do.
 */
import { existsSync, readFileSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { CometStoreError } from "./errors.ts";

/** @throws CometStoreError STORE_COMETBFT_IN_USE */
export function requireNotInUse(dataDirectory: string): void {
  if (!existsSync(dataDirectory)) return;
  const locked = lockedInodes();
  for (const name of readdirSync(dataDirectory)) {
    const lock = join(dataDirectory, name, "LOCK");
    if (!name.endsWith(".db") || !existsSync(lock)) continue;
    if (!locked.has(statSync(lock).ino)) continue;
    throw new CometStoreError(
      { code: "STORE_COMETBFT_IN_USE", path: dataDirectory },
      `a CometBFT is running on ${dataDirectory}: stop it first; one that outlived its node ends within seconds, or by its process id`,
    );
  }
}

/** Inodes that some process has locked with `flock`; Linux alone lists them. */
function lockedInodes(): ReadonlySet<number> {
  const list = "/proc/locks";
  if (!existsSync(list)) return new Set();
  const lines = readFileSync(list, "utf8").split("\n");
  return new Set(
    lines.flatMap((line) => {
      const inode = /FLOCK .* [0-9a-f]+:[0-9a-f]+:(\d+) /.exec(line)?.[1];
      return inode === undefined ? [] : [Number(inode)];
    }),
  );
}
