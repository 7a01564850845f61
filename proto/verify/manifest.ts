/**
 * What a rollup checks before it believes that a block holds exactly these entries for it, or none
 * (docs/formats.md, "Manifest"). The way of trust: signed header → `data_hash` → item 0 (the manifest) →
 * the rollup's leaf, or the neighbours between which it is missing → the entries.
 *
 * Verifiers return a `Refusal` for anything that does not hold and never throw on bytes of others.
 */
import type { Height } from "../brands.ts";
import { bytesEqual, compareBytes, toHex } from "../bytes.ts";
import {
  ATOMIC_DECISION_CODEC,
  atomicDetailHash,
  type AtomicDecision,
} from "../codec/atomic-decision.ts";
import { AtomicOutcome } from "../codec/atomic-tx.ts";
import { isCodecError } from "../codec/errors.ts";
import { decodeItem, type Manifest } from "../codec/weft-block.ts";
import { payloadHash } from "../codec/weft-tx.ts";
import { assert } from "../errors.ts";
import { sha256 } from "../hash.ts";
import { HASH_BYTES } from "../limits.ts";
import { merkleRoot, verifyMerkleProof } from "../merkle.ts";
import { type Refusal, refusal } from "../refusal.ts";
import type { MerkleProof } from "../types.ts";
import type { LegProof } from "./bundle.ts";

export const ORDERED_ENTRY_BYTES = 102;
export const FILL_ENTRY_BYTES = 45;
export const MANIFEST_LEAF_BYTES = 152;

export const DECISION_ENTRY_BYTES = 73;

export const EntryKind = {
  ROLLUP_DATA: 1,
  /** Of a sealed transaction or bundle, or of a commit. */
  SEALED: 2,
  /** Leg of a plain bundle. */
  BUNDLE_LEG: 3,
  FORCED: 4,
  /** As SEALED, of a rollup that shuffles: it executes these in the order that its ORDER decision says. */
  SHUFFLED: 5,
  /** A bid for the top of the block, in the list of every rollup of its group. */
  BID: 6,
} as const;
export type EntryKind = (typeof EntryKind)[keyof typeof EntryKind];

/** Place of one thing that a rollup executes. Outside a bundle: no bundle id, leg 0 of 1. */
export interface EntryHead {
  readonly kind: EntryKind;
  readonly lane: number;
  /** Transaction id, 32 bytes. */
  readonly itemId: Uint8Array;
  readonly bundleId: Uint8Array | undefined;
  readonly leg: number;
  readonly legs: number;
}

/** What the manifest commits to, in block order. */
export interface OrderedEntry extends EntryHead {
  readonly payloadHash: Uint8Array;
}

/** What a rollup is given: the payload itself. For rollup data see `rollupDataEntries`. */
export interface DeliveredEntry extends EntryHead {
  readonly payload: Uint8Array;
  /** In a bundle: what shows that its other legs stand in the same block. */
  readonly bundle?: LegProof;
}

/** What became of an entry whose content its own block did not show. */
export const FillStatus = {
  /** Its content is known. */
  OPENED: 1,
  /** What came out is no content. */
  INVALID: 2,
  /** Nobody opened it in time. */
  EXPIRED: 3,
  /** A commit that its sender did not reveal in time. */
  VOID: 4,
  /** A bid that is not executed for this rollup. */
  LOST: 5,
} as const;
export type FillStatus = (typeof FillStatus)[keyof typeof FillStatus];

/** A block says what an entry of an earlier block turned out to be; each one is filled exactly once. */
export interface FillEntry {
  /** Block of the entry. */
  readonly height: Height;
  /** Its index among the rollup's ordered entries of that block. */
  readonly position: number;
  readonly status: FillStatus;
  /** H(payload), the payload in the form of rollup data; H("") unless it was opened. */
  readonly contentHash: Uint8Array;
}

/** What a decision is. 1 to 15 are of atomic execution. */
export const DecisionOutcome = {
  /** COMMIT, 1: what a rollup has prepared of its leg is in force. ABORT, 2: it is dropped. */
  ...AtomicOutcome,
  /** In which order the SHUFFLED entries of a block are executed. */
  ORDER: 16,
} as const;
export type DecisionOutcome = (typeof DecisionOutcome)[keyof typeof DecisionOutcome];

