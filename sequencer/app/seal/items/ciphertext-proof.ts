import type { SealProof } from "../../../../mev/seal/compute.ts";
import { labelOfSealed } from "../../../../mev/seal/sealed-content.ts";
import type { Sealed } from "../../../../proto/codec/seal-tx.ts";
import type { TxBody } from "../../../../proto/codec/weft-tx.ts";

/**
 * That the sender knows what it sealed, in this transaction of this account: checked before anybody makes a
 * share (spec encrypted-mempool, A: malleability, theft).
 */
export function ciphertextProof(chainId: string, body: TxBody, action: Sealed): SealProof {
  const label = labelOfSealed(chainId, body, action);
  return { kind: "ciphertext", label, kem: action.kem, body: action.body };
}
