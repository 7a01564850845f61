/** Signing Weft transactions. */
import { encodeTxItem, txItemBytes } from "../../proto/codec/weft-block.ts";
import { encodeTxBody, type TxBody, txId, txSignBytes } from "../../proto/codec/weft-tx.ts";

/** Whoever pays and signs: an ed25519 key, wherever it is kept. */
export interface TxSigner {
  /** 32 bytes. */
  readonly publicKey: Uint8Array;
  /** Signature of 64 bytes, RFC 8032. */
  sign(message: Uint8Array): Uint8Array;
}

export interface SignedItem {
  /** Transaction id, 32 bytes: does not depend on the signature. */
  readonly id: Uint8Array;
  /** What is submitted: the encoded block item. */
  readonly item: Uint8Array;
}

/** @param body its `publicKey` must be the signer's */
export function signTx(chainId: string, body: TxBody, signer: TxSigner): SignedItem {
  const bodyBytes = encodeTxBody(body);
  const signature = signer.sign(txSignBytes(chainId, bodyBytes));
  return { id: txId(chainId, bodyBytes), item: encodeTxItem({ bodyBytes, signature }) };
}

/** What a transaction may cost at most, in nweft: its encoded size times its maximum fee. */
export function feeMax(body: TxBody): bigint {
  return BigInt(txItemBytes(body)) * body.fee.maxFeePerByte;
}
