/**
 * What a rollup that is given one leg of a bundle checks about the others: they stand in the same block, all of
 * them (docs/formats.md, "Bundles and bids"). Only that they are there, never what they did.
 */
import { bytesEqual, compareBytes, joinBytes, toHex, utf8ToBytes } from "../bytes.ts";
import { isCodecError } from "../codec/errors.ts";
import {
  type AtomicTerms,
  BUNDLE_LEGS_MAX,
  LEG_LOCKS_MAX,
  type RevertMode,
  SEALED_BUNDLE_CODEC,
  type SealedBundle,
  VOTE_BLOCKS_MAX,
} from "../codec/mev-tx.ts";
import { startSignBytes } from "../codec/weft-basics.ts";
import { decodeItem, type Manifest } from "../codec/weft-block.ts";
import { payloadHash } from "../codec/weft-tx.ts";
import { assert } from "../errors.ts";
import { sha256 } from "../hash.ts";
import { HASH_BYTES } from "../limits.ts";
import { verifyMerkleProof } from "../merkle.ts";
import { type Refusal, refusal } from "../refusal.ts";
import type { MerkleProof } from "../types.ts";
import {
  decodeManifestLeaf,
  type ManifestLeaf,
  decodeOrderedEntry,
  type DeliveredEntry,
  EntryKind,
  type EntryHead,
  type OrderedEntry,
} from "./manifest.ts";

const BUNDLE_TAG = utf8ToBytes("weft/bundle/v1");
const ATOMIC_TAG = utf8ToBytes("weft/bundle/atomic/v1");

/** What the id of a plain bundle says about one leg. */
export interface LegOfBundle {
  /** 32 bytes. */
  readonly rollupId: Uint8Array;
  /** H of the leg's payload. */
  readonly payloadHash: Uint8Array;
  readonly revertMode: RevertMode;
}

/** One leg of another rollup, with its proof to the manifest of the block. */
export interface SiblingLeg {
  readonly rollupId: Uint8Array;
  /** Its ordered entry, 102 bytes. */
  readonly entry: Uint8Array;
  /** Proof of the entry to its rollup's ordered root. */
  readonly entryProof: MerkleProof;
  /** Its rollup's leaf, 152 bytes, and its proof to the manifest's root. */
  readonly leaf: Uint8Array;
  readonly leafProof: MerkleProof;
  readonly revertMode: RevertMode;
}

/** What a leg is delivered with: its own revert mode, and all other legs. */
export interface LegProof {
  readonly revertMode: RevertMode;
  /** By leg. */
  readonly siblings: readonly SiblingLeg[];
  /** Of a bundle of level 1, for all of its legs; undefined: level 0. */
  readonly atomic: AtomicTerms | undefined;
}

export type SiblingRefusalCode =
  /** The own entry is no leg of a bundle, or of one with more legs than there may be. */
  | "BUNDLE_SIBLING_NO_BUNDLE"
  /** A sibling's entry or leaf is malformed. */
  | "BUNDLE_SIBLING_MALFORMED"
  /** A sibling's leaf is not proven, or is another rollup's. */
  | "BUNDLE_SIBLING_LEAF"
  /** A sibling's entry is not proven under its leaf. */
  | "BUNDLE_SIBLING_ENTRY"
  /** A sibling is of another bundle, item or lane, or says another number of legs. */
  | "BUNDLE_SIBLING_OTHER"
  /** The legs are not all that the bundle has, by rollup, each once. */
  | "BUNDLE_SIBLING_COUNT"
  /** The id of a plain bundle is not made of these legs. */
  | "BUNDLE_SIBLING_ID"
  /** What it says about its execution is not for so many legs, or out of range. */
  | "BUNDLE_SIBLING_TERMS"
  /** A sealed bundle says other rollups, revert modes or terms than its legs came with. */
  | "BUNDLE_SIBLING_SEALED";

