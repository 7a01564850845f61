/** Sealing for tests: as a wallet does it, or with a plaintext that no wallet makes. */
import { randomBytes } from "node:crypto";
import { type ContentPart, encodeContent, padContent } from "../../mev/seal/content.ts";
import { createGroup } from "../../mev/seal/group/group.ts";
import { labelOfSealed, type SealTerms as ContentTerms } from "../../mev/seal/sealed-content.ts";
import {
  createTdh2,
  type EncryptionRandomness,
  NONCE_BYTES,
  SEED_BYTES,
  type Tdh2,
} from "../../mev/seal/tdh2.ts";
import { compareBytes } from "../../proto/bytes.ts";
import type { Sealed } from "../../proto/codec/seal-tx.ts";
import { AEAD_TAG_BYTES } from "../../proto/limits.ts";

/** What a ciphertext is made for. */
export type SealTerms = Omit<ContentTerms, "parts">;

export interface SealedBySender {
  readonly action: Sealed;
  readonly label: Uint8Array;
  /** Opens it when the committee does not. */
  readonly seed: Uint8Array;
}

/** On this thread. */
export const TEST_TDH2: Tdh2 = createTdh2(createGroup());

export function freshRandomness(): EncryptionRandomness {
  return {
    seed: new Uint8Array(randomBytes(SEED_BYTES)),
    nonce: new Uint8Array(randomBytes(NONCE_BYTES)),
  };
}

export function seal(
  terms: SealTerms,
  parts: readonly ContentPart[],
  randomness: EncryptionRandomness = freshRandomness(),
): SealedBySender {
  const rollupIds = parts.map(({ rollupId }) => rollupId).toSorted(compareBytes);
  return sealPlaintext(terms, rollupIds, padContent(encodeContent(parts)), randomness);
}

/** Whatever the plaintext is, of the size of a bucket. */
export function sealPlaintext(
  terms: SealTerms,
  rollupIds: readonly Uint8Array[],
  plaintext: Uint8Array,
  randomness: EncryptionRandomness = freshRandomness(),
): SealedBySender {
  const { chainId, key, maxHeight } = terms;
  const head = { kind: "sealed" as const, key: key.number, rollupIds, maxHeight };
  const body = new Uint8Array(plaintext.length + AEAD_TAG_BYTES);
  const label = labelOfSealed(chainId, terms, { ...head, body });
  const ciphertext = TEST_TDH2.encrypt(key.publicKey, label, plaintext, randomness);
  return { action: { ...head, ...ciphertext }, label, seed: randomness.seed };
}
