/**
 * Merkle trees of CometBFT (spec/cometbft-v0.38.md §4): the shape of RFC 6962, SHA-256, leaf prefix
 * 0, inner prefix 1. Digests travel as latin1 ("binary") strings while a tree is computed: a buffer for each
 * digest costs more than hashing it.
 */
import { hash } from "node:crypto";
import { bytesEqual } from "./bytes.ts";
import { assert } from "./errors.ts";
import { digestToBytes, sha256, sha256Concat, sha256Latin1 } from "./hash.ts";
import { HASH_BYTES, MERKLE_AUNTS_MAX } from "./limits.ts";
import type { MerkleProof } from "./types.ts";

const LEAF_PREFIX = new Uint8Array([0]);
const INNER_PREFIX = new Uint8Array([1]);

/** Root over the items; the empty list has the root SHA-256(""). */
export function merkleRoot(items: readonly Uint8Array[]): Uint8Array {
  return rootOfDigests(leafDigests(items));
}

/** As `merkleRoot`, over items of one length, one after the other. */
export function merkleRootOfFlat(items: Uint8Array, itemBytes: number): Uint8Array {
  assert(items.length % itemBytes === 0, `whole items of ${itemBytes} bytes`);
  const hashLeaf = createLeafHasher(itemBytes);
  const digests: string[] = [];
  for (let at = 0; at < items.length; at += itemBytes) {
    digests.push(hashLeaf(items.subarray(at, at + itemBytes)));
  }
  return rootOfDigests(digests);
}

/** Root over items whose leaf hashes are known, as `createLeafHasher` gives them. */
export function merkleRootOfLeaves(digests: readonly string[]): Uint8Array {
  return rootOfDigests(digests);
}

/** Leaf hashes of items of one length, as latin1 text: for items that stand in several trees. */
export function createLeafHasher(itemBytes: number): (item: Uint8Array) => string {
  const leaf = Buffer.allocUnsafe(itemBytes + 1);
  leaf[0] = 0;
  return (item) => {
    assert(item.length === itemBytes, `a leaf of this tree has ${itemBytes} bytes`);
    leaf.set(item, 1);
    return hash("sha256", leaf, "binary");
  };
}

/** Root over the SHA-256 hashes of the items, as data_hash is (spec §5.2). */
export function merkleRootOfHashes(items: readonly Uint8Array[]): Uint8Array {
  return merkleRootOfDigests(items.map(sha256Latin1));
}

/**
 * Root over items of 32 bytes, given as latin1 strings: what `sha256Latin1` gives.
 */
export function merkleRootOfDigests(items: readonly string[]): Uint8Array {
  const scratch = Buffer.allocUnsafe(1 + HASH_BYTES);
  scratch[0] = 0;
  const digests = items.map((item) => {
    scratch.write(item, 1, "latin1");
    return hash("sha256", scratch, "binary");
  });
  return rootOfDigests(digests);
}

/** Root and one proof for each item. */
export function merkleProofs(items: readonly Uint8Array[]): {
  readonly root: Uint8Array;
  readonly proofs: readonly MerkleProof[];
} {
  const levels = treeLevels(leafDigests(items));
  // Every digest is made into bytes once; proofs share them.
  const bytes = levels.map((level) => level.map(digestToBytes));
  const proofs = items.map((_, index) => proofFromLevels(bytes, index));
  return { root: bytes.at(-1)?.[0] ?? sha256(new Uint8Array(0)), proofs };
}

/** The proof of one item. `index` must exist. */
export function merkleProof(items: readonly Uint8Array[], index: number): MerkleProof {
  assert(index >= 0 && index < items.length, `no item ${index} of ${items.length}`);
  const levels = treeLevels(leafDigests(items));
  let at = index;
  const aunts: Uint8Array[] = [];
  for (const level of levels) {
    const sibling = level[at ^ 1];
    if (sibling !== undefined) aunts.push(digestToBytes(sibling));
    at >>>= 1;
  }
  return { total: items.length, index, leafHash: digestToBytes(levels[0]?.[index] ?? ""), aunts };
}

/**
 * The proof of item 0. A root does not say how many items it has, and the way to the first one is the same for many
 * numbers of them: so that a proof has one form, its total is the largest of these, a power of two.
 */
export function merkleProofOfFirst(items: readonly Uint8Array[]): MerkleProof {
  const proof = merkleProof(items, 0);
  return { ...proof, total: 2 ** proof.aunts.length };
}

/** Hash of a leaf. */
export function merkleLeafHash(item: Uint8Array): Uint8Array {
  return sha256Concat(LEAF_PREFIX, item);
}

/** Hash of an inner node. */
export function merkleInnerHash(left: Uint8Array, right: Uint8Array): Uint8Array {
  return sha256Concat(INNER_PREFIX, left, right);
}

