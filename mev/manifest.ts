/**
 * Item 0 of a block: what each rollup gets from it (docs/formats.md, "Manifest"). The proposer builds it
 * from the items that it placed and that succeeded, every validator builds it again and compares bytes,
 * and a node that serves rollups builds it once more to make proofs.
 */
import { compareBytes, EMPTY_BYTES, toHex } from "../proto/bytes.ts";
import { encodeItem, type Manifest, MANIFEST_VERSION } from "../proto/codec/weft-block.ts";
import { type Bundle, hiddenPayload } from "../proto/codec/mev-tx.ts";
import { isStakeAction, payloadHash, type SignedTx } from "../proto/codec/weft-tx.ts";
import { assertNever } from "../proto/errors.ts";
import {
  createLeafHasher,
  merkleProofs,
  merkleRoot,
  merkleRootOfFlat,
  merkleRootOfLeaves,
} from "../proto/merkle.ts";
import { bundleId } from "../proto/verify/bundle.ts";
import {
  compareDecisions,
  compareFills,
  type DecisionEntry,
  type DeliveredDecision,
  encodeDecisionEntry,
  FILL_ENTRY_BYTES,
  encodeManifestLeaf,
  encodeOrderedEntry,
  EntryKind,
  type FillEntry,
  ORDERED_ENTRY_BYTES,
  type OrderedEntry,
  type ProvenLeaf,
  writeFillEntry,
  writeOrderedEntry,
} from "../proto/verify/manifest.ts";
import type { Lane } from "./lanes.ts";
import type { ListRoots } from "./list-roots.ts";

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
      readonly decisions: readonly DeliveredDecision[];
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
  /** Takes a decision about entries of this or an earlier block, in any order: they are sorted. `detail`: of an atomic one. */
  addDecision(rollupId: Uint8Array, decision: DecisionEntry, detail?: Uint8Array): void;
  build(): BuiltManifest;
}

/** What the state says about the entries of a block, beside its transactions. */
export interface EntryTerms {
  readonly chainId: string;
  /** Whether the rollup shuffles what is sealed for it. */
  readonly isShuffled: (rollupId: Uint8Array) => boolean;
  /** Ids of the rollups whose tops are sold together where this one leads, ascending; itself included. */
  readonly membersOf: (group: Uint8Array) => readonly Uint8Array[];
}

/**
 * What a transaction adds to the manifest when its action succeeds: one entry for rollup data, one for each
 * rollup that a sealed item, a commit or a bundle names, one for each rollup of the group of a bid, nothing for the
 * rest. `id`: the transaction's id. A transaction that fails adds nothing, whatever it holds.
 */
export function rollupEntriesOf(
  tx: SignedTx,
  id: Uint8Array,
  lane: Lane,
  terms: EntryTerms,
): readonly RollupEntry[] {
  const { action } = tx.body;
  if (isStakeAction(action)) return [];
  const single = { lane, itemId: id, bundleId: undefined, leg: 0, legs: 1 };
  switch (action.kind) {
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
      const hash = payloadHash(hiddenPayload(action));
      // Who reveals a commit itself would choose the order by waiting.
      const isSealed = action.kind === "sealed";
      return action.rollupIds.map((rollupId) => {
        const kind = isSealed ? sealedKind(rollupId, terms) : EntryKind.SEALED;
        return { rollupId, entry: { ...single, kind, payloadHash: hash } };
      });
    }
    case "bundle":
      return bundleEntries(action, single, terms.chainId);
    case "sealedBundle": {
      const hash = payloadHash(hiddenPayload(action));
      const legs = action.legs.length;
      return action.legs.map(({ rollupId }, leg) => {
        const kind = sealedKind(rollupId, terms);
        return { rollupId, entry: { ...single, kind, bundleId: id, leg, legs, payloadHash: hash } };
      });
    }
    case "bid": {
      const { BID: kind } = EntryKind;
      const entry: OrderedEntry = {
        ...single,
        kind,
        payloadHash: payloadHash(hiddenPayload(action)),
      };
      return terms.membersOf(action.group).map((rollupId) => ({ rollupId, entry }));
    }
    case "transfer":
    case "registerRollup":
    case "updateRollup":
    case "registerSealKey":
    case "deal":
    case "complain":
    case "selfReveal":
    case "reveal":
    case "cancelBundles":
    case "depositEscrow":
    case "withdrawEscrow":
    case "executorVote":
    case "executorReport":
    case "bondExecutor":
    case "unbondExecutor":
    case "unjailExecutor":
      return [];
    default:
      return assertNever(action, "action");
  }
}

/** Id of a plain bundle, as its entries say it. `itemId`: of its transaction. */
export function idOfBundle(
  chainId: string,
  { legs, atomic }: Pick<Bundle, "legs" | "atomic">,
  itemId: Uint8Array,
): Uint8Array {
  const hashed = legs.map((leg) => ({ ...leg, payloadHash: payloadHash(leg.payload) }));
  return bundleId(chainId, hashed, atomic && { terms: atomic, itemId });
}

function bundleEntries(
  action: Bundle,
  single: Pick<OrderedEntry, "lane" | "itemId">,
  chainId: string,
): readonly RollupEntry[] {
  const hashed = action.legs.map((leg) => ({ ...leg, payloadHash: payloadHash(leg.payload) }));
  const { atomic } = action;
  const { itemId } = single;
  const id = bundleId(chainId, hashed, atomic && { terms: atomic, itemId });
  return hashed.map(({ rollupId, payloadHash: hash }, leg) => ({
    rollupId,
    entry: {
      ...single,
      kind: EntryKind.BUNDLE_LEG,
      bundleId: id,
      leg,
      legs: hashed.length,
      payloadHash: hash,
    },
  }));
}

