/**
 * Of the nodes that executing a block wrote, those that its final state needs. The trie library
 * writes every node of every intermediate state, several times as many.
 */
import { RLP } from "@ethereumjs/rlp";
import { toHex } from "../../proto/bytes.ts";

/** Prefix of a code's key, in hex: the library stores codes beside the nodes. */
const CODE_KEY_PREFIX = "63";

type Item = Uint8Array | readonly Item[];
interface Visit {
  readonly item: Item;
  readonly isAccountTrie: boolean;
}

/**
 * Entries of `pending` (by hex hash) reachable from the account trie's `root`, codes included. A
 * node that is not pending is on disk with all that hangs from it, so the walk ends there.
 */
export function reachableNodes(
  pending: ReadonlyMap<string, Uint8Array>,
  root: Uint8Array,
): Map<string, Uint8Array> {
  const found = new Map<string, Uint8Array>();
  const open: Visit[] = [];

  const take = (hash: Uint8Array, isAccountTrie: boolean): void => {
    const key = toHex(hash);
    const node = pending.get(key);
    if (node === undefined || found.has(key)) return;
    found.set(key, node);
    open.push({ item: RLP.decode(node), isAccountTrie });
  };
  const takeAccount = (value: Uint8Array): void => {
    const fields = RLP.decode(value);
    const [storageRoot, codeHash] = [fields[2], fields[3]];
    if (storageRoot instanceof Uint8Array) take(storageRoot, false);
    if (!(codeHash instanceof Uint8Array)) return;
    const key = CODE_KEY_PREFIX + toHex(codeHash);
    const code = pending.get(key);
    if (code !== undefined) found.set(key, code);
  };

  take(root, true);
  for (let visit = open.pop(); visit !== undefined; visit = open.pop()) {
    const { item, isAccountTrie } = visit;
    if (item instanceof Uint8Array) {
      if (item.length === 32) take(item, isAccountTrie);
      continue;
    }
    if (item.length === 17) {
      for (const child of item.slice(0, 16)) open.push({ item: child, isAccountTrie });
      continue;
    }
    // Leaf or extension: the path's first nibble tells (yellow paper, appendix C).
    const [path, value] = item;
    if (!(path instanceof Uint8Array) || value === undefined) continue;
    const isLeaf = ((path[0] ?? 0) & 0x20) !== 0;
    if (!isLeaf) open.push({ item: value, isAccountTrie });
    else if (isAccountTrie && value instanceof Uint8Array) takeAccount(value);
  }
  return found;
}
