/**
 * Vote extensions: what a validator adds to its precommit, and whether another one accepts it
 * (docs/formats.md, "Vote extensions"; spec/mev.md B5).
 *
 * The verdict depends on the extension, its height and block hash, the committed state and nothing
 * else; in particular not on the block's content, which a verifier may not have.
 */
import type { Height } from "../proto/brands.ts";
import { bytesEqual, compareBytes } from "../proto/bytes.ts";
import { isCodecError } from "../proto/codec/errors.ts";
import type { Shares } from "../proto/codec/seal-block.ts";
import type { SealAsk } from "../proto/codec/seal-state.ts";
import { LISTS_BYTES_MAX } from "../proto/codec/weft-block.ts";
import {
  decodeLists,
  decodeVoteExtension,
  encodeLists,
  encodeVoteExtension,
  EXTENSION_BYTES_MAX,
  type ExtensionPart,
  LISTED_TXS_MAX,
  type ListedTx,
  type Lists,
  PartType,
  partSignBytes,
  WITHDRAWN_TXS_MAX,
} from "../proto/codec/weft-extension.ts";
import { assert } from "../proto/errors.ts";
import { type Refusal, refusal } from "../proto/refusal.ts";
import type { SealCompute, SealRefusalCode, SharesToVerify } from "./seal/compute.ts";
import {
  type AskedOfValidator,
  askedOfValidator,
  checkShares,
  proofFault,
  type SealKeyOf,
  sharesRoot,
} from "./seal/shares.ts";
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
  /** What the extensions of that height answer; undefined: nothing is asked. */
  readonly seal: SealTerms | undefined;
}

/** Sealed transactions, as the committed state below that height has them. */
export interface SealTerms {
  readonly ask: SealAsk;
  readonly keyOf: SealKeyOf;
}

/** Who an extension is said to be of. */
export interface Voter {
  /** Consensus address, 20 bytes. */
  readonly address: Uint8Array;
  /** The application key that signs for it at that height; undefined if it has none. */
  readonly publicKey: Uint8Array | undefined;
}

/** Whoever does the work; never what is accepted. */
export interface ExtensionPorts {
  readonly verify: VerifySignatures;
  readonly compute: Pick<SealCompute, "verifyShares">;
}

export type ExtensionRefusalCode =
  /** Not one canonical VoteExtension with a LISTS part, or over 65,536 bytes. */
  | "EXTENSION_MALFORMED"
  /** The LISTS part is longer than min(4096, max_bytes / 8n). */
  | "EXTENSION_LISTS_TOO_LARGE"
  /** The content of the LISTS part is not one canonical Lists. */
  | "EXTENSION_LISTS_MALFORMED"
  /** The state holds no application key for this validator. */
  | "EXTENSION_NO_KEY"
  /** The part was not signed by that key for this chain, height, block and content. */
  | "EXTENSION_BAD_SIGNATURE"
  | SealRefusalCode;

const ABSTAIN: Lists["shares"] = { kind: "abstain" };

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

/** A SHARES part that is well-formed, and the checks that are left to do. */
export interface CheckedSharesPart {
  readonly shares: Shares;
  readonly signatureCheck: SignatureCheck;
  readonly proofs: readonly SharesToVerify[];
}

export interface CheckedExtension {
  readonly lists: CheckedLists;
  /** Undefined when the validator abstains, or nothing is asked of it. */
  readonly shares: CheckedSharesPart | undefined;
}

/** What the height asks of a validator; undefined: nothing, and it has no shares to show. */
export function askedOf(
  { seal }: Pick<ExtensionContext, "seal">,
  address: Uint8Array,
): AskedOfValidator | undefined {
  return seal && askedOfValidator(seal.ask, seal.keyOf, address);
}

/** What a validator says of transactions. */
export type SaidOfTxs = Pick<Lists, "listed" | "withdrawn">;

export const NOTHING_SAID: SaidOfTxs = { listed: [], withdrawn: [] };

/** Bytes of a part beside its content, at most: type, signature, and what frames them. */
const PART_OVERHEAD_BYTES = 80;

/**
 * Own extension. `said`: what is listed, the most wanted first, and what is withdrawn; as much as fits is
 * said, withdrawals before listings. `shares`: content of the SHARES part; undefined: ABSTAIN.
 * `extensionBytesMax`: what its signer takes, where that is less than the chain. The caller checks it like any
 * other before it is used (CometBFT #5204), and answers the same bytes again after a crash.
 */
export async function buildExtension(
  context: ExtensionContext,
  said: SaidOfTxs,
  shares: Uint8Array | undefined,
  sign: SignPart,
  extensionBytesMax: number = EXTENSION_BYTES_MAX,
): Promise<Uint8Array> {
  const sharesBytes = shares === undefined ? 0 : shares.length + PART_OVERHEAD_BYTES;
  const lists = buildLists(
    said,
    shares === undefined ? ABSTAIN : { kind: "root", root: sharesRoot(shares) },
    Math.min(
      listsBytesMax(context.blockBytesMax, context.validatorCount),
      extensionBytesMax - sharesBytes - PART_OVERHEAD_BYTES,
    ),
  );
  const parts: Omit<ExtensionPart, "signature">[] = [{ type: PartType.LISTS, content: lists }];
  if (shares !== undefined) parts.push({ type: PartType.SHARES, content: shares });
  const { chainId, height, blockHash } = context;
  const signed: ExtensionPart[] = [];
  for (const { type, content } of parts) {
    const signature = await sign(partSignBytes(chainId, height, blockHash, type, content));
    signed.push({ type, content, signature });
  }
  return encodeVoteExtension({ parts: signed });
}

