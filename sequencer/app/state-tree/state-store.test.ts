import { createHash } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ClassicLevel } from "classic-level";
import * as fc from "fast-check";
import { MemoryLevel } from "memory-level";
import { describe, expect, test } from "vitest";
import { fromHex, toHex, utf8ToBytes } from "../../../proto/bytes.ts";
import { yieldToLoop } from "../../ports/yield-to-loop.ts";
import { type KeyValueStore, openKeyValueStore } from "./key-value-store.ts";
import { StateStore } from "./state-store.ts";

const H = (...chunks: readonly Uint8Array[]): Buffer => {
  const hasher = createHash("sha256");
  for (const chunk of chunks) hasher.update(chunk);
  return hasher.digest();
};

function bit(path: Uint8Array, depth: number): number {
  return ((path[depth >> 3] ?? 0) >> (7 - (depth % 8))) & 1;
}

/** The tree of docs/formats.md, written down as it reads: no sharing, no pages, no strings. */
function naiveRoot(pairs: ReadonlyMap<string, Uint8Array>): string {
  const leaves = [...pairs].map(([key, value]) => {
    const path = H(Buffer.from(key));
    return { path, hash: H(Uint8Array.of(0), path, H(value)) };
  });
  const root = (subset: typeof leaves, depth: number): Buffer => {
    if (subset.length === 0) return Buffer.alloc(32);
    if (subset.length === 1) return subset[0]?.hash ?? Buffer.alloc(0);
    return H(
      Uint8Array.of(1),
      root(
        subset.filter((leaf) => bit(leaf.path, depth) === 0),
        depth + 1,
      ),
      root(
        subset.filter((leaf) => bit(leaf.path, depth) === 1),
        depth + 1,
      ),
    );
  };
  return root(leaves, 0).toString("hex");
}

async function memoryStore(): Promise<{
  readonly kv: KeyValueStore;
  readonly size: () => Promise<number>;
}> {
  const level = new MemoryLevel<string, Uint8Array>({ valueEncoding: "view" });
  return {
    kv: await openKeyValueStore(level, yieldToLoop),
    size: async () => (await level.keys().all()).length,
  };
}

const openStore = (database: KeyValueStore, residentNodesMax = 1_000_000) =>
  StateStore.open({ residentNodesMax }, { database, yieldToLoop });

function gate(): { readonly opened: Promise<void>; readonly open: () => void } {
  const resolvers: (() => void)[] = [];
  const opened = new Promise<void>((resolve) => resolvers.push(resolve));
  return { opened, open: () => resolvers.forEach((resolve) => resolve()) };
}

const changes = (pairs: readonly (readonly [string, string | undefined])[]) =>
  new Map(pairs.map(([key, value]) => [key, value === undefined ? undefined : utf8ToBytes(value)]));

