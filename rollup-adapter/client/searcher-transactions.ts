/**
 * Bundles, bids and their cancellations, signed by an account of the searcher's own (docs/mev.md).
 *
 *     const tdh2 = createTdh2(createGroup());
 *     const terms = { chainId, ...sealingTerms(await client.sealKey()), replay, fee };
 *     const { item, id } = sealBundleTransaction(
 *       { ...terms, minHeight: Height(0), legs, replacement: undefined, cancelNonce: 0n },
 *       { tdh2, signer },
 *     );
 *     await mev.submitBundle(item);
 */
import {
  type BidTerms,
  type BundleTerms,
  sealBid,
  sealBundle,
} from "../../mev/seal/sealed-content.ts";
import type { Tdh2 } from "../../mev/seal/tdh2.ts";
import { idOfBundle } from "../../mev/manifest.ts";
import { compareBytes } from "../../proto/bytes.ts";
import type { Bundle, CancelBundles } from "../../proto/codec/mev-tx.ts";
import { rollupData, type TxBody } from "../../proto/codec/weft-tx.ts";
import { type SealedTransaction, sealRandomness } from "./seal-transaction.ts";
import { type SignedItem, signTx, type TxSigner } from "./signed-tx.ts";

/** Data of 1 to 8 rollups that all stand in one block or in none, and the transaction that holds it. */
export type BundleRequest = Omit<BundleTerms, "publicKey">;
/** The same in the clear: whoever sees it before its block can copy it. */
export type PlainBundleRequest = Omit<BundleRequest, "key">;
/** What is offered for the tops of one block. */
export type BidRequest = Omit<BidTerms, "publicKey">;
export type CancelRequest = Pick<TxBody, "replay" | "fee"> &
  Omit<CancelBundles, "kind"> & { readonly chainId: string };

interface SealDependencies {
  readonly tdh2: Pick<Tdh2, "encrypt">;
  readonly signer: TxSigner;
  /** Uniform bytes that nobody else knows; default: the system's. */
  readonly random?: (bytes: number) => Uint8Array;
}

/** One ciphertext for all legs. Throws `CodecError` when the data does not fit: 64 KiB together, a little of it for what stands around it. */
export function sealBundleTransaction(
  request: BundleRequest,
  { tdh2, signer, random }: SealDependencies,
): SealedTransaction {
  const { chainId, replay, fee } = request;
  const { publicKey } = signer;
  const randomness = sealRandomness(random);
  const action = sealBundle(tdh2, { ...request, publicKey }, randomness);
  return { ...signTx(chainId, { publicKey, replay, fee, action }, signer), seed: randomness.seed };
}

/** As `sealBundleTransaction`; `seed` opens the bid if validators do not. */
export function sealBidTransaction(
  request: BidRequest,
  { tdh2, signer, random }: SealDependencies,
): SealedTransaction {
  const { chainId, replay, fee } = request;
  const { publicKey } = signer;
  const randomness = sealRandomness(random);
  const action = sealBid(tdh2, { ...request, publicKey }, randomness);
  return { ...signTx(chainId, { publicKey, replay, fee, action }, signer), seed: randomness.seed };
}

/** @returns `bundleId`: what its entries carry, made of the legs */
export function plainBundleTransaction(
  request: PlainBundleRequest,
  { signer }: Pick<SealDependencies, "signer">,
): SignedItem & { readonly bundleId: Uint8Array } {
  const { chainId, replay, fee, minHeight, maxHeight } = request;
  const { replacement, cancelNonce, atomic } = request;
  const legs = request.legs
    .map(({ rollupId, data, revertMode, tip }) => {
      const { payload } = rollupData(rollupId, data);
      return { rollupId, payload, revertMode, tip };
    })
    .sort((a, b) => compareBytes(a.rollupId, b.rollupId));
  const action: Bundle = {
    kind: "bundle",
    legs,
    minHeight,
    maxHeight,
    replacement,
    cancelNonce,
    atomic,
  };
  const { publicKey } = signer;
  const signed = signTx(chainId, { publicKey, replay, fee, action }, signer);
  return { ...signed, bundleId: idOfBundle(chainId, action, signed.id) };
}

/** Either a key and a sequence with a height until which that holds, or a new cancel nonce. */
export function cancelBundlesTransaction(
  { chainId, replay, fee, ...cancel }: CancelRequest,
  { signer }: Pick<SealDependencies, "signer">,
): SignedItem {
  const { publicKey } = signer;
  const action: CancelBundles = { kind: "cancelBundles", ...cancel };
  return signTx(chainId, { publicKey, replay, fee, action }, signer);
}
