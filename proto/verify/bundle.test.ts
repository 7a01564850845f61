import { describe, expect, test } from "vitest";
import { compareBytes } from "../bytes.ts";
import { type AtomicTerms, RevertMode } from "../codec/mev-tx.ts";
import { type Manifest, MANIFEST_VERSION } from "../codec/weft-block.ts";
import { sha256 } from "../hash.ts";
import { merkleProofs, merkleRoot } from "../merkle.ts";
import { bundleId, type SiblingLeg, verifySiblings } from "./bundle.ts";
import {
  encodeManifestLeaf,
  encodeOrderedEntry,
  EntryKind,
  type OrderedEntry,
} from "./manifest.ts";

const CHAIN = "weft-test";
const id = (value: number): Uint8Array => new Uint8Array(32).fill(value);
const NOTHING = merkleRoot([]);
const MODES = [RevertMode.ALLOW, RevertMode.FAIL, RevertMode.DROP];
const ROLLUPS = [id(10), id(20), id(30)];
const LEGS = ROLLUPS.map((rollupId, at) => ({
  rollupId,
  payloadHash: sha256(id(at)),
  revertMode: MODES[at] ?? RevertMode.ALLOW,
}));
const BUNDLE = bundleId(CHAIN, LEGS);

/** The entry of a leg, with what differs from an honest one. */
function entryOf(leg: number, changes: Partial<OrderedEntry> = {}): OrderedEntry {
  return {
    kind: EntryKind.BUNDLE_LEG,
    lane: 6,
    itemId: id(1),
    bundleId: BUNDLE,
    leg,
    legs: LEGS.length,
    payloadHash: LEGS[leg]?.payloadHash ?? id(0),
    ...changes,
  };
}

/** A block where each rollup has these entries, and the sibling that `leg` is to the others. */
function block(entries: readonly (readonly OrderedEntry[])[]) {
  const trees = entries.map((list) => merkleProofs(list.map(encodeOrderedEntry)));
  const leaves = entries.map((list, at) =>
    encodeManifestLeaf({
      rollupId: ROLLUPS[at] ?? id(0),
      orderedRoot: merkleRoot(list.map(encodeOrderedEntry)),
      orderedCount: list.length,
      fillRoot: NOTHING,
      fillCount: 0,
      decisionRoot: NOTHING,
      decisionCount: 0,
    }),
  );
  const leafProofs = merkleProofs(leaves).proofs;
  const manifest: Manifest = {
    version: MANIFEST_VERSION,
    leafCount: leaves.length,
    root: merkleRoot(leaves),
  };
  const sibling = (at: number, position = 0): SiblingLeg => {
    const entry = entries[at]?.[position];
    const entryProof = trees[at]?.proofs[position];
    const [leaf, leafProof, rollupId] = [leaves[at], leafProofs[at], ROLLUPS[at]];
    if (!entry || !entryProof || !leaf || !leafProof || !rollupId) throw new Error("no such leg");
    const revertMode = MODES[at] ?? RevertMode.ALLOW;
    return { rollupId, entry: encodeOrderedEntry(entry), entryProof, leaf, leafProof, revertMode };
  };
  return { manifest, sibling };
}

const other = entryOf(0, { kind: EntryKind.ROLLUP_DATA, bundleId: undefined, leg: 0, legs: 1 });
const HONEST = block([[entryOf(0)], [entryOf(1), other], [other, entryOf(2)]]);
const SIBLINGS = [HONEST.sibling(1), HONEST.sibling(2, 1)];
const [OWN] = ROLLUPS;

interface VerdictTerms {
  readonly manifest?: Manifest;
  readonly mode?: RevertMode;
  readonly atomic?: AtomicTerms;
}

function verdict(
  siblings: readonly SiblingLeg[] = SIBLINGS,
  own: OrderedEntry = entryOf(0),
  { manifest, mode = RevertMode.ALLOW, atomic }: VerdictTerms = {},
): string {
  if (OWN === undefined) throw new Error("there are rollups");
  const at = manifest ?? HONEST.manifest;
  const proof = { revertMode: mode, siblings, atomic };
  return verifySiblings(CHAIN, at, OWN, own, proof)?.code ?? "whole";
}

