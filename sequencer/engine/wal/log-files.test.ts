import { mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { concatBytes, toHex, utf8ToBytes } from "../../../proto/bytes.ts";
import { NULL_LOGGER } from "../../ports/logger.ts";
import { NODE_FILE_SYSTEM } from "../../ports/node-file-system.ts";
import { openLogFiles, type LogFilesOptions } from "./log-files.ts";
import { frameRecord, scanFrames } from "./record-frames.ts";

describe("log files", () => {
  let directory = "";
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "weft-wal-"));
  });
  afterEach(() => rm(directory, { recursive: true, force: true }));

  const openLog = (options: Partial<LogFilesOptions> = {}) =>
    openLogFiles(
      { directory, onCorruption: "refuse", ...options },
      { fileSystem: NODE_FILE_SYSTEM, logger: NULL_LOGGER },
    );

  async function written(options: Partial<LogFilesOptions> = {}): Promise<string[][]> {
    const log = await openLog(options);
    const files: string[][] = [];
    for await (const payloads of log.filesNewestFirst()) {
      files.push(payloads.map((payload) => new TextDecoder().decode(payload)));
    }
    await log.close();
    return files;
  }

  async function append(...records: string[]): Promise<void> {
    const log = await openLog();
    for (const record of records) log.append(utf8ToBytes(record));
    await log.close();
  }

  test("a record begins with its CRC-32C: the check values of RFC 3720 and of 32 zero bytes", () => {
    const crcOf = (payload: Uint8Array): string => toHex(frameRecord(payload).subarray(0, 4));
    expect(crcOf(utf8ToBytes("123456789"))).toBe("e3069283");
    expect(crcOf(new Uint8Array(32))).toBe("8a9136aa");
  });

  test("what was synced is there after reopening, in order", async () => {
    await append("a", "b");
    await append("c");
    expect(await written()).toEqual([["a", "b", "c"]]);
  });

  test("a torn tail is cut at every length, and the log goes on after it", async () => {
    await append("first", "second");
    const whole = await readFile(join(directory, "wal"));
    const firstBytes = frameRecord(utf8ToBytes("first")).length;
    for (let length = firstBytes + 1; length < whole.length; length++) {
      await writeFile(join(directory, "wal"), whole.subarray(0, length));
      await append("third");
      expect(await written(), `cut at ${length}`).toEqual([["first", "third"]]);
    }
  });

  test("a tail of zeros, as a lost page leaves it, is cut", async () => {
    await append("first");
    const whole = await readFile(join(directory, "wal"));
    await writeFile(join(directory, "wal"), concatBytes(whole, new Uint8Array(4_096)));
    expect(await written()).toEqual([["first"]]);
  });

  test("a good record inside a torn one does not make it a corruption", () => {
    const torn = frameRecord(
      concatBytes(new Uint8Array(10), frameRecord(utf8ToBytes("bait")), new Uint8Array(100)),
    );
    const scan = scanFrames(torn.subarray(0, torn.length - 1));
    expect(scan.end).toBe("tornTail");
  });

  test("damage before good records is refused, with a copy, or cut on request", async () => {
    await append("first", "second", "third");
    const path = join(directory, "wal");
    const bytes = await readFile(path);
    const offset = frameRecord(utf8ToBytes("first")).length;
    bytes[offset + 9] = (bytes[offset + 9] ?? 0) ^ 1;
    await writeFile(path, bytes);
    await expect(openLog()).rejects.toThrow(/damaged at byte 13 of .*wal\.CORRUPTED/s);
    expect(await readFile(`${path}.CORRUPTED`)).toEqual(bytes);
    expect(await readFile(path)).toEqual(bytes);
    expect(await written({ onCorruption: "truncate" })).toEqual([["first"]]);
  });

  test("a damaged length is found too", async () => {
    await append("first", "second", "third");
    const path = join(directory, "wal");
    const bytes = await readFile(path);
    bytes[frameRecord(utf8ToBytes("first")).length + 4] = 0x7f;
    await writeFile(path, bytes);
    await expect(openLog()).rejects.toMatchObject({ code: "WAL_CORRUPTED" });
  });

  test("a full head is rotated at a sync, and the oldest files go beyond the total", async () => {
    const log = await openLog({ fileBytesMax: 40, totalBytesMax: 100 });
    for (let i = 0; i < 20; i++) {
      log.append(utf8ToBytes(`record ${i}`));
      await log.sync();
    }
    await log.close();
    const names = (await readdir(directory)).sort();
    expect(names[0]).toBe("wal");
    expect(names.length).toBeLessThanOrEqual(4);
    const files = await written();
    expect(files.toReversed().flat().at(-1)).toBe("record 19");
    const numbers = files
      .toReversed()
      .flat()
      .map((text) => Number(text.slice(7)));
    numbers.forEach((number, i) => expect(number).toBe((numbers[0] ?? 0) + i));
  });

  test("a record over the limit is refused before it is written", async () => {
    const log = await openLog();
    expect(() => log.append(new Uint8Array(2 << 20))).toThrow(/1 to \d+ bytes/);
    expect(() => log.append(new Uint8Array(0))).toThrow(/1 to \d+ bytes/);
    await log.close();
  });
});
