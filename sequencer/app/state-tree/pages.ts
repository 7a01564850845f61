import { assert } from "../../../proto/errors.ts";
import type { YieldToLoop } from "../../ports/yield-to-loop.ts";
import {
  createLeaf,
  createStub,
  type Digest,
  EMPTY,
  EMPTY_KIND,
  INNER_KIND,
  type Inner,
  joinNodes,
  LEAF_KIND,
  PAGE_BITS,
  pathNibble,
  type ResidentNode,
  STUB_KIND,
  type TreeNode,
} from "./node.ts";

/** Subtrees that hang below one page. */
const SLOTS = 1 << PAGE_BITS;
const HEX_DIGITS = "0123456789abcdef";

/** A write to the stored pages: `undefined` removes the page. Names are base-16 path prefixes. */
export interface PageWrite {
  readonly name: string;
  readonly page: Uint8Array | undefined;
}

/**
 * A stored page: the 16 subtrees four levels below an inner node, as u16 mask of the occupied ones
 * ‖ u16 mask of those that are leaves ‖ for each occupied one 32 bytes of path and 32 of value hash
 * (leaf), or the 32-byte hash (inner node, which has a page of its own). The levels between are
 * hashed again when the page is loaded, which checks it against the hash that its parent knows.
 */
export function encodePage(slots: readonly TreeNode[]): Uint8Array {
  let occupied = 0;
  let leaves = 0;
  let length = 4;
  for (let i = 0; i < SLOTS; i++) {
    const node = slots[i] ?? EMPTY;
    if (node.kind === EMPTY_KIND) continue;
    occupied |= 1 << i;
    length += 32;
    if (node.kind === LEAF_KIND) {
      leaves |= 1 << i;
      length += 32;
    }
  }
  const page = Buffer.allocUnsafe(length);
  page.writeUInt16BE(occupied, 0);
  page.writeUInt16BE(leaves, 2);
  let at = 4;
  for (let i = 0; i < SLOTS; i++) {
    const node = slots[i] ?? EMPTY;
    if (node.kind === EMPTY_KIND) continue;
    if (node.kind === LEAF_KIND) {
      at += page.write(node.path, at, 32, "latin1");
      at += page.write(node.valueHash, at, 32, "latin1");
    } else {
      at += page.write(node.hash, at, 32, "latin1");
    }
  }
  return page;
}

/** The inner node that a page stands for, with stubs below it. */
export function decodePage(bytes: Uint8Array, expectedHash: Digest, name: string): Inner {
  const page = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  assert(page.length >= 4, `state page ${name} is cut off`);
  const occupied = page.readUInt16BE(0);
  const leaves = page.readUInt16BE(2);
  let level: TreeNode[] = [];
  let at = 4;
  for (let i = 0; i < SLOTS; i++) {
    if ((occupied & (1 << i)) === 0) {
      level.push(EMPTY);
    } else if ((leaves & (1 << i)) !== 0) {
      level.push(
        createLeaf(page.toString("latin1", at, at + 32), page.toString("latin1", at + 32, at + 64)),
      );
      at += 64;
    } else {
      level.push(createStub(page.toString("latin1", at, at + 32)));
      at += 32;
    }
  }
  assert(at === page.length, `state page ${name} has the wrong length`);
  while (level.length > 1) {
    const above: TreeNode[] = [];
    for (let i = 0; i < level.length; i += 2) {
      above.push(joinNodes(level[i] ?? EMPTY, level[i + 1] ?? EMPTY));
    }
    level = above;
  }
  const node = level[0] ?? EMPTY;
  assert(
    node.kind === INNER_KIND && node.hash === expectedHash,
    `state page ${name} does not have the hash that its parent holds: the database is damaged`,
  );
  return node;
}

/**
 * The page writes that turn the stored form of `before` into that of `after`. Both are roots; what
 * they share costs nothing. Returns how many nodes of `after` are new, at least. Awaits
 * `yieldToLoop` between subtrees.
 */
