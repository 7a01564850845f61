import { closeSync, fdatasync, openSync, renameSync, writeSync } from "node:fs";
import { copyFile, mkdir, open, readFile, readdir, rm, stat } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import { promisify } from "node:util";
import type { FileSystem, NewFile, OpenFile, OpenMode } from "./file-system.ts";

const FLAGS = { read: "r", append: "a", readAppend: "a+", update: "r+" } as const satisfies Record<
  OpenMode,
  string
>;
const PRIVATE_FILE_MODE = 0o600;
const PRIVATE_DIRECTORY_MODE = 0o700;

/** The real one. Files and directories that it makes are for their owner only. */
export const NODE_FILE_SYSTEM: FileSystem = {
  async makeDirectory(path) {
    await mkdir(path, { recursive: true, mode: PRIVATE_DIRECTORY_MODE });
  },
  list: (path) => readdir(path),
  async readFile(path) {
    try {
      return await readFile(path);
    } catch (error) {
      if (isMissingFile(error)) return undefined;
      throw error;
    }
  },
  open: async (path, mode) => new HandleFile(await open(path, FLAGS[mode], PRIVATE_FILE_MODE)),
  replaceSync: (path) => new DescriptorFile(openSync(path, "w", PRIVATE_FILE_MODE)),
  renameSync,
  copy: (from, to) => copyFile(from, to),
  remove: (path) => rm(path),
  sizeBytes: async (path) => (await stat(path)).size,
};

/** Whether a call of the file system failed because there is nothing at its path. */
export function isMissingFile(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
}

class HandleFile implements OpenFile {
  readonly #handle: FileHandle;

  constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  writeSync(bytes: Uint8Array, from: number): number {
    return writeSync(this.#handle.fd, bytes, from);
  }

  async write(bytes: Uint8Array, from: number, count: number): Promise<number> {
    return (await this.#handle.write(bytes, from, count)).bytesWritten;
  }

  async read(into: Uint8Array, from: number, count: number, position: number): Promise<number> {
    return (await this.#handle.read(into, from, count, position)).bytesRead;
  }

  truncate(length: number): Promise<void> {
    return this.#handle.truncate(length);
  }

  datasync(): Promise<void> {
    return this.#handle.datasync();
  }

  sync(): Promise<void> {
    return this.#handle.sync();
  }

  close(): Promise<void> {
    return this.#handle.close();
  }
}

const datasync = promisify(fdatasync);

class DescriptorFile implements NewFile {
  readonly #descriptor: number;

  constructor(descriptor: number) {
    this.#descriptor = descriptor;
  }

  writeSync(text: string): void {
    const bytes = Buffer.from(text);
    // A full disk may take a part of it without an error; the next call then fails.
    for (let at = 0; at < bytes.length; ) at += writeSync(this.#descriptor, bytes, at);
  }

  datasync(): Promise<void> {
    return datasync(this.#descriptor);
  }

  closeSync(): void {
    closeSync(this.#descriptor);
  }
}
