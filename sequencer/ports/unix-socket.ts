/** Unix sockets that only their owner reaches, in the place of what a killed process left. */
import { unlink } from "node:fs/promises";
import { connect, type Server } from "node:net";

/**
 * Listens at a path whose file is its owner's alone from the moment it is there. A file that nobody
 * listens at is replaced; a process that still does is not disturbed. Rejects with the system's error.
 */
export async function listenAtPath(server: Server, path: string): Promise<void> {
  await removeStaleSocket(path);
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    const before = process.umask(0o177);
    try {
      server.listen(path, () => {
        server.off("error", reject);
        resolve();
      });
    } finally {
      process.umask(before);
    }
  });
}

async function removeStaleSocket(path: string): Promise<void> {
  const isAlive = await new Promise<boolean>((resolve) => {
    const probe = connect({ path });
    probe.once("connect", () => {
      probe.destroy();
      resolve(true);
    });
    probe.once("error", (error: NodeJS.ErrnoException) => resolve(error.code !== "ECONNREFUSED"));
  });
  // Not there, or nobody's: `listen` says what is wrong in every other case.
  if (!isAlive) await unlink(path);
}