/**
 * The root that a proof leads to; undefined when its aunts do not fit its index and total. The leaf
 * hash is taken from the proof: compare it with the leaf, or use `verifyMerkleProof`.
 */
export function rootOfMerkleProof(proof: MerkleProof): Uint8Array | undefined {
  const { index, total, aunts } = proof;
  if (!isMerkleProofWellFormed(proof) || index >= total) return undefined;
  // From the root down, each subtree that holds the leaf says on which side its aunt stands.
  const sides: boolean[] = [];
  for (let at = index, size = total; size > 1; ) {
    const split = splitPoint(size);
    const isLeft = at < split;
    sides.push(isLeft);
    if (sides.length > aunts.length) return undefined;
    if (!isLeft) at -= split;
    size = isLeft ? split : size - split;
  }
  if (sides.length !== aunts.length) return undefined;
  let node = proof.leafHash;
  for (const aunt of aunts) {
    node = sides.pop() === true ? merkleInnerHash(node, aunt) : merkleInnerHash(aunt, node);
  }
  return node;
}

/** Whether the proof shows that `leaf` is its item under `root`. */
export function verifyMerkleProof(proof: MerkleProof, root: Uint8Array, leaf: Uint8Array): boolean {
  if (!bytesEqual(proof.leafHash, merkleLeafHash(leaf))) return false;
  const computed = rootOfMerkleProof(proof);
  return computed !== undefined && bytesEqual(computed, root);
}

/** Shape of a proof: counts not negative, at most 100 aunts, every hash of 32 bytes. */
export function isMerkleProofWellFormed(proof: MerkleProof): boolean {
  return (
    Number.isSafeInteger(proof.total) &&
    Number.isSafeInteger(proof.index) &&
    proof.total >= 0 &&
    proof.index >= 0 &&
    proof.leafHash.length === HASH_BYTES &&
    proof.aunts.length <= MERKLE_AUNTS_MAX &&
    proof.aunts.every((aunt) => aunt.length === HASH_BYTES)
  );
}

/** The largest power of two below `size`, which is at least 2. */
function splitPoint(size: number): number {
  let split = 1;
  while (split * 2 < size) split *= 2;
  return split;
}

function leafDigests(items: readonly Uint8Array[]): string[] {
  let longest = 0;
  for (const item of items) longest = Math.max(longest, item.length);
  const scratch = Buffer.allocUnsafe(longest + 1);
  scratch[0] = 0;
  // Leaves of one tree mostly have one length, and a view costs as much as a short hash.
  let leaf = scratch;
  return items.map((item) => {
    scratch.set(item, 1);
    if (leaf.length !== item.length + 1) leaf = scratch.subarray(0, item.length + 1);
    return hash("sha256", leaf, "binary");
  });
}

/**
 * One level up. Pairing neighbours and passing an odd last one on gives the tree that splits at the
 * largest power of two: every left subtree is full.
 */
function parentDigests(digests: readonly string[], scratch: Buffer): string[] {
  const parents: string[] = [];
  for (let i = 0; i < digests.length; i += 2) {
    const [left, right] = [digests[i] ?? "", digests[i + 1]];
    if (right === undefined) {
      parents.push(left);
      break;
    }
    scratch.write(left, 1, "latin1");
    scratch.write(right, 1 + HASH_BYTES, "latin1");
    parents.push(hash("sha256", scratch, "binary"));
  }
  return parents;
}

function innerScratch(): Buffer {
  const scratch = Buffer.allocUnsafe(1 + 2 * HASH_BYTES);
  scratch[0] = 1;
  return scratch;
}

function rootOfDigests(digests: readonly string[]): Uint8Array {
  const scratch = innerScratch();
  let level = digests;
  while (level.length > 1) level = parentDigests(level, scratch);
  const [root] = level;
  return root === undefined ? sha256(new Uint8Array(0)) : digestToBytes(root);
}

/** All levels, leaves first, root last; none when there are no leaves. */
function treeLevels(leaves: readonly string[]): (readonly string[])[] {
  if (leaves.length === 0) return [];
  const scratch = innerScratch();
  const levels: (readonly string[])[] = [leaves];
  for (let level = leaves; level.length > 1; ) {
    level = parentDigests(level, scratch);
    levels.push(level);
  }
  return levels;
}

function proofFromLevels(levels: readonly (readonly Uint8Array[])[], index: number): MerkleProof {
  const leaves = levels[0] ?? [];
  const leafHash = leaves[index];
  assert(leafHash !== undefined, `no leaf ${index}`);
  const aunts: Uint8Array[] = [];
  let at = index;
  for (const level of levels) {
    const sibling = level[at ^ 1];
    if (sibling !== undefined) aunts.push(sibling);
    at >>>= 1;
  }
  return { total: leaves.length, index, leafHash, aunts };
}
