/** Unix sockets that only their owner reaches, in the place of what a killed process left. */
import { lstat, unlink } from "node:fs/promises";
import { connect, type Server } from "node:net";

/** A path of a Unix socket may be no longer (`sun_path`: 108 on Linux, 104 on others, NUL included). */
export const SOCKET_PATH_BYTES_MAX = 103;

/**
 * Listens at a path whose file is its owner's alone from the moment it is there. A socket that nobody
 * listens at is replaced; a process that still does, and a file of another kind, is not disturbed. Rejects with the system's error.
 */
export async function listenAtPath(server: Server, path: string): Promise<void> {
  const bytes = Buffer.byteLength(path);
  // Node cuts what is too long, and listens somewhere else.
  if (bytes > SOCKET_PATH_BYTES_MAX) {
    throw new RangeError(
      `its path has ${bytes} bytes, a socket's at most ${SOCKET_PATH_BYTES_MAX}`,
    );
  }
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
  // A connection to any other file is refused just as one to a socket that nobody listens at.
  const isSocket = (await lstat(path).catch(() => undefined))?.isSocket() === true;
  if (!isSocket) return;
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
