import { describe, expect, test } from "vitest";
import { createManifestBuilder } from "../../mev/manifest.ts";
import { Height } from "../brands.ts";
import { concatBytes, EMPTY_BYTES, utf8ToBytes } from "../bytes.ts";
import { encodeItem } from "../codec/weft-block.ts";
import { payloadHash, rollupData } from "../codec/weft-tx.ts";
import { sha256 } from "../hash.ts";
import {
  merkleProof,
  merkleProofOfFirst,
  merkleProofs,
  merkleRoot,
  merkleRootOfHashes,
} from "../merkle.ts";
import type { MerkleProof } from "../types.ts";
import {
  type Absence,
  decodeManifestLeaf,
  type DeliveredEntry,
  encodeManifestLeaf,
  EntryKind,
  type ManifestRefusalCode,
  type ManifestLeaf,
  type Presence,
  type ProvenLeaf,
  type RollupSlice,
  verifyRollupSlice,
} from "./manifest.ts";

/** Ids 10, 20, .. 50 (all bytes), each with as many entries as its place. */
const id = (value: number): Uint8Array => new Uint8Array(32).fill(value);
const IDS = [10, 20, 30, 40, 50].map(id);
const [FIRST, , THIRD] = IDS;
if (FIRST === undefined || THIRD === undefined) throw new Error("ids are missing");

function entry(n: number): DeliveredEntry {
  const { payload } = rollupData(FIRST ?? id(0), [utf8ToBytes(`payload ${n}`)]);
  return {
    kind: EntryKind.ROLLUP_DATA,
    lane: 7,
    itemId: sha256(utf8ToBytes(`item ${n}`)),
    bundleId: undefined,
    leg: 0,
    legs: 1,
    payload,
  };
}
const entriesOf = (place: number) =>
  Array.from({ length: place + 1 }, (_, n) => entry(place * 10 + n));

/** A block with two further items, so that item 0 has aunts. */
function block(ids: readonly Uint8Array[]) {
  const builder = createManifestBuilder();
  // Added in reverse: the tree's order is by id, whatever the block's order.
  for (const rollupId of ids.toReversed()) {
    for (const one of entriesOf(IDS.indexOf(rollupId))) {
      builder.add(rollupId, { ...one, payloadHash: payloadHash(one.payload) });
    }
  }
  const built = builder.build();
  const txs = [built.item, utf8ToBytes("second"), utf8ToBytes("third")];
  const dataHash = merkleRootOfHashes(txs);
  const manifestProof = merkleProofOfFirst(txs.map(sha256));
  const sliceOf = (rollupId: Uint8Array): RollupSlice => {
    const proof = built.prove(rollupId);
    const slice: Presence | Absence =
      proof.kind === "absence"
        ? proof
        : { ...proof, entries: entriesOf(IDS.findIndex((one) => one[0] === rollupId[0])) };
    return { manifest: built.item, manifestProof, slice };
  };
  return { dataHash, sliceOf, built };
}

const { dataHash, sliceOf, built } = block(IDS);
const present = sliceOf(THIRD);
const between = sliceOf(id(35));

function verdict(rollupId: Uint8Array, slice: RollupSlice, hash = dataHash): string {
  const result = verifyRollupSlice(hash, rollupId, slice);
  return "code" in result ? result.code : "accepted";
}

function presence(slice: RollupSlice): Presence {
  if (slice.slice.kind !== "presence") throw new Error("expected presence");
  return slice.slice;
}

function neighbours(slice: RollupSlice): readonly ProvenLeaf[] {
  if (slice.slice.kind !== "absence") throw new Error("expected absence");
  return slice.slice.neighbours;
}

function withPresence(change: Partial<Presence>): RollupSlice {
  return { ...present, slice: { ...presence(present), ...change } };
}

function withNeighbours(list: readonly ProvenLeaf[]): RollupSlice {
  return { ...between, slice: { kind: "absence", neighbours: list } };
}

/** Every copy of `bytes` with one bit of one byte turned. */
function* turned(bytes: Uint8Array): Generator<Uint8Array> {
  for (let i = 0; i < bytes.length; i++) {
    const copy = bytes.slice();
    copy[i] = (copy[i] ?? 0) ^ (1 << (i % 8));
    yield copy;
  }
}

