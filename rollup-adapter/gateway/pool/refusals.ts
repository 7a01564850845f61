/** What the pool says, in geth's words, to what is no transaction, cannot be executed now or is not taken by the sequencer. */
import type { Common } from "@ethereumjs/common";
import type { TypedTransaction } from "@ethereumjs/tx";
import type { Address } from "@ethereumjs/util";
import { isWeftError } from "../../../proto/errors.ts";
import { maxCost, maxFeePerGas, roomObjection } from "../../evm/admission.ts";
import type { SkipReason } from "../../evm/payload.ts";
import { feeBelowBaseFee, RPC_CODE, RpcError, serverError } from "../../json-rpc/errors.ts";
import type { NextBlockTerms, PoolAccount } from "./pool-chain.ts";

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

/** Why its sender could not have it executed in the next block, alone and in its turn; undefined: it could. */
export function senderRefusal(
  transaction: TypedTransaction,
  sender: Address,
  {
    account,
    next,
    common,
  }: { readonly account: PoolAccount; readonly next: NextBlockTerms; readonly common: Common },
): RpcError | undefined {
  const { nonce } = transaction;
  if (nonce < account.nonce) {
    return serverError(`nonce too low: next nonce ${account.nonce}, tx nonce ${nonce}`);
  }
  const { gasLimit, baseFeePerGas } = next;
  const room = { gasLimit, gasLeft: gasLimit, blobGasLeft: 0n, baseFeePerGas, blobBaseFee: 0n };
  const objection = roomObjection(transaction, room, common);
  if (objection === "INTRINSIC_GAS_TOO_LOW") {
    return serverError(`intrinsic gas too low: gas ${transaction.gasLimit}`);
  }
  if (objection === "FEE_BELOW_BASE_FEE") {
    return feeBelowBaseFee(sender.toString(), maxFeePerGas(transaction), baseFeePerGas);
  }
  if (objection !== undefined) return serverError("exceeds block gas limit");
  const cost = maxCost(transaction, common);
  if (account.balance >= cost) return undefined;
  return serverError(
    `insufficient funds for gas * price + value: balance ${account.balance}, tx cost ${cost}, overshot ${cost - account.balance}`,
  );
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