/**
 * Id of a plain bundle: H(lp("weft/bundle/v1") ‖ lp(chain id) ‖ u8 number of legs ‖ for each, by rollup: rollup id ‖
 * payload hash ‖ u8 revert mode). Of one of level 1 the tag is "weft/bundle/atomic/v1", and u8 vote blocks ‖ for each
 * leg u16 locks ‖ transaction id follow: rollups remember what they have prepared by its id, so that no two of them may
 * share one. That of a sealed one is its transaction id.
 *
 * @param atomic of level 1: its terms, and the id of its transaction
 */
export function bundleId(
  chainId: string,
  legs: readonly LegOfBundle[],
  atomic?: { readonly terms: AtomicTerms; readonly itemId: Uint8Array },
): Uint8Array {
  assert(legs.length <= 255, "a bundle has few legs");
  const parts = legs.flatMap(({ rollupId, payloadHash, revertMode }) => {
    assert(rollupId.length === HASH_BYTES, "a rollup's id has 32 bytes");
    assert(payloadHash.length === HASH_BYTES, "a hash has 32 bytes");
    return [rollupId, payloadHash, Uint8Array.of(revertMode)];
  });
  const tag = atomic === undefined ? BUNDLE_TAG : ATOMIC_TAG;
  const head = startSignBytes(tag, chainId, 0).out;
  const more = atomic === undefined ? [] : [atomicTermsBytes(atomic.terms), atomic.itemId];
  return sha256(joinBytes([head, Uint8Array.of(legs.length), ...parts, ...more]));
}

/** u8 vote blocks ‖ for each leg u16 locks: what ids of bundles and labels of ciphertexts cover. */
export function atomicTermsBytes({ voteBlocks, locks }: AtomicTerms): Uint8Array {
  const out = new Uint8Array(1 + locks.length * 2);
  const view = new DataView(out.buffer);
  view.setUint8(0, voteBlocks);
  for (const [at, count] of locks.entries()) view.setUint16(1 + at * 2, count);
  return out;
}

/** Looks at the entries of one slice, one by one: why a leg of a bundle is not believed, or undefined. */
export type BundleCheck = (entry: DeliveredEntry) => Refusal<SiblingRefusalCode> | undefined;

/**
 * Whether each leg of a bundle came with all its siblings. `manifestItem`: under which the entries were verified to
 * be the rollup's.
 */
export function createBundleCheck(
  chainId: string,
  rollupId: Uint8Array,
  manifestItem: Uint8Array,
): BundleCheck {
  const item = decodeItem(manifestItem);
  assert(item.kind === "manifest", "a verified slice stands under a manifest");
  const leafOf = createLeafCheck(item.manifest);
  return ({ bundle, payload, ...head }) => {
    if (head.bundleId === undefined) return undefined;
    if (bundle === undefined) {
      return refusal("BUNDLE_SIBLING_COUNT", `leg ${head.leg} of ${head.legs} came alone`);
    }
    const own = { ...head, payloadHash: payloadHash(payload) };
    return (
      siblingsFault(chainId, leafOf, rollupId, own, bundle) ??
      (head.kind === EntryKind.BUNDLE_LEG
        ? undefined
        : sealedFault(rollupId, head, payload, bundle))
    );
  };
}

/** `createBundleCheck` for all entries; the first refusal. */
export function verifyBundles(
  chainId: string,
  rollupId: Uint8Array,
  manifestItem: Uint8Array,
  entries: readonly DeliveredEntry[],
): Refusal<SiblingRefusalCode> | undefined {
  const check = createBundleCheck(chainId, rollupId, manifestItem);
  for (const entry of entries) {
    const refused = check(entry);
    if (refused !== undefined) return refused;
  }
  return undefined;
}

/** Legs of a sealed bundle share one payload, which names all rollups and revert modes. */
function sealedFault(
  rollupId: Uint8Array,
  { leg }: Pick<EntryHead, "leg">,
  payload: Uint8Array,
  { revertMode, siblings, atomic }: LegProof,
): Refusal<SiblingRefusalCode> | undefined {
  const sealed = sealedBundleOf(payload);
  if (sealed === undefined) {
    return refusal("BUNDLE_SIBLING_SEALED", "the payload is no sealed bundle");
  }
  const named = sealed.legs;
  if (!areSameTerms(sealed.atomic, atomic)) {
    return refusal("BUNDLE_SIBLING_SEALED", "the terms are not those of the sealed bundle");
  }
  const came = siblings.map((sibling) => ({
    rollupId: sibling.rollupId,
    revertMode: sibling.revertMode,
  }));
  came.splice(leg, 0, { rollupId, revertMode });
  const isSame =
    came.length === named.length &&
    named.every(
      (one, at) =>
        one.revertMode === came[at]?.revertMode && bytesEqual(one.rollupId, came[at].rollupId),
    );
  if (isSame) return undefined;
  return refusal("BUNDLE_SIBLING_SEALED", "the legs are not those that the sealed bundle names");
}

