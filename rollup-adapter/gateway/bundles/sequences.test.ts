import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { toHex } from "../../../proto/bytes.ts";
import { KEY_KEPT_BLOCKS } from "./limits.ts";
import {
  type KeyRecord,
  openSequences,
  openSequenceStore,
  replacementKey,
  type Sequences,
} from "./sequences.ts";

let folder: string;
let opened: Sequences | undefined;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "weft-sequences-"));
});
afterEach(async () => {
  await opened?.close();
  opened = undefined;
  await rm(folder, { recursive: true });
});

async function open(): Promise<Sequences> {
  await opened?.close();
  opened = await openSequences(await openSequenceStore(folder));
  return opened;
}

describe("sequences of a gateway", () => {
  it("behavior: each is above all before it, also after a restart", async () => {
    const first = await open();
    expect(await first.take("a", undefined, 10)).toBe(1n);
    expect(await first.take("a", 7n, 11)).toBe(7n);
    expect(await first.take("b", undefined, 11)).toBe(1n);
    const second = await open();
    expect(second.last("a")).toBe(7n);
    expect(await second.take("a", undefined, 12)).toBe(8n);
  });

  it("behavior: one that is not above the last is refused, and changes nothing", async () => {
    const sequences = await open();
    await sequences.take("a", 7n, 10);
    await expect(sequences.take("a", 7n, 10)).rejects.toMatchObject({
      info: { error: "STALE_SEQ" },
    });
    expect(sequences.last("a")).toBe(7n);
  });

  it("behavior: requests at the same time get different ones", async () => {
    const sequences = await open();
    const taken = await Promise.all([1, 2, 3].map(() => sequences.take("a", undefined, 10)));
    expect(taken).toEqual([1n, 2n, 3n]);
  });

  it("behavior: the last one is what is kept, however long the store takes for each", async () => {
    const kept = new Map<string, KeyRecord>();
    const writes: (() => void)[] = [];
    const sequences = await openSequences({
      load: () => Promise.resolve(kept),
      put: (key, record) =>
        new Promise((resolve) => {
          writes.push(() => {
            kept.set(key, record);
            resolve();
          });
        }),
      delete: () => Promise.resolve(),
      close: () => Promise.resolve(),
    });
    let isDone = false;
    const taken = Promise.all([1, 2, 3].map(() => sequences.take("a", undefined, 10)));
    void taken.then(() => (isDone = true));
    // Of what is under way, the newest is finished first.
    while (!isDone) {
      writes.pop()?.();
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(await taken).toEqual([1n, 2n, 3n]);
    expect(kept.get("a")?.sequence).toBe(3n);
  });

  it("behavior: a key is forgotten when nothing of it can be in force, not before", async () => {
    const sequences = await open();
    await sequences.take("a", 7n, 10);
    await sequences.advance(10 + KEY_KEPT_BLOCKS);
    expect(sequences.last("a")).toBe(7n);
    await sequences.advance(11 + KEY_KEPT_BLOCKS);
    expect(sequences.last("a")).toBeUndefined();
    expect((await open()).last("a")).toBeUndefined();
  });

  it("behavior: one uuid of two signers is two keys", () => {
    const uuid = "f9d1f4b8-2d4e-4e7e-9f4a-6b1f0c3d2e1a";
    const keys = [new Uint8Array(0), new Uint8Array(20).fill(1), new Uint8Array(20).fill(2)].map(
      (signer) => toHex(replacementKey(signer, uuid)),
    );
    expect(new Set(keys).size).toBe(3);
    expect(keys.every((key) => key.length === 32)).toBe(true);
  });
});
