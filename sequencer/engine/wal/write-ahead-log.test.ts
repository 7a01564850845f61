import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Height } from "../../../proto/brands.ts";
import { NULL_LOGGER } from "../../ports/logger.ts";
import { NODE_FILE_SYSTEM } from "../../ports/node-file-system.ts";
import { createSystemClock } from "../../ports/system-clock.ts";
import { NULL_ENGINE_METRICS } from "../metrics.ts";
import { openWriteAheadLog, type WriteAheadLog } from "./write-ahead-log.ts";

const HEIGHTS = 40;

let directory = "";
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "weft-wal-"));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const open = (): Promise<WriteAheadLog> =>
  openWriteAheadLog(
    { directory, onCorruption: "refuse", fileBytesMax: 200 },
    {
      fileSystem: NODE_FILE_SYSTEM,
      logger: NULL_LOGGER,
      clock: createSystemClock(),
      metrics: NULL_ENGINE_METRICS,
    },
  );

describe("the log of many files", () => {
  test("is looked through only as far back as the wanted height can be", async () => {
    const log = await open();
    for (let height = 1; height <= HEIGHTS; height++) {
      log.append({ kind: "heightStarted", height: Height(height), startDelayMs: height });
      log.append({ kind: "endHeight", height: Height(height) });
      await log.sync();
    }
    log.append({ kind: "heightStarted", height: Height(HEIGHTS + 1), startDelayMs: 7 });
    await log.close();
    const files = (await readdir(directory)).sort();
    expect(files.length).toBeGreaterThan(5);
    // The oldest file rots.
    const oldest = join(directory, files.find((name) => /\d$/.test(name)) ?? "");
    const bytes = await readFile(oldest);
    bytes[20] = (bytes[20] ?? 0) ^ 1;
    await writeFile(oldest, bytes);

    const again = await open();
    expect(await again.hasEndHeight(Height(HEIGHTS + 1))).toBe(false);
    expect(await again.hasEndHeight(Height(HEIGHTS - 10))).toBe(true);
    expect(await again.entriesAfter(Height(HEIGHTS))).toEqual([
      { kind: "heightStarted", height: HEIGHTS + 1, startDelayMs: 7 },
    ]);
    expect(await again.entriesAfter(Height(HEIGHTS - 10))).toHaveLength(21);
    expect(await again.entriesAfter(Height(HEIGHTS + 5))).toBeUndefined();
    await expect(again.hasEndHeight(Height(1))).rejects.toMatchObject({ code: "WAL_CORRUPTED" });
    await again.close();
  });
});
