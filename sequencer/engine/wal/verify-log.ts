/** Checks a log as it lies on disk: checksums, form, order (spec/cometbft-v0.38.md §15.1). */
import type { FileSystem } from "../../ports/file-system.ts";
import { readLogFiles, type LogFile } from "./log-reader.ts";
import { decodeWalEntry, type WalEntry } from "./wal-entry.ts";

export interface LogFault {
  readonly file: string;
  /** Byte of the file at which the fault begins. */
  readonly offset: number;
  readonly kind: "corrupted" | "tornTail" | "undecodable" | "order" | "missingFile";
  readonly message: string;
  /** A start mends it by itself: the last record of the head, cut short by a crash. */
  readonly isHarmless: boolean;
}

export interface LogReport {
  readonly files: number;
  readonly records: number;
  readonly bytes: number;
  /** First and last height that the log has the end of; undefined when it has none. */
  readonly firstEndHeight: number | undefined;
  readonly lastEndHeight: number | undefined;
  readonly faults: readonly LogFault[];
}

export async function verifyLog(directory: string, fileSystem: FileSystem): Promise<LogReport> {
  const check = new LogCheck();
  for await (const file of readLogFiles(directory, fileSystem)) check.file(file);
  return check.report();
}

class LogCheck {
  readonly #faults: LogFault[] = [];
  #files = 0;
  #records = 0;
  #bytes = 0;
  #firstEndHeight: number | undefined;
  #lastEndHeight: number | undefined;
  #lastIndex: number | undefined;

  file(file: LogFile): void {
    this.#files += 1;
    this.#records += file.records.length;
    this.#bytes += file.sizeBytes;
    const index = file.name === "wal" ? undefined : Number(file.name.slice(4));
    if (index !== undefined && this.#lastIndex !== undefined && index !== this.#lastIndex + 1) {
      const before = `wal.${String(this.#lastIndex).padStart(3, "0")}`;
      this.#fault(file, 0, "missingFile", `expected the file after ${before}, got ${file.name}`);
    }
    if (index !== undefined) this.#lastIndex = index;
    for (const { offset, payload } of file.records) {
      try {
        this.#entry(file, offset, decodeWalEntry(payload));
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        this.#fault(file, offset, "undecodable", reason);
      }
    }
    const rest = `${file.sizeBytes - file.goodBytes} of ${file.sizeBytes} bytes`;
    if (file.end === "corrupted") {
      const what = `a damaged record before records that are good: ${rest} cannot be read in order`;
      this.#fault(file, file.goodBytes, "corrupted", what);
    } else if (file.end === "tornTail") {
      const isHead = file.name === "wal";
      const what = isHead
        ? `the last record is not whole (${rest}): a crash cut it short; the next start removes it`
        : `the last record is not whole (${rest}), though later files follow: it was synced before they were begun`;
      this.#fault(file, file.goodBytes, "tornTail", what, isHead);
    }
  }

  report(): LogReport {
    return {
      files: this.#files,
      records: this.#records,
      bytes: this.#bytes,
      firstEndHeight: this.#firstEndHeight,
      lastEndHeight: this.#lastEndHeight,
      faults: this.#faults,
    };
  }

  /** Heights only grow; jumps are blocks that came from block sync, which are not logged. */
  #entry(file: LogFile, offset: number, entry: WalEntry): void {
    if (entry.kind === "endHeight") {
      const last = this.#lastEndHeight;
      if (last !== undefined && entry.height < last) {
        const what = `the end of height ${entry.height} after the end of height ${last}`;
        this.#fault(file, offset, "order", what);
      }
      this.#firstEndHeight ??= entry.height;
      this.#lastEndHeight = entry.height;
      return;
    }
    const height = heightOf(entry);
    // Late precommits are of the height before.
    if (height === undefined || this.#lastEndHeight === undefined) return;
    if (height >= this.#lastEndHeight) return;
    const what = `${entry.kind} of height ${height} after the end of height ${this.#lastEndHeight}`;
    this.#fault(file, offset, "order", what);
  }

  #fault(
    file: LogFile,
    offset: number,
    kind: LogFault["kind"],
    message: string,
    isHarmless = false,
  ): void {
    this.#faults.push({ file: file.path, offset, kind, message, isHarmless });
  }
}

/** The height that an entry is about; undefined for a part of a block of ours. */
export function heightOf(entry: WalEntry): number | undefined {
  if (entry.kind === "createdPart") return undefined;
  if (entry.kind === "proposalReceived") return entry.proposal.height;
  return entry.kind === "voteReceived" ? entry.vote.height : entry.height;
}
