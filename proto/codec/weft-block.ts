/**
 * Block items, `weft.block.v1` (docs/formats.md, "Block items", "Manifest", "Vote extensions"):
 * canonical bytes in and out. Same rules as `weft-tx.ts`: views, not copies; `CodecError`s.
 */
import { Height } from "../brands.ts";
import { EMPTY_BYTES } from "../bytes.ts";
import { assertNever } from "../errors.ts";
import { HASH_BYTES, VOTES_MAX } from "../limits.ts";
import { codecError } from "./errors.ts";
import { decode, type Reader } from "./reader.ts";
import { type Openings, OPENINGS_CODEC } from "./seal-block.ts";
import { checkLength, SIGNATURE_BYTES } from "./weft-basics.ts";
import {
  decodeTxBody,
  encodeTxBody,
  readSignedTx,
  type SignedTx,
  type TxBody,
  writeSignedTx,
} from "./weft-tx.ts";
import { encode, type Writer } from "./writer.ts";

export const MANIFEST_VERSION = 1;
/** Content of a LISTS part, whatever the other limits say. */
export const LISTS_BYTES_MAX = 4_096;
/** One entry per signature of a commit at most. */
export const INJECTED_ENTRIES_MAX: number = VOTES_MAX;

/** Kind of an item: the number of the member that is set. */
export const ItemKind = {
  MANIFEST: 1,
  INJECTED_COMMIT: 2,
  OPENINGS: 3,
  TX: 4,
  EXCUSED: 5,
} as const;

export type Item =
  | { readonly kind: "manifest"; readonly manifest: Manifest }
  | { readonly kind: "injectedCommit"; readonly injectedCommit: InjectedCommit }
  | { readonly kind: "openings"; readonly openings: Openings }
  | { readonly kind: "tx"; readonly tx: SignedTx }
  | { readonly kind: "excused"; readonly excused: Excused };

export interface Manifest {
  readonly version: typeof MANIFEST_VERSION;
  readonly leafCount: number;
  /** 32 bytes. */
  readonly root: Uint8Array;
}

/**
 * A transaction that is due and may not stand in this block, in its place; lane OBLIGATED. Its body shows why:
 * whether a signature holds is no reason, the validators that listed it have seen one that does.
 */
export interface Excused {
  /** Canonical `TxBody`. */
  readonly bodyBytes: Uint8Array;
  /** What it says; `encodeItem` does not read it. */
  readonly body: TxBody;
}

/** LISTS parts of the extensions of height `height`, one entry per COMMIT validator in set order. */
export interface InjectedCommit {
  readonly height: Height;
  /** 32 bytes. */
  readonly blockHash: Uint8Array;
  readonly entries: readonly InjectedEntry[];
}

/** BLANK when `lists` and `signature` are empty: then there was no valid part to inject. */
export interface InjectedEntry {
  readonly validatorIndex: number;
  readonly lists: Uint8Array;
  readonly signature: Uint8Array;
}

/** Reads any element of `Data.txs`. What it returns are views into `bytes`. */
export function decodeItem(bytes: Uint8Array): Item {
  return decode(readItem, bytes, "strict");
}

/** Bytes of an item of any kind. For a transaction, `tx.bodyBytes` is written, `tx.body` is not read. */
export function encodeItem(item: Item): Uint8Array {
  switch (item.kind) {
    case "manifest":
      return encode(writeManifestItem, item.manifest, 64);
    case "injectedCommit":
      return encode(writeInjectedCommitItem, item.injectedCommit, injectedCapacity(item));
    case "openings":
      return encode(writeOpeningsItem, item.openings, openingsCapacity(item));
    case "tx":
      return encodeTxItem(item.tx);
    case "excused":
      return encode(writeExcusedItem, item.excused, item.excused.bodyBytes.length + 16);
    default:
      return assertNever(item, "item kind");
  }
}

/** Bytes of a transaction's item from what was signed and its signature. */
export function encodeTxItem(tx: Pick<SignedTx, "bodyBytes" | "signature">): Uint8Array {
  checkLength("signature", tx.signature, SIGNATURE_BYTES);
  return encode(writeTxItem, tx, tx.bodyBytes.length + SIGNATURE_BYTES + 16);
}

/** Length of the item that `encodeTxItem` makes of this body: what fees are charged for. */
export function txItemBytes(body: TxBody): number {
  const bodyBytes = encodeTxBody(body);
  return encodeTxItem({ bodyBytes, signature: new Uint8Array(SIGNATURE_BYTES) }).length;
}

export function isBlank(entry: InjectedEntry): boolean {
  return entry.lists.length === 0;
}

function writeManifestItem(writer: Writer, manifest: Manifest): void {
  writer.message(ItemKind.MANIFEST, manifest, writeManifest);
}

function writeManifest(writer: Writer, manifest: Manifest): void {
  writer.uint32(1, manifest.version);
  writer.uint(2, manifest.leafCount);
  checkLength("root", manifest.root, HASH_BYTES);
  writer.bytes(3, manifest.root);
}

function writeInjectedCommitItem(writer: Writer, commit: InjectedCommit): void {
  writer.message(ItemKind.INJECTED_COMMIT, commit, writeInjectedCommit);
}

function writeInjectedCommit(writer: Writer, commit: InjectedCommit): void {
  checkInjectedCommit(commit);
  writer.uint(1, commit.height);
  writer.bytes(2, commit.blockHash);
  for (const entry of commit.entries) writer.message(3, entry, writeInjectedEntry);
}

function writeInjectedEntry(writer: Writer, entry: InjectedEntry): void {
  writer.uint32(1, entry.validatorIndex);
  writer.bytes(2, entry.lists);
  writer.bytes(3, entry.signature);
}

