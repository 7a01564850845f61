/** Ordered entries of `weft.rollup.v1`, and Merkle proofs. Legs of bundles refer to the leaves of other rollups, which travel once. */
import type { weft } from "#proto-gen/weft.js";
import { toHex } from "../bytes.ts";
import { codecError } from "../codec/errors.ts";
import { type AtomicTerms, RevertMode } from "../codec/mev-tx.ts";
import { HASH_BYTES } from "../limits.ts";
import type { MerkleProof } from "../types.ts";
import type { SiblingLeg } from "../verify/bundle.ts";
import { type DeliveredEntry, EntryKind, type ProvenLeaf } from "../verify/manifest.ts";
import { required, toBytes, toNumber } from "./wire.ts";

type WireEntry = weft.rollup.v1.OrderedEntry.$Properties;
type WireLeaf = weft.rollup.v1.Neighbour.$Properties;

/** Entries of a slice, and the leaves of other rollups that their bundles need. */
export function toWireEntries(entries: readonly DeliveredEntry[]): {
  readonly entries: WireEntry[];
  readonly siblingLeaves: WireLeaf[];
} {
  const leaves: WireLeaf[] = [];
  const indexes = new Map<string, number>();
  const leafOf = ({ rollupId, leaf, leafProof }: SiblingLeg): number => {
    const key = toHex(rollupId);
    let index = indexes.get(key);
    if (index === undefined) {
      index = leaves.push({ leaf, proof: toWireProof(leafProof) }) - 1;
      indexes.set(key, index);
    }
    return index;
  };
  const wire = entries.map(({ bundleId, bundle, ...entry }) => ({
    ...entry,
    bundleId: bundleId ?? null,
    revertMode: bundle?.revertMode ?? RevertMode.ALLOW,
    atomic: toWireTerms(bundle?.atomic),
    siblings: (bundle?.siblings ?? []).map((sibling) => ({
      leaf: leafOf(sibling),
      entry: sibling.entry,
      entryProof: toWireProof(sibling.entryProof),
      revertMode: sibling.revertMode,
    })),
  }));
  return { entries: wire, siblingLeaves: leaves };
}

/** @throws CodecError on kinds and references that do not exist */
export function fromWireEntry(
  wire: WireEntry,
  siblingLeaves: readonly ProvenLeaf[],
): DeliveredEntry {
  const kind = Object.values(EntryKind).find((known) => known === wire.kind);
  if (kind === undefined) {
    throw codecError("CODEC_OUT_OF_RANGE", `entry kind: expected 1 to 6, got ${wire.kind ?? 0}`);
  }
  const bundleId = toBytes(wire.bundleId);
  const head = {
    kind,
    lane: wire.lane ?? 0,
    itemId: toBytes(wire.itemId),
    leg: wire.leg ?? 0,
    legs: wire.legs ?? 0,
    payload: toBytes(wire.payload),
  };
  if (bundleId.length === 0) return { ...head, bundleId: undefined };
  const siblings = (wire.siblings ?? []).map((sibling) => fromWireSibling(sibling, siblingLeaves));
  const revertMode = toRevertMode(wire.revertMode);
  return {
    ...head,
    bundleId,
    bundle: { revertMode, siblings, atomic: fromWireTerms(wire.atomic) },
  };
}

function toWireTerms(terms: AtomicTerms | undefined): weft.tx.v1.AtomicTerms.$Properties | null {
  return terms === undefined ? null : { voteBlocks: terms.voteBlocks, locks: [...terms.locks] };
}

function fromWireTerms(
  wire: weft.tx.v1.AtomicTerms.$Properties | null | undefined,
): AtomicTerms | undefined {
  if (wire === null || wire === undefined) return undefined;
  return { voteBlocks: wire.voteBlocks ?? 0, locks: (wire.locks ?? []).slice() };
}

export function fromWireLeaf({ leaf, proof }: WireLeaf): ProvenLeaf {
  return { leaf: toBytes(leaf), proof: fromWireProof(proof) };
}

export function toWireProof(proof: MerkleProof): weft.rollup.v1.MerkleProof.$Properties {
  return { ...proof, aunts: [...proof.aunts] };
}

export function fromWireProof(
  wire: weft.rollup.v1.MerkleProof.$Properties | null | undefined,
): MerkleProof {
  const proof = required(wire, "proof");
  return {
    total: toNumber(proof.total ?? 0),
    index: toNumber(proof.index ?? 0),
    leafHash: toBytes(proof.leafHash),
    aunts: (proof.aunts ?? []).map(toBytes),
  };
}

function fromWireSibling(
  wire: weft.rollup.v1.SiblingLeg.$Properties,
  leaves: readonly ProvenLeaf[],
): SiblingLeg {
  const index = wire.leaf ?? 0;
  const proven = leaves[index];
  if (proven === undefined) {
    throw codecError("CODEC_OUT_OF_RANGE", `sibling: there is no leaf ${index}`);
  }
  return {
    rollupId: proven.leaf.subarray(0, HASH_BYTES),
    entry: toBytes(wire.entry),
    entryProof: fromWireProof(wire.entryProof),
    leaf: proven.leaf,
    leafProof: proven.proof,
    revertMode: toRevertMode(wire.revertMode),
  };
}

/** @throws CodecError on a mode that does not exist */
export function toRevertMode(wire: number | null | undefined): RevertMode {
  const mode = Object.values(RevertMode).find((known) => known === (wire ?? RevertMode.ALLOW));
  if (mode === undefined) {
    throw codecError("CODEC_OUT_OF_RANGE", `revert mode: expected 0 to 2, got ${wire}`);
  }
  return mode;
}