/** Every altered copy of a proof: each byte of each hash, an aunt less, an aunt more, other counts. */
function* alteredProofs(proof: MerkleProof): Generator<MerkleProof> {
  for (const leafHash of turned(proof.leafHash)) yield { ...proof, leafHash };
  for (const [at, aunt] of proof.aunts.entries()) {
    for (const other of turned(aunt)) yield { ...proof, aunts: proof.aunts.with(at, other) };
  }
  yield { ...proof, aunts: proof.aunts.slice(1) };
  yield { ...proof, aunts: [...proof.aunts, id(0)] };
  yield { ...proof, index: proof.index + 1 };
  yield { ...proof, total: proof.total * 2 };
  yield { ...proof, total: proof.index };
}

describe("behavior: accepts what the block holds", () => {
  test.each(IDS.map((rollupId, place) => [place, rollupId] as const))(
    "rollup %i gets its entries",
    (place, rollupId) => {
      expect(verifyRollupSlice(dataHash, rollupId, sliceOf(rollupId))).toEqual({
        entries: entriesOf(place),
        fills: [],
        decisions: [],
      });
    },
  );

  test.each([5, 15, 25, 35, 45, 55])("id %i is proven absent", (value) => {
    expect(verifyRollupSlice(dataHash, id(value), sliceOf(id(value)))).toEqual({
      entries: [],
      fills: [],
      decisions: [],
    });
  });

  test("an empty manifest, and one with a single leaf", () => {
    const none = block([]);
    expect(verdict(FIRST, none.sliceOf(FIRST), none.dataHash)).toBe("accepted");
    const one = block([THIRD]);
    for (const value of [30, 29, 31]) {
      expect(verdict(id(value), one.sliceOf(id(value)), one.dataHash)).toBe("accepted");
    }
  });
});

describe("behavior: item 0 is proven, and is item 0", () => {
  test("another data_hash", () => {
    for (const hash of turned(dataHash)) {
      expect(verdict(THIRD, present, hash)).toBe("MANIFEST_ITEM_UNPROVEN");
    }
  });

  test("any byte of the item", () => {
    for (const manifest of turned(present.manifest)) {
      expect(verdict(THIRD, { ...present, manifest })).toBe("MANIFEST_ITEM_UNPROVEN");
    }
  });

  test("any part of its proof", () => {
    for (const manifestProof of alteredProofs(present.manifestProof)) {
      expect(verdict(THIRD, { ...present, manifestProof })).toBe("MANIFEST_ITEM_UNPROVEN");
    }
  });

  test("a manifest that stands elsewhere in the block", () => {
    const txs = [utf8ToBytes("real item 0"), built.item, utf8ToBytes("third")];
    const manifestProof = merkleProof(txs.map(sha256), 1);
    const hash = merkleRootOfHashes(txs);
    expect(verdict(THIRD, { ...present, manifestProof }, hash)).toBe("MANIFEST_ITEM_UNPROVEN");
  });

  test.each<[string, Uint8Array]>([
    ["nothing", EMPTY_BYTES],
    ["a manifest with something after it", concatBytes(built.item, new Uint8Array([0x28, 1]))],
    [
      "an injected commit",
      encodeItem({
        kind: "injectedCommit",
        injectedCommit: { height: Height(1), blockHash: id(1), entries: [] },
      }),
    ],
  ])("%s as item 0", (_, item) => {
    const txs = [item, utf8ToBytes("second")];
    const slice = {
      ...present,
      manifest: item,
      manifestProof: merkleProofOfFirst(txs.map(sha256)),
    };
    expect(verdict(THIRD, slice, merkleRootOfHashes(txs))).toBe("MANIFEST_ITEM_MALFORMED");
  });
});

