/** Blocks, transactions, receipts and logs as Ethereum's JSON-RPC shows them. */
import type { Common } from "@ethereumjs/common";
import {
  type TypedTransaction,
  createTxFromRLP,
  isAccessList2930Tx,
  isBlob4844Tx,
  isEOACode7702Tx,
  isFeeMarket1559Tx,
} from "@ethereumjs/tx";
import { Bloom } from "@ethereumjs/vm";
import { evmOptions } from "../genesis.ts";
import { EXECUTION_SLICE_MS } from "../limits.ts";
import { mapPaced } from "../pacer.ts";
import type { StoredBlock, StoredLog, StoredReceipt } from "../records.ts";
import { bytesToHex, quantity } from "../../json-rpc/hex.ts";
import type { Json } from "../../json-rpc/method.ts";

export async function formatBlock(
  block: StoredBlock,
  receipts: readonly StoredReceipt[],
  isFull: boolean,
  common: Common,
): Promise<Json> {
  return {
    ...headerFields(block),
    totalDifficulty: "0x0",
    size: quantity(block.size),
    uncles: [],
    transactions: isFull
      ? await mapPaced(block.transactions, EXECUTION_SLICE_MS, (_, index) =>
          formatTransaction(block, receipts, index, common),
        )
      : receipts.map((receipt) => bytesToHex(receipt.transactionHash)),
    withdrawals: block.withdrawals.map((w) => ({
      index: quantity(w.index),
      validatorIndex: quantity(w.validatorIndex),
      address: bytesToHex(w.address),
      amount: quantity(w.amountGwei),
    })),
  };
}

/** What eth_subscribe("newHeads") sends: the block without its body. */
export function formatHead(block: StoredBlock): Json {
  return headerFields(block);
}

function headerFields(block: StoredBlock): { readonly [key: string]: Json } {
  const { header } = block;
  return {
    number: quantity(block.number),
    hash: bytesToHex(block.hash),
    parentHash: bytesToHex(header.parentHash),
    sha3Uncles: bytesToHex(header.uncleHash),
    miner: header.coinbase.toString(),
    stateRoot: bytesToHex(header.stateRoot),
    transactionsRoot: bytesToHex(header.transactionsTrie),
    receiptsRoot: bytesToHex(header.receiptTrie),
    logsBloom: bytesToHex(header.logsBloom),
    difficulty: "0x0",
    gasLimit: quantity(header.gasLimit),
    gasUsed: quantity(header.gasUsed),
    timestamp: quantity(header.timestamp),
    extraData: bytesToHex(header.extraData),
    mixHash: bytesToHex(header.mixHash),
    nonce: bytesToHex(header.nonce),
    baseFeePerGas: quantity(header.baseFeePerGas ?? 0n),
    withdrawalsRoot: bytesToHex(header.withdrawalsRoot ?? new Uint8Array(32)),
    blobGasUsed: quantity(header.blobGasUsed ?? 0n),
    excessBlobGas: quantity(header.excessBlobGas ?? 0n),
    parentBeaconBlockRoot: bytesToHex(header.parentBeaconBlockRoot ?? new Uint8Array(32)),
    ...(header.requestsHash === undefined ? {} : { requestsHash: bytesToHex(header.requestsHash) }),
  };
}

export function formatTransaction(
  block: StoredBlock,
  receipts: readonly StoredReceipt[],
  index: number,
  common: Common,
): Json {
  const raw = block.transactions[index];
  const receipt = receipts[index];
  if (raw === undefined || receipt === undefined) return null;
  const transaction = createTxFromRLP(raw, evmOptions(common));
  return {
    ...transactionFields(transaction, receipt.transactionHash, receipt.sender),
    gasPrice: quantity(receipt.effectiveGasPrice),
    blockHash: bytesToHex(block.hash),
    blockNumber: quantity(block.number),
    transactionIndex: quantity(index),
  };
}

/** A transaction that is in no block yet. */
export function formatPending(
  transaction: TypedTransaction,
  hash: Uint8Array,
  sender: Uint8Array,
): Json {
  const price = "maxFeePerGas" in transaction ? transaction.maxFeePerGas : transaction.gasPrice;
  return {
    ...transactionFields(transaction, hash, sender),
    gasPrice: quantity(price),
    blockHash: null,
    blockNumber: null,
    transactionIndex: null,
  };
}

