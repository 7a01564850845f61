/** The write-ahead log of consensus: entries in, one sync for many, entries of a height back. */
import { Writer } from "../../../proto/codec/writer.ts";
import { Height } from "../../../proto/brands.ts";
import type { Clock } from "../../ports/clock.ts";
import type { EngineMetrics } from "../metrics.ts";
import {
  openLogFiles,
  type LogFiles,
  type LogFilesDeps,
  type LogFilesOptions,
} from "./log-files.ts";
import { decodeWalEntry, endHeightOf, type WalEntry, writeWalEntry } from "./wal-entry.ts";

/** Room for a part of a block. */
const RECORD_BYTES_FIRST = 80 << 10;

export interface WriteAheadLog {
  /** Takes an entry; durable only after `sync`, safe from a killed process after `flush`. */
  append(entry: WalEntry): void;
  flush(): Promise<void>;
  /** Makes all that was appended durable: one fdatasync, none when nothing is new. */
  sync(): Promise<void>;
  /** Whether EndHeight(`height`) is in the log. */
  hasEndHeight(height: Height): Promise<boolean>;
  /** Everything after EndHeight(`height`); undefined when the log has no such marker. */
  entriesAfter(height: Height): Promise<readonly WalEntry[] | undefined>;
  close(): Promise<void>;
}

/**
 * Opens, or begins with EndHeight(0), the log of a directory.
 * @throws WalError WAL_CORRUPTED
 */
export async function openWriteAheadLog(
  options: LogFilesOptions,
  deps: LogFilesDeps & { readonly clock: Clock; readonly metrics: EngineMetrics },
): Promise<WriteAheadLog> {
  const files = await openLogFiles(options, deps);
  const log = createLog(files, deps);
  if (await isEmpty(files)) {
    log.append({ kind: "endHeight", height: Height(0) });
    await log.sync();
  }
  return log;
}

function createLog(
  files: LogFiles,
  deps: { readonly clock: Clock; readonly metrics: EngineMetrics },
): WriteAheadLog {
  // One buffer for all records: blocks pass through here, and `append` copies.
  const writer = new Writer(RECORD_BYTES_FIRST);

  /**
   * Looks for the marker, newest file first, and shows the records after it in each file. Heights only rise:
   * where a lower one ended, the marker is in no older file, and what those hold is nobody's concern.
   */
  async function findEnd(
    height: Height,
    onAfter: (payloads: Uint8Array[]) => void = () => {},
  ): Promise<boolean> {
    for await (const payloads of files.filesNewestFirst()) {
      const at = payloads.findLastIndex((payload) => endHeightOf(payload) === height);
      onAfter(payloads.slice(at + 1));
      if (at !== -1) return true;
      if (payloads.some((payload) => (endHeightOf(payload) ?? height) < height)) return false;
    }
    return false;
  }
  return {
    append(entry) {
      writer.reset();
      writeWalEntry(writer, entry);
      files.append(writer.written());
    },
    flush: () => files.flush(),
    async sync() {
      const started = deps.clock.monotonicMs();
      if (await files.sync()) {
        deps.metrics.walFsyncSeconds.observe((deps.clock.monotonicMs() - started) / 1_000);
      }
    },
    hasEndHeight: (height) => findEnd(height),
    async entriesAfter(height) {
      const newestFirst: Uint8Array[][] = [];
      const isThere = await findEnd(height, (payloads) => newestFirst.push(payloads));
      return isThere ? newestFirst.toReversed().flat().map(decodeWalEntry) : undefined;
    },
    close: () => files.close(),
  };
}

async function isEmpty(files: LogFiles): Promise<boolean> {
  for await (const payloads of files.filesNewestFirst()) if (payloads.length > 0) return false;
  return true;
}
