/** Methods about transactions: sending them, and finding them again. */
import { EXECUTION_SLICE_MS } from "../limits.ts";
import { mapPaced } from "../pacer.ts";
import type { StoredBlock, StoredReceipt } from "../records.ts";
import type { Json, Method } from "../../json-rpc/method.ts";
import { bundleOfReceipt } from "./atomic-methods.ts";
import { formatPending, formatReceipt, formatTransaction } from "./format.ts";
import { bytesToHex } from "../../json-rpc/hex.ts";
import type { MethodDependencies } from "./methods.ts";
import { blockParam, bytesParam, hashParam, indexParam } from "../../json-rpc/params.ts";
import { findBlock } from "./places.ts";

export function transactionMethods(dependencies: MethodDependencies): Record<string, Method> {
  const { chain, pool } = dependencies;
  const { store, common } = chain;

  const located = (
    hash: Uint8Array,
    show: (block: StoredBlock, index: number) => Json,
  ): Json | undefined => {
    const location = store.transactionLocation(hash);
    const block = location === undefined ? undefined : store.block(location.blockNumber);
    if (location === undefined || block === undefined) return undefined;
    return show(block, location.index);
  };
  const transaction = (block: StoredBlock, index: number): Json =>
    formatTransaction(block, store.receipts(block.number) ?? [], index, common);
  const receipt = (block: StoredBlock, receipts: readonly StoredReceipt[], index: number): Json =>
    formatReceipt(
      block,
      receipts,
      index,
      common,
      bundleOfReceipt(chain, receipts[index]?.transactionHash),
    );
  const rawTransaction = (block: StoredBlock, index: number): Json => {
    const raw = block.transactions[index];
    return raw === undefined ? null : bytesToHex(raw);
  };
  const atIndex = (
    block: StoredBlock | undefined,
    index: unknown,
    show: (block: StoredBlock, index: number) => Json,
  ): Json => {
    const at = indexParam(index, "index");
    return block === undefined ? null : show(block, at);
  };
  const byHash = (value: unknown): StoredBlock | undefined =>
    findBlock(chain, { kind: "hash", hash: hashParam(value, "block hash") });
  const byNumber = (value: unknown): StoredBlock | undefined =>
    findBlock(chain, blockParam(value, "block"));

  return {
    eth_sendRawTransaction: async ([raw], { requester }) =>
      bytesToHex(await pool.add(bytesParam(raw, "transaction"), requester)),
    eth_getTransactionByHash: ([value]) => {
      const hash = hashParam(value, "transaction hash");
      const mined = located(hash, transaction);
      if (mined !== undefined) return mined;
      const pending = pool.get(hash);
      return pending === undefined
        ? null
        : formatPending(pending.transaction, pending.hash, pending.sender.bytes);
    },
    eth_getRawTransactionByHash: ([value]) => {
      const hash = hashParam(value, "transaction hash");
      const pending = pool.get(hash);
      const mined = located(hash, rawTransaction);
      return mined ?? (pending === undefined ? null : bytesToHex(pending.raw));
    },
    eth_getTransactionByBlockHashAndIndex: ([block, index]) =>
      atIndex(byHash(block), index, transaction),
    eth_getTransactionByBlockNumberAndIndex: ([block, index]) =>
      atIndex(byNumber(block), index, transaction),
    eth_getTransactionReceipt: ([hash]) =>
      located(hashParam(hash, "transaction hash"), (block, index) =>
        receipt(block, store.receipts(block.number) ?? [], index),
      ) ?? null,
    eth_getBlockReceipts: async ([value]) => {
      const block = findBlock(chain, blockParam(value, "block"));
      if (block === undefined) return null;
      const receipts = store.receipts(block.number) ?? [];
      return mapPaced(receipts, EXECUTION_SLICE_MS, (_, index) => receipt(block, receipts, index));
    },
  };
}