function transactionFields(
  transaction: TypedTransaction,
  hash: Uint8Array,
  sender: Uint8Array,
): { readonly [key: string]: Json } {
  const isTyped = transaction.type !== 0;
  const v = transaction.v ?? 0n;
  const isProtected = isTyped || v >= 35n;
  return {
    type: quantity(transaction.type),
    hash: bytesToHex(hash),
    from: bytesToHex(sender),
    to: transaction.to?.toString() ?? null,
    nonce: quantity(transaction.nonce),
    gas: quantity(transaction.gasLimit),
    value: quantity(transaction.value),
    input: bytesToHex(transaction.data),
    v: quantity(v),
    r: quantity(transaction.r ?? 0n),
    s: quantity(transaction.s ?? 0n),
    ...(isProtected ? { chainId: quantity(transaction.common.chainId()) } : {}),
    ...(isTyped ? { yParity: quantity(v) } : {}),
    ...typeFields(transaction),
  };
}

function typeFields(transaction: TypedTransaction): { readonly [key: string]: Json } {
  const hasAccessList =
    isAccessList2930Tx(transaction) ||
    isFeeMarket1559Tx(transaction) ||
    isBlob4844Tx(transaction) ||
    isEOACode7702Tx(transaction);
  if (!hasAccessList) return {};
  const accessList = transaction.accessList.map(([address, keys]) => ({
    address: bytesToHex(address),
    storageKeys: keys.map((key) => bytesToHex(key)),
  }));
  if (isAccessList2930Tx(transaction)) return { accessList };
  return {
    accessList,
    maxFeePerGas: quantity(transaction.maxFeePerGas),
    maxPriorityFeePerGas: quantity(transaction.maxPriorityFeePerGas),
    ...(isBlob4844Tx(transaction)
      ? {
          maxFeePerBlobGas: quantity(transaction.maxFeePerBlobGas),
          blobVersionedHashes: [...transaction.blobVersionedHashes],
        }
      : {}),
    ...(isEOACode7702Tx(transaction)
      ? {
          authorizationList: transaction.authorizationList.map(
            ([chainId, address, nonce, yParity, r, s]) => ({
              chainId: bytesQuantity(chainId),
              address: bytesToHex(address),
              nonce: bytesQuantity(nonce),
              yParity: bytesQuantity(yParity),
              r: bytesQuantity(r),
              s: bytesQuantity(s),
            }),
          ),
        }
      : {}),
  };
}

export function formatReceipt(
  block: StoredBlock,
  receipts: readonly StoredReceipt[],
  index: number,
  common: Common,
  weft?: Json,
): Json {
  const receipt = receipts[index];
  const raw = block.transactions[index];
  if (receipt === undefined || raw === undefined) return null;
  const { to } = createTxFromRLP(raw, evmOptions(common));
  const logsBefore = receipts.slice(0, index).reduce((sum, other) => sum + other.logs.length, 0);
  return {
    type: quantity(receipt.transactionType),
    status: receipt.isSuccess ? "0x1" : "0x0",
    transactionHash: bytesToHex(receipt.transactionHash),
    transactionIndex: quantity(index),
    blockHash: bytesToHex(block.hash),
    blockNumber: quantity(block.number),
    from: bytesToHex(receipt.sender),
    to: to?.toString() ?? null,
    contractAddress:
      receipt.contractAddress.length === 0 ? null : bytesToHex(receipt.contractAddress),
    cumulativeGasUsed: quantity(receipt.cumulativeGasUsed),
    gasUsed: quantity(receipt.gasUsed),
    effectiveGasPrice: quantity(receipt.effectiveGasPrice),
    logs: receipt.logs.map((log, i) => formatLog(block, receipt, index, log, logsBefore + i)),
    logsBloom: bytesToHex(logsBloom(receipt.logs)),
    ...(receipt.transactionType === 3
      ? { blobGasUsed: quantity(receipt.blobGasUsed), blobGasPrice: quantity(receipt.blobGasPrice) }
      : {}),
    ...(weft === undefined ? {} : { weft }),
  };
}

export function formatLog(
  block: StoredBlock,
  receipt: StoredReceipt,
  transactionIndex: number,
  log: StoredLog,
  logIndex: number,
): Json {
  return {
    address: bytesToHex(log.address),
    topics: log.topics.map((topic) => bytesToHex(topic)),
    data: bytesToHex(log.data),
    blockNumber: quantity(block.number),
    blockHash: bytesToHex(block.hash),
    blockTimestamp: quantity(block.header.timestamp),
    transactionHash: bytesToHex(receipt.transactionHash),
    transactionIndex: quantity(transactionIndex),
    logIndex: quantity(logIndex),
    removed: false,
  };
}

function logsBloom(logs: readonly StoredLog[]): Uint8Array {
  const bloom = new Bloom();
  for (const log of logs) {
    bloom.add(log.address);
    for (const topic of log.topics) bloom.add(topic);
  }
  return bloom.bitvector;
}

function bytesQuantity(bytes: Uint8Array): string {
  return quantity(bytes.length === 0 ? 0n : BigInt(bytesToHex(bytes)));
}
