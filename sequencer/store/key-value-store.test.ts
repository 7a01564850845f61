import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { utf8ToBytes } from "../../proto/bytes.ts";
import { memoryStore } from "../../test/support/memory-store.ts";
import { lockHome } from "./home-lock.ts";
import type { KeyValueStore } from "./key-value-store.ts";
import { openLevelKeyValueStore } from "./level-key-value-store.ts";

let directory = "";
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "weft-store-"));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const text = (bytes: Uint8Array | undefined) => bytes && new TextDecoder().decode(bytes);

describe.each<[string, () => Promise<KeyValueStore>]>([
  ["memory-level", async () => memoryStore()],
  ["classic-level", () => openLevelKeyValueStore(join(directory, "db"))],
])("key-value store on %s", (_, open) => {
  test("reads what was written, and nothing else", async () => {
    const store = await open();
    await store.write([
      { type: "put", key: utf8ToBytes("a"), value: utf8ToBytes("1") },
      { type: "put", key: utf8ToBytes("b"), value: utf8ToBytes("2") },
    ]);
    await store.write([
      { type: "del", key: utf8ToBytes("a") },
      { type: "put", key: utf8ToBytes("b"), value: utf8ToBytes("3") },
    ]);
    expect(await store.get(utf8ToBytes("a"))).toBeUndefined();
    expect(text(await store.get(utf8ToBytes("b")))).toBe("3");
    await store.close();
  });

  test("walks a half-open range in both directions, up to a limit", async () => {
    const store = await open();
    await store.write(
      ["a", "b", "c", "d"].map((key) => ({
        type: "put" as const,
        key: utf8ToBytes(key),
        value: utf8ToBytes(key.toUpperCase()),
      })),
      { sync: false },
    );
    const walk = async (options: { limit?: number; reverse?: boolean }) => {
      const seen: string[] = [];
      const range = { from: utf8ToBytes("a"), to: utf8ToBytes("d"), ...options };
      for await (const [key, value] of store.entries(range)) {
        seen.push(`${text(key)}${text(value)}`);
      }
      return seen;
    };
    expect(await walk({})).toEqual(["aA", "bB", "cC"]);
    expect(await walk({ reverse: true, limit: 2 })).toEqual(["cC", "bB"]);
    await store.close();
  });
});

describe("classic-level", () => {
  test("what was written is there after reopening; a second opening is refused", async () => {
    const path = join(directory, "db");
    const store = await openLevelKeyValueStore(path);
    await store.write([{ type: "put", key: utf8ToBytes("k"), value: utf8ToBytes("v") }]);
    await expect(openLevelKeyValueStore(path)).rejects.toMatchObject({ code: "STORE_LOCKED" });
    await store.close();
    const again = await openLevelKeyValueStore(path);
    expect(text(await again.get(utf8ToBytes("k")))).toBe("v");
    await again.close();
  });

  test("error: a database that cannot be opened is named, with what is wrong and what to do", async () => {
    const path = join(directory, "other");
    await (await openLevelKeyValueStore(path)).close();
    await writeFile(join(path, "CURRENT"), "MANIFEST-999999\n");
    await expect(openLevelKeyValueStore(path)).rejects.toMatchObject({
      code: "STORE_NOT_OPENED",
      message: expect.stringMatching(
        /^cannot open the database .*other: .*MANIFEST-999999.*; make/,
      ),
    });
  });

  test("a home serves one node at a time and says who holds it", async () => {
    const lock = await lockHome(directory);
    await expect(lockHome(directory)).rejects.toThrow(
      new RegExp(`in use by process ${process.pid}; one home serves one node`),
    );
    await lock.release();
    await (await lockHome(directory)).release();
  });
});
