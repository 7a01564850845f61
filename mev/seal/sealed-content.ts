/** Sealed items in their blocks: what binds them, what they hold once they are open, and how they are made. */
import type { Height } from "../../proto/brands.ts";
import { compareBytes } from "../../proto/bytes.ts";
import {
  type AtomicTerms,
  type Bid,
  type CiphertextAction,
  type Replacement,
  type RevertMode,
  rollupIdsOfLegs,
  type SealedBundle,
} from "../../proto/codec/mev-tx.ts";
import { SealedItemKind } from "../../proto/codec/seal-state.ts";
import type { Sealed } from "../../proto/codec/seal-tx.ts";
import { accountAddress, type TxBody } from "../../proto/codec/weft-tx.ts";
import { assertNever } from "../../proto/errors.ts";
import { AEAD_TAG_BYTES } from "../../proto/limits.ts";
import { encodeBidContent } from "../auction/bid-content.ts";
import { type ContentPart, encodeContent, padContent } from "./content.ts";
import { bidLabel, bundleLabel, sealLabel } from "./labels.ts";
import { type OpenedPlaintext, openPlaintext } from "./open-plaintext.ts";
import {
  decryptBody,
  type EncryptionRandomness,
  type SealedKey,
  seedUnder,
  type Tdh2,
} from "./tdh2.ts";

/** What of a transaction stands in labels. */
export type SealingBody = Pick<TxBody, "publicKey" | "replay" | "fee">;

/** The label of an action with a ciphertext in the transaction `body`. */
export function labelOfSealed(
  chainId: string,
  { publicKey, replay, fee }: SealingBody,
  action: WithoutKem<Sealed> | WithoutKem<SealedBundle> | WithoutKem<Bid>,
): Uint8Array {
  const bucket = action.body.length - AEAD_TAG_BYTES;
  const of = { chainId, sender: accountAddress(publicKey), replay, ...fee, bucket };
  switch (action.kind) {
    case "sealed":
      return sealLabel({ ...of, ...action });
    case "sealedBundle":
      return bundleLabel({ ...of, ...action });
    case "bid":
      return bidLabel({ ...of, ...action });
    default:
      return assertNever(action, "action");
  }
}

/** What its label says of the ciphertext's own bytes is how many there are of them. */
type WithoutKem<Action> = Omit<Action, "kem">;

/** What an action's ciphertext is, in the state and to those who open it. */
export function itemKindOf({ kind }: Pick<CiphertextAction, "kind">): SealedItemKind {
  if (kind === "sealed") return SealedItemKind.SEALED;
  return kind === "bid" ? SealedItemKind.BID : SealedItemKind.BUNDLE;
}

/** What opens an item: Z, or the seed that its sender showed; 32 bytes. */
export type SealSecret =
  | { readonly kind: "point"; readonly point: Uint8Array }
  | { readonly kind: "seed"; readonly seed: Uint8Array };

/**
 * What an item that is known to be opened by `secret` says to its rollups. Nothing is verified: the chain
 * did that when it filled the item. `members`: ids of the rollups of a bid's group in the bid's block, ascending;
 * the other kinds name their rollups themselves.
 */
export function sealedContent(
  chainId: string,
  body: SealingBody,
  action: CiphertextAction,
  secret: SealSecret,
  members: readonly Uint8Array[] = [],
): OpenedPlaintext {
  const item: SealedKey = { label: labelOfSealed(chainId, body, action), kem: action.kem };
  const seed = secret.kind === "seed" ? secret.seed : seedUnder(item, secret.point);
  const plaintext = decryptBody(item.label, item.kem, seed, action.body);
  if (plaintext === undefined) return { kind: "invalid", reason: "the body is another one's" };
  return openPlaintext(itemKindOf(action), plaintext, rollupIdsOf(action, members));
}

/** Rollups that an item is for: those that it names, or, of a bid, `members` of its group. */
export function rollupIdsOf(
  action: CiphertextAction,
  members: readonly Uint8Array[],
): readonly Uint8Array[] {
  if (action.kind === "bid") return members;
  return action.kind === "sealed" ? action.rollupIds : rollupIdsOfLegs(action.legs);
}

