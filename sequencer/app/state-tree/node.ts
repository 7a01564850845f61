import { sha256Latin1 } from "../../../proto/hash.ts";

/**
 * A 32-byte digest as 32 Latin-1 characters. Strings of this form compare like their bytes, cost
 * half of what a Buffer costs to make, and serve as map keys.
 */
export type Digest = string;

export const EMPTY_DIGEST: Digest = "\0".repeat(32);

/** Bits that one stored page covers: pages sit at depths that are multiples of this. */
export const PAGE_BITS = 4;

export const EMPTY_KIND = 0;
export const LEAF_KIND = 1;
export const INNER_KIND = 2;
export const STUB_KIND = 3;

/** The empty subtree: 32 zero bytes (docs/formats.md, "State tree"). */
export interface Empty {
  readonly kind: typeof EMPTY_KIND;
  readonly hash: Digest;
}

/** A subtree with one key. It has the same hash at every depth. */
export interface Leaf {
  readonly kind: typeof LEAF_KIND;
  readonly hash: Digest;
  /** H(key): the bits that lead here. */
  readonly path: Digest;
  readonly valueHash: Digest;
}

/** A subtree with two keys or more. A child that is a stub may be replaced by what it stands for. */
export interface Inner {
  readonly kind: typeof INNER_KIND;
  readonly hash: Digest;
  left: TreeNode;
  right: TreeNode;
}

/** An inner node at a page boundary that is stored, and in memory once somebody needed it. */
export interface Stub {
  readonly kind: typeof STUB_KIND;
  readonly hash: Digest;
  loaded: Inner | undefined;
}

export function createStub(hash: Digest): Stub {
  return { kind: STUB_KIND, hash, loaded: undefined };
}

export type ResidentNode = Empty | Leaf | Inner;
export type TreeNode = ResidentNode | Stub;

export const EMPTY: Empty = { kind: EMPTY_KIND, hash: EMPTY_DIGEST };

// One scratch buffer: hashing copies its input, and nothing here awaits between write and hash.
const scratch = Buffer.alloc(65);

/** H(00 ‖ H(key) ‖ H(value)). */
export function createLeaf(path: Digest, valueHash: Digest): Leaf {
  scratch[0] = 0;
  return { kind: LEAF_KIND, hash: hashPair(path, valueHash), path, valueHash };
}

/** H(01 ‖ left ‖ right). */
export function createInner(left: TreeNode, right: TreeNode): Inner {
  scratch[0] = 1;
  return { kind: INNER_KIND, hash: hashPair(left.hash, right.hash), left, right };
}

/** The node over two subtrees: a subtree with one leaf is that leaf. */
export function joinNodes(left: TreeNode, right: TreeNode): ResidentNode {
  if (right.kind === EMPTY_KIND && (left.kind === EMPTY_KIND || left.kind === LEAF_KIND)) {
    return left;
  }
  if (left.kind === EMPTY_KIND && right.kind === LEAF_KIND) return right;
  return createInner(left, right);
}

/** Bit `depth` of a path, 0 is the first. */
export function pathBit(path: Digest, depth: number): number {
  return (path.charCodeAt(depth >> 3) >> (7 - (depth & 7))) & 1;
}

/** Digit `index` of a path in base 16, 0 is the first. */
export function pathNibble(path: Digest, index: number): number {
  const byte = path.charCodeAt(index >> 1);
  return index % 2 === 0 ? byte >> 4 : byte & 15;
}

/** The first `count` base-16 digits of a path: the name of the page there. */
export function pathPrefix(path: Digest, count: number): string {
  let name = "";
  for (let i = 0; i < count; i++) name += pathNibble(path, i).toString(16);
  return name;
}

/** Hashes the scratch buffer's first byte and two digests. */
function hashPair(first: Digest, second: Digest): Digest {
  scratch.write(first, 1, 32, "latin1");
  scratch.write(second, 33, 32, "latin1");
  return sha256Latin1(scratch);
}
