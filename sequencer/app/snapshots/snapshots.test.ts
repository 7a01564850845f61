import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MemoryLevel } from "memory-level";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Height } from "../../../proto/brands.ts";
import { joinBytes, toHex, utf8ToBytes } from "../../../proto/bytes.ts";
import { encodeLastBlock } from "../../../proto/codec/weft-state.ts";
import { sha256 } from "../../../proto/hash.ts";
import { createManualClock } from "../../../test/support/manual-clock.ts";
import type { Snapshot } from "../../abci/application.ts";
import { NULL_LOGGER } from "../../ports/logger.ts";
import { NODE_FILE_SYSTEM } from "../../ports/node-file-system.ts";
import { createSystemClock } from "../../ports/system-clock.ts";
import { yieldToLoop } from "../../ports/yield-to-loop.ts";
import { SNAPSHOT_CHUNK_BYTES, SNAPSHOT_FETCH_MS_MAX, SNAPSHOT_FETCH_PAUSE_MS } from "../limits.ts";
import { NULL_APP_METRICS } from "../metrics.ts";
import { type KeyValueStore, openKeyValueStore } from "../state-tree/key-value-store.ts";
import { StateStore } from "../state-tree/state-store.ts";
import {
  ChunkBuilder,
  chunkHashesOf,
  decodeChunk,
  describeSnapshot,
  type Entry,
} from "./format.ts";
import { clearUnfinishedRestore, Restore } from "./restore.ts";
import { SnapshotArchive } from "./snapshot-archive.ts";
import { SnapshotMaker } from "./snapshot-maker.ts";

let root: string;
let made = 0;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "weft-snapshots-"));
});
afterAll(() => rm(root, { recursive: true }));

const newDirectory = (): string => join(root, `${made++}`);
const openArchive = (directory: string) => SnapshotArchive.open(directory, NODE_FILE_SYSTEM);
const DEPS = {
  clock: createSystemClock(),
  logger: NULL_LOGGER,
  metrics: NULL_APP_METRICS,
  yieldToLoop,
};

async function database(): Promise<KeyValueStore> {
  return openKeyValueStore(
    new MemoryLevel<string, Uint8Array>({ valueEncoding: "view" }),
    yieldToLoop,
  );
}

/** A state of a few chunks at `height`. */
async function stateAt(height: number, salt = "") {
  const kv = await database();
  const store = await StateStore.open({}, { database: kv, yieldToLoop });
  const changes = new Map<string, Uint8Array>();
  for (let i = 0; i < 60; i++) {
    changes.set(`account/${i.toString().padStart(4, "0")}`, sha256(utf8ToBytes(`${salt}${i}`)));
    changes.set(`blob/${i.toString().padStart(4, "0")}`, new Uint8Array(50_000).fill(i));
  }
  changes.set(
    "last_block",
    encodeLastBlock({
      height: Height(height),
      hash: new Uint8Array(32).fill(1),
      time: { seconds: 5n, nanos: 0 },
    }),
  );
  await store.commit(await store.stage(changes), height);
  return { kv, store };
}

async function take(store: StateStore, height: number, directory = newDirectory()) {
  const archive = await openArchive(directory);
  const maker = new SnapshotMaker({ interval: 1, keepRecent: 2 }, archive, DEPS);
  maker.committed(Height(height), store);
  await maker.settled();
  const [snapshot] = archive.list();
  if (snapshot === undefined) throw new Error("no snapshot was taken");
  const chunks: Uint8Array[] = [];
  for (let i = 0; i < snapshot.chunks; i++) {
    chunks.push((await archive.chunk(snapshot.height, 1, i)) ?? new Uint8Array());
  }
  return { archive, maker, snapshot, chunks, directory };
}

async function emptyNode() {
  const kv = await database();
  const store = await StateStore.open({}, { database: kv, yieldToLoop });
  let changes = 0;
  const restore = new Restore(store, {
    database: kv,
    logger: NULL_LOGGER,
    onChanged: async () => {
      changes += 1;
    },
  });
  return { kv, store, restore, changes: () => changes };
}

