/**
 * Transactions that nobody can read before their place is final (docs/formats.md, "Sealed transactions").
 *
 *     const tdh2 = createTdh2(createGroup());
 *     const terms = sealingTerms(await client.sealKey());
 *     const { item, id, seed } = sealTransaction(
 *       { chainId, ...terms, replay, fee, parts: [{ rollupId, data: [rawTransaction] }] },
 *       { tdh2, signer },
 *     );
 *     await client.submit(item);
 */
import { randomBytes } from "node:crypto";
import { sealContent, type SealTerms } from "../../mev/seal/sealed-content.ts";
import {
  type EncryptionRandomness,
  NONCE_BYTES,
  SEED_BYTES,
  type Tdh2,
} from "../../mev/seal/tdh2.ts";
import { Height } from "../../proto/brands.ts";
import { WeftError } from "../../proto/errors.ts";
import type { GetSealKeyResponse, SealKeyInfo } from "../../proto/grpc/seal-key.ts";
import { SEALED_BLOCKS_MAX } from "../limits.ts";
import { type SignedItem, signTx, type TxSigner } from "./signed-tx.ts";

export type SealErrorInfo =
  /** No sealed transactions are taken now; the message says why, and what else there is. */
  { readonly code: "SEAL_CLOSED" };

/** A key, and how long it is good for. */
export type SealingTerms = Pick<SealTerms, "key" | "maxHeight">;

/** Data of 1 to 8 rollups, and the transaction that it stands in. */
export type SealRequest = Omit<SealTerms, "publicKey">;

export interface SealedTransaction extends SignedItem {
  /**
   * 32 bytes: whoever has it reads the content. If validators do not open it, its sender does with
   * a `SelfReveal`; nobody else should see it before.
   */
  readonly seed: Uint8Array;
}

/**
 * For which key to seal now, and until when that holds: what is not ordered when the key changes is sealed
 * anew, and stays private.
 * @throws WeftError<SealErrorInfo> when no sealed transactions are taken
 */
export function sealingTerms(
  { open, reason, key, next, height }: GetSealKeyResponse,
  blocksMax = SEALED_BLOCKS_MAX,
): SealingTerms {
  if (!open || key === undefined) {
    throw new WeftError<SealErrorInfo>(
      { code: "SEAL_CLOSED" },
      `no sealed transactions are taken now: ${reason}; try again later, or send a commit and reveal it`,
    );
  }
  const end = keyEnd(key, next) ?? Number.POSITIVE_INFINITY;
  return { key, maxHeight: Height(Math.min(height + blocksMax, end - 1)) };
}

/** First block that may not hold what is sealed for `key` any more; undefined while that is unknown. */
export function keyEnd(
  { retiredHeight }: SealKeyInfo,
  next: SealKeyInfo | undefined,
): Height | undefined {
  const end = retiredHeight === 0 ? next?.activeHeight : retiredHeight;
  return end === 0 ? undefined : end;
}

/** What sealing draws: fresh for each transaction, never used again. */
export function sealRandomness(
  random: (bytes: number) => Uint8Array = systemRandom,
): EncryptionRandomness {
  return { seed: random(SEED_BYTES), nonce: random(NONCE_BYTES) };
}

/**
 * Seals and signs. The item shows its sender, its rollups and about how long it is, nothing else. Throws
 * `CodecError` when the data does not fit: 64 KiB, a little of it for what stands around the data.
 * @param deps `random`: uniform bytes that nobody else knows; default: the system's
 */
export function sealTransaction(
  request: SealRequest,
  deps: {
    readonly tdh2: Pick<Tdh2, "encrypt">;
    readonly signer: TxSigner;
    readonly random?: (bytes: number) => Uint8Array;
  },
): SealedTransaction {
  const { tdh2, signer, random } = deps;
  const { chainId, replay, fee } = request;
  const { publicKey } = signer;
  const randomness = sealRandomness(random);
  const action = sealContent(tdh2, { ...request, publicKey }, randomness);
  return { ...signTx(chainId, { publicKey, replay, fee, action }, signer), seed: randomness.seed };
}

function systemRandom(bytes: number): Uint8Array {
  return new Uint8Array(randomBytes(bytes));
}
