import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { StoreError } from "./errors.ts";
import { openLevelKeyValueStore } from "./level-key-value-store.ts";

export interface HomeLock {
  release(): Promise<void>;
}

/**
 * Takes a directory for this process: two validators on one home would sign against each other.
 * The lock is the operating system's (LevelDB's own), so it vanishes with the process, crash
 * included; the file with the process id beside it only serves the message.
 * @throws StoreError STORE_LOCKED when another process holds it.
 */
export async function lockHome(directory: string): Promise<HomeLock> {
  const lockPath = join(directory, "lock");
  const pidPath = join(directory, "weft.pid");
  const store = await openLevelKeyValueStore(lockPath).catch(async (cause: unknown) => {
    if (!(cause instanceof StoreError) || cause.code !== "STORE_LOCKED") throw cause;
    const pid = await readPid(pidPath);
    const holder = pid === undefined ? "another process" : `process ${pid}`;
    // Without LevelDB's words, which say less.
    throw new StoreError(
      { code: "STORE_LOCKED", path: directory, pid },
      `${directory} is in use by ${holder}; one home serves one node: stop that one first, or use another home`,
    );
  });
  await writeFile(pidPath, `${process.pid}\n`, { mode: 0o600 });
  return {
    async release() {
      await rm(pidPath, { force: true });
      await store.close();
    },
  };
}

async function readPid(path: string): Promise<number | undefined> {
  const text = await readFile(path, "utf8").catch(() => ""); // only the message needs it
  const pid = Number.parseInt(text, 10);
  return Number.isSafeInteger(pid) ? pid : undefined;
}