function writeOpeningsItem(writer: Writer, openings: Openings): void {
  writer.message(ItemKind.OPENINGS, openings, OPENINGS_CODEC.write);
}

function writeTxItem(writer: Writer, tx: Pick<SignedTx, "bodyBytes" | "signature">): void {
  writer.message(ItemKind.TX, tx, writeSignedTx);
}

function writeExcusedItem(writer: Writer, excused: Excused): void {
  writer.message(ItemKind.EXCUSED, excused, writeExcused);
}

function writeExcused(writer: Writer, excused: Excused): void {
  writer.bytes(1, excused.bodyBytes);
}

function readItem(reader: Reader): Item {
  let item: Item | undefined;
  while (reader.next()) {
    if (item !== undefined) {
      throw codecError("CODEC_FIELD_ORDER", `field ${reader.field} is a second member of the item`);
    }
    switch (reader.field) {
      case ItemKind.MANIFEST:
        item = { kind: "manifest", manifest: reader.oneofMessage(readManifest) };
        break;
      case ItemKind.INJECTED_COMMIT:
        item = { kind: "injectedCommit", injectedCommit: reader.oneofMessage(readInjectedCommit) };
        break;
      case ItemKind.OPENINGS:
        item = { kind: "openings", openings: reader.oneofMessage(OPENINGS_CODEC.read) };
        break;
      case ItemKind.TX:
        item = { kind: "tx", tx: reader.oneofMessage(readSignedTx) };
        break;
      case ItemKind.EXCUSED:
        item = { kind: "excused", excused: reader.oneofMessage(readExcused) };
        break;
      default:
        reader.unknown();
    }
  }
  if (item === undefined) throw reader.missing("the item's kind");
  return item;
}

function readExcused(reader: Reader): Excused {
  let bodyBytes: Uint8Array | undefined;
  while (reader.next()) {
    if (reader.field === 1) bodyBytes = reader.bytes(Number.MAX_SAFE_INTEGER);
    else reader.unknown();
  }
  if (bodyBytes === undefined) throw reader.missing("body");
  return { bodyBytes, body: decodeTxBody(bodyBytes) };
}

function readManifest(reader: Reader): Manifest {
  let version = 0;
  let leafCount = 0;
  let root = EMPTY_BYTES;
  while (reader.next()) {
    if (reader.field === 1) version = reader.uint32();
    else if (reader.field === 2) leafCount = reader.uint();
    else if (reader.field === 3) root = reader.bytes(HASH_BYTES);
    else reader.unknown();
  }
  if (version !== MANIFEST_VERSION) {
    throw codecError("CODEC_OUT_OF_RANGE", `manifest version: expected 1, got ${version}`);
  }
  checkLength("root", root, HASH_BYTES);
  return { version, leafCount, root };
}

function readInjectedCommit(reader: Reader): InjectedCommit {
  let height = 0;
  let blockHash = EMPTY_BYTES;
  const entries: InjectedEntry[] = [];
  while (reader.next()) {
    if (reader.field === 1) height = reader.uint();
    else if (reader.field === 2) blockHash = reader.bytes(HASH_BYTES);
    else if (reader.field === 3) {
      if (entries.length === INJECTED_ENTRIES_MAX) throw tooManyEntries();
      entries.push(reader.repeatedMessage(readInjectedEntry));
    } else reader.unknown();
  }
  const commit = { height: Height(height), blockHash, entries };
  checkInjectedCommit(commit);
  return commit;
}

function readInjectedEntry(reader: Reader): InjectedEntry {
  let validatorIndex = 0;
  let lists = EMPTY_BYTES;
  let signature = EMPTY_BYTES;
  while (reader.next()) {
    if (reader.field === 1) validatorIndex = reader.uint32();
    else if (reader.field === 2) lists = reader.bytes(LISTS_BYTES_MAX);
    else if (reader.field === 3) signature = reader.bytes(SIGNATURE_BYTES);
    else reader.unknown();
  }
  return { validatorIndex, lists, signature };
}

function checkInjectedCommit(commit: InjectedCommit): void {
  if (commit.height === 0) throw codecError("CODEC_OUT_OF_RANGE", "injected commit at height 0");
  checkLength("block_hash", commit.blockHash, HASH_BYTES);
  if (commit.entries.length > INJECTED_ENTRIES_MAX) throw tooManyEntries();
  let previous = -1;
  for (const entry of commit.entries) {
    if (entry.validatorIndex <= previous) {
      throw codecError("CODEC_ELEMENT_ORDER", "injected entries must ascend by validator index");
    }
    previous = entry.validatorIndex;
    // BLANK has neither; anything else has both.
    if (entry.lists.length > LISTS_BYTES_MAX) {
      throw codecError("CODEC_TOO_LARGE", `lists: at most ${LISTS_BYTES_MAX} bytes`);
    }
    checkLength("signature", entry.signature, isBlank(entry) ? 0 : SIGNATURE_BYTES);
  }
}

function injectedCapacity(item: Extract<Item, { kind: "injectedCommit" }>): number {
  let bytes = 64;
  for (const { lists } of item.injectedCommit.entries) bytes += lists.length + 80;
  return bytes;
}

function openingsCapacity({ openings }: Extract<Item, { kind: "openings" }>): number {
  let bytes = 64;
  for (const { points } of openings.batches) bytes += points.length + 24;
  for (const { shares } of openings.disputes) bytes += shares.length * 110 + 24;
  return bytes;
}

function tooManyEntries(): Error {
  return codecError("CODEC_TOO_MANY", `injected commit: over ${INJECTED_ENTRIES_MAX} entries`);
}