async function applyAll(restore: Restore, chunks: readonly Uint8Array[]): Promise<string[]> {
  const results: string[] = [];
  for (const [index, chunk] of chunks.entries()) {
    results.push((await restore.apply({ index, chunk, sender: "p" })).result);
  }
  return results;
}

async function pairsOf(store: StateStore): Promise<readonly (readonly [string, string])[]> {
  const pairs: (readonly [string, string])[] = [];
  for await (const [key, value] of store.view()) pairs.push([key, toHex(sha256(value))]);
  return pairs;
}

describe("the format", () => {
  test("behavior: entries are cut into chunks of bounded size and read back", () => {
    const builder = new ChunkBuilder();
    const entries: Entry[] = Array.from({ length: 40 }, (_, i) => [
      `k${i.toString().padStart(3, "0")}`,
      new Uint8Array(100_000).fill(i),
    ]);
    const chunks = [...entries.map((entry) => builder.add(entry)), builder.finish()].filter(
      (chunk) => chunk !== undefined,
    );
    expect(chunks.length).toBeGreaterThan(3);
    for (const chunk of chunks) expect(chunk.length).toBeLessThanOrEqual(SNAPSHOT_CHUNK_BYTES);
    let after = "";
    const read = chunks.flatMap((chunk) => {
      const some = decodeChunk(chunk, after) ?? [];
      after = some.at(-1)?.[0] ?? after;
      return some;
    });
    const summary = (some: readonly Entry[]) =>
      some.map(([key, value]) => [key, toHex(sha256(value))]);
    expect(summary(read)).toEqual(summary(entries));
  });

  test("behavior: bytes that are no chunk are refused", () => {
    const builder = new ChunkBuilder();
    builder.add(["b", Uint8Array.of(1)]);
    builder.add(["c", Uint8Array.of(2)]);
    const chunk = builder.finish() ?? new Uint8Array();
    expect(decodeChunk(chunk, "")?.length).toBe(2);
    expect(decodeChunk(chunk, "b"), "a key that came before").toBeUndefined();
    expect(decodeChunk(joinBytes([chunk, chunk]), ""), "keys twice").toBeUndefined();
    expect(decodeChunk(new Uint8Array(), ""), "nothing").toBeUndefined();
    for (let cut = 1; cut < chunk.length; cut++) {
      const isWhole = cut === chunk.length / 2;
      expect(decodeChunk(chunk.subarray(0, cut), "") !== undefined, `cut at ${cut}`).toBe(isWhole);
    }
  });

  test("behavior: an announcement that contradicts itself is refused", () => {
    const good = describeSnapshot(Height(7), [sha256(Uint8Array.of(1)), sha256(Uint8Array.of(2))]);
    expect(chunkHashesOf(good)?.length).toBe(2);
    const bad: readonly Partial<Snapshot>[] = [
      { chunks: 1 },
      { chunks: 0 },
      { height: Height(8) },
      { hash: new Uint8Array(32) },
      { metadata: good.metadata.with(3, 99) },
      { metadata: good.metadata.slice(1) },
    ];
    for (const change of bad) {
      expect(chunkHashesOf({ ...good, ...change }), JSON.stringify(change)).toBeUndefined();
    }
  });
});