/** A block says what was decided about entries of a block before it, or of its own. */
export interface DecisionEntry {
  /** 32 bytes. Of ORDER: the seed. Of COMMIT and ABORT: the bundle's id. */
  readonly subject: Uint8Array;
  readonly outcome: DecisionOutcome;
  /** Block of the entries. */
  readonly height: Height;
  /** Of ORDER: H(u32 position, in the order of execution). Of COMMIT and ABORT: H of an `AtomicDecision`. */
  readonly detailHash: Uint8Array;
}

/** What a rollup is given: of COMMIT and ABORT, what the hash is of. */
export interface DeliveredDecision extends DecisionEntry {
  /** Encoded `AtomicDecision`; empty with ORDER, whose positions come with the entries that they order. */
  readonly detail: Uint8Array;
}

export interface ManifestLeaf {
  /** 32 bytes, as are the roots. */
  readonly rollupId: Uint8Array;
  readonly orderedRoot: Uint8Array;
  readonly orderedCount: number;
  readonly fillRoot: Uint8Array;
  readonly fillCount: number;
  readonly decisionRoot: Uint8Array;
  readonly decisionCount: number;
}

/** A leaf of the manifest, encoded, with its proof to the manifest's root. */
export interface ProvenLeaf {
  readonly leaf: Uint8Array;
  readonly proof: MerkleProof;
}

export interface Presence extends ProvenLeaf {
  readonly kind: "presence";
  /** All ordered entries of the rollup in this block. */
  readonly entries: readonly DeliveredEntry[];
  /** What the block makes known of entries of earlier blocks, by height and position. */
  readonly fills: readonly FillEntry[];
  /** What the block decides, by height, outcome and subject. */
  readonly decisions: readonly DeliveredDecision[];
}

export interface Absence {
  readonly kind: "absence";
  readonly neighbours: readonly ProvenLeaf[];
}

/** A block's part for one rollup, below its header. */
export interface RollupSlice {
  /** Item 0, as it stands in the block. */
  readonly manifest: Uint8Array;
  readonly manifestProof: MerkleProof;
  readonly slice: Presence | Absence;
}

export type ManifestRefusalCode =
  /** Item 0 is not proven to stand at index 0 under this data_hash. */
  | "MANIFEST_ITEM_UNPROVEN"
  /** Item 0 is not a canonical manifest. */
  | "MANIFEST_ITEM_MALFORMED"
  /** A leaf has not 152 bytes, or a count that is no safe integer. */
  | "MANIFEST_LEAF_MALFORMED"
  /** A leaf proof speaks of another number of leaves than the manifest. */
  | "MANIFEST_LEAF_COUNT"
  /** A leaf is not proven under the manifest's root. */
  | "MANIFEST_LEAF_UNPROVEN"
  /** The leaf is another rollup's. */
  | "MANIFEST_LEAF_OTHER_ROLLUP"
  /** An entry has a field out of range. */
  | "MANIFEST_ENTRY_MALFORMED"
  /** Entries are missing or too many. */
  | "MANIFEST_ENTRY_COUNT"
  /** The entries are not those that the leaf commits to, or not in their order. */
  | "MANIFEST_ENTRIES_DIFFER"
  /** A fill has a field out of range, or they do not ascend by height and position. */
  | "MANIFEST_FILL_MALFORMED"
  /** Fills are missing or too many. */
  | "MANIFEST_FILL_COUNT"
  /** The fills are not those that the leaf commits to. */
  | "MANIFEST_FILLS_DIFFER"
  /** A decision has a field out of range, or they do not ascend. */
  | "MANIFEST_DECISION_MALFORMED"
  /** Decisions are missing or too many. */
  | "MANIFEST_DECISION_COUNT"
  /** The decisions are not those that the leaf commits to. */
  | "MANIFEST_DECISIONS_DIFFER"
  /** What a decision is made of is missing, is not what it commits to, or does not name the rollup. */
  | "MANIFEST_DECISION_DETAIL"
  /** The rollup's own leaf among the neighbours: it is present. */
  | "MANIFEST_NOT_ABSENT"
  /** The neighbours leave room for a leaf between, before or after them. */
  | "MANIFEST_ABSENCE_GAP";

export type ManifestRefusal = Refusal<ManifestRefusalCode>;

/** What a block holds for a rollup: all lists empty if it is absent. */
export type VerifiedSlice = Pick<Presence, "entries" | "fills" | "decisions">;

