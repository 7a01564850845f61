/** The log read as it lies on disk, oldest file first, nothing repaired: for the command line. */
import { join } from "node:path";
import type { FileSystem } from "../../ports/file-system.ts";
import { RECORD_HEADER_BYTES, scanFrames, type FrameScan } from "./record-frames.ts";

/** A record and where it begins. */
export interface LogRecord {
  readonly offset: number;
  readonly payload: Uint8Array;
}

export interface LogFile {
  /** `wal.000`, ... and last the head, `wal`. */
  readonly name: string;
  readonly path: string;
  readonly sizeBytes: number;
  readonly records: readonly LogRecord[];
  /** What follows the last good record, and where it begins. */
  readonly end: FrameScan["end"];
  readonly goodBytes: number;
}

/** Names of the log's files, oldest first; the head comes last, when there is one. */
export async function logFileNames(
  directory: string,
  fileSystem: FileSystem,
): Promise<readonly string[]> {
  const names = await fileSystem.list(directory);
  const rotated = names
    .filter((name) => /^wal\.\d{3,}$/.test(name))
    .sort((a, b) => Number(a.slice(4)) - Number(b.slice(4)));
  return names.includes("wal") ? [...rotated, "wal"] : rotated;
}

/** One file at a time: each is at most a few tens of megabytes. */
export async function* readLogFiles(
  directory: string,
  fileSystem: FileSystem,
): AsyncIterable<LogFile> {
  for (const name of await logFileNames(directory, fileSystem)) {
    yield await readLogFile(directory, name, fileSystem);
  }
}

/** @param name one of `logFileNames` */
export async function readLogFile(
  directory: string,
  name: string,
  fileSystem: FileSystem,
): Promise<LogFile> {
  const path = join(directory, name);
  const bytes = (await fileSystem.readFile(path)) ?? new Uint8Array(0);
  const { payloads, end, goodBytes } = scanFrames(bytes);
  let offset = 0;
  const records = payloads.map((payload) => {
    const record = { offset, payload };
    offset += RECORD_HEADER_BYTES + payload.length;
    return record;
  });
  return { name, path, sizeBytes: bytes.length, records, end, goodBytes };
}
