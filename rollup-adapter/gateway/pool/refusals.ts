/** What the pool says, in geth's words, where a payload is no transaction or the sequencer does not take it. */
import type { Common } from "@ethereumjs/common";
import { isWeftError } from "../../../proto/errors.ts";
import type { SkipReason } from "../../evm/payload.ts";
import { RPC_CODE, RpcError, serverError } from "../../json-rpc/errors.ts";

/** What geth says to payloads that are no transaction of this chain. */
const UNDECODABLE_WORDS: Readonly<Partial<Record<SkipReason, string>>> = {
  TOO_LARGE: "oversized data",
  WRONG_CHAIN_ID: "invalid sender: invalid chain id for signer",
  UNPROTECTED: "only replay-protected (EIP-155) transactions allowed over RPC",
  BLOB_FORBIDDEN: "transaction type not supported",
  TYPE_FORBIDDEN: "transaction type not supported",
  BAD_SIGNATURE: "invalid sender: the signature recovers no address",
  INVALID_FIELDS: "invalid transaction: its fields contradict the rules of its type",
};

export function undecodable(why: SkipReason, common: Common): RpcError {
  const words = UNDECODABLE_WORDS[why] ?? "invalid transaction: not the canonical encoding of one";
  return serverError(why === "WRONG_CHAIN_ID" ? `${words}: want ${common.chainId()}` : words);
}

export function rejected(cause: unknown): RpcError {
  // What a node says of a failed call has its address in it.
  const isAway = isWeftError(cause) && cause.code === "SEQUENCER_CALL_FAILED";
  const why = isAway ? "the sequencer cannot be reached; try again later" : reasonOf(cause);
  return new RpcError(RPC_CODE.TRANSACTION_REJECTED, `transaction rejected: ${why}`);
}

export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