describe("taking snapshots", () => {
  test("behavior: nodes with one state announce one snapshot", async () => {
    const a = await take((await stateAt(4)).store, 4);
    const b = await take((await stateAt(4)).store, 4);
    const c = await take((await stateAt(4, "other")).store, 4);
    expect(a.snapshot.chunks).toBeGreaterThan(2);
    expect(a.snapshot).toEqual(b.snapshot);
    expect(c.snapshot.hash).not.toEqual(a.snapshot.hash);
  });

  test("behavior: it holds the state of its height whatever is committed meanwhile", async () => {
    const { store } = await stateAt(4);
    const root = store.version.root;
    const archive = await openArchive(newDirectory());
    const maker = new SnapshotMaker({ interval: 1, keepRecent: 2 }, archive, DEPS);
    maker.committed(Height(4), store);
    // Before the first entry is read.
    const changes = new Map([
      ["account/0000", Uint8Array.of(9)],
      ["zzz", Uint8Array.of(9)],
    ]);
    await store.commit(await store.stage(changes), 5);
    // Due as well, and left out: the first is not finished.
    maker.committed(Height(5), store);
    await maker.settled();
    const [snapshot, ...more] = archive.list();
    if (snapshot === undefined) throw new Error("no snapshot was taken");
    expect(more).toEqual([]);
    const node = await emptyNode();
    expect(await node.restore.offer({ snapshot, appHash: root })).toBe("accept");
    for (let index = 0; index < snapshot.chunks; index++) {
      const chunk = (await archive.chunk(Height(4), 1, index)) ?? new Uint8Array();
      expect((await node.restore.apply({ index, chunk, sender: "p" })).result).toBe("accept");
    }
    expect(node.store.version).toEqual({ height: 4, root });
  });

  test("behavior: only multiples of the interval are taken, the newest are kept", async () => {
    const archive = await openArchive(newDirectory());
    const maker = new SnapshotMaker({ interval: 3, keepRecent: 2 }, archive, DEPS);
    for (let height = 1; height <= 12; height++) {
      const { store } = await stateAt(height, `${height}`);
      maker.committed(Height(height), store);
      await maker.settled();
    }
    expect(archive.list().map(({ height }) => height)).toEqual([12, 9]);
    expect(await archive.chunk(Height(6), 1, 0)).toBeUndefined();
  });

  test("behavior: one that somebody fetches outlives its place, for a while and alone", async () => {
    const archive = await openArchive(newDirectory());
    const clock = createManualClock();
    const maker = new SnapshotMaker({ interval: 1, keepRecent: 2 }, archive, { ...DEPS, clock });
    const { store } = await stateAt(1);
    let height = 0;
    const takeOne = async (): Promise<readonly number[]> => {
      maker.committed(Height(++height), store);
      await maker.settled();
      return archive.list().map((snapshot) => snapshot.height);
    };
    await takeOne();
    await takeOne();
    for (const fetched of [1, 2]) maker.served(Height(fetched));
    expect(await takeOne(), "the oldest is being fetched").toEqual([3, 2, 1]);
    expect(await takeOne(), "one at a time").toEqual([4, 3, 1]);
    await clock.advance(SNAPSHOT_FETCH_PAUSE_MS);
    expect(await takeOne(), "it may have been the network").toEqual([5, 4, 1]);
    for (let ms = 0; ms <= SNAPSHOT_FETCH_MS_MAX; ms += SNAPSHOT_FETCH_PAUSE_MS) {
      maker.served(Height(1));
      await clock.advance(SNAPSHOT_FETCH_PAUSE_MS);
    }
    expect(await takeOne(), "its time is over").toEqual([6, 5]);
    maker.served(Height(5));
    await clock.advance(SNAPSHOT_FETCH_PAUSE_MS + 1);
    expect(await takeOne(), "nobody asks any more").toEqual([7, 6]);
  });

  test("behavior: what a crash left unfinished is removed at the next start, what is whole stays", async () => {
    const { directory, snapshot } = await take((await stateAt(4)).store, 4);
    const archive = await openArchive(directory);
    await archive.writeChunk(Height(5), 0, Uint8Array.of(1));
    await writeFile(join(directory, "notes.txt"), "an operator's");
    const again = await openArchive(directory);
    expect(again.list()).toEqual([snapshot]);
    const names = await readdir(directory);
    expect(names.filter((name) => name.includes("05-1."))).toEqual([]);
    expect(names).toContain("notes.txt");
  });

  test("behavior: a chunk that the disk changed is not served", async () => {
    const { directory } = await take((await stateAt(4)).store, 4);
    const [name] = (await readdir(directory)).filter((one) => one.endsWith(".00001"));
    const path = join(directory, name ?? "");
    const bytes = await readFile(path);
    bytes[100] = (bytes[100] ?? 0) ^ 1;
    await writeFile(path, bytes);
    const archive = await openArchive(directory);
    expect(await archive.chunk(Height(4), 1, 0)).toBeDefined();
    expect(await archive.chunk(Height(4), 1, 1)).toBeUndefined();
    expect(await archive.chunk(Height(4), 2, 0), "another format").toBeUndefined();
  });

  test("behavior: a failure leaves no snapshot and stops nothing", async () => {
    const { store } = await stateAt(4);
    const directory = newDirectory();
    let isBroken = false;
    const archive = await SnapshotArchive.open(directory, {
      ...NODE_FILE_SYSTEM,
      replaceSync(path) {
        if (isBroken && path.endsWith(".00001")) throw new Error("the disk is full");
        return NODE_FILE_SYSTEM.replaceSync(path);
      },
    });
    const outcomes: (string | undefined)[] = [];
    const metrics = {
      ...NULL_APP_METRICS,
      snapshots: { inc: (labels?: { outcome: string }) => outcomes.push(labels?.outcome) },
    };
    const maker = new SnapshotMaker({ interval: 1, keepRecent: 2 }, archive, { ...DEPS, metrics });
    isBroken = true;
    maker.committed(Height(4), store);
    await maker.settled();
    isBroken = false;
    expect(archive.list()).toEqual([]);
    expect((await readdir(directory)).filter((name) => !name.endsWith(".00001"))).toEqual([]);
    maker.committed(Height(5), store);
    await maker.settled();
    expect(archive.list().map(({ height }) => height)).toEqual([5]);
    expect(outcomes).toEqual(["failed", "taken"]);
  });
});