export async function diffPages(
  before: ResidentNode,
  after: ResidentNode,
  into: PageWrite[],
  yieldToLoop: YieldToLoop,
): Promise<number> {
  if (before === after) return 0;
  const oldSlots = pageSlots(before, 0);
  const newSlots = pageSlots(after, 0);
  let fresh = pushPage("", oldSlots, newSlots, into);
  for (let i = 0; i < SLOTS; i++) {
    const written = into.length;
    fresh += diffSlot(oldSlots, newSlots, i, 0, "", into);
    if (into.length !== written) await yieldToLoop();
  }
  return fresh;
}

function diffAt(
  before: TreeNode,
  after: TreeNode,
  index: number,
  name: string,
  into: PageWrite[],
): number {
  const oldSlots = pageSlots(before, index);
  const newSlots = pageSlots(after, index);
  let fresh = pushPage(name, oldSlots, newSlots, into);
  if (oldSlots === undefined && newSlots === undefined) return fresh;
  for (let i = 0; i < SLOTS; i++) fresh += diffSlot(oldSlots, newSlots, i, index, name, into);
  return fresh;
}

function pushPage(
  name: string,
  oldSlots: readonly TreeNode[] | undefined,
  newSlots: readonly TreeNode[] | undefined,
  into: PageWrite[],
): number {
  if (newSlots !== undefined) into.push({ name, page: encodePage(newSlots) });
  else if (oldSlots !== undefined) into.push({ name, page: undefined });
  return newSlots === undefined ? 1 : SLOTS;
}

function diffSlot(
  oldSlots: readonly TreeNode[] | undefined,
  newSlots: readonly TreeNode[] | undefined,
  slot: number,
  index: number,
  name: string,
  into: PageWrite[],
): number {
  const before = oldSlots?.[slot] ?? EMPTY;
  const after = newSlots?.[slot] ?? EMPTY;
  if (before === after || before.hash === after.hash) return 0;
  return diffAt(before, after, index + 1, name + HEX_DIGITS.charAt(slot), into);
}

/** The 16 subtrees below an inner node at a page boundary; `undefined` for anything else. */
function pageSlots(node: TreeNode, index: number): readonly TreeNode[] | undefined {
  const inner = node.kind === STUB_KIND ? node.loaded : node;
  assert(inner !== undefined, "a subtree that changed has been loaded");
  if (inner.kind !== INNER_KIND) return undefined;
  const slots: TreeNode[] = Array.from({ length: SLOTS }, () => EMPTY);
  fillSlots(inner, index, 0, SLOTS, slots);
  return slots;
}

function fillSlots(
  node: TreeNode,
  index: number,
  low: number,
  high: number,
  slots: TreeNode[],
): void {
  if (node.kind === EMPTY_KIND) return;
  if (high - low === 1) {
    slots[low] = node;
  } else if (node.kind === LEAF_KIND) {
    slots[pathNibble(node.path, index)] = node;
  } else {
    assert(node.kind === INNER_KIND, "stubs stand at page boundaries only");
    const middle = (low + high) >>> 1;
    fillSlots(node.left, index, low, middle, slots);
    fillSlots(node.right, index, middle, high, slots);
  }
}

/** Nodes in memory below `node`, itself included. */
export function countResident(node: TreeNode): number {
  if (node.kind !== INNER_KIND) return 1;
  return 1 + countResident(node.left) + countResident(node.right);
}

/** A copy of the tree that keeps the top `depth` levels (whole pages) and leaves stubs below. */
export function trimTree(node: ResidentNode, depth: number): ResidentNode {
  assert(depth > 0 && depth % PAGE_BITS === 0, "a tree is cut at page boundaries");
  if (node.kind !== INNER_KIND) return node;
  return {
    kind: INNER_KIND,
    hash: node.hash,
    left: trimBelow(node.left, depth - 1),
    right: trimBelow(node.right, depth - 1),
  };
}

function trimBelow(node: TreeNode, depth: number): TreeNode {
  if (node.kind !== INNER_KIND) return node;
  if (depth === 0) return createStub(node.hash);
  return {
    kind: INNER_KIND,
    hash: node.hash,
    left: trimBelow(node.left, depth - 1),
    right: trimBelow(node.right, depth - 1),
  };
}
