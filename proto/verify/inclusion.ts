/**
 * What shows that one transaction, or one entry of a rollup, stands in a block: from a verified header down
 * (docs/formats.md, "Manifest"). Answers of GetEntryProof and GetTransactionProof. Bytes of others are
 * refused, never thrown at.
 */
import { bytesEqual, compareBytes, toHex } from "../bytes.ts";
import { isCodecError } from "../codec/errors.ts";
import { decodeItem, type Manifest } from "../codec/weft-block.ts";
import { payloadHash, txId } from "../codec/weft-tx.ts";
import { sha256 } from "../hash.ts";
import { HASH_BYTES } from "../limits.ts";
import { verifyMerkleProof } from "../merkle.ts";
import { type Refusal, refusal } from "../refusal.ts";
import type { MerkleProof } from "../types.ts";
import {
  decodeManifestLeaf,
  decodeOrderedEntry,
  type ManifestRefusal,
  type OrderedEntry,
  verifyManifestItem,
} from "./manifest.ts";

/** An entry with its way up to the manifest's root. */
export interface ProvenEntry {
  /** Leaf of its rollup, 152 bytes. */
  readonly leaf: Uint8Array;
  readonly leafProof: MerkleProof;
  /** As it is hashed, 102 bytes. */
  readonly entry: Uint8Array;
  /** To the leaf's ordered root; its index is the entry's position. */
  readonly entryProof: MerkleProof;
}

/** One entry of a rollup below its header. */
export interface EntryInclusion {
  readonly manifest: Uint8Array;
  readonly manifestProof: MerkleProof;
  readonly proven: ProvenEntry;
  readonly payload: Uint8Array;
}

/** One transaction below its header. */
export interface TransactionInclusion {
  readonly item: Uint8Array;
  /** Of SHA-256(item) to data_hash. It proves that the block holds the item, not where: see `TransactionPlace`. */
  readonly itemProof: MerkleProof;
  readonly manifest: Uint8Array;
  readonly manifestProof: MerkleProof;
  /** Of each rollup that has an entry of it, ascending by rollup. */
  readonly entries: readonly ProvenEntry[];
}

/** Where a rollup finds an entry. */
export interface EntryPlace {
  readonly rollupId: Uint8Array;
  /** Among the rollup's ordered entries of the block. */
  readonly position: number;
  readonly entry: OrderedEntry;
}

export interface TransactionPlace {
  /**
   * Index of the item in the block as the node tells it, not proven: the root does not say how many items there are, and
   * the same way up may be that of another index among fewer. Positions of entries are proven: their leaf has the count.
   */
  readonly indexAsTold: number;
  readonly entries: readonly EntryPlace[];
}

export type InclusionRefusalCode =
  /** The item is not proven under this data_hash. */
  | "INCLUSION_ITEM_UNPROVEN"
  /** The item is no transaction. */
  | "INCLUSION_ITEM_MALFORMED"
  /** The item is another transaction. */
  | "INCLUSION_OTHER_TRANSACTION"
  /** A leaf is malformed or not proven under the manifest's root. */
  | "INCLUSION_LEAF_UNPROVEN"
  /** An entry is malformed or not proven under its leaf. */
  | "INCLUSION_ENTRY_UNPROVEN"
  /** The leaf is of another rollup, or two leaves do not ascend. */
  | "INCLUSION_OTHER_ROLLUP"
  /** The entry is of another position, item or payload. */
  | "INCLUSION_OTHER_ENTRY";

export type InclusionRefusal = Refusal<InclusionRefusalCode> | ManifestRefusal;

