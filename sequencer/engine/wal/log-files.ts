/**
 * The log as files: `wal` is the head, `wal.000`, `wal.001`, ... are full ones, oldest first
 * (spec/cometbft-v0.38.md §15.1). A rotated file was synced before its successor was begun.
 */
import { join } from "node:path";
import { syncDirectory, type FileSystem, type OpenFile } from "../../ports/file-system.ts";
import type { Logger } from "../../ports/logger.ts";
import { WAL_FILE_BYTES_MAX, WAL_TOTAL_BYTES_MAX } from "../limits.ts";
import { WalError } from "./errors.ts";
import { PendingRecords } from "./pending-records.ts";
import { scanFrames } from "./record-frames.ts";

const HEAD = "wal";
const SYNC_WRITE_BYTES_MAX = 1 << 20;

export interface LogFilesOptions {
  readonly directory: string;
  /**
   * What to do with a damaged record that good ones follow: `refuse` to start, or `truncate` to the
   * good prefix as CometBFT does. Either way the file is copied to `<name>.CORRUPTED` first.
   */
  readonly onCorruption: "refuse" | "truncate";
  readonly fileBytesMax?: number;
  readonly totalBytesMax?: number;
}

export interface LogFilesDeps {
  readonly fileSystem: FileSystem;
  readonly logger: Logger;
}

export interface LogFiles {
  /** Copies a record; it is in the operating system's hands only after `flush` or `sync`. */
  append(payload: Uint8Array): void;
  /** Writes what was appended; survives the process, not the power. */
  flush(): Promise<void>;
  /** Writes what was appended and makes all of it durable; false when nothing was new. */
  sync(): Promise<boolean>;
  /** Payloads of every record, file by file, newest file first; records in order within a file. */
  filesNewestFirst(): AsyncIterable<readonly Uint8Array[]>;
  close(): Promise<void>;
}

/**
 * Opens the log, repairing a torn tail of the head.
 * @throws WalError WAL_CORRUPTED; WAL_WRITE_FAILED from `flush` and `sync`, and from then on always.
 */
export async function openLogFiles(
  options: LogFilesOptions,
  deps: LogFilesDeps,
): Promise<LogFiles> {
  await deps.fileSystem.makeDirectory(options.directory);
  const files = new AppendedFiles(options, deps);
  await files.open();
  return files;
}

class AppendedFiles implements LogFiles {
  readonly #directory: string;
  readonly #onCorruption: "refuse" | "truncate";
  readonly #fileBytesMax: number;
  readonly #totalBytesMax: number;
  readonly #fileSystem: FileSystem;
  readonly #logger: Logger;
  #head: OpenFile | undefined;
  #headBytes = 0;
  readonly #pending = new PendingRecords();
  #isSynced = true;
  /** Writes and syncs run one after the other. */
  #tail: Promise<void> = Promise.resolve();
  #failure: WalError | undefined;

  constructor(options: LogFilesOptions, { fileSystem, logger }: LogFilesDeps) {
    this.#directory = options.directory;
    this.#onCorruption = options.onCorruption;
    this.#fileBytesMax = options.fileBytesMax ?? WAL_FILE_BYTES_MAX;
    this.#totalBytesMax = options.totalBytesMax ?? WAL_TOTAL_BYTES_MAX;
    this.#fileSystem = fileSystem;
    this.#logger = logger;
  }

  async open(): Promise<void> {
    const path = join(this.#directory, HEAD);
    const bytes = await this.#read(path);
    const scan = scanFrames(bytes);
    if (scan.end === "corrupted") {
      await this.#corrupted(path, scan.goodBytes, bytes.length);
    } else if (scan.end === "tornTail") {
      this.#logger.warn("wal tail torn by a crash, truncated", {
        path,
        keptBytes: scan.goodBytes,
        cutBytes: bytes.length - scan.goodBytes,
      });
    }
    const head = await this.#fileSystem.open(path, "append");
    if (scan.goodBytes < bytes.length) await head.truncate(scan.goodBytes);
    // A killed process leaves records that the disk does not have yet; replay sends what they hold.
    await head.sync();
    this.#head = head;
    this.#headBytes = scan.goodBytes;
    await syncDirectory(this.#fileSystem, this.#directory);
  }