/** All steps below the header. `dataHash` is the header's and was verified by the caller. */
export function verifyRollupSlice(
  dataHash: Uint8Array,
  rollupId: Uint8Array,
  { manifest: item, manifestProof, slice }: RollupSlice,
): VerifiedSlice | ManifestRefusal {
  const manifest = verifyManifestItem(dataHash, item, manifestProof);
  if ("code" in manifest) return manifest;
  if (slice.kind === "absence") {
    return verifyAbsence(manifest, rollupId, slice) ?? { entries: [], fills: [], decisions: [] };
  }
  const { entries, fills, decisions } = slice;
  return verifyPresence(manifest, rollupId, slice) ?? { entries, fills, decisions };
}

/** A block's fills and decisions for one rollup, below its header and without its ordered entries. */
export interface RollupFills extends ProvenLeaf {
  readonly manifest: Uint8Array;
  readonly manifestProof: MerkleProof;
  readonly fills: readonly FillEntry[];
  readonly decisions: readonly DecisionEntry[];
}

/** Whether these are all fills and decisions that the block under `dataHash` holds for the rollup, in order. */
export function verifyRollupFills(
  dataHash: Uint8Array,
  rollupId: Uint8Array,
  { manifest: item, manifestProof, leaf: leafBytes, proof, fills, decisions }: RollupFills,
): ManifestRefusal | undefined {
  const manifest = verifyManifestItem(dataHash, item, manifestProof);
  if ("code" in manifest) return manifest;
  const leaf = verifyOwnLeaf(manifest, rollupId, { leaf: leafBytes, proof });
  if ("code" in leaf) return leaf;
  return verifyFills(leaf, fills) ?? verifyDecisions(leaf, decisions);
}

/** Item 0 under the header's data_hash, whose leaves are hashes of items (spec/cometbft-v0.38.md §5.2). */
export function verifyManifestItem(
  dataHash: Uint8Array,
  item: Uint8Array,
  proof: MerkleProof,
): Manifest | ManifestRefusal {
  // How many items there are, nobody can tell from the first one.
  const isOfFirst = proof.index === 0 && proof.total === 2 ** proof.aunts.length;
  if (!isOfFirst || !verifyMerkleProof(proof, dataHash, sha256(item))) {
    return refusal(
      "MANIFEST_ITEM_UNPROVEN",
      `item 0 is not proven under data_hash ${toHex(dataHash)}`,
    );
  }
  try {
    const decoded = decodeItem(item);
    if (decoded.kind === "manifest") return decoded.manifest;
    return refusal("MANIFEST_ITEM_MALFORMED", `item 0 is of kind ${decoded.kind}`);
  } catch (error) {
    // Bytes of others: to refuse them is the answer. Anything else is a bug.
    if (!isCodecError(error)) throw error;
    return refusal("MANIFEST_ITEM_MALFORMED", error.message);
  }
}

/** Whether these are all entries and fills that the block holds for the rollup, in order. */
export function verifyPresence(
  manifest: Manifest,
  rollupId: Uint8Array,
  presence: Omit<Presence, "kind">,
): ManifestRefusal | undefined {
  const leaf = verifyOwnLeaf(manifest, rollupId, presence);
  if ("code" in leaf) return leaf;
  const { entries } = presence;
  if (entries.length !== leaf.orderedCount) {
    return refusal(
      "MANIFEST_ENTRY_COUNT",
      `the leaf has ${leaf.orderedCount} entries, ${entries.length} came`,
    );
  }
  const encoded: Uint8Array[] = [];
  for (const [index, entry] of entries.entries()) {
    if (!isEntryHeadInRange(entry)) {
      return refusal("MANIFEST_ENTRY_MALFORMED", `entry ${index} has a field out of range`);
    }
    encoded.push(encodeOrderedEntry({ ...entry, payloadHash: payloadHash(entry.payload) }));
  }
  if (!bytesEqual(merkleRoot(encoded), leaf.orderedRoot)) {
    return refusal("MANIFEST_ENTRIES_DIFFER", "the entries do not hash to the leaf's ordered root");
  }
  return (
    verifyFills(leaf, presence.fills) ??
    verifyDecisions(leaf, presence.decisions) ??
    verifyDetails(rollupId, presence.decisions)
  );
}

/**
 * Whether the block holds nothing for the rollup: no leaves at all; or two adjacent ones around its
 * id; or the first one, which is greater; or the last one, which is smaller.
 */