/** Whether the block under `dataHash`, which the caller verified, holds this entry for the rollup at `position`. */
export function verifyEntryInclusion(
  dataHash: Uint8Array,
  rollupId: Uint8Array,
  position: number,
  { manifest: item, manifestProof, proven, payload }: EntryInclusion,
): EntryPlace | InclusionRefusal {
  const manifest = verifyManifestItem(dataHash, item, manifestProof);
  if ("code" in manifest) return manifest;
  const place = verifyProven(manifest, proven);
  if ("code" in place) return place;
  if (!bytesEqual(place.rollupId, rollupId)) {
    return refusal("INCLUSION_OTHER_ROLLUP", `the leaf is of rollup ${toHex(place.rollupId)}`);
  }
  if (place.position !== position) {
    return refusal("INCLUSION_OTHER_ENTRY", `expected entry ${position}, got ${place.position}`);
  }
  if (!bytesEqual(payloadHash(payload), place.entry.payloadHash)) {
    return refusal("INCLUSION_OTHER_ENTRY", "the payload is not the one that the entry names");
  }
  return place;
}

/**
 * Whether the block under `dataHash`, which the caller verified, holds transaction `id`, and which rollups have
 * entries of it. That there are no further ones is not shown: ask for the slice of that rollup (GetBlock).
 */
export function verifyTransactionInclusion(
  chainId: string,
  dataHash: Uint8Array,
  id: Uint8Array,
  { item, itemProof, manifest: manifestItem, manifestProof, entries }: TransactionInclusion,
): TransactionPlace | InclusionRefusal {
  if (!verifyMerkleProof(itemProof, dataHash, sha256(item))) {
    return refusal(
      "INCLUSION_ITEM_UNPROVEN",
      `the item is not proven under data_hash ${toHex(dataHash)}`,
    );
  }
  const found = transactionIdOf(chainId, item);
  if (found === undefined) return refusal("INCLUSION_ITEM_MALFORMED", "the item is no transaction");
  if (!bytesEqual(found, id)) {
    return refusal("INCLUSION_OTHER_TRANSACTION", `the item is transaction ${toHex(found)}`);
  }
  const manifest = verifyManifestItem(dataHash, manifestItem, manifestProof);
  if ("code" in manifest) return manifest;
  const places: EntryPlace[] = [];
  for (const proven of entries) {
    const place = verifyProven(manifest, proven);
    if ("code" in place) return place;
    const before = places.at(-1);
    if (before !== undefined && compareBytes(before.rollupId, place.rollupId) >= 0) {
      return refusal("INCLUSION_OTHER_ROLLUP", "the entries do not ascend by rollup");
    }
    if (!bytesEqual(place.entry.itemId, id)) {
      return refusal("INCLUSION_OTHER_ENTRY", `an entry of item ${toHex(place.entry.itemId)}`);
    }
    places.push(place);
  }
  return { indexAsTold: itemProof.index, entries: places };
}

function verifyProven(manifest: Manifest, proven: ProvenEntry): EntryPlace | InclusionRefusal {
  const { leaf: leafBytes, leafProof, entry: entryBytes, entryProof } = proven;
  const leaf = decodeManifestLeaf(leafBytes);
  const isLeaf =
    leaf !== undefined &&
    leafProof.total === manifest.leafCount &&
    verifyMerkleProof(leafProof, manifest.root, leafBytes);
  if (!isLeaf) {
    const id = toHex(leafBytes.subarray(0, HASH_BYTES));
    return refusal("INCLUSION_LEAF_UNPROVEN", `the leaf of rollup ${id} is not proven`);
  }
  const entry = decodeOrderedEntry(entryBytes);
  const isEntry =
    entry !== undefined &&
    entryProof.total === leaf.orderedCount &&
    verifyMerkleProof(entryProof, leaf.orderedRoot, entryBytes);
  if (!isEntry) {
    const at = `entry ${entryProof.index} of rollup ${toHex(leaf.rollupId)}`;
    return refusal("INCLUSION_ENTRY_UNPROVEN", `${at} is not proven`);
  }
  return { rollupId: leaf.rollupId, position: entryProof.index, entry };
}

function transactionIdOf(chainId: string, bytes: Uint8Array): Uint8Array | undefined {
  try {
    const item = decodeItem(bytes);
    return item.kind === "tx" ? txId(chainId, item.tx.bodyBytes) : undefined;
  } catch (error) {
    // Bytes of others: to refuse them is the answer. Anything else is a bug.
    if (!isCodecError(error)) throw error;
    return undefined;
  }
}