/** For whom content is sealed, and in which transaction it will stand. */
export interface SealTerms extends SealingBody, KeyAndChain {
  /** Each rollup once, 1 to 8 of them. */
  readonly parts: readonly ContentPart[];
  /** Last block that may hold it. */
  readonly maxHeight: Height;
}

/** Which key something is sealed for. */
export interface KeyAndChain {
  readonly chainId: string;
  /** The key in force, its number and Y (32 bytes, not the identity). */
  readonly key: { readonly number: number; readonly publicKey: Uint8Array };
}

/** A bundle that is to be sealed. */
export interface BundleTerms extends SealingBody, KeyAndChain {
  /** Each rollup once, 1 to 8 of them. */
  readonly legs: readonly (ContentPart & {
    readonly revertMode: RevertMode;
    /** nweft, public. */
    readonly tip: bigint;
  })[];
  /** First block that may hold it, 0: any; and the last one. */
  readonly minHeight: Height;
  readonly maxHeight: Height;
  readonly replacement: Replacement | undefined;
  readonly cancelNonce: bigint;
  /** Of level 1, for all legs by rollup. Absent: level 0. */
  readonly atomic?: AtomicTerms | undefined;
}

/** A bid that is to be sealed. */
export interface BidTerms extends SealingBody, KeyAndChain {
  /** Id of the rollup that leads the group. */
  readonly group: Uint8Array;
  /** nweft, at least 1. */
  readonly amount: bigint;
  /** What it puts at the top of which rollups, 1 to 4 of the group. */
  readonly parts: readonly ContentPart[];
  readonly minHeight: Height;
  readonly maxHeight: Height;
}

/**
 * Seals content for its rollups in the smallest bucket. The action stands in a transaction of exactly these
 * terms or is refused. Throws `CodecError` when the content is none, or too long for any bucket.
 */
export function sealContent(
  tdh2: Pick<Tdh2, "encrypt">,
  terms: SealTerms,
  randomness: EncryptionRandomness,
): Sealed {
  const { maxHeight } = terms;
  const rollupIds = rollupIdsOfLegs(terms.parts).toSorted(compareBytes);
  const head = { kind: "sealed", key: terms.key.number, rollupIds, maxHeight } as const;
  return { ...head, ...encrypted(tdh2, terms, head, encodeContent(terms.parts), randomness) };
}

/** Seals all legs of a bundle together; otherwise as `sealContent`. */
export function sealBundle(
  tdh2: Pick<Tdh2, "encrypt">,
  terms: BundleTerms,
  randomness: EncryptionRandomness,
): SealedBundle {
  const { minHeight, maxHeight, replacement, cancelNonce, atomic } = terms;
  const legs = terms.legs
    .map(({ rollupId, revertMode, tip }) => ({ rollupId, revertMode, tip }))
    .sort((a, b) => compareBytes(a.rollupId, b.rollupId));
  const heights = { minHeight, maxHeight };
  const of = { ...heights, replacement, cancelNonce, atomic };
  const head = { kind: "sealedBundle", key: terms.key.number, legs, ...of } as const;
  return { ...head, ...encrypted(tdh2, terms, head, encodeContent(terms.legs), randomness) };
}

/** Seals a bid, of which only the group shows; otherwise as `sealContent`. */
export function sealBid(
  tdh2: Pick<Tdh2, "encrypt">,
  terms: BidTerms,
  randomness: EncryptionRandomness,
): Bid {
  const { group, minHeight, maxHeight } = terms;
  const head = { kind: "bid", key: terms.key.number, group, minHeight, maxHeight } as const;
  return { ...head, ...encrypted(tdh2, terms, head, encodeBidContent(terms), randomness) };
}

type Head =
  | Omit<Sealed, "kem" | "body">
  | Omit<SealedBundle, "kem" | "body">
  | Omit<Bid, "kem" | "body">;

function encrypted(
  tdh2: Pick<Tdh2, "encrypt">,
  terms: SealingBody & KeyAndChain,
  head: Head,
  content: Uint8Array,
  randomness: EncryptionRandomness,
): Pick<Sealed, "kem" | "body"> {
  const plaintext = padContent(content);
  const body = new Uint8Array(plaintext.length + AEAD_TAG_BYTES);
  const label = labelOfSealed(terms.chainId, terms, { ...head, body });
  return tdh2.encrypt(terms.key.publicKey, label, plaintext, randomness);
}