describe("behavior: presence is complete", () => {
  test("any byte of the leaf", () => {
    for (const leaf of turned(presence(present).leaf)) {
      expect(["MANIFEST_LEAF_UNPROVEN", "MANIFEST_LEAF_MALFORMED"]).toContain(
        verdict(THIRD, withPresence({ leaf })),
      );
    }
  });

  test("any part of the leaf's proof", () => {
    for (const proof of alteredProofs(presence(present).proof)) {
      expect(["MANIFEST_LEAF_UNPROVEN", "MANIFEST_LEAF_COUNT"]).toContain(
        verdict(THIRD, withPresence({ proof })),
      );
    }
  });

  test("a leaf of another length", () => {
    const { leaf } = presence(present);
    expect(verdict(THIRD, withPresence({ leaf: leaf.slice(1) }))).toBe("MANIFEST_LEAF_MALFORMED");
    expect(verdict(THIRD, withPresence({ leaf: EMPTY_BYTES }))).toBe("MANIFEST_LEAF_MALFORMED");
  });

  test("another rollup's slice", () => {
    expect(verdict(FIRST, present)).toBe("MANIFEST_LEAF_OTHER_ROLLUP");
  });

  test("an entry less, an entry more, an entry twice", () => {
    const { entries } = presence(present);
    const [head, ...tail] = entries;
    if (head === undefined) throw new Error("entries are missing");
    for (const list of [tail, [], [...entries, head], [head, head, ...tail]]) {
      expect(verdict(THIRD, withPresence({ entries: list }))).toBe("MANIFEST_ENTRY_COUNT");
    }
    expect(verdict(THIRD, withPresence({ entries: [head, head, ...tail.slice(1)] }))).toBe(
      "MANIFEST_ENTRIES_DIFFER",
    );
    expect(verdict(THIRD, withPresence({ entries: entries.toReversed() }))).toBe(
      "MANIFEST_ENTRIES_DIFFER",
    );
  });

  test("any byte of any payload or id, any other field", () => {
    const { entries } = presence(present);
    for (const [at, one] of entries.entries()) {
      const changes: DeliveredEntry[] = [
        ...[...turned(one.payload)].map((payload) => ({ ...one, payload })),
        ...[...turned(one.itemId)].map((itemId) => ({ ...one, itemId })),
        { ...one, kind: EntryKind.FORCED },
        { ...one, lane: 4 },
        { ...one, leg: 1 },
        { ...one, legs: 2 },
        { ...one, bundleId: id(1) },
        { ...one, payload: EMPTY_BYTES },
      ];
      for (const change of changes) {
        expect(verdict(THIRD, withPresence({ entries: entries.with(at, change) }))).toBe(
          "MANIFEST_ENTRIES_DIFFER",
        );
      }
    }
  });

  test.each<[string, Partial<DeliveredEntry>]>([
    ["a bundle id of zeros, which reads like none", { bundleId: id(0) }],
    ["a short bundle id", { bundleId: new Uint8Array(31).fill(1) }],
    ["a short item id", { itemId: new Uint8Array(31) }],
    ["a lane over 255", { lane: 263 }],
    ["a negative leg", { leg: -1 }],
    ["a leg over 65535", { leg: 65_536 }],
    ["a fraction of a leg", { legs: 1.5 }],
  ])("%s", (_, change) => {
    const entries = presence(present).entries.map((one) => ({ ...one, ...change }));
    expect(verdict(THIRD, withPresence({ entries }))).toBe("MANIFEST_ENTRY_MALFORMED");
  });

  test("fills or decisions that were not delivered", () => {
    for (const [change, code] of [
      [{ fillCount: 1 }, "MANIFEST_FILL_COUNT"],
      [{ fillRoot: id(1) }, "MANIFEST_FILLS_DIFFER"],
      [{ decisionCount: 1 }, "MANIFEST_DECISION_COUNT"],
      [{ decisionRoot: id(1) }, "MANIFEST_DECISIONS_DIFFER"],
    ] as const) {
      const original = decodeManifestLeaf(presence(present).leaf);
      if (original === undefined) throw new Error("expected a leaf");
      const leaf = encodeManifestLeaf({ ...original, ...change });
      const { slice, hash } = blockOfLeaves([leaf], (proofs) => ({
        ...presence(present),
        leaf,
        proof: proofs[0] ?? presence(present).proof,
      }));
      expect(verdict(THIRD, slice, hash)).toBe(code);
    }
  });
});

