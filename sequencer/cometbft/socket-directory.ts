import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SOCKET_PATH_BYTES_MAX } from "../ports/unix-socket.ts";
import { CometBftError } from "./errors.ts";

export interface SocketDirectory {
  /** Path of a socket of that name. */
  path(name: string): string;
  /** Removes a folder that was made for this run alone. */
  close(): void;
}

/** The longest name a socket may have there. */
const NAME_LENGTH_MAX = "abci.sock".length;

/**
 * A folder for the sockets of one run, for their owner only: `preferred` when paths in it are short enough for the
 * system, which takes about a hundred bytes, else one in the system's folder for what is temporary.
 * @throws CometBftError COMETBFT_SOCKET_PATH
 */
export function openSocketDirectory(preferred: string): SocketDirectory {
  if (fits(preferred)) {
    mkdirSync(preferred, { recursive: true, mode: 0o700 });
    return { path: (name) => join(preferred, name), close: () => {} };
  }
  const parent = [tmpdir(), "/tmp"].find((folder) => fits(join(folder, "weft-XXXXXX")));
  if (parent === undefined) {
    throw new CometBftError(
      { code: "COMETBFT_SOCKET_PATH", path: preferred },
      `a Unix socket in ${preferred} would have a longer path than the system takes (${SOCKET_PATH_BYTES_MAX} bytes), and so would one in ${tmpdir()}; use a home with a shorter path, or set TMPDIR`,
    );
  }
  const folder = mkdtempSync(join(parent, "weft-"));
  return {
    path: (name) => join(folder, name),
    close: () => rmSync(folder, { recursive: true, force: true }),
  };
}

function fits(folder: string): boolean {
  return Buffer.byteLength(folder) + 1 + NAME_LENGTH_MAX <= SOCKET_PATH_BYTES_MAX;
}
