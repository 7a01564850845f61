/** What a log holds of the height under way: both engines frame and rotate their logs alike (§15.1). */
import type { Height } from "../../../proto/brands.ts";
import type { Timestamp } from "../../../proto/types.ts";
import { readLogFiles } from "../../engine/wal/log-reader.ts";
import { frameRecord } from "../../engine/wal/record-frames.ts";
import { encodeWalEntry, endHeightOf, type WalEntry } from "../../engine/wal/wal-entry.ts";
import type { FileSystem } from "../../ports/file-system.ts";
import {
  type CometLogMessage,
  decodeCometLogMessage,
  encodeCometLogMessage,
} from "./comet-log-message.ts";
import { CometStoreError } from "./errors.ts";
import { MARKER_BYTES_MAX } from "./limits.ts";

/** The height that a log's record ends; undefined when it ends none. */
export type EndOf = (payload: Uint8Array) => Height | undefined;

export const endInOurLog: EndOf = endHeightOf;

export const endInCometLog: EndOf = (payload) => {
  if (payload.length > MARKER_BYTES_MAX) return undefined;
  const message = decodeCometLogMessage(payload);
  return message.kind === "endHeight" ? message.height : undefined;
};

/**
 * Records after the end of `lastHeight` (0 before the first block), in order; undefined when the log
 * does not hold that end: then the height is begun anew.
 * @throws CometStoreError WAL_NOT_CONVERTIBLE when they are damaged, or the log is newer than the stores.
 */
export async function recordsAfterEnd(
  directory: string,
  lastHeight: Height,
  endOf: EndOf,
  fileSystem: FileSystem,
): Promise<readonly Uint8Array[] | undefined> {
  let records: Uint8Array[] | undefined;
  let fault: string | undefined;
  for await (const file of readLogFiles(directory, fileSystem)) {
    for (const { payload } of file.records) {
      const end = endOf(payload);
      if (end === undefined) {
        records?.push(payload);
      } else if (end > lastHeight) {
        throw notConvertible(
          lastHeight + 1,
          `the write-ahead log in ${directory} has seen the end of height ${end}, the stores end at ${lastHeight}: expected stores that are not older than the log; restore the whole data directory`,
        );
      } else if (end === lastHeight && (lastHeight > 0 || records === undefined)) {
        // CometBFT writes the end of height 0 whenever it finds an empty head, also within a height.
        records = [];
        fault = undefined;
      }
    }
    // A record that a crash cut short was never acted on.
    if (file.end === "corrupted") fault = `${file.path} at byte ${file.goodBytes}`;
  }
  if (records === undefined || fault === undefined) return records;
  throw notConvertible(
    lastHeight + 1,
    `the write-ahead log is damaged at ${fault}, in the height under way: a lock may be lost. Check the disk; start the engine that wrote it once more, let a block be decided, stop it, and switch then`,
  );
}

/** A new log that holds these entries. Durable after a sync of the directory's files. */
export async function writeOurLog(
  directory: string,
  entries: readonly WalEntry[],
  fileSystem: FileSystem,
): Promise<void> {
  await writeLog(directory, entries.map(encodeWalEntry), fileSystem);
}

/** The same in CometBFT's format; `time` is said to be that of each record. */
export async function writeCometLog(
  directory: string,
  messages: readonly CometLogMessage[],
  time: Timestamp,
  fileSystem: FileSystem,
): Promise<void> {
  const payloads = messages.map((message) => encodeCometLogMessage(message, time));
  await writeLog(directory, payloads, fileSystem);
}

async function writeLog(
  directory: string,
  payloads: readonly Uint8Array[],
  fileSystem: FileSystem,
): Promise<void> {
  await fileSystem.makeDirectory(directory);
  const file = await fileSystem.open(`${directory}/wal`, "append");
  try {
    for (const payload of payloads) {
      const frame = frameRecord(payload);
      for (let at = 0; at < frame.length; ) at += file.writeSync(frame, at);
    }
    await file.sync();
  } finally {
    await file.close();
  }
}

/** What keeps the log of `height` from being carried over. */
export function notConvertible(height: number, message: string, cause?: unknown): CometStoreError {
  return new CometStoreError({ code: "WAL_NOT_CONVERTIBLE", height }, message, { cause });
}
