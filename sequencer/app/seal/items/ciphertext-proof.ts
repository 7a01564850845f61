import type { SealProof } from "../../../../mev/seal/compute.ts";
import type { CiphertextAction } from "../../../../proto/codec/mev-tx.ts";

/**
 * That the sender knows what it sealed, in this transaction of this account: checked before anybody makes a
 * share (spec encrypted-mempool, A: malleability, theft). `label`: of the action in its transaction.
 */
export function ciphertextProof(
  label: Uint8Array,
  { kem, body }: Pick<CiphertextAction, "kem" | "body">,
): SealProof {
  return { kind: "ciphertext", label, kem, body };
}
