/** What a sealed item is bound to, from its transaction alone. */
import type { SealProof } from "../../../../mev/seal/compute.ts";
import { sealLabel } from "../../../../mev/seal/content.ts";
import { AEAD_TAG_BYTES, type Sealed } from "../../../../proto/codec/seal-tx.ts";
import { accountAddress, type TxBody } from "../../../../proto/codec/weft-tx.ts";

/** The label of a sealed item (spec encrypted-mempool, A: ciphertext theft). */
export function labelOf(
  chainId: string,
  { publicKey, replay, fee }: Pick<TxBody, "publicKey" | "replay" | "fee">,
  { key, rollupIds, maxHeight, body }: Sealed,
): Uint8Array {
  return sealLabel({
    chainId,
    key,
    rollupIds,
    sender: accountAddress(publicKey),
    replay,
    maxHeight,
    maxFeePerByte: fee.maxFeePerByte,
    tipPerByte: fee.tipPerByte,
    bucket: body.length - AEAD_TAG_BYTES,
  });
}

/** That the sender knows what it sealed, for this label: checked before anybody makes a share. */
export function ciphertextProof(chainId: string, body: TxBody, action: Sealed): SealProof {
  const { kem, body: ciphertext } = action;
  return { kind: "ciphertext", label: labelOf(chainId, body, action), kem, body: ciphertext };
}