describe("restoring", () => {
  test("behavior: the state is the snapshot's, and says so after a restart", async () => {
    const { store } = await stateAt(4);
    const { snapshot, chunks } = await take(store, 4);
    const node = await emptyNode();
    const appHash = store.version.root;
    expect(await node.restore.offer({ snapshot, appHash })).toBe("accept");
    expect(new Set(await applyAll(node.restore, chunks))).toEqual(new Set(["accept"]));
    expect(await pairsOf(node.store)).toEqual(await pairsOf(store));
    // Told of the empty state, and of the restored one.
    expect(node.changes()).toBe(2);
    expect(await clearUnfinishedRestore(node.kv)).toBe(false);
    const again = await StateStore.open({}, { database: node.kv, yieldToLoop });
    expect(again.version).toEqual({ height: 4, root: appHash });
    expect(again.prove("account/0007")).toEqual(store.prove("account/0007"));
  });

  test("behavior: a chunk that is not what was announced is fetched again, its sender refused", async () => {
    const { store } = await stateAt(4);
    const { snapshot, chunks } = await take(store, 4);
    const node = await emptyNode();
    await node.restore.offer({ snapshot, appHash: store.version.root });
    const [first] = chunks;
    const bad = (first ?? new Uint8Array()).with(100, (first?.[100] ?? 0) ^ 1);
    expect(await node.restore.apply({ index: 0, chunk: bad, sender: "liar" })).toEqual({
      result: "retry",
      refetchChunks: [0],
      rejectSenders: ["liar"],
    });
    expect(new Set(await applyAll(node.restore, chunks))).toEqual(new Set(["accept"]));
    expect(node.store.version.height).toBe(4);
  });

  test("behavior: a state with another hash, or of another height, is rejected and removed", async () => {
    const { store } = await stateAt(4);
    const { snapshot, chunks } = await take(store, 4);
    const node = await emptyNode();
    await node.restore.offer({ snapshot, appHash: new Uint8Array(32) });
    expect((await applyAll(node.restore, chunks)).at(-1)).toBe("rejectSnapshot");
    expect(node.store.version.height).toBe(0);
    expect(await pairsOf(node.store)).toEqual([]);
    const renamed = describeSnapshot(Height(5), chunks.map(sha256));
    await node.restore.offer({ snapshot: renamed, appHash: store.version.root });
    expect((await applyAll(node.restore, chunks)).at(-1)).toBe("rejectSnapshot");
    expect(await pairsOf(node.store)).toEqual([]);
    // And the next one is taken.
    await node.restore.offer({ snapshot, appHash: store.version.root });
    expect((await applyAll(node.restore, chunks)).at(-1)).toBe("accept");
  });

  test("behavior: announced chunks that hold no state are rejected", async () => {
    const chunk = new Uint8Array(100);
    const snapshot = describeSnapshot(Height(4), [sha256(chunk)]);
    const node = await emptyNode();
    await node.restore.offer({ snapshot, appHash: new Uint8Array(32) });
    expect(await applyAll(node.restore, [chunk])).toEqual(["rejectSnapshot"]);
  });

  test("behavior: offers that cannot be restored are refused by what is wrong with them", async () => {
    const snapshot = describeSnapshot(Height(4), [sha256(Uint8Array.of(1))]);
    const appHash = new Uint8Array(32);
    const node = await emptyNode();
    const offer = (change: Partial<Snapshot>) =>
      node.restore.offer({ snapshot: { ...snapshot, ...change }, appHash });
    expect(await offer({ format: 2 })).toBe("rejectFormat");
    expect(await offer({ hash: new Uint8Array(32) })).toBe("reject");
    expect(await offer({ chunks: 2 })).toBe("reject");
    expect(await offer({})).toBe("accept");
    const { kv, store } = await stateAt(4);
    const used = new Restore(store, {
      database: kv,
      logger: NULL_LOGGER,
      onChanged: async () => {},
    });
    expect(await used.offer({ snapshot, appHash })).toBe("abort");
    expect(store.version.height).toBe(4);
    expect((await used.apply({ index: 0, chunk: Uint8Array.of(1), sender: "" })).result).toBe(
      "abort",
    );
  });

  test("behavior: a caller that lost count begins again", async () => {
    const { store } = await stateAt(4);
    const { snapshot, chunks } = await take(store, 4);
    const [first, second] = chunks;
    const node = await emptyNode();
    await node.restore.offer({ snapshot, appHash: store.version.root });
    await node.restore.apply({ index: 0, chunk: first ?? new Uint8Array(), sender: "p" });
    const answer = await node.restore.apply({
      index: 2,
      chunk: second ?? new Uint8Array(),
      sender: "p",
    });
    expect(answer.result).toBe("retrySnapshot");
    await node.restore.offer({ snapshot, appHash: store.version.root });
    expect((await applyAll(node.restore, chunks)).at(-1)).toBe("accept");
  });

  test("behavior: a crash at any chunk leaves a state that the next start removes", async () => {
    const { store } = await stateAt(4);
    const { snapshot, chunks } = await take(store, 4);
    for (let applied = 0; applied < chunks.length; applied++) {
      const node = await emptyNode();
      await node.restore.offer({ snapshot, appHash: store.version.root });
      await applyAll(node.restore, chunks.slice(0, applied));
      // The process is gone; the database stays.
      expect(await clearUnfinishedRestore(node.kv), `after ${applied} chunks`).toBe(true);
      const again = await StateStore.open({}, { database: node.kv, yieldToLoop });
      expect(again.version.height).toBe(0);
      expect(await pairsOf(again)).toEqual([]);
      expect(await clearUnfinishedRestore(node.kv)).toBe(false);
    }
  });

  test("behavior: a restored state may be restored anew until a block is executed on it", async () => {
    const { store } = await stateAt(4);
    const { snapshot, chunks } = await take(store, 4);
    const appHash = store.version.root;
    const node = await emptyNode();
    await node.restore.offer({ snapshot, appHash });
    await applyAll(node.restore, chunks);
    const restarted = new Restore(node.store, {
      database: node.kv,
      logger: NULL_LOGGER,
      onChanged: async () => {},
    });
    expect(await restarted.offer({ snapshot, appHash })).toBe("accept");
    await applyAll(restarted, chunks);
    await node.kv.write(restarted.blockCommitted());
    expect(await restarted.offer({ snapshot, appHash })).toBe("abort");
    expect(restarted.blockCommitted()).toEqual([]);
  });
});
