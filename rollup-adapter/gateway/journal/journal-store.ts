/** Where a journal's records are: a database on disk, or memory for a gateway that promises nothing beyond its life. */
import { ClassicLevel } from "classic-level";
import { WeftError } from "../../../proto/errors.ts";

export type JournalOperation =
  | { readonly type: "put"; readonly key: string; readonly value: Uint8Array }
  | { readonly type: "del"; readonly key: string };

export interface JournalStore {
  /** All records whose key begins with `prefix`, by key without it. */
  load(prefix: string): Promise<ReadonlyMap<string, Uint8Array>>;
  /** All or nothing; `isSynced`: durable when it resolves, with all that was written before. */
  write(operations: readonly JournalOperation[], isSynced: boolean): Promise<void>;
  close(): Promise<void>;
}

export type JournalStoreErrorInfo =
  /** The folder is another process's or damaged, or the disk is full. */
  { readonly code: "GATEWAY_JOURNAL_LOCKED"; readonly path: string };

/**
 * @param directory made when it is not there
 * @throws WeftError<JournalStoreErrorInfo>
 */
export async function openJournalStore(directory: string): Promise<JournalStore> {
  const level = new ClassicLevel<string, Uint8Array>(directory, { valueEncoding: "view" });
  await level.open().catch((cause: unknown) => {
    throw new WeftError<JournalStoreErrorInfo>(
      { code: "GATEWAY_JOURNAL_LOCKED", path: directory },
      `the gateway's journal in ${directory} cannot be opened; is another process using it, or the disk full? (${reasonOf(cause)})`,
      { cause },
    );
  });
  return {
    async load(prefix) {
      const records = new Map<string, Uint8Array>();
      // "~" is above every character of a key.
      for await (const [key, value] of level.iterator({ gte: prefix, lt: `${prefix}~` })) {
        records.set(key.slice(prefix.length), value);
      }
      return records;
    },
    write: (operations, isSynced) => level.batch([...operations], { sync: isSynced }),
    close: () => level.close(),
  };
}

/** Nothing outlives the process. */
export function createMemoryJournalStore(
  records: Map<string, Uint8Array> = new Map(),
): JournalStore {
  return {
    load(prefix) {
      const found = new Map<string, Uint8Array>();
      for (const [key, value] of records) {
        if (key.startsWith(prefix)) found.set(key.slice(prefix.length), value);
      }
      return Promise.resolve(found);
    },
    write(operations) {
      for (const operation of operations) {
        if (operation.type === "put") records.set(operation.key, operation.value);
        else records.delete(operation.key);
      }
      return Promise.resolve();
    },
    close: () => Promise.resolve(),
  };
}

/** What the database says of it, which the error that it throws has as its cause. */
function reasonOf(error: unknown): string {
  const { cause } = error instanceof Error ? error : { cause: undefined };
  return cause instanceof Error ? cause.message : String(error);
}