function sealedKind(rollupId: Uint8Array, { isShuffled }: EntryTerms): EntryKind {
  return isShuffled(rollupId) ? EntryKind.SHUFFLED : EntryKind.SEALED;
}

/**
 * Collects the entries of one block. What it is given must not change until `build`.
 *
 *     const builder = createManifestBuilder();
 *     for (const { rollupId, entry } of rollupEntriesOf(tx, id, lane, terms)) builder.add(rollupId, entry);
 *     txs[0] = builder.build().item;
 *
 * @param roots of lists that stood in manifests before, where somebody keeps them; never what comes out
 */
export function createManifestBuilder(roots?: ListRoots): ManifestBuilder {
  const lists = new Map<string, RollupList>();
  /** By the array itself: entries and fills of a thousand bids come with the same few ids. */
  const seen = new Map<Uint8Array, RollupList>();
  function listAt(rollupId: Uint8Array, key: string): RollupList {
    let list = lists.get(key);
    if (list === undefined) {
      list = { rollupId, entries: [], fills: [], decisions: [] };
      lists.set(key, list);
    }
    return list;
  }
  function listOf(rollupId: Uint8Array): RollupList {
    let list = seen.get(rollupId);
    if (list === undefined) seen.set(rollupId, (list = listAt(rollupId, toHex(rollupId))));
    return list;
  }
  return {
    add(rollupId, entry, key) {
      const list = key === undefined ? listOf(rollupId) : listAt(rollupId, key);
      return list.entries.push(entry) - 1;
    },
    addFill(rollupId, fill) {
      listOf(rollupId).fills.push(fill);
    },
    addDecision(rollupId, decision, detail = EMPTY_BYTES) {
      listOf(rollupId).decisions.push({ ...decision, detail });
    },
    build() {
      const sorted = [...lists.values()].sort((a, b) => compareBytes(a.rollupId, b.rollupId));
      return finishManifest(sorted, roots);
    },
  };
}

interface RollupList {
  readonly rollupId: Uint8Array;
  readonly entries: OrderedEntry[];
  readonly fills: FillEntry[];
  readonly decisions: DeliveredDecision[];
}

function finishManifest(lists: readonly RollupList[], roots: ListRoots | undefined): BuiltManifest {
  for (const { fills, decisions } of lists) {
    fills.sort(compareFills);
    decisions.sort(compareDecisions);
  }
  const codec = createEntryCodec();
  const leaves = lists.map((list) => encodeList(list, codec, roots));
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
      const { entries, fills, decisions } = list;
      return { kind: "presence", ...own, entries, fills, decisions };
    }
    return { kind: "absence", neighbours: proven.slice(Math.max(0, at - 1), at + 1) };
  }

  const item = encodeItem({ kind: "manifest", manifest });
  return { manifest, item, rollupIds: lists.map(({ rollupId }) => rollupId), prove };
}

/** For one manifest: a bid has one entry in the lists of its whole group, which is encoded and hashed once. */
interface EntryCodec {
  write(out: Uint8Array, at: number, entry: OrderedEntry): void;
  /** Leaf hash of an entry that was written: `encoded`. */
  digest(entry: OrderedEntry, encoded: Uint8Array): string;
}

function createEntryCodec(): EntryCodec {
  const hashLeaf = createLeafHasher(ORDERED_ENTRY_BYTES);
  const bids = new Map<OrderedEntry, Uint8Array>();
  const digests = new Map<OrderedEntry, string>();
  return {
    write(out, at, entry) {
      if (entry.kind !== EntryKind.BID) return writeOrderedEntry(out, at, entry);
      let encoded = bids.get(entry);
      if (encoded === undefined) bids.set(entry, (encoded = encodeOrderedEntry(entry)));
      out.set(encoded, at);
    },
    digest(entry, encoded) {
      if (entry.kind !== EntryKind.BID) return hashLeaf(encoded);
      let digest = digests.get(entry);
      if (digest === undefined) digests.set(entry, (digest = hashLeaf(encoded)));
      return digest;
    },
  };
}

function encodeList(
  { rollupId, entries, fills, decisions }: RollupList,
  codec: EntryCodec,
  roots: ListRoots | undefined,
): Uint8Array {
  return encodeManifestLeaf({
    rollupId,
    orderedRoot: orderedRoot(entries, codec, roots),
    orderedCount: entries.length,
    fillRoot: fillRoot(fills, roots),
    fillCount: fills.length,
    decisionRoot: merkleRoot(decisions.map(encodeDecisionEntry)),
    decisionCount: decisions.length,
  });
}

function orderedRoot(
  entries: readonly OrderedEntry[],
  codec: EntryCodec,
  roots: ListRoots | undefined,
): Uint8Array {
  const size = ORDERED_ENTRY_BYTES;
  const flat = new Uint8Array(entries.length * size);
  for (const [index, entry] of entries.entries()) codec.write(flat, index * size, entry);
  const root = () =>
    merkleRootOfLeaves(
      entries.map((entry, index) =>
        codec.digest(entry, flat.subarray(index * size, (index + 1) * size)),
      ),
    );
  return roots === undefined ? root() : roots.of(flat, size, root);
}

function fillRoot(fills: readonly FillEntry[], roots: ListRoots | undefined): Uint8Array {
  const size = FILL_ENTRY_BYTES;
  const flat = new Uint8Array(fills.length * size);
  for (const [index, fill] of fills.entries()) writeFillEntry(flat, index * size, fill);
  const root = () => merkleRootOfFlat(flat, size);
  return roots === undefined ? root() : roots.of(flat, size, root);
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
