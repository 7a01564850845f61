/**
 * The part of a file system that what must survive a crash is written through: the log, the signer's
 * state, the bytes of large blocks. What was written is durable only after a sync of the file, and a
 * name that was made, changed or removed only after a sync of its directory. The simulator has its own.
 */
import { dirname } from "node:path";

/**
 * `read` an existing file or directory; `append` and `readAppend` make what is missing and write at the
 * end; `update` an existing file in place.
 */
export type OpenMode = "read" | "append" | "readAppend" | "update";

export interface OpenFile {
  /** Writes `bytes` from index `from` on into the page cache; returns how many were taken. */
  writeSync(bytes: Uint8Array, from: number): number;
  /** The same away from the loop, at most `count` bytes. */
  write(bytes: Uint8Array, from: number, count: number): Promise<number>;
  /** Fills `into` from index `from` on with at most `count` bytes at `position`; 0 at the file's end. */
  read(into: Uint8Array, from: number, count: number, position: number): Promise<number>;
  truncate(length: number): Promise<void>;
  /** Makes bytes and length durable. */
  datasync(): Promise<void>;
  /** Makes all of it durable; of a directory, its names. */
  sync(): Promise<void>;
  /** Waits for what is under way. */
  close(): Promise<void>;
}

/** A file that was begun anew; only `datasync` leaves the loop. */
export interface NewFile {
  writeSync(text: string): void;
  datasync(): Promise<void>;
  closeSync(): void;
}

export interface FileSystem {
  /** With its parents; nothing happens when it is there. */
  makeDirectory(path: string): Promise<void>;
  /** Names in a directory, in no order. */
  list(path: string): Promise<readonly string[]>;
  /** The whole file; undefined when there is none. */
  readFile(path: string): Promise<Uint8Array | undefined>;
  open(path: string, mode: OpenMode): Promise<OpenFile>;
  /** An empty file of that name, whether or not there was one. */
  replaceSync(path: string): NewFile;
  renameSync(from: string, to: string): void;
  copy(from: string, to: string): Promise<void>;
  remove(path: string): Promise<void>;
  sizeBytes(path: string): Promise<number>;
}

/**
 * A small file with `text` in the place of what has that name, durable when it resolves: a crash leaves the
 * old one or the new one, and perhaps `<path>.new`. Calls for one path must not overlap.
 */
export async function replaceFile(
  fileSystem: FileSystem,
  path: string,
  text: string,
): Promise<void> {
  const temporary = `${path}.new`;
  const file = fileSystem.replaceSync(temporary);
  try {
    file.writeSync(text);
    await file.datasync();
  } finally {
    file.closeSync();
  }
  fileSystem.renameSync(temporary, path);
  await syncDirectory(fileSystem, dirname(path));
}

/** Makes what was named, renamed or removed in a directory durable. */
export async function syncDirectory(fileSystem: FileSystem, path: string): Promise<void> {
  const directory = await fileSystem.open(path, "read");
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
