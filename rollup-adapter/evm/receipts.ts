/** Receipts between the library's form, ours, and the bytes that a block commits to. */
import { Bloom, type RunTxResult } from "@ethereumjs/vm";
import type { Common } from "@ethereumjs/common";
import type { DecodedTransaction } from "./payload.ts";
import type { StoredLog, StoredReceipt } from "./records.ts";

export function toStoredReceipt(
  { transaction, sender, hash }: DecodedTransaction,
  result: RunTxResult,
  baseFeePerGas: bigint,
): StoredReceipt {
  const { receipt } = result;
  return {
    isSuccess: result.execResult.exceptionError === undefined,
    cumulativeGasUsed: receipt.cumulativeBlockGasUsed,
    gasUsed: result.totalGasSpent,
    logs: receipt.logs.map(([address, topics, data]) => ({ address, topics, data })),
    sender: sender.bytes,
    contractAddress:
      transaction.to === undefined
        ? (result.createdAddress?.bytes ?? new Uint8Array(0))
        : new Uint8Array(0),
    transactionHash: hash,
    transactionType: transaction.type,
    effectiveGasPrice: baseFeePerGas + transaction.getEffectivePriorityFee(baseFeePerGas),
    blobGasUsed: result.blobGasUsed ?? 0n,
    blobGasPrice: "blobGasPrice" in receipt ? receipt.blobGasPrice : 0n,
  };
}

export function logsBloom(logs: readonly StoredLog[], common: Common): Bloom {
  const bloom = new Bloom(undefined, common);
  for (const { address, topics } of logs) {
    bloom.add(address);
    for (const topic of topics) bloom.add(topic);
  }
  return bloom;
}
