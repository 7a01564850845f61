import { EMPTY_BYTES } from "../../../proto/bytes.ts";
import { digestToBytes } from "../../../proto/hash.ts";
import type { Ics23Inner } from "./ics23.ts";
import {
  type Digest,
  EMPTY_KIND,
  INNER_KIND,
  type Inner,
  LEAF_KIND,
  type Leaf,
  pathBit,
  type ResidentNode,
} from "./node.ts";
import { childAt, type LoadStub } from "./update.ts";

/** A leaf and the steps from it to the root, bottom up. */
export interface LeafProof {
  readonly leaf: Leaf;
  readonly path: readonly Ics23Inner[];
}

/** The leaf of a path, or its neighbours when there is none. */
export type TreeProof =
  | { readonly kind: "exists"; readonly at: LeafProof }
  | {
      readonly kind: "absent";
      readonly left: LeafProof | undefined;
      readonly right: LeafProof | undefined;
    };

/** Proves that `path` has a leaf, or has none, below `root`. */
export function proveTree(root: ResidentNode, path: Digest, load: LoadStub): TreeProof {
  const steps: Ics23Inner[] = [];
  const nodes: { readonly inner: Inner; readonly bit: number }[] = [];
  let node = root;
  while (node.kind === INNER_KIND) {
    const bit = pathBit(path, nodes.length);
    nodes.push({ inner: node, bit });
    steps.push(stepOver(node, bit));
    node = childAt(node, bit, path, nodes.length, load);
  }
  if (node.kind === LEAF_KIND && node.path === path) {
    return { kind: "exists", at: { leaf: node, path: steps.toReversed() } };
  }
  // What stands here is empty or another leaf, which is one of the neighbours.
  const here = node.kind === EMPTY_KIND ? undefined : { leaf: node, path: steps.toReversed() };
  const neighbour = (wantLeft: boolean): LeafProof | undefined => {
    if (here !== undefined && (wantLeft ? here.leaf.path < path : here.leaf.path > path)) {
      return here;
    }
    for (let depth = nodes.length - 1; depth >= 0; depth--) {
      const at = nodes[depth];
      if (at === undefined || at.bit !== (wantLeft ? 1 : 0)) continue;
      const side = wantLeft ? 0 : 1;
      const siblingPath = flipBit(path, depth);
      const sibling = childAt(at.inner, side, siblingPath, depth + 1, load);
      if (sibling.kind === EMPTY_KIND) continue;
      const above = steps.slice(0, depth);
      above.push(stepOver(at.inner, side));
      return edgeLeaf(sibling, siblingPath, above, wantLeft, load);
    }
    return undefined;
  };
  return { kind: "absent", left: neighbour(true), right: neighbour(false) };
}

/** The last (`wantLast`) or first leaf below `start`, which is not empty. */
function edgeLeaf(
  start: ResidentNode,
  startPath: Digest,
  steps: Ics23Inner[],
  wantLast: boolean,
  load: LoadStub,
): LeafProof | undefined {
  const preferred = wantLast ? 1 : 0;
  let node = start;
  let path = startPath;
  while (node.kind === INNER_KIND) {
    const depth = steps.length;
    const first = wantLast ? node.right : node.left;
    const bit = first.kind === EMPTY_KIND ? 1 - preferred : preferred;
    steps.push(stepOver(node, bit));
    if (pathBit(path, depth) !== bit) path = flipBit(path, depth);
    node = childAt(node, bit, path, depth + 1, load);
  }
  return node.kind === LEAF_KIND ? { leaf: node, path: steps.toReversed() } : undefined;
}

/** From the child on side `bit` to the parent: ICS-23 puts 01 and the left sibling in the prefix. */
function stepOver({ left, right }: Inner, bit: number): Ics23Inner {
  return bit === 0
    ? { prefix: Uint8Array.of(1), suffix: digestToBytes(right.hash) }
    : { prefix: Uint8Array.of(1, ...digestToBytes(left.hash)), suffix: EMPTY_BYTES };
}

function flipBit(path: Digest, depth: number): Digest {
  const at = depth >> 3;
  const flipped = path.charCodeAt(at) ^ (1 << (7 - (depth & 7)));
  return path.slice(0, at) + String.fromCharCode(flipped) + path.slice(at + 1);
}
