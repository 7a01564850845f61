/**
 * Vote extensions, `weft.block.v1` (docs/formats.md, "Vote extensions"): canonical bytes in and out.
 * Same rules as `weft-tx.ts`: views, not copies; `CodecError`s. Unknown fields are refused, so an
 * extension cannot carry bytes that nobody looks at (Babylon GHSA-2fcv-qww3-9v6h).
 */
import type { Height } from "../brands.ts";
import { bytesEqual, compareBytes, EMPTY_BYTES, utf8ToBytes } from "../bytes.ts";
import { HASH_BYTES } from "../limits.ts";
import { codecError } from "./errors.ts";
import { decode, type Reader } from "./reader.ts";
import { LISTS_BYTES_MAX } from "./weft-block.ts";
import { checkLength, SIGNATURE_BYTES, startSignBytes } from "./weft-basics.ts";
import { encode, type Writer } from "./writer.ts";

export const EXTENSION_BYTES_MAX = 65_536;
export const LISTED_TXS_MAX = 64;
export const WITHDRAWN_TXS_MAX = 16;
export const PartType = { LISTS: 1, SHARES: 2 } as const;
export type PartType = (typeof PartType)[keyof typeof PartType];

const SIGN_TAG = utf8ToBytes("weft/extension-part/v1");

/** Parts in ascending order of type; the first one is LISTS. */
export interface VoteExtension {
  readonly parts: readonly ExtensionPart[];
}

export interface ExtensionPart {
  readonly type: PartType;
  readonly content: Uint8Array;
  /** ed25519 by the validator's application key, 64 bytes. */
  readonly signature: Uint8Array;
}

/** Content of a LISTS part. */
export interface Lists {
  /** At most 64, ids strictly ascending. */
  readonly listed: readonly ListedTx[];
  readonly shares:
    | { readonly kind: "abstain" }
    /** 32 bytes. */
    | { readonly kind: "root"; readonly root: Uint8Array };
  /**
   * Ids of transactions that are due and that the validator does not hold, or that its state refuses: at most
   * 16, strictly ascending, none of them listed.
   */
  readonly withdrawn: readonly Uint8Array[];
}

export interface ListedTx {
  /** Transaction id, 32 bytes. */
  readonly id: Uint8Array;
  readonly receivedAgoMs: number;
  /** Bytes of the encoded item. */
  readonly size: number;
}

/** What the application key signs for one part. */
export function partSignBytes(
  chainId: string,
  height: Height,
  blockHash: Uint8Array,
  type: PartType,
  content: Uint8Array,
): Uint8Array {
  checkLength("block hash", blockHash, HASH_BYTES);
  const { out, at } = startSignBytes(SIGN_TAG, chainId, 8 + HASH_BYTES + 1 + content.length);
  new DataView(out.buffer).setBigUint64(at, BigInt(height));
  out.set(blockHash, at + 8);
  out[at + 8 + HASH_BYTES] = type;
  out.set(content, at + 8 + HASH_BYTES + 1);
  return out;
}

export function encodeVoteExtension(extension: VoteExtension): Uint8Array {
  checkExtension(extension);
  const bytes = encode(writeExtension, extension, 1_024);
  if (bytes.length > EXTENSION_BYTES_MAX) throw tooLarge(bytes.length);
  return bytes;
}

export function decodeVoteExtension(bytes: Uint8Array): VoteExtension {
  if (bytes.length > EXTENSION_BYTES_MAX) throw tooLarge(bytes.length);
  return decode(readExtension, bytes, "strict");
}

export function encodeLists(lists: Lists): Uint8Array {
  checkListed(lists.listed);
  checkWithdrawn(lists);
  const bytes = encode(
    writeLists,
    lists,
    64 + lists.listed.length * 48 + lists.withdrawn.length * 34,
  );
  if (bytes.length > LISTS_BYTES_MAX) {
    throw codecError("CODEC_TOO_LARGE", `lists: ${bytes.length} bytes, at most ${LISTS_BYTES_MAX}`);
  }
  return bytes;
}

export function decodeLists(bytes: Uint8Array): Lists {
  if (bytes.length > LISTS_BYTES_MAX) {
    throw codecError("CODEC_TOO_LARGE", `lists: ${bytes.length} bytes, at most ${LISTS_BYTES_MAX}`);
  }
  return decode(readLists, bytes, "strict");
}

function writeExtension(writer: Writer, extension: VoteExtension): void {
  for (const part of extension.parts) writer.message(1, part, writePart);
}

function writePart(writer: Writer, part: ExtensionPart): void {
  writer.uint32(1, part.type);
  writer.bytes(2, part.content);
  writer.bytes(3, part.signature);
}

function writeLists(writer: Writer, lists: Lists): void {
  for (const listed of lists.listed) writer.message(1, listed, writeListed);
  if (lists.shares.kind === "abstain") writer.emptyMessage(3);
  else {
    checkLength("shares_root", lists.shares.root, HASH_BYTES);
    writer.bytes(2, lists.shares.root);
  }
  for (const id of lists.withdrawn) writer.bytesElement(4, id);
}

function writeListed(writer: Writer, listed: ListedTx): void {
  writer.bytes(1, listed.id);
  writer.uint32(2, listed.receivedAgoMs);
  writer.uint32(3, listed.size);
}