function areSameTerms(a: AtomicTerms | undefined, b: AtomicTerms | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return bytesEqual(atomicTermsBytes(a), atomicTermsBytes(b));
}

function sealedBundleOf(payload: Uint8Array): Omit<SealedBundle, "kind"> | undefined {
  try {
    return SEALED_BUNDLE_CODEC.decode(payload);
  } catch (error) {
    // Bytes that the manifest commits to and that are no bundle: the caller refuses them. Anything else is a bug.
    if (!isCodecError(error)) throw error;
    return undefined;
  }
}

/**
 * Whether `own`, verified to stand in the block of `manifest` for `ownRollupId`, and these siblings are all legs of
 * one bundle: legs 0 to n - 1 of n by rollup, of one item and lane. A plain bundle's id has to be made of them.
 */
export function verifySiblings(
  chainId: string,
  manifest: Manifest,
  ownRollupId: Uint8Array,
  own: OrderedEntry,
  proof: LegProof,
): Refusal<SiblingRefusalCode> | undefined {
  return siblingsFault(chainId, createLeafCheck(manifest), ownRollupId, own, proof);
}

function siblingsFault(
  chainId: string,
  leafOf: LeafCheck,
  ownRollupId: Uint8Array,
  own: OrderedEntry,
  { revertMode: ownRevertMode, siblings, atomic }: LegProof,
): Refusal<SiblingRefusalCode> | undefined {
  if (own.bundleId === undefined || own.leg >= own.legs || own.legs > BUNDLE_LEGS_MAX) {
    return refusal("BUNDLE_SIBLING_NO_BUNDLE", `leg ${own.leg} of ${own.legs} is of no bundle`);
  }
  if (siblings.length !== own.legs - 1) {
    return refusal(
      "BUNDLE_SIBLING_COUNT",
      `a bundle of ${own.legs} legs came with ${siblings.length} siblings`,
    );
  }
  const legs: (LegOfBundle | undefined)[] = Array.from({ length: own.legs }, () => undefined);
  legs[own.leg] = {
    rollupId: ownRollupId,
    payloadHash: own.payloadHash,
    revertMode: ownRevertMode,
  };
  let lastLeg = -1;
  for (const sibling of siblings) {
    const entry = verifySibling(leafOf, sibling);
    if ("code" in entry) return entry;
    if (!isSameBundle(own, entry)) {
      const of = toHex(sibling.rollupId);
      return refusal("BUNDLE_SIBLING_OTHER", `the entry of rollup ${of} is of another bundle`);
    }
    if (entry.leg >= own.legs || entry.leg === own.leg || entry.leg <= lastLeg) {
      return refusal(
        "BUNDLE_SIBLING_COUNT",
        `leg ${entry.leg} of ${own.legs} is none, came twice or does not follow the one before`,
      );
    }
    lastLeg = entry.leg;
    const { rollupId, revertMode } = sibling;
    legs[entry.leg] = { rollupId, payloadHash: entry.payloadHash, revertMode };
  }
  const all = legs.filter((leg) => leg !== undefined);
  assert(all.length === own.legs, "as many siblings as legs, each of another one");
  if (!isByRollup(all)) {
    return refusal("BUNDLE_SIBLING_COUNT", "the legs do not ascend by rollup");
  }
  if (atomic !== undefined && !isTermsInRange(atomic, own.legs)) {
    return refusal("BUNDLE_SIBLING_TERMS", `the terms are none for ${own.legs} legs`);
  }
  if (own.kind !== EntryKind.BUNDLE_LEG) return undefined;
  const terms = atomic && { terms: atomic, itemId: own.itemId };
  if (bytesEqual(bundleId(chainId, all, terms), own.bundleId)) return undefined;
  return refusal("BUNDLE_SIBLING_ID", `bundle ${toHex(own.bundleId)} is not made of these legs`);
}

