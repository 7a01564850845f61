/** Files that are written first and made durable together at the end. */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import type { FileSystem, OpenFile } from "../../ports/file-system.ts";
import { NODE_FILE_SYSTEM } from "../../ports/node-file-system.ts";

/** The real file system, but for syncs, which do nothing. */
export const UNSYNCED_FILE_SYSTEM: FileSystem = {
  ...NODE_FILE_SYSTEM,
  open: async (path, mode) => withoutSyncs(await NODE_FILE_SYSTEM.open(path, mode)),
};

/** Makes a directory and all that is in it durable. */
export async function syncTree(path: string): Promise<void> {
  for (const entry of await readdir(path, { withFileTypes: true })) {
    const inner = join(path, entry.name);
    if (entry.isDirectory()) await syncTree(inner);
    else if (entry.isFile()) await syncOne(inner);
  }
  await syncOne(path);
}

async function syncOne(path: string): Promise<void> {
  const file = await NODE_FILE_SYSTEM.open(path, "read");
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

function withoutSyncs(file: OpenFile): OpenFile {
  return {
    writeSync: (bytes, from) => file.writeSync(bytes, from),
    write: (bytes, from, count) => file.write(bytes, from, count),
    read: (into, from, count, position) => file.read(into, from, count, position),
    truncate: (length) => file.truncate(length),
    datasync: () => Promise.resolve(),
    sync: () => Promise.resolve(),
    close: () => file.close(),
  };
}
