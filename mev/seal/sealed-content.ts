/** Sealed and committed transactions in their blocks: what binds them, and what they hold once they are open. */
import type { Height } from "../../proto/brands.ts";
import { compareBytes } from "../../proto/bytes.ts";
import type { Sealed } from "../../proto/codec/seal-tx.ts";
import { accountAddress, type TxBody } from "../../proto/codec/weft-tx.ts";
import { AEAD_TAG_BYTES } from "../../proto/limits.ts";
import {
  type ContentPart,
  encodeContent,
  type OpenedContent,
  openContent,
  padContent,
  sealLabel,
} from "./content.ts";
import {
  decryptBody,
  type EncryptionRandomness,
  type SealedKey,
  seedUnder,
  type Tdh2,
} from "./tdh2.ts";

/** The label of a sealed action in the transaction `body`. */
export function labelOfSealed(
  chainId: string,
  body: Pick<TxBody, "publicKey" | "replay" | "fee">,
  action: Pick<Sealed, "key" | "rollupIds" | "maxHeight" | "body">,
): Uint8Array {
  const { publicKey, replay, fee } = body;
  const { key, rollupIds, maxHeight } = action;
  return sealLabel({
    chainId,
    key,
    rollupIds,
    sender: accountAddress(publicKey),
    replay,
    maxHeight,
    ...fee,
    bucket: action.body.length - AEAD_TAG_BYTES,
  });
}

/** What opens an item: Z, or the seed that its sender showed; 32 bytes. */
export type SealSecret =
  | { readonly kind: "point"; readonly point: Uint8Array }
  | { readonly kind: "seed"; readonly seed: Uint8Array };

/**
 * What an item that is known to be opened by `secret` says to its rollups. Nothing is verified: the chain
 * did that when it filled the item.
 */
export function sealedContent(
  chainId: string,
  body: Pick<TxBody, "publicKey" | "replay" | "fee">,
  action: Sealed,
  secret: SealSecret,
): OpenedContent {
  const item: SealedKey = { label: labelOfSealed(chainId, body, action), kem: action.kem };
  const seed = secret.kind === "seed" ? secret.seed : seedUnder(item, secret.point);
  const plaintext = decryptBody(item.label, item.kem, seed, action.body);
  if (plaintext === undefined) return { kind: "invalid", reason: "the body is another one's" };
  return openContent(plaintext, action.rollupIds);
}

/** For whom content is sealed, and in which transaction it will stand. */
export interface SealTerms extends Pick<TxBody, "publicKey" | "replay" | "fee"> {
  readonly chainId: string;
  /** The key in force, its number and Y (32 bytes, not the identity). */
  readonly key: { readonly number: number; readonly publicKey: Uint8Array };
  /** Each rollup once, 1 to 8 of them. */
  readonly parts: readonly ContentPart[];
  /** Last block that may hold it. */
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
  const { chainId, key, maxHeight } = terms;
  const plaintext = padContent(encodeContent(terms.parts));
  const rollupIds = terms.parts.map(({ rollupId }) => rollupId).toSorted(compareBytes);
  const body = new Uint8Array(plaintext.length + AEAD_TAG_BYTES);
  const label = labelOfSealed(chainId, terms, { key: key.number, rollupIds, maxHeight, body });
  const sealed = tdh2.encrypt(key.publicKey, label, plaintext, randomness);
  return { kind: "sealed", key: key.number, rollupIds, maxHeight, ...sealed };
}
