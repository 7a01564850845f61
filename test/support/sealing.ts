/** Sealing for tests: as a wallet does it, with randomness that the test chooses where it has to. */
import { randomBytes } from "node:crypto";
import {
  bucketOf,
  type ContentPart,
  encodeContent,
  padContent,
  sealLabel,
} from "../../mev/seal/content.ts";
import { createGroup } from "../../mev/seal/group/group.ts";
import {
  createTdh2,
  type EncryptionRandomness,
  NONCE_BYTES,
  SEED_BYTES,
  type Tdh2,
} from "../../mev/seal/tdh2.ts";
import type { Height } from "../../proto/brands.ts";
import type { Sealed } from "../../proto/codec/seal-tx.ts";
import type { Fee, Replay } from "../../proto/codec/weft-tx.ts";

/** What a ciphertext is made for. */
export interface SealTerms {
  readonly chainId: string;
  readonly key: { readonly number: number; readonly publicKey: Uint8Array };
  /** Account, 20 bytes. */
  readonly sender: Uint8Array;
  readonly replay: Replay;
  readonly fee: Fee;
  readonly maxHeight: Height;
}

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
  return sealPlaintext(terms, parts, padContent(encodeContent(parts)), randomness);
}

/** Whatever the plaintext is, of the size of a bucket. */
export function sealPlaintext(
  { chainId, key, sender, replay, fee, maxHeight }: SealTerms,
  parts: readonly Pick<ContentPart, "rollupId">[],
  plaintext: Uint8Array,
  randomness: EncryptionRandomness = freshRandomness(),
): SealedBySender {
  const rollupIds = parts.map(({ rollupId }) => rollupId).toSorted((a, b) => Buffer.compare(a, b));
  const label = sealLabel({
    chainId,
    key: key.number,
    rollupIds,
    sender,
    replay,
    maxHeight,
    ...fee,
    bucket: plaintext.length,
  });
  const { kem, body } = TEST_TDH2.encrypt(key.publicKey, label, plaintext, randomness);
  return {
    action: { kind: "sealed", key: key.number, rollupIds, maxHeight, kem, body },
    label,
    seed: randomness.seed,
  };
}

/** Bytes of the smallest plaintext that holds the parts. */
export function bucketFor(parts: readonly ContentPart[]): number {
  const bucket = bucketOf(encodeContent(parts).length);
  if (bucket === undefined) throw new RangeError("the parts fit no bucket");
  return bucket;
}
