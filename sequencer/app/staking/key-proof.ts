import type { SignatureCheck } from "../../../mev/signatures.ts";
import {
  applicationKeySignBytes,
  type CreateValidator,
  type RotateApplicationKey,
} from "../../../proto/codec/staking-tx.ts";
import { fromHex } from "../../../proto/bytes.ts";
import { consensusAddress } from "./validator-records.ts";

/**
 * Proof that who registers an application key has it (design.md §5): its signature for this chain and this
 * validator, so that nobody registers another one's key. It follows from the transaction's bytes alone:
 * `TxDecoder` lists it beside the transaction's own signature, both are verified in one batch before the
 * block runs, and an item with one that does not hold is refused like an unsigned one.
 */
export function applicationKeyProof(
  chainId: string,
  action: CreateValidator | RotateApplicationKey,
): SignatureCheck {
  const address =
    action.kind === "createValidator"
      ? fromHex(consensusAddress(action.consensusKey))
      : action.validator;
  return {
    publicKey: action.applicationKey,
    message: applicationKeySignBytes(chainId, address, action.applicationKey),
    signature: action.applicationKeyProof,
  };
}