describe("behavior: absence leaves no gap", () => {
  const [lower, upper] = neighbours(between);
  if (lower === undefined || upper === undefined) throw new Error("expected two neighbours");
  const outer = neighbours(sliceOf(id(45)))[1];
  if (outer === undefined) throw new Error("expected two neighbours");
  const at = (value: number) => neighbours(sliceOf(id(value)));

  test.each<[string, readonly ProvenLeaf[], ManifestRefusalCode]>([
    ["no neighbours", [], "MANIFEST_ABSENCE_GAP"],
    ["only the lower one", [lower], "MANIFEST_ABSENCE_GAP"],
    ["only the upper one", [upper], "MANIFEST_ABSENCE_GAP"],
    ["swapped", [upper, lower], "MANIFEST_ABSENCE_GAP"],
    ["the same one twice", [lower, lower], "MANIFEST_ABSENCE_GAP"],
    ["a leaf left out between them", [lower, outer], "MANIFEST_ABSENCE_GAP"],
    ["three", [lower, upper, outer], "MANIFEST_ABSENCE_GAP"],
    ["the first leaf, which is smaller", at(5), "MANIFEST_ABSENCE_GAP"],
    ["neighbours of another id", at(15), "MANIFEST_ABSENCE_GAP"],
  ])("%s", (_, list, code) => {
    expect(verdict(id(35), withNeighbours(list))).toBe(code);
  });

  test("the last leaf for an id below it, the first for one above it", () => {
    expect(verdict(id(45), withNeighbours(at(55)))).toBe("MANIFEST_ABSENCE_GAP");
    expect(verdict(id(15), withNeighbours(at(5)))).toBe("MANIFEST_ABSENCE_GAP");
  });

  test("a rollup that is there is not absent", () => {
    for (const list of [at(25), at(35)]) {
      expect(verdict(THIRD, withNeighbours(list))).toBe("MANIFEST_NOT_ABSENT");
    }
    expect(verdict(THIRD, withNeighbours([lower]))).toBe("MANIFEST_NOT_ABSENT");
    expect(verdict(THIRD, withNeighbours([]))).toBe("MANIFEST_ABSENCE_GAP");
  });

  test("any byte of a neighbour's leaf, any part of its proof", () => {
    for (const [place, neighbour] of [lower, upper].entries()) {
      const others = [
        ...[...turned(neighbour.leaf)].map((leaf) => ({ ...neighbour, leaf })),
        ...[...alteredProofs(neighbour.proof)].map((proof) => ({ ...neighbour, proof })),
      ];
      for (const other of others) {
        expect([
          "MANIFEST_LEAF_UNPROVEN",
          "MANIFEST_LEAF_COUNT",
          "MANIFEST_LEAF_MALFORMED",
        ]).toContain(verdict(id(35), withNeighbours([lower, upper].with(place, other))));
      }
    }
  });

  test("a proof for another number of leaves, though it leads to the root", () => {
    // In a tree of 5, the path of leaf 0 is one of a tree of 6, 7 or 8 as well.
    const [first] = at(5);
    if (first === undefined) throw new Error("expected a neighbour");
    for (const total of [6, 7, 8]) {
      const list = [{ ...first, proof: { ...first.proof, total } }];
      expect(verdict(id(5), withNeighbours(list))).toBe("MANIFEST_LEAF_COUNT");
    }
  });

  test("neighbours for a manifest without leaves", () => {
    const none = block([]);
    const slice = { ...none.sliceOf(FIRST), slice: between.slice };
    expect(verdict(id(35), slice, none.dataHash)).toBe("MANIFEST_LEAF_COUNT");
  });
});

test("behavior: a count beyond what a number holds is malformed, not rounded", () => {
  const leaf = presence(present).leaf.slice();
  leaf[64] = 1;
  expect(decodeManifestLeaf(leaf)).toBeUndefined();
  const other: ManifestLeaf | undefined = decodeManifestLeaf(presence(present).leaf);
  expect(other?.orderedCount).toBe(3);
});

/** A block whose manifest has these leaves. */
function blockOfLeaves(
  leaves: readonly Uint8Array[],
  slice: (proofs: readonly MerkleProof[]) => Presence,
) {
  const item = encodeItem({
    kind: "manifest",
    manifest: { version: 1, leafCount: leaves.length, root: merkleRoot(leaves) },
  });
  return {
    hash: merkleRootOfHashes([item]),
    slice: {
      manifest: item,
      manifestProof: merkleProofOfFirst([sha256(item)]),
      slice: slice(merkleProofs(leaves).proofs),
    },
  };
}