/** Within the bounds of its codec: ids and labels cover whole numbers of few bits. */
function isTermsInRange({ voteBlocks, locks }: AtomicTerms, legs: number): boolean {
  const isWithin = (value: number, max: number): boolean =>
    Number.isInteger(value) && value >= 1 && value <= max;
  return (
    isWithin(voteBlocks, VOTE_BLOCKS_MAX) &&
    locks.length === legs &&
    locks.every((count) => isWithin(count, LEG_LOCKS_MAX))
  );
}

/** The leaf of a sibling's rollup, when it is proven. */
type LeafCheck = (sibling: SiblingLeg) => ManifestLeaf | Refusal<SiblingRefusalCode>;

/** The same few leaves come with every leg: what is proven of a manifest once need not be again. */
function createLeafCheck(manifest: Manifest): LeafCheck {
  const proven = new Map<string, { readonly bytes: Uint8Array; readonly leaf: ManifestLeaf }>();
  return ({ rollupId, leaf: bytes, leafProof }) => {
    const key = toHex(rollupId);
    const known = proven.get(key);
    if (known !== undefined && bytesEqual(known.bytes, bytes)) return known.leaf;
    const leaf = decodeManifestLeaf(bytes);
    if (leaf === undefined) {
      return refusal("BUNDLE_SIBLING_MALFORMED", `a leaf of ${bytes.length} bytes`);
    }
    const isProven =
      bytesEqual(leaf.rollupId, rollupId) &&
      leafProof.total === manifest.leafCount &&
      verifyMerkleProof(leafProof, manifest.root, bytes);
    if (!isProven) return refusal("BUNDLE_SIBLING_LEAF", `the leaf of rollup ${key} is not proven`);
    proven.set(key, { bytes, leaf });
    return leaf;
  };
}

function verifySibling(
  leafOf: LeafCheck,
  sibling: SiblingLeg,
): OrderedEntry | Refusal<SiblingRefusalCode> {
  const { rollupId, entry: entryBytes, entryProof } = sibling;
  const entry = decodeOrderedEntry(entryBytes);
  if (entry === undefined) {
    return refusal("BUNDLE_SIBLING_MALFORMED", `an entry of ${entryBytes.length} bytes`);
  }
  const leaf = leafOf(sibling);
  if ("code" in leaf) return leaf;
  const isProvenEntry =
    entryProof.total === leaf.orderedCount &&
    verifyMerkleProof(entryProof, leaf.orderedRoot, entryBytes);
  if (isProvenEntry) return entry;
  return refusal("BUNDLE_SIBLING_ENTRY", `the leg of rollup ${toHex(rollupId)} is not proven`);
}

/**
 * A leg in the clear has siblings in the clear only; sealed ones share their payload, and differ in kind between
 * rollups that shuffle and others.
 */
function isSameBundle(own: OrderedEntry, other: OrderedEntry): boolean {
  return (
    own.bundleId !== undefined &&
    other.bundleId !== undefined &&
    bytesEqual(own.bundleId, other.bundleId) &&
    bytesEqual(own.itemId, other.itemId) &&
    own.lane === other.lane &&
    own.legs === other.legs &&
    (own.kind === EntryKind.BUNDLE_LEG
      ? other.kind === EntryKind.BUNDLE_LEG
      : isSealed(other) && bytesEqual(own.payloadHash, other.payloadHash))
  );
}

function isSealed({ kind }: EntryHead): boolean {
  return kind === EntryKind.SEALED || kind === EntryKind.SHUFFLED;
}

function isByRollup(legs: readonly LegOfBundle[]): boolean {
  return legs.every((leg, index) => {
    const before = legs[index - 1];
    return before === undefined || compareBytes(before.rollupId, leg.rollupId) < 0;
  });
}