describe("siblings of a leg", () => {
  test("all of a bundle in the clear are there, by leg, and in no other order", () => {
    expect(verdict()).toBe("whole");
    expect(verdict(SIBLINGS.toReversed())).toBe("BUNDLE_SIBLING_COUNT");
  });

  test("of a sealed bundle, too, whether its rollups shuffle or not: its id is the transaction's", () => {
    const hidden = (leg: number, kind: EntryKind) =>
      entryOf(leg, { kind, bundleId: id(1), payloadHash: id(9) });
    const first = hidden(0, EntryKind.SEALED);
    const { manifest, sibling } = block([
      [first],
      [hidden(1, EntryKind.SHUFFLED)],
      [hidden(2, EntryKind.SEALED)],
    ]);
    expect(verdict([sibling(1), sibling(2)], first, { manifest })).toBe("whole");
  });

  test("one that is missing, comes twice, or is the own one", () => {
    expect(verdict(SIBLINGS.slice(1))).toBe("BUNDLE_SIBLING_COUNT");
    expect(verdict([...SIBLINGS, HONEST.sibling(1)])).toBe("BUNDLE_SIBLING_COUNT");
    expect(verdict([HONEST.sibling(1), HONEST.sibling(1)])).toBe("BUNDLE_SIBLING_COUNT");
    expect(verdict([HONEST.sibling(1), HONEST.sibling(0)])).toBe("BUNDLE_SIBLING_COUNT");
  });

  test("an entry that is no leg has none", () => {
    expect(verdict([], other)).toBe("BUNDLE_SIBLING_NO_BUNDLE");
    expect(verdict([], entryOf(0, { leg: 3 }))).toBe("BUNDLE_SIBLING_NO_BUNDLE");
  });

  test.each<[string, Partial<OrderedEntry>]>([
    ["another bundle", { bundleId: id(2) }],
    ["no bundle", { bundleId: undefined }],
    ["another item", { itemId: id(2) }],
    ["another lane", { lane: 4 }],
    ["another number of legs", { legs: 4 }],
    ["a sealed one", { kind: EntryKind.SEALED }],
  ])("one of %s", (_, changes) => {
    const { manifest, sibling } = block([[entryOf(0)], [entryOf(1, changes)], [entryOf(2)]]);
    expect(verdict([sibling(1), sibling(2)], entryOf(0), { manifest })).toBe(
      "BUNDLE_SIBLING_OTHER",
    );
  });

  test("another payload or revert mode than the id says", () => {
    const changed = entryOf(1, { payloadHash: id(9) });
    const { manifest, sibling } = block([[entryOf(0)], [changed], [entryOf(2)]]);
    expect(verdict([sibling(1), sibling(2)], entryOf(0), { manifest })).toBe("BUNDLE_SIBLING_ID");
    expect(verdict(SIBLINGS, entryOf(0), { mode: RevertMode.DROP })).toBe("BUNDLE_SIBLING_ID");
    const said = SIBLINGS.map((one) => ({ ...one, revertMode: RevertMode.ALLOW }));
    expect(verdict(said)).toBe("BUNDLE_SIBLING_ID");
    expect(bundleId("another", LEGS)).not.toEqual(BUNDLE);
  });

  test("the terms of level 1, which its id is made of", () => {
    const terms = { voteBlocks: 8, locks: [1, 2, 256] };
    const ofId = { bundleId: bundleId(CHAIN, LEGS, { terms, itemId: id(1) }) };
    const { manifest, sibling } = block([
      [entryOf(0, ofId)],
      [entryOf(1, ofId)],
      [entryOf(2, ofId)],
    ]);
    const told = (atomic?: AtomicTerms) =>
      verdict([sibling(1), sibling(2)], entryOf(0, ofId), {
        manifest,
        ...(atomic === undefined ? {} : { atomic }),
      });
    expect(told(terms)).toBe("whole");
    expect(bundleId(CHAIN, LEGS, { terms, itemId: id(2) })).not.toEqual(ofId.bundleId);
    expect(told()).toBe("BUNDLE_SIBLING_ID");
    expect(told({ ...terms, voteBlocks: 7 })).toBe("BUNDLE_SIBLING_ID");
    expect(told({ ...terms, locks: [2, 1, 256] })).toBe("BUNDLE_SIBLING_ID");
    for (const atomic of [
      { ...terms, voteBlocks: 0 },
      { ...terms, voteBlocks: 8 + 256 },
      { ...terms, locks: [1, 2] },
      { ...terms, locks: [1, 2, 257] },
      { ...terms, locks: [1, 2.5, 256] },
    ]) {
      expect(told(atomic), JSON.stringify(atomic)).toBe("BUNDLE_SIBLING_TERMS");
    }
    expect(verdict(SIBLINGS, entryOf(0), { atomic: terms })).toBe("BUNDLE_SIBLING_ID");
  });

  test("legs that do not ascend by rollup", () => {
    const { manifest, sibling } = block([[entryOf(1)], [entryOf(0)], [entryOf(2)]]);
    expect(verdict([sibling(1), sibling(2)], entryOf(1), { manifest })).toBe(
      "BUNDLE_SIBLING_COUNT",
    );
    expect(ROLLUPS.toSorted(compareBytes)).toEqual(ROLLUPS);
  });

  test("what is not proven", () => {
    const [one, two] = SIBLINGS;
    if (one === undefined || two === undefined) throw new Error("two siblings");
    const against = (changes: Partial<SiblingLeg>) => verdict([{ ...one, ...changes }, two]);
    expect(against({ entry: one.entry.slice(1) })).toBe("BUNDLE_SIBLING_MALFORMED");
    expect(against({ entry: one.entry.with(0, 99) })).toBe("BUNDLE_SIBLING_MALFORMED");
    expect(against({ leaf: one.leaf.slice(1) })).toBe("BUNDLE_SIBLING_MALFORMED");
    expect(against({ rollupId: id(21) })).toBe("BUNDLE_SIBLING_LEAF");
    expect(against({ leaf: two.leaf })).toBe("BUNDLE_SIBLING_LEAF");
    expect(against({ leafProof: two.leafProof })).toBe("BUNDLE_SIBLING_LEAF");
    expect(against({ entryProof: two.entryProof })).toBe("BUNDLE_SIBLING_ENTRY");
    const total = one.entryProof.total + 1;
    expect(against({ entryProof: { ...one.entryProof, total } })).toBe("BUNDLE_SIBLING_ENTRY");
    const elsewhere = { ...HONEST.manifest, root: id(0) };
    expect(verdict(SIBLINGS, entryOf(0), { manifest: elsewhere })).toBe("BUNDLE_SIBLING_LEAF");
  });
});
