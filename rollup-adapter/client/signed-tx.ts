/** Signing Weft transactions. */
import { randomBytes } from "node:crypto";
import { Height } from "../../proto/brands.ts";
import { encodeTxItem, txItemBytes } from "../../proto/codec/weft-block.ts";
import { encodeTxBody, type TxBody, txId, txSignBytes } from "../../proto/codec/weft-tx.ts";
import type { ChainInfo } from "./sequencer-client.ts";

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

/** What an unordered transaction says of its life and its price. */
export interface UnorderedTerms extends Pick<TxBody, "fee"> {
  readonly replay: Extract<TxBody["replay"], { readonly kind: "unordered" }>;
}

/**
 * Of one that is signed now. The base fee may double before the last block that may hold it; the tip is paid as stated.
 *
 * @param expiryHeight from this block on it cannot be ordered; sooner where the chain's window ends before
 * @param tipPerByte nweft per byte on top of the base fee
 */
export function unorderedTerms(
  chain: Pick<ChainInfo, "baseFeePerByte" | "height" | "unorderedWindow">,
  expiryHeight: number,
  tipPerByte: bigint,
): UnorderedTerms {
  const end = Math.min(expiryHeight, chain.height + Math.max(1, chain.unorderedWindow));
  return {
    replay: { kind: "unordered", expiryHeight: Height(end), salt: newSalt() },
    fee: { maxFeePerByte: chain.baseFeePerByte * 2n + tipPerByte, tipPerByte },
  };
}

/** What tells a transaction from others that say the same, 8 bytes. */
export function newSalt(): Uint8Array {
  return new Uint8Array(randomBytes(8));
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
