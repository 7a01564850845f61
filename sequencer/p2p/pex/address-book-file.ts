/** `addrbook.json` as CometBFT writes it, so that a home directory can change engine. */
import { open, readFile, rename, stat } from "node:fs/promises";
import { randomBytes } from "node:crypto";
import { toHex } from "../../../proto/bytes.ts";
import type { Logger } from "../../ports/logger.ts";
import { isMissingFile } from "../../ports/node-file-system.ts";
import type { YieldToLoop } from "../../ports/yield-to-loop.ts";
import type { AddressBook, KnownAddress } from "./address-book.ts";
import { BOOK_FILE_BYTES_MAX, BOOK_SLICE } from "./limits.ts";
import { netAddress, type NetAddress } from "./net-address.ts";

export interface StoredBook {
  readonly key: string;
  readonly entries: readonly KnownAddress[];
}

const BUCKET_TYPE_NEW = 1;
const BUCKET_TYPE_OLD = 2;
/** Go's zero time. */
const NEVER = "0001-01-01T00:00:00Z";
const KEY_BYTES = 12;

/** A fresh secret for the buckets, as CometBFT makes it. */
export function createBookKey(): string {
  return toHex(new Uint8Array(randomBytes(KEY_BYTES)));
}

/**
 * What the file holds; undefined when there is none. A file that cannot be read is set aside: it is
 * a memory of addresses, and a node does without.
 */
export async function readBookFile(path: string, logger: Logger): Promise<StoredBook | undefined> {
  try {
    const size = await stat(path).then(
      (found) => found.size,
      (error: unknown) => {
        if (isMissingFile(error)) return undefined;
        throw error;
      },
    );
    if (size === undefined) return undefined;
    if (size > BOOK_FILE_BYTES_MAX) throw new RangeError(`it has ${size} bytes`);
    return parseBook(await readFile(path, "utf8"));
  } catch (error) {
    const aside = `${path}.unreadable`;
    logger.warn("address book unreadable, set aside", { path, aside, error: String(error) });
    await rename(path, aside).catch(() => {});
    return undefined;
  }
}

/** Writes a new file beside the old one, then takes its place; long books in slices. */
export async function writeBookFile(
  path: string,
  book: Pick<AddressBook, "key" | "entries">,
  yieldToLoop: YieldToLoop,
): Promise<void> {
  const entries = book.entries();
  const temporary = `${path}.new`;
  const file = await open(temporary, "w", 0o644);
  try {
    await file.write(`{\n\t"key": ${JSON.stringify(book.key)},\n\t"addrs": [`);
    for (let at = 0; at < entries.length; at += BOOK_SLICE) {
      const texts = entries
        .slice(at, at + BOOK_SLICE)
        .map((entry) => `\n\t\t${JSON.stringify(entryToJson(entry))}`);
      await file.write(`${at === 0 ? "" : ","}${texts.join(",")}`);
      await yieldToLoop();
    }
    await file.write(entries.length === 0 ? "]\n}\n" : "\n\t]\n}\n");
    await file.datasync();
  } finally {
    await file.close();
  }
  await rename(temporary, path);
}

function entryToJson(one: KnownAddress): object {
  const place = ({ id, host, port }: NetAddress): object => ({ id, ip: host, port });
  return {
    addr: place(one.address),
    src: place(one.source),
    buckets: one.buckets,
    attempts: one.attempts,
    bucket_type: one.isOld ? BUCKET_TYPE_OLD : BUCKET_TYPE_NEW,
    last_attempt: timeToJson(one.lastAttemptMs),
    last_success: timeToJson(one.lastSuccessMs),
    last_ban_time: timeToJson(one.lastBanMs),
  };
}

/** Throws when it is not an address book; an entry that is no address of a node is left out. */
export function parseBook(text: string): StoredBook {
  const document: unknown = JSON.parse(text);
  if (!isRecord(document) || typeof document["key"] !== "string") {
    throw new RangeError('expected {"key": ..., "addrs": [...]}');
  }
  // Go writes a list without entries as null.
  const list = document["addrs"] ?? [];
  if (!Array.isArray(list)) throw new RangeError("expected addrs to be a list");
  const entries = list.flatMap((entry: unknown): KnownAddress[] => {
    if (!isRecord(entry)) return [];
    const address = placeOf(entry["addr"]);
    if (address === undefined) return [];
    const attempts = entry["attempts"];
    return [
      {
        address,
        source: placeOf(entry["src"]) ?? address,
        buckets: [],
        isOld: entry["bucket_type"] === BUCKET_TYPE_OLD,
        attempts: typeof attempts === "number" && attempts > 0 ? Math.floor(attempts) : 0,
        lastAttemptMs: timeOf(entry["last_attempt"]),
        lastSuccessMs: timeOf(entry["last_success"]),
        lastBanMs: timeOf(entry["last_ban_time"]),
      },
    ];
  });
  return { key: document["key"], entries };
}

function placeOf(value: unknown): NetAddress | undefined {
  if (!isRecord(value)) return undefined;
  const { id, ip, port } = value as { id?: unknown; ip?: unknown; port?: unknown };
  if (typeof id !== "string" || typeof ip !== "string" || typeof port !== "number")
    return undefined;
  return netAddress(id, ip, port);
}

function timeToJson(ms: number): string {
  return ms === 0 ? NEVER : new Date(ms).toISOString();
}

function timeOf(value: unknown): number {
  const ms = typeof value === "string" ? Date.parse(value) : Number.NaN;
  return Number.isFinite(ms) && ms > 0 ? ms : 0;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}