export function verifyAbsence(
  manifest: Manifest,
  rollupId: Uint8Array,
  absence: Omit<Absence, "kind">,
): ManifestRefusal | undefined {
  const { neighbours } = absence;
  if (manifest.leafCount === 0 && neighbours.length === 0) return undefined;
  const places: { readonly index: number; readonly side: number }[] = [];
  for (const neighbour of neighbours) {
    const leaf = verifyLeaf(manifest, neighbour);
    if ("code" in leaf) return leaf;
    const side = compareBytes(leaf.rollupId, rollupId);
    if (side === 0) return refusal("MANIFEST_NOT_ABSENT", "the rollup has a leaf in this block");
    places.push({ index: neighbour.proof.index, side });
  }
  const [first, second] = places;
  const isGapClosed =
    first !== undefined &&
    (second === undefined
      ? (first.side > 0 && first.index === 0) ||
        (first.side < 0 && first.index === manifest.leafCount - 1)
      : places.length === 2 &&
        first.side < 0 &&
        second.side > 0 &&
        second.index === first.index + 1);
  if (isGapClosed) return undefined;
  const got = places.map(({ index }) => index).join(", ");
  return refusal(
    "MANIFEST_ABSENCE_GAP",
    `leaves [${got}] of ${manifest.leafCount} do not enclose the rollup's id`,
  );
}

/** The leaf, 152 bytes: id, then root and count of each list. Counts are u64. */
export function encodeManifestLeaf(leaf: ManifestLeaf): Uint8Array {
  const out = new Uint8Array(MANIFEST_LEAF_BYTES);
  const view = new DataView(out.buffer);
  setHash(out, 0, leaf.rollupId);
  setHash(out, 32, leaf.orderedRoot);
  view.setBigUint64(64, BigInt(leaf.orderedCount));
  setHash(out, 72, leaf.fillRoot);
  view.setBigUint64(104, BigInt(leaf.fillCount));
  setHash(out, 112, leaf.decisionRoot);
  view.setBigUint64(144, BigInt(leaf.decisionCount));
  return out;
}

/** Undefined unless 152 bytes with counts that are safe integers. The result holds views. */
export function decodeManifestLeaf(bytes: Uint8Array): ManifestLeaf | undefined {
  if (bytes.length !== MANIFEST_LEAF_BYTES) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const [orderedCount, fillCount, decisionCount] = [
    Number(view.getBigUint64(64)),
    Number(view.getBigUint64(104)),
    Number(view.getBigUint64(144)),
  ];
  if (![orderedCount, fillCount, decisionCount].every(Number.isSafeInteger)) return undefined;
  return {
    rollupId: bytes.subarray(0, 32),
    orderedRoot: bytes.subarray(32, 64),
    orderedCount,
    fillRoot: bytes.subarray(72, 104),
    fillCount,
    decisionRoot: bytes.subarray(112, 144),
    decisionCount,
  };
}

/** An ordered entry, 102 bytes. Fields out of range are a programmer's error here. */
export function encodeOrderedEntry(entry: OrderedEntry): Uint8Array {
  const out = new Uint8Array(ORDERED_ENTRY_BYTES);
  writeOrderedEntry(out, 0, entry);
  return out;
}

/** The same into `out`, which holds zeros, from `at` on. */
export function writeOrderedEntry(out: Uint8Array, at: number, entry: OrderedEntry): void {
  assert(isEntryHeadInRange(entry), "an ordered entry's fields are in range");
  out[at] = entry.kind;
  out[at + 1] = entry.lane;
  setHash(out, at + 2, entry.itemId);
  if (entry.bundleId !== undefined) setHash(out, at + 34, entry.bundleId);
  writeUint16(out, at + 66, entry.leg);
  writeUint16(out, at + 68, entry.legs);
  setHash(out, at + 70, entry.payloadHash);
}

/** Undefined unless 102 bytes of a known kind. The result holds views. */
export function decodeOrderedEntry(bytes: Uint8Array): OrderedEntry | undefined {
  if (bytes.length !== ORDERED_ENTRY_BYTES) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const kind = Object.values(EntryKind).find((known) => known === bytes[0]);
  if (kind === undefined) return undefined;
  const bundleId = bytes.subarray(34, 66);
  return {
    kind,
    lane: view.getUint8(1),
    itemId: bytes.subarray(2, 34),
    bundleId: bundleId.some((byte) => byte !== 0) ? bundleId : undefined,
    leg: view.getUint16(66),
    legs: view.getUint16(68),
    payloadHash: bytes.subarray(70, 102),
  };
}