describe("state tree", () => {
  test("vectors: roots of the empty tree, one key and two keys", async () => {
    const store = await openStore((await memoryStore()).kv);
    expect(toHex(store.version.root)).toBe("00".repeat(32));
    // Computed with Python's hashlib from the text of docs/formats.md.
    const one = await store.stage(changes([["a", "1"]]));
    expect(toHex(one.root)).toBe(
      "565388d4bc00257133f799d9366ac97f6e949c18acc53d17457f8859ba0f08d3",
    );
    const two = await store.stage(
      changes([
        ["a", "1"],
        ["b", "2"],
      ]),
    );
    expect(toHex(two.root)).toBe(
      "70a50295110313dd28320faccbee14d04dc2894e877a2e407115a2f337ed4efa",
    );
  });

  test("behavior: follows the naive tree through commits, deletions and restarts", async () => {
    const key = fc.integer({ min: 0, max: 40 }).map((n) => `key/${n}`);
    const step = fc.array(
      fc.tuple(key, fc.option(fc.string({ minLength: 1 }), { nil: undefined })),
      {
        maxLength: 30,
      },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 6 }), async (steps) => {
        const { kv } = await memoryStore();
        let store = await openStore(kv);
        const model = new Map<string, Uint8Array>();
        let height = 0;
        for (const pairs of steps) {
          const batch = changes(pairs);
          for (const [k, v] of batch) {
            if (v === undefined) model.delete(k);
            else model.set(k, v);
          }
          const staged = await store.stage(batch);
          expect(toHex(staged.root)).toBe(naiveRoot(model));
          await store.commit(staged, ++height);
          // Every other time the tree is read from its pages again.
          if (height % 2 === 0) store = await openStore(kv);
          expect(store.version.height).toBe(height);
          expect(toHex(store.version.root)).toBe(naiveRoot(model));
          for (let n = 0; n <= 40; n++) {
            expect(store.get(`key/${n}`)).toEqual(model.get(`key/${n}`));
          }
        }
      }),
      { numRuns: 100 },
    );
  });

  test("behavior: large changes are sliced, and lower levels dropped, without a difference", async () => {
    const { kv } = await memoryStore();
    const model = new Map<string, Uint8Array>();
    let store = await openStore(kv, 64);
    for (let height = 1; height <= 4; height++) {
      const batch = new Map<string, Uint8Array | undefined>();
      for (let n = 0; n < 1_500; n++) {
        const key = `key/${(n * 7 * height) % 2_500}`;
        const value = n % 11 === height ? undefined : utf8ToBytes(`${height}:${n}`);
        batch.set(key, value);
        if (value === undefined) model.delete(key);
        else model.set(key, value);
      }
      await store.commit(await store.stage(batch), height);
      expect(toHex(store.version.root)).toBe(naiveRoot(model));
      if (height === 2) store = await openStore(kv, 64);
    }
  });

  test("behavior: leaves nothing behind when every key is removed", async () => {
    const { kv, size } = await memoryStore();
    const store = await openStore(kv);
    const keys = Array.from({ length: 500 }, (_, n) => `key/${n}`);
    await store.commit(await store.stage(changes(keys.map((k) => [k, `${k}!`]))), 1);
    expect(await size()).toBeGreaterThan(1_000);
    await store.commit(await store.stage(changes(keys.slice(1).map((k) => [k, undefined]))), 2);
    expect(await size(), "one value, its key and the meta record").toBe(3);
    const reopened = await openStore(kv);
    expect(reopened.version).toEqual(store.version);
    await reopened.commit(await reopened.stage(changes([["key/0", undefined]])), 3);
    expect(await size(), "the meta record").toBe(1);
  });

  test("behavior: a branch is discarded without a trace", async () => {
    const store = await openStore((await memoryStore()).kv);
    await store.commit(
      await store.stage(
        changes([
          ["a", "1"],
          ["b", "2"],
        ]),
      ),
      1,
    );
    const root = toHex(store.version.root);
    await store.stage(
      changes([
        ["a", undefined],
        ["c", "3"],
      ]),
    );
    expect(toHex(store.version.root)).toBe(root);
    expect(store.get("c")).toBeUndefined();
    expect(toHex((await store.stage(changes([["c", "3"]]))).root)).not.toBe(root);
  });

  test("behavior: a state staged before a commit cannot be committed after it", async () => {
    const store = await openStore((await memoryStore()).kv);
    const stale = await store.stage(changes([["a", "1"]]));
    await store.commit(await store.stage(changes([["a", "2"]])), 1);
    await expect(store.commit(stale, 2)).rejects.toThrow(/builds on height 0/);
  });

  test("behavior: reads during a commit see the new state, whole", async () => {
    const { kv } = await memoryStore();
    const writing = gate();
    const mayWrite = gate();
    const slow: KeyValueStore = {
      ...kv,
      write: async (writes) => {
        writing.open();
        await mayWrite.opened;
        await kv.write(writes);
      },
    };
    const store = await openStore(slow);
    const batch = changes([
      ["a", "1"],
      ["b", "2"],
    ]);
    const committing = store.commit(await store.stage(batch), 1);
    await writing.opened;
    expect(store.get("a")).toEqual(utf8ToBytes("1"));
    expect(store.prove("a")).toBeDefined();
    expect(store.prove("c")).toBeDefined();
    mayWrite.open();
    await committing;
    expect((await openStore(kv)).get("b")).toEqual(utf8ToBytes("2"));
  });

  test("behavior: a damaged page is noticed when it is read", async () => {
    const level = new MemoryLevel<string, Uint8Array>({ valueEncoding: "view" });
    const kv = await openKeyValueStore(level, yieldToLoop);
    const store = await openStore(kv);
    const keys = Array.from({ length: 300 }, (_, n) => `key/${n}`);
    await store.commit(await store.stage(changes(keys.map((k) => [k, k]))), 1);
    const page = await level.get("t0");
    await level.put("t0", (page ?? new Uint8Array()).with(10, (page?.[10] ?? 0) ^ 1));
    const reopened = await openStore(kv);
    await expect(reopened.stage(changes(keys.map((k) => [k, undefined])))).rejects.toThrow(
      /damaged/,
    );
  });

  test("behavior: lists a prefix in byte order", async () => {
    const store = await openStore((await memoryStore()).kv);
    await store.commit(
      await store.stage(
        changes([
          ["a/2", "x"],
          ["a/10", "y"],
          ["b/1", "z"],
          ["a", "w"],
        ]),
      ),
      1,
    );
    const listed: string[] = [];
    for await (const [key] of store.entries("a/")) listed.push(key);
    expect(listed).toEqual(["a/10", "a/2"]);
  });

  test("behavior: lives in the database that nodes use, across closing and opening", async () => {
    const folder = await mkdtemp(join(tmpdir(), "weft-state-"));
    try {
      const keys = Array.from({ length: 700 }, (_, n) => `key/${n}`);
      const first = new ClassicLevel<string, Uint8Array>(folder, { valueEncoding: "view" });
      const store = await openStore(await openKeyValueStore(first, yieldToLoop));
      await store.commit(await store.stage(changes(keys.map((k) => [k, k]))), 1);
      await store.commit(await store.stage(changes(keys.slice(600).map((k) => [k, undefined]))), 2);
      await first.close();
      const second = new ClassicLevel<string, Uint8Array>(folder, { valueEncoding: "view" });
      const reopened = await openStore(await openKeyValueStore(second, yieldToLoop));
      expect(reopened.version).toEqual(store.version);
      expect(reopened.get("key/5")).toEqual(utf8ToBytes("key/5"));
      expect(reopened.get("key/650")).toBeUndefined();
      await second.close();
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  test("behavior: refuses a database of another layout", async () => {
    const { kv } = await memoryStore();
    await kv.write([{ key: "m", value: fromHex("0002") }]);
    await expect(openStore(kv)).rejects.toThrow(/layout/);
  });
});
