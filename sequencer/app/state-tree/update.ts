import { assert } from "../../../proto/errors.ts";
import {
  createLeaf,
  type Digest,
  EMPTY,
  INNER_KIND,
  type Inner,
  joinNodes,
  LEAF_KIND,
  type Leaf,
  pathBit,
  type ResidentNode,
  STUB_KIND,
  type Stub,
  type TreeNode,
} from "./node.ts";

/** A new value hash for a path; `undefined` removes the key. */
export interface TreeChange {
  readonly path: Digest;
  readonly valueHash: Digest | undefined;
}

/** Reads a stored inner node. `path` leads to it in its first `depth` bits. */
export type LoadStub = (stub: Stub, path: Digest, depth: number) => Inner;

/**
 * The child of `inner` on side `bit`, never a stub: what a stub stands for takes its place in
 * `inner`, and stays known to other trees with that stub. `path` leads to the child in its first `depth` bits.
 */
export function childAt(
  inner: Inner,
  bit: number,
  path: Digest,
  depth: number,
  load: LoadStub,
): ResidentNode {
  const child = bit === 0 ? inner.left : inner.right;
  if (child.kind !== STUB_KIND) return child;
  // Trees that were made before this parent hold the same stub and must find what it stands for.
  child.loaded ??= load(child, path, depth);
  const loaded = child.loaded;
  if (bit === 0) inner.left = loaded;
  else inner.right = loaded;
  return loaded;
}

/**
 * The tree after `changes`, which are sorted by path and unique. Nodes are shared with the old
 * tree, which stays valid; a subtree that does not change is the same object. Hashes
 * O(changes * depth) nodes, each once.
 */
export function updateTree(
  root: ResidentNode,
  changes: readonly TreeChange[],
  load: LoadStub,
): ResidentNode {
  for (let i = 1; i < changes.length; i++) {
    assert(
      (changes[i - 1]?.path ?? "") < (changes[i]?.path ?? ""),
      "changes are sorted by path and unique",
    );
  }
  if (changes.length === 0) return root;
  return new Updater(changes, load).update(root, 0, changes.length, 0);
}

class Updater {
  readonly #changes: readonly TreeChange[];
  readonly #load: LoadStub;

  constructor(changes: readonly TreeChange[], load: LoadStub) {
    this.#changes = changes;
    this.#load = load;
  }

  update(node: ResidentNode, low: number, high: number, depth: number): ResidentNode {
    if (node.kind !== INNER_KIND) {
      return this.#rebuild(node.kind === LEAF_KIND ? node : undefined, low, high, depth);
    }
    const middle = splitAt(this.#changes, low, high, depth);
    const left = this.#updateChild(node, 0, low, middle, depth + 1);
    const right = this.#updateChild(node, 1, middle, high, depth + 1);
    if (left === node.left && right === node.right) return node;
    return joinNodes(left, right);
  }

  #updateChild(parent: Inner, bit: number, low: number, high: number, depth: number): TreeNode {
    // A stub stands for an inner node, so a sibling that is one never needs to be looked at.
    if (low === high) return bit === 0 ? parent.left : parent.right;
    const path = this.#changes[low]?.path ?? "";
    return this.update(childAt(parent, bit, path, depth, this.#load), low, high, depth);
  }

  /** The subtree of the changed leaves and the one that was there. */
  #rebuild(present: Leaf | undefined, low: number, high: number, depth: number): ResidentNode {
    const leaves: Leaf[] = [];
    let pending = present;
    for (let i = low; i < high; i++) {
      const change = this.#changes[i];
      if (change === undefined) break;
      if (pending !== undefined && pending.path < change.path) {
        leaves.push(pending);
        pending = undefined;
      }
      const replaced = pending?.path === change.path ? pending : undefined;
      if (replaced !== undefined) pending = undefined;
      if (change.valueHash === undefined) continue;
      leaves.push(
        replaced?.valueHash === change.valueHash
          ? replaced
          : createLeaf(change.path, change.valueHash),
      );
    }
    if (pending !== undefined) leaves.push(pending);
    return buildTree(leaves, 0, leaves.length, depth);
  }
}

function buildTree(
  leaves: readonly Leaf[],
  low: number,
  high: number,
  depth: number,
): ResidentNode {
  if (low === high) return EMPTY;
  const first = leaves[low];
  if (high - low === 1 && first !== undefined) return first;
  const middle = splitAt(leaves, low, high, depth);
  return joinNodes(
    buildTree(leaves, low, middle, depth + 1),
    buildTree(leaves, middle, high, depth + 1),
  );
}

/** Index of the first entry in [low, high) whose bit `depth` is 1. */
function splitAt(
  sorted: readonly { readonly path: Digest }[],
  low: number,
  high: number,
  depth: number,
): number {
  let start = low;
  let end = high;
  while (start < end) {
    const middle = (start + end) >>> 1;
    if (pathBit(sorted[middle]?.path ?? "", depth) === 0) start = middle + 1;
    else end = middle;
  }
  return start;
}