function readExtension(reader: Reader): VoteExtension {
  const parts: ExtensionPart[] = [];
  while (reader.next()) {
    if (reader.field === 1) {
      if (parts.length === Object.keys(PartType).length) {
        throw codecError("CODEC_TOO_MANY", "extension: more parts than part types");
      }
      parts.push(reader.repeatedMessage(readPart));
    } else reader.unknown();
  }
  const extension = { parts };
  checkExtension(extension);
  return extension;
}

function readPart(reader: Reader): ExtensionPart {
  let type = 0;
  let content = EMPTY_BYTES;
  let signature = EMPTY_BYTES;
  while (reader.next()) {
    if (reader.field === 1) type = reader.uint32();
    else if (reader.field === 2) content = reader.bytes(EXTENSION_BYTES_MAX);
    else if (reader.field === 3) signature = reader.bytes(SIGNATURE_BYTES);
    else reader.unknown();
  }
  if (type !== PartType.LISTS && type !== PartType.SHARES) {
    throw codecError("CODEC_OUT_OF_RANGE", `extension part type: expected 1 or 2, got ${type}`);
  }
  return { type, content, signature };
}

function readLists(reader: Reader): Lists {
  const listed: ListedTx[] = [];
  let shares: Lists["shares"] | undefined;
  const withdrawn: Uint8Array[] = [];
  while (reader.next()) {
    switch (reader.field) {
      case 1:
        if (listed.length === LISTED_TXS_MAX) throw tooManyListed();
        listed.push(reader.repeatedMessage(readListed));
        break;
      case 2: {
        const root = reader.bytesElement(HASH_BYTES);
        checkLength("shares_root", root, HASH_BYTES);
        shares = { kind: "root", root };
        break;
      }
      case 3:
        if (shares !== undefined) {
          throw codecError("CODEC_FIELD_ORDER", "lists: both shares_root and abstain");
        }
        shares = reader.oneofMessage(readAbstain);
        break;
      case 4:
        if (withdrawn.length === WITHDRAWN_TXS_MAX) throw tooManyWithdrawn();
        withdrawn.push(reader.repeatedBytes(HASH_BYTES));
        break;
      default:
        reader.unknown();
    }
  }
  if (shares === undefined) throw reader.missing("shares_root or abstain");
  const lists: Lists = { listed, shares, withdrawn };
  checkListed(listed);
  checkWithdrawn(lists);
  return lists;
}

function readListed(reader: Reader): ListedTx {
  let id = EMPTY_BYTES;
  let receivedAgoMs = 0;
  let size = 0;
  while (reader.next()) {
    if (reader.field === 1) id = reader.bytes(HASH_BYTES);
    else if (reader.field === 2) receivedAgoMs = reader.uint32();
    else if (reader.field === 3) size = reader.uint32();
    else reader.unknown();
  }
  return { id, receivedAgoMs, size };
}

function readAbstain(reader: Reader): { readonly kind: "abstain" } {
  while (reader.next()) reader.unknown();
  return { kind: "abstain" };
}

function checkExtension(extension: VoteExtension): void {
  let previous = 0;
  for (const part of extension.parts) {
    if (part.type <= previous) {
      throw codecError("CODEC_ELEMENT_ORDER", "extension parts must ascend by type");
    }
    previous = part.type;
    if (part.content.length === 0) {
      throw codecError("CODEC_MISSING_FIELD", "extension part: content is missing");
    }
    checkLength("part signature", part.signature, SIGNATURE_BYTES);
  }
  if (extension.parts[0]?.type !== PartType.LISTS) {
    throw codecError("CODEC_MISSING_FIELD", "extension: a LISTS part is always there");
  }
}

function checkListed(listed: readonly ListedTx[]): void {
  if (listed.length > LISTED_TXS_MAX) throw tooManyListed();
  let previous: Uint8Array | undefined;
  for (const { id } of listed) {
    checkLength("listed id", id, HASH_BYTES);
    if (previous !== undefined && compareBytes(previous, id) >= 0) {
      throw codecError("CODEC_ELEMENT_ORDER", "listed ids must ascend and be unique");
    }
    previous = id;
  }
}

function checkWithdrawn({ listed, withdrawn }: Pick<Lists, "listed" | "withdrawn">): void {
  if (withdrawn.length > WITHDRAWN_TXS_MAX) throw tooManyWithdrawn();
  let previous: Uint8Array | undefined;
  for (const id of withdrawn) {
    checkLength("withdrawn id", id, HASH_BYTES);
    if (previous !== undefined && compareBytes(previous, id) >= 0) {
      throw codecError("CODEC_ELEMENT_ORDER", "withdrawn ids must ascend and be unique");
    }
    previous = id;
    if (listed.some((listing) => bytesEqual(listing.id, id))) {
      throw codecError("CODEC_ELEMENT_ORDER", "an id is both listed and withdrawn");
    }
  }
}

function tooLarge(length: number): Error {
  return codecError(
    "CODEC_TOO_LARGE",
    `extension: ${length} bytes, at most ${EXTENSION_BYTES_MAX} are allowed`,
  );
}

function tooManyListed(): Error {
  return codecError("CODEC_TOO_MANY", `lists: at most ${LISTED_TXS_MAX} listed transactions`);
}

function tooManyWithdrawn(): Error {
  return codecError("CODEC_TOO_MANY", `lists: at most ${WITHDRAWN_TXS_MAX} withdrawn transactions`);
}
