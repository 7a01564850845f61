/**
 * Vote extensions: what a validator adds to its precommit, and whether another one accepts it
 * (docs/formats.md, "Vote extensions"; spec/mev.md B5).
 *
 * The verdict depends on the extension, its height and block hash, the committed state and nothing
 * else; in particular not on the block's content, which a verifier may not have.
 */
import type { Height } from "../proto/brands.ts";
import { compareBytes } from "../proto/bytes.ts";
import { isCodecError } from "../proto/codec/errors.ts";
import { LISTS_BYTES_MAX } from "../proto/codec/weft-block.ts";
import {
  decodeLists,
  decodeVoteExtension,
  encodeLists,
  encodeVoteExtension,
  LISTED_TXS_MAX,
  type ListedTx,
  type Lists,
  PartType,
  partSignBytes,
} from "../proto/codec/weft-extension.ts";
import { assert } from "../proto/errors.ts";
import { type Refusal, refusal } from "../proto/refusal.ts";
import type { SignatureCheck, SignPart, VerifySignatures } from "./signatures.ts";

/** What an extension belongs to. */
export interface ExtensionContext {
  readonly chainId: string;
  /** Height that is voted on. */
  readonly height: Height;
  /** Hash of the block that is voted for, 32 bytes. */
  readonly blockHash: Uint8Array;
  /** Validators of that height. */
  readonly validatorCount: number;
  /** `block.max_bytes`; when it changes, the smaller of old and new. */
  readonly blockBytesMax: number;
}

export type ExtensionRefusalCode =
  /** Not one canonical VoteExtension with a LISTS part, or over 65,536 bytes. */
  | "EXTENSION_MALFORMED"
  /** The LISTS part is longer than min(4096, max_bytes / 8n). */
  | "EXTENSION_LISTS_TOO_LARGE"
  /** The content of the LISTS part is not one canonical Lists. */
  | "EXTENSION_LISTS_MALFORMED"
  /** Shares, or a root of shares, while there is no key to share. */
  | "EXTENSION_SHARES_UNEXPECTED"
  /** The state holds no application key for this validator. */
  | "EXTENSION_NO_KEY"
  /** The part was not signed by that key for this chain, height, block and content. */
  | "EXTENSION_BAD_SIGNATURE";

export type ExtensionRefusal = Refusal<ExtensionRefusalCode>;

/** A LISTS part that is well-formed, and the check that is left to do. */
export interface CheckedLists {
  readonly lists: Lists;
  readonly content: Uint8Array;
  readonly signature: Uint8Array;
  readonly signatureCheck: SignatureCheck;
}

/** Most bytes of a LISTS part: min(4096, max_bytes / 8n). */
export function listsBytesMax(blockBytesMax: number, validatorCount: number): number {
  assert(validatorCount > 0, "a height has validators");
  return Math.min(LISTS_BYTES_MAX, Math.floor(blockBytesMax / (8 * validatorCount)));
}

/**
 * Own extension. `wanted`: transactions to list, the most wanted first; as many as fit are taken. The
 * caller checks it like any other before it is used (CometBFT #5204), and answers the same bytes again
 * after a crash.
 */
export async function buildExtension(
  context: ExtensionContext,
  wanted: readonly ListedTx[],
  sign: SignPart,
): Promise<Uint8Array> {
  const content = buildLists(wanted, listsBytesMax(context.blockBytesMax, context.validatorCount));
  const signature = await sign(
    partSignBytes(context.chainId, context.height, context.blockHash, PartType.LISTS, content),
  );
  return encodeVoteExtension({ parts: [{ type: PartType.LISTS, content, signature }] });
}

/**
 * VerifyVoteExtension, and what PrepareProposal asks again of every extension it was given.
 * `publicKey`: the application key of the validator that voted.
 */
export async function verifyExtension(
  context: ExtensionContext,
  extension: Uint8Array,
  publicKey: Uint8Array | undefined,
  verify: VerifySignatures,
): Promise<ExtensionRefusal | undefined> {
  const checked = checkExtension(context, extension, publicKey);
  if ("code" in checked) return checked;
  const [isValid] = await verify([checked.signatureCheck]);
  return isValid === true ? undefined : badSignature();
}

