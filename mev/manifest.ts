/**
 * Item 0 of a block: what each rollup gets from it (docs/formats.md, "Manifest"). The proposer builds it
 * from the items that it placed and that succeeded, every validator builds it again and compares bytes,
 * and a node that serves rollups builds it once more to make proofs.
 */
import { compareBytes, EMPTY_BYTES, toHex } from "../proto/bytes.ts";
import { encodeItem, type Manifest, MANIFEST_VERSION } from "../proto/codec/weft-block.ts";
import { sealPayload } from "../proto/codec/seal-tx.ts";
import { isStakeAction, payloadHash, type SignedTx } from "../proto/codec/weft-tx.ts";
import { assertNever } from "../proto/errors.ts";
import { sha256 } from "../proto/hash.ts";
import { merkleProofs, merkleRoot } from "../proto/merkle.ts";
import {
  compareFills,
  encodeFillEntry,
  encodeManifestLeaf,
  encodeOrderedEntry,
  EntryKind,
  type FillEntry,
  type OrderedEntry,
  type ProvenLeaf,
} from "../proto/verify/manifest.ts";
import type { Lane } from "./lanes.ts";

/** One thing that one rollup executes. */
export interface RollupEntry {
  /** 32 bytes. */
  readonly rollupId: Uint8Array;
  readonly entry: OrderedEntry;
}

/** Proof that a rollup is or is not in a block. */
export type ManifestProof =
  | ({
      readonly kind: "presence";
      readonly entries: readonly OrderedEntry[];
      readonly fills: readonly FillEntry[];
    } & ProvenLeaf)
  | { readonly kind: "absence"; readonly neighbours: readonly ProvenLeaf[] };

export interface BuiltManifest {
  readonly manifest: Manifest;
  /** Item 0, encoded. */
  readonly item: Uint8Array;
  /** Rollups with a leaf, ascending by id. */
  readonly rollupIds: readonly Uint8Array[];
  /** Proof for any rollup id. The first call hashes the tree of leaves, once. */
  prove(rollupId: Uint8Array): ManifestProof;
}

export interface ManifestBuilder {
  /**
   * Takes the next entry in block order; its position among the rollup's entries. `rollupKey`: the id as
   * lower-case hex, where somebody has that already.
   */
  add(rollupId: Uint8Array, entry: OrderedEntry, rollupKey?: string): number;
  /** Takes a fill for an entry of an earlier block, in any order: they are sorted. */
  addFill(rollupId: Uint8Array, fill: FillEntry): void;
  build(): BuiltManifest;
}

/**
 * What a transaction adds to the manifest when its action succeeds: one entry for rollup data, one for each
 * rollup that a sealed item or a commit names, nothing for the rest. `id`: the transaction's id. A transaction that fails adds nothing, whatever it holds.
 */
export function rollupEntriesOf(tx: SignedTx, id: Uint8Array, lane: Lane): readonly RollupEntry[] {
  const { action } = tx.body;
  if (isStakeAction(action)) return [];
  switch (action.kind) {
    case "transfer":
    case "registerRollup":
    case "updateRollup":
      return [];
    case "rollupData": {
      const entry: OrderedEntry = {
        kind: EntryKind.ROLLUP_DATA,
        lane,
        itemId: id,
        bundleId: undefined,
        leg: 0,
        legs: 1,
        payloadHash: payloadHash(action.payload),
      };
      return [{ rollupId: action.rollupId, entry }];
    }
    case "sealed":
    case "sealCommit": {
      const entry: OrderedEntry = {
        kind: EntryKind.SEALED,
        lane,
        itemId: id,
        bundleId: undefined,
        leg: 0,
        legs: 1,
        payloadHash: payloadHash(sealPayload(action)),
      };
      return action.rollupIds.map((rollupId) => ({ rollupId, entry }));
    }
    case "registerSealKey":
    case "deal":
    case "complain":
    case "selfReveal":
    case "reveal":
      return [];
    default:
      return assertNever(action, "action");
  }
}

/**
 * Collects the entries of one block. What it is given must not change until `build`.
 *
 *     const builder = createManifestBuilder();
 *     for (const { rollupId, entry } of rollupEntriesOf(tx, id, lane)) builder.add(rollupId, entry);
 *     txs[0] = builder.build().item;
 */
export function createManifestBuilder(): ManifestBuilder {
  const lists = new Map<string, RollupList>();
  function listOf(rollupId: Uint8Array, key: string): RollupList {
    let list = lists.get(key);
    if (list === undefined) {
      list = { rollupId, entries: [], fills: [] };
      lists.set(key, list);
    }
    return list;
  }
  return {
    add(rollupId, entry, key = toHex(rollupId)) {
      return listOf(rollupId, key).entries.push(entry) - 1;
    },
    addFill(rollupId, fill) {
      listOf(rollupId, toHex(rollupId)).fills.push(fill);
    },
    build() {
      const sorted = [...lists.values()].sort((a, b) => compareBytes(a.rollupId, b.rollupId));
      return finishManifest(sorted);
    },
  };
}

interface RollupList {
  readonly rollupId: Uint8Array;
  readonly entries: OrderedEntry[];
  readonly fills: FillEntry[];
}

function finishManifest(lists: readonly RollupList[]): BuiltManifest {
  for (const { fills } of lists) fills.sort(compareFills);
  const leaves = lists.map(encodeList);
  const manifest: Manifest = {
    version: MANIFEST_VERSION,
    leafCount: leaves.length,
    root: merkleRoot(leaves),
  };
  let proven: readonly ProvenLeaf[] | undefined;

  function prove(rollupId: Uint8Array): ManifestProof {
    proven ??= proveLeaves(leaves);
    const at = lowerBound(lists, rollupId);
    const list = lists[at];
    const own = proven[at];
    if (list !== undefined && own !== undefined && compareBytes(list.rollupId, rollupId) === 0) {
      return { kind: "presence", ...own, entries: list.entries, fills: list.fills };
    }
    return { kind: "absence", neighbours: proven.slice(Math.max(0, at - 1), at + 1) };
  }

  const item = encodeItem({ kind: "manifest", manifest });
  return { manifest, item, rollupIds: lists.map(({ rollupId }) => rollupId), prove };
}

/** Decisions come with bundles; until then their list is empty. */
function encodeList({ rollupId, entries, fills }: RollupList): Uint8Array {
  return encodeManifestLeaf({
    rollupId,
    orderedRoot: merkleRoot(entries.map(encodeOrderedEntry)),
    orderedCount: entries.length,
    fillRoot: merkleRoot(fills.map(encodeFillEntry)),
    fillCount: fills.length,
    decisionRoot: sha256(EMPTY_BYTES),
    decisionCount: 0,
  });
}

function proveLeaves(leaves: readonly Uint8Array[]): readonly ProvenLeaf[] {
  const { proofs } = merkleProofs(leaves);
  return leaves.flatMap((leaf, index) => {
    const proof = proofs[index];
    return proof === undefined ? [] : [{ leaf, proof }];
  });
}

/** Index of the first list whose id is not smaller. */
function lowerBound(lists: readonly RollupList[], rollupId: Uint8Array): number {
  let low = 0;
  let high = lists.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const list = lists[middle];
    if (list !== undefined && compareBytes(list.rollupId, rollupId) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}