/** VerifyVoteExtension, and what PrepareProposal asks again of every extension it was given. */
export async function verifyExtension(
  context: ExtensionContext,
  extension: Uint8Array,
  voter: Voter,
  ports: ExtensionPorts,
): Promise<ExtensionRefusal | undefined> {
  const [verdict] = await verifyExtensions([checkExtension(context, extension, voter)], ports);
  return verdict !== undefined && "code" in verdict ? verdict : undefined;
}

/**
 * The checks that are left of several extensions, in one batch each of signatures and of shares: what is
 * not refused is returned as it came.
 */
export async function verifyExtensions(
  checked: readonly (CheckedExtension | ExtensionRefusal)[],
  { verify, compute }: ExtensionPorts,
): Promise<readonly (CheckedExtension | ExtensionRefusal)[]> {
  const signatures = checked.flatMap((one) => ("code" in one ? [] : signatureChecks(one)));
  const areSigned = signatures.length === 0 ? [] : await verify(signatures);
  let at = 0;
  const signed = checked.map((one) => {
    if ("code" in one) return one;
    const [lists, shares = true] = areSigned.slice(at, (at += signatureChecks(one).length));
    if (lists !== true) return badSignature();
    return shares ? one : badSignature("SHARES");
  });
  // Only what the validator has signed is worth the work.
  const proofs = signed.flatMap((one) => ("code" in one ? [] : (one.shares?.proofs ?? [])));
  if (proofs.length === 0) return signed;
  const hold = await compute.verifyShares(proofs);
  at = 0;
  return signed.map((one) => {
    if ("code" in one || one.shares === undefined) return one;
    return proofFault(hold.slice(at, (at += one.shares.proofs.length))) ?? one;
  });
}

function signatureChecks({ lists, shares }: CheckedExtension): readonly SignatureCheck[] {
  const { signatureCheck } = lists;
  return shares === undefined ? [signatureCheck] : [signatureCheck, shares.signatureCheck];
}

/** All but signatures and proofs of shares. */
export function checkExtension(
  context: ExtensionContext,
  extension: Uint8Array,
  voter: Voter,
): CheckedExtension | ExtensionRefusal {
  const decoded = attempt(() => decodeVoteExtension(extension), "EXTENSION_MALFORMED");
  if ("code" in decoded) return decoded;
  const [part, sharesPart] = decoded.value.parts;
  assert(part?.type === PartType.LISTS, "the codec wants a LISTS part first");
  const lists = checkLists(context, part.content, part.signature, voter);
  if ("code" in lists) return lists;
  const { shares: promised } = lists.lists;
  if (sharesPart === undefined) {
    if (promised.kind === "abstain") return { lists, shares: undefined };
    return refusal("SHARES_UNEXPECTED", "LISTS has the root of a SHARES part that is not there");
  }
  if (promised.kind === "abstain") {
    return refusal("SHARES_UNEXPECTED", "a SHARES part, but LISTS says ABSTAIN");
  }
  if (!bytesEqual(promised.root, sharesRoot(sharesPart.content))) {
    return refusal("SHARES_ROOT", "the root in LISTS is not the hash of the SHARES part");
  }
  return withShares(context, lists, sharesPart, voter);
}

function withShares(
  context: ExtensionContext,
  lists: CheckedLists,
  { content, signature }: ExtensionPart,
  { address }: Voter,
): CheckedExtension | ExtensionRefusal {
  const asked = askedOf(context, address);
  assert(asked !== undefined, "a root is refused where nothing is asked");
  const { chainId, height, blockHash } = context;
  const checked = checkShares({ chainId, height, validator: address }, asked, content);
  if ("code" in checked) return checked;
  const message = partSignBytes(chainId, height, blockHash, PartType.SHARES, content);
  const { publicKey } = lists.signatureCheck;
  return { lists, shares: { ...checked, signatureCheck: { publicKey, message, signature } } };
}

/** A LISTS part by itself, as an injected commit holds it; all but the signature. */
export function checkLists(
  context: ExtensionContext,
  content: Uint8Array,
  signature: Uint8Array,
  { address, publicKey }: Voter,
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
  if (decoded.value.shares.kind !== "abstain" && askedOf(context, address) === undefined) {
    return refusal("SHARES_UNEXPECTED", "a root of shares, but the validator was asked for none");
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

export function badSignature(part: keyof typeof PartType = "LISTS"): ExtensionRefusal {
  return refusal(
    "EXTENSION_BAD_SIGNATURE",
    `the ${part} part is not signed by the application key for this chain, height and block`,
  );
}

function buildLists(
  { listed: wanted, withdrawn: gone }: SaidOfTxs,
  shares: Lists["shares"],
  bytesMax: number,
): Uint8Array {
  // Longest prefix that fits: its size grows with every element, whatever order they are written in.
  const withdrawn = gone.slice(0, WITHDRAWN_TXS_MAX);
  const listed = uniqueById(wanted);
  const encoded = (count: number): Uint8Array =>
    encodeLists({
      listed: listed
        .slice(0, Math.max(0, count - withdrawn.length))
        .sort((a, b) => compareBytes(a.id, b.id)),
      shares,
      withdrawn: withdrawn.slice(0, count).sort(compareBytes),
    });
  let content = encoded(0);
  let low = 0;
  let high = withdrawn.length + listed.length;
  while (low < high) {
    const count = Math.ceil((low + high) / 2);
    const longer = encoded(count);
    if (longer.length <= bytesMax) {
      low = count;
      content = longer;
    } else high = count - 1;
  }
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