  append(payload: Uint8Array): void {
    if (this.#failure !== undefined) throw this.#failure;
    this.#pending.append(payload);
    this.#isSynced = false;
  }

  flush(): Promise<void> {
    return this.#enqueue(() => this.#write());
  }

  sync(): Promise<boolean> {
    return this.#enqueue(async () => {
      if (this.#isSynced) return false;
      await this.#write();
      await this.#handle().datasync();
      // What was appended while the disk worked is not covered.
      this.#isSynced = this.#pending.isEmpty;
      if (this.#headBytes >= this.#fileBytesMax) await this.#rotate();
      return true;
    });
  }

  async *filesNewestFirst(): AsyncIterable<readonly Uint8Array[]> {
    await this.flush();
    for (const name of [HEAD, ...(await this.#rotatedNames()).toReversed()]) {
      const path = join(this.#directory, name);
      const bytes = await this.#read(path);
      const scan = scanFrames(bytes);
      if (scan.end !== "whole") await this.#corrupted(path, scan.goodBytes, bytes.length);
      yield scan.payloads;
    }
  }

  async close(): Promise<void> {
    try {
      await this.sync();
    } finally {
      await this.#head?.close();
      this.#head = undefined;
    }
  }

  #enqueue<T>(task: () => Promise<T>): Promise<T> {
    const run = async (): Promise<T> => {
      if (this.#failure !== undefined) throw this.#failure;
      try {
        return await task();
      } catch (cause) {
        this.#failure = new WalError(
          { code: "WAL_WRITE_FAILED", path: this.#directory },
          `the write-ahead log in ${this.#directory} cannot be written (${String(cause)}); free the disk or replace it, then restart`,
          { cause },
        );
        throw this.#failure;
      }
    };
    const result = this.#tail.then(run, run);
    this.#tail = settled(result);
    return result;
  }

  async #write(): Promise<void> {
    if (this.#pending.isEmpty) return;
    const bytes = this.#pending.take();
    const head = this.#handle();
    for (let at = 0; at < bytes.length; ) {
      // A small write only copies into the page cache: less than a turn of the thread pool costs.
      const isSmall = bytes.length - at <= SYNC_WRITE_BYTES_MAX;
      at += isSmall ? head.writeSync(bytes, at) : await head.write(bytes, at, SYNC_WRITE_BYTES_MAX);
    }
    this.#headBytes += bytes.length;
    this.#pending.giveBack(bytes);
  }

  async #rotate(): Promise<void> {
    const names = await this.#rotatedNames();
    const last = names.at(-1);
    const index = last === undefined ? 0 : rotatedIndex(last) + 1;
    await this.#handle().close();
    const headPath = join(this.#directory, HEAD);
    const rotated = join(this.#directory, `${HEAD}.${String(index).padStart(3, "0")}`);
    this.#fileSystem.renameSync(headPath, rotated);
    this.#head = await this.#fileSystem.open(headPath, "append");
    this.#headBytes = 0;
    await this.#dropOldest();
    await syncDirectory(this.#fileSystem, this.#directory);
  }

  async #dropOldest(): Promise<void> {
    const names = await this.#rotatedNames();
    const sizes: number[] = [];
    for (const name of names)
      sizes.push(await this.#fileSystem.sizeBytes(join(this.#directory, name)));
    let total = sizes.reduce((sum, size) => sum + size, 0);
    for (const [i, name] of names.entries()) {
      if (total <= this.#totalBytesMax) return;
      await this.#fileSystem.remove(join(this.#directory, name));
      total -= sizes[i] ?? 0;
    }
  }

  async #rotatedNames(): Promise<string[]> {
    const names = await this.#fileSystem.list(this.#directory);
    return names
      .filter((name) => /^wal\.\d{3,}$/.test(name))
      .sort((a, b) => rotatedIndex(a) - rotatedIndex(b));
  }

  async #corrupted(path: string, offset: number, length: number): Promise<void> {
    const copy = `${path}.CORRUPTED`;
    await this.#fileSystem.copy(path, copy);
    const fields = { path, offset, length, copy };
    if (this.#onCorruption === "refuse") {
      this.#logger.error("wal corrupted", fields);
      throw new WalError(
        { code: "WAL_CORRUPTED", path, offset },
        `the write-ahead log ${path} is damaged at byte ${offset} of ${length}, before records that are good: expected a disk that keeps what was synced. ` +
          `A copy is in ${copy}. Check the disk and look at the log with "weft wal verify"; then restore the data directory, or cut the log to its good prefix with "weft wal verify --cut"`,
      );
    }
    this.#logger.warn("wal corrupted, cut to its good prefix", fields);
    const file = await this.#fileSystem.open(path, "update");
    try {
      await file.truncate(offset);
      await file.sync();
    } finally {
      await file.close();
    }
  }

  /** Empty when it is missing: a fresh log, or a crash between rename and creation. */
  async #read(path: string): Promise<Uint8Array> {
    return (await this.#fileSystem.readFile(path)) ?? new Uint8Array(0);
  }

  #handle(): OpenFile {
    if (this.#head === undefined) throw new Error("the log is closed");
    return this.#head;
  }
}

function rotatedIndex(name: string): number {
  return Number.parseInt(name.slice(HEAD.length + 1), 10);
}

/** The caller gets the error; the chain only keeps the order. */
async function settled(result: Promise<unknown>): Promise<void> {
  await Promise.allSettled([result]);
}