/** A fill, 45 bytes. Fields out of range are a programmer's error here. */
export function encodeFillEntry(fill: FillEntry): Uint8Array {
  const out = new Uint8Array(FILL_ENTRY_BYTES);
  writeFillEntry(out, 0, fill);
  return out;
}

/** The same into `out` from `at` on: an auction of a thousand bids fills twelve thousand entries. */
export function writeFillEntry(out: Uint8Array, at: number, fill: FillEntry): void {
  assert(isFillInRange(fill), "a fill's fields are in range");
  writeUint32(out, at, Math.floor(fill.height / 2 ** 32));
  writeUint32(out, at + 4, fill.height % 2 ** 32);
  writeUint32(out, at + 8, fill.position);
  out[at + 12] = fill.status;
  setHash(out, at + 13, fill.contentHash);
}

/** A decision, 73 bytes. Fields out of range are a programmer's error here. */
export function encodeDecisionEntry(decision: DecisionEntry): Uint8Array {
  assert(isDecisionInRange(decision), "a decision's fields are in range");
  const out = new Uint8Array(DECISION_ENTRY_BYTES);
  setHash(out, 0, decision.subject);
  out[32] = decision.outcome;
  new DataView(out.buffer).setBigUint64(33, BigInt(decision.height));
  setHash(out, 41, decision.detailHash);
  return out;
}

/** The order of decisions in a block: by height, outcome, then subject. */
export function compareDecisions(
  a: Pick<DecisionEntry, "height" | "outcome" | "subject">,
  b: Pick<DecisionEntry, "height" | "outcome" | "subject">,
): number {
  return a.height - b.height || a.outcome - b.outcome || compareBytes(a.subject, b.subject);
}

/** What an ORDER decision's `detailHash` is: H(u32 position, in the order of execution). */
export function orderHash(positions: readonly number[]): Uint8Array {
  const out = new Uint8Array(positions.length * 4);
  const view = new DataView(out.buffer);
  for (const [index, position] of positions.entries()) view.setUint32(index * 4, position);
  return sha256(out);
}

/** The order of fills in a block: by height, then position. */
export function compareFills(
  a: Pick<FillEntry, "height" | "position">,
  b: Pick<FillEntry, "height" | "position">,
): number {
  return a.height - b.height || a.position - b.position;
}

function verifyFills(leaf: ManifestLeaf, fills: readonly FillEntry[]): ManifestRefusal | undefined {
  if (fills.length !== leaf.fillCount) {
    return refusal(
      "MANIFEST_FILL_COUNT",
      `the leaf has ${leaf.fillCount} fills, ${fills.length} came`,
    );
  }
  for (const [index, fill] of fills.entries()) {
    const before = fills[index - 1];
    if (!isFillInRange(fill) || (before !== undefined && compareFills(before, fill) >= 0)) {
      return refusal(
        "MANIFEST_FILL_MALFORMED",
        `fill ${index} has a field out of range or does not follow the one before`,
      );
    }
  }
  if (!bytesEqual(merkleRoot(fills.map(encodeFillEntry)), leaf.fillRoot)) {
    return refusal("MANIFEST_FILLS_DIFFER", "the fills do not hash to the leaf's fill root");
  }
  return undefined;
}

function verifyDecisions(
  leaf: ManifestLeaf,
  decisions: readonly DecisionEntry[],
): ManifestRefusal | undefined {
  if (decisions.length !== leaf.decisionCount) {
    return refusal(
      "MANIFEST_DECISION_COUNT",
      `the leaf has ${leaf.decisionCount} decisions, ${decisions.length} came`,
    );
  }
  for (const [index, decision] of decisions.entries()) {
    const before = decisions[index - 1];
    const follows = before === undefined || compareDecisions(before, decision) < 0;
    if (!isDecisionInRange(decision) || !follows) {
      return refusal(
        "MANIFEST_DECISION_MALFORMED",
        `decision ${index} has a field out of range or does not follow the one before`,
      );
    }
  }
  if (!bytesEqual(merkleRoot(decisions.map(encodeDecisionEntry)), leaf.decisionRoot)) {
    return refusal(
      "MANIFEST_DECISIONS_DIFFER",
      "the decisions do not hash to the leaf's decision root",
    );
  }
  return undefined;
}