/** All but the signature. */
export function checkExtension(
  context: ExtensionContext,
  extension: Uint8Array,
  publicKey: Uint8Array | undefined,
): CheckedLists | ExtensionRefusal {
  const decoded = attempt(() => decodeVoteExtension(extension), "EXTENSION_MALFORMED");
  if ("code" in decoded) return decoded;
  const [part, ...rest] = decoded.value.parts;
  assert(part?.type === PartType.LISTS, "the codec wants a LISTS part first");
  if (rest.length > 0) {
    return refusal("EXTENSION_SHARES_UNEXPECTED", "a SHARES part, but there is no sealed key");
  }
  return checkLists(context, part.content, part.signature, publicKey);
}

/** A LISTS part by itself, as an injected commit holds it; all but the signature. */
export function checkLists(
  context: ExtensionContext,
  content: Uint8Array,
  signature: Uint8Array,
  publicKey: Uint8Array | undefined,
): CheckedLists | ExtensionRefusal {
  const allowed = listsBytesMax(context.blockBytesMax, context.validatorCount);
  if (content.length > allowed) {
    return refusal(
      "EXTENSION_LISTS_TOO_LARGE",
      `LISTS: ${content.length} bytes, at most ${allowed}`,
    );
  }
  const decoded = attempt(() => decodeLists(content), "EXTENSION_LISTS_MALFORMED");
  if ("code" in decoded) return decoded;
  if (decoded.value.shares.kind !== "abstain") {
    return refusal("EXTENSION_SHARES_UNEXPECTED", "a root of shares, but there is no sealed key");
  }
  if (publicKey === undefined) {
    return refusal("EXTENSION_NO_KEY", "the validator has not registered an application key");
  }
  const { chainId, height, blockHash } = context;
  const message = partSignBytes(chainId, height, blockHash, PartType.LISTS, content);
  return {
    lists: decoded.value,
    content,
    signature,
    signatureCheck: { publicKey, message, signature },
  };
}

export function badSignature(): ExtensionRefusal {
  return refusal(
    "EXTENSION_BAD_SIGNATURE",
    "the LISTS part is not signed by the application key for this chain, height and block",
  );
}

function buildLists(wanted: readonly ListedTx[], bytesMax: number): Uint8Array {
  let taken: readonly ListedTx[] = [];
  let content = encodeLists({ listed: taken, shares: { kind: "abstain" } });
  assert(content.length <= bytesMax, "parameter bounds leave room for an empty LISTS part");
  // Longest prefix that fits: its size grows with every element, whatever order they are written in.
  const unique = uniqueById(wanted).slice(0, LISTED_TXS_MAX);
  let low = 0;
  let high = unique.length;
  while (low < high) {
    const count = Math.ceil((low + high) / 2);
    const listed = unique.slice(0, count).sort((a, b) => compareBytes(a.id, b.id));
    const encoded = encodeLists({ listed, shares: { kind: "abstain" } });
    if (encoded.length <= bytesMax) {
      low = count;
      taken = listed;
      content = encoded;
    } else high = count - 1;
  }
  assert(taken.length === low, "the largest prefix that fits was taken");
  return content;
}

function uniqueById(wanted: readonly ListedTx[]): readonly ListedTx[] {
  const kept: ListedTx[] = [];
  for (const tx of wanted) {
    if (kept.length === LISTED_TXS_MAX) break;
    if (!kept.some((other) => compareBytes(other.id, tx.id) === 0)) kept.push(tx);
  }
  return kept;
}

function attempt<T>(
  decode: () => T,
  code: ExtensionRefusalCode,
): { readonly value: T } | ExtensionRefusal {
  try {
    return { value: decode() };
  } catch (error) {
    // The bytes are another validator's; to refuse them is the answer. Anything else is a bug.
    if (!isCodecError(error)) throw error;
    return refusal(code, error.message);
  }
}
