/**
 * D8 of the ways in which others failed: trees that hash their way up again with every leaf. Hashes are counted, not timed.
 */
import type * as Crypto from "node:crypto";
import { expect, test, vi } from "vitest";
import { createManifestBuilder } from "../../mev/manifest.ts";
import { utf8ToBytes } from "../../proto/bytes.ts";
import { payloadHash } from "../../proto/codec/weft-tx.ts";
import { sha256 } from "../../proto/hash.ts";
import {
  merkleProof,
  merkleProofOfFirst,
  merkleProofs,
  merkleRoot,
  merkleRootOfFlat,
  merkleRootOfHashes,
} from "../../proto/merkle.ts";
import { EntryKind } from "../../proto/verify/manifest.ts";

const counted = vi.hoisted(() => ({ hashes: 0 }));

vi.mock("node:crypto", async (original) => {
  const crypto = await original<typeof Crypto>();
  return {
    ...crypto,
    hash: (...input: Parameters<typeof crypto.hash>) => {
      counted.hashes += 1;
      return crypto.hash(...input);
    },
    createHash: (...input: Parameters<typeof crypto.createHash>) => {
      counted.hashes += 1;
      return crypto.createHash(...input);
    },
  };
});

function hashesOf(work: () => unknown): number {
  const before = counted.hashes;
  work();
  return counted.hashes - before;
}

const SIZES = [1, 2, 3, 7, 64, 65, 1_000, 4_096];

test.each(SIZES)(
  "D8: a tree of %i leaves costs one hash for each node, proofs included",
  (size) => {
    const items = Array.from({ length: size }, (_, i) => sha256(utf8ToBytes(`item ${i}`)));
    const nodes = 2 * size - 1;
    expect(hashesOf(() => merkleRoot(items))).toBe(nodes);
    expect(hashesOf(() => merkleRootOfFlat(Buffer.concat(items), 32))).toBe(nodes);
    // Of items that are hashed first.
    expect(hashesOf(() => merkleRootOfHashes(items))).toBe(nodes + size);
    expect(hashesOf(() => merkleProofs(items))).toBe(nodes);
    expect(hashesOf(() => merkleProof(items, size - 1))).toBe(nodes);
    expect(hashesOf(() => merkleProofOfFirst(items))).toBe(nodes);
  },
);

test("D8: a block's manifest costs so many hashes for each entry and rollup, and a proof none", () => {
  const entry = {
    kind: EntryKind.ROLLUP_DATA,
    lane: 7,
    itemId: sha256(utf8ToBytes("item")),
    bundleId: undefined,
    leg: 0,
    legs: 1,
    payloadHash: payloadHash(utf8ToBytes("payload")),
  };
  const costOf = (rollups: number, entries: number): number => {
    const ids = Array.from({ length: rollups }, (_, i) => sha256(utf8ToBytes(`rollup ${i}`)));
    return hashesOf(() => {
      const builder = createManifestBuilder();
      for (let i = 0; i < entries; i++) for (const id of ids) builder.add(id, entry);
      const built = builder.build();
      for (const id of ids) expect(built.prove(id).kind).toBe("presence");
      expect(hashesOf(() => ids.map((id) => built.prove(id)))).toBe(0);
    });
  };
  costOf(1, 1);
  // Each tree of entries, two empty lists, and twice the tree of leaves: for its root and for the proofs. Twice as much of either is no more than twice the cost, whatever the size.
  for (const [rollups, entries] of [
    [64, 4],
    [512, 4],
    [4, 512],
  ] as const) {
    const cost = costOf(rollups, entries);
    expect(cost).toBeGreaterThan(rollups);
    expect(costOf(2 * rollups, entries)).toBeLessThanOrEqual(2 * cost + 2 * rollups);
    expect(costOf(rollups, 2 * entries)).toBeLessThanOrEqual(2 * cost + 2 * rollups);
    expect(cost).toBeLessThanOrEqual(rollups * (2 * entries + 5));
  }
});