/** Of decisions that the leaf commits to: whether each came with what it was made of. */
function verifyDetails(
  rollupId: Uint8Array,
  decisions: readonly DeliveredDecision[],
): ManifestRefusal | undefined {
  for (const [index, { outcome, subject, detail, detailHash }] of decisions.entries()) {
    if (outcome === DecisionOutcome.ORDER) {
      if (detail.length === 0) continue;
      return refusal("MANIFEST_DECISION_DETAIL", `decision ${index} is an order with a detail`);
    }
    const decided = bytesEqual(atomicDetailHash(detail), detailHash)
      ? decodeAtomicDecision(detail)
      : undefined;
    const isOwn = decided?.legs.some((leg) => bytesEqual(leg.rollupId, rollupId)) === true;
    if (decided?.outcome === outcome && isOwn) continue;
    return refusal(
      "MANIFEST_DECISION_DETAIL",
      `the detail of decision ${index}, of bundle ${toHex(subject)}, is not what it commits to`,
    );
  }
  return undefined;
}

/** Undefined unless the bytes are one. */
export function decodeAtomicDecision(detail: Uint8Array): AtomicDecision | undefined {
  try {
    return ATOMIC_DECISION_CODEC.decode(detail);
  } catch (error) {
    // Bytes of others: to refuse them is the answer. Anything else is a bug.
    if (!isCodecError(error)) throw error;
    return undefined;
  }
}

function verifyOwnLeaf(
  manifest: Manifest,
  rollupId: Uint8Array,
  proven: ProvenLeaf,
): ManifestLeaf | ManifestRefusal {
  const leaf = verifyLeaf(manifest, proven);
  if ("code" in leaf || bytesEqual(leaf.rollupId, rollupId)) return leaf;
  return refusal("MANIFEST_LEAF_OTHER_ROLLUP", `the leaf is of rollup ${toHex(leaf.rollupId)}`);
}

function verifyLeaf(
  manifest: Manifest,
  { leaf: bytes, proof }: ProvenLeaf,
): ManifestLeaf | ManifestRefusal {
  const leaf = decodeManifestLeaf(bytes);
  if (leaf === undefined) {
    return refusal("MANIFEST_LEAF_MALFORMED", `a leaf of ${bytes.length} bytes; expected 152`);
  }
  if (proof.total !== manifest.leafCount) {
    return refusal(
      "MANIFEST_LEAF_COUNT",
      `a proof for ${proof.total} leaves, the manifest has ${manifest.leafCount}`,
    );
  }
  if (!verifyMerkleProof(proof, manifest.root, bytes)) {
    return refusal("MANIFEST_LEAF_UNPROVEN", "a leaf is not proven under the manifest's root");
  }
  return leaf;
}

function isEntryHeadInRange(entry: EntryHead): boolean {
  return (
    isUint(entry.kind, 0xff) &&
    isUint(entry.lane, 0xff) &&
    isUint(entry.leg, 0xffff) &&
    isUint(entry.legs, 0xffff) &&
    entry.itemId.length === HASH_BYTES &&
    // An id of zeros would read like "no bundle".
    (entry.bundleId === undefined ||
      (entry.bundleId.length === HASH_BYTES && entry.bundleId.some((byte) => byte !== 0)))
  );
}

/** Asked for every fill of a block. */
const FILL_STATUSES: ReadonlySet<number> = new Set(Object.values(FillStatus));

function isFillInRange(fill: FillEntry): boolean {
  return (
    isUint(fill.height, Number.MAX_SAFE_INTEGER) &&
    isUint(fill.position, 0xffff_ffff) &&
    FILL_STATUSES.has(fill.status) &&
    fill.contentHash.length === HASH_BYTES
  );
}

function isDecisionInRange(decision: DecisionEntry): boolean {
  return (
    isUint(decision.height, Number.MAX_SAFE_INTEGER) &&
    Object.values(DecisionOutcome).includes(decision.outcome) &&
    decision.subject.length === HASH_BYTES &&
    decision.detailHash.length === HASH_BYTES
  );
}

function isUint(value: number, max: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= max;
}

/** Without a view, which costs more than the bytes. */
function writeUint16(out: Uint8Array, at: number, value: number): void {
  out[at] = value >>> 8;
  out[at + 1] = value;
}

function writeUint32(out: Uint8Array, at: number, value: number): void {
  out[at] = value >>> 24;
  out[at + 1] = value >>> 16;
  out[at + 2] = value >>> 8;
  out[at + 3] = value;
}

function setHash(out: Uint8Array, at: number, hash: Uint8Array): void {
  assert(hash.length === HASH_BYTES, `a hash has 32 bytes, got ${hash.length}`);
  out.set(hash, at);
}
