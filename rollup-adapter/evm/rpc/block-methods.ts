/** Methods about the chain and its blocks. */
import type { EvmChain } from "../executor.ts";
import { EXECUTION_SLICE_MS } from "../limits.ts";
import { mapPaced } from "../pacer.ts";
import type { StoredBlock } from "../records.ts";
import { feeHistory } from "./fees.ts";
import type { Json, Method } from "../../json-rpc/method.ts";
import { bytesToHex, quantity } from "../../json-rpc/hex.ts";
import { formatBlock, formatPending } from "./format.ts";
import type { MethodDependencies } from "./methods.ts";
import {
  type BlockSelector,
  blockParam,
  booleanParam,
  hashParam,
  indexParam,
  listParam,
  quantityParam,
} from "../../json-rpc/params.ts";
import { findBlock, requireBlock } from "./places.ts";
import { invalidParams } from "../../json-rpc/errors.ts";

export function blockMethods(dependencies: MethodDependencies): Record<string, Method> {
  const { chain, clock, suggestTip } = dependencies;
  const chainId = quantity(chain.genesis.chainId);
  const nextBaseFee = (): bigint => chain.nextEnvironment(clock.now().seconds).baseFeePerGas;

  const show = async (selector: BlockSelector, isFull: boolean): Promise<Json> => {
    if (selector.kind === "tag" && selector.tag === "pending") {
      return formatPendingBlock(dependencies, isFull);
    }
    const block = findBlock(chain, selector);
    return block === undefined
      ? null
      : formatBlock(block, chain.store.receipts(block.number) ?? [], isFull, chain.common);
  };
  const count = (block: StoredBlock | undefined): Json =>
    block === undefined ? null : quantity(block.transactions.length);
  const noUncles = (block: StoredBlock | undefined): Json => (block === undefined ? null : "0x0");
  const byHash = (value: unknown): StoredBlock | undefined =>
    findBlock(chain, { kind: "hash", hash: hashParam(value, "block hash") });
  const byNumber = (value: unknown): StoredBlock | undefined =>
    findBlock(chain, blockParam(value, "block"));

  return {
    web3_clientVersion: () => dependencies.clientVersion,
    net_version: () => chain.genesis.chainId.toString(),
    net_listening: () => true,
    net_peerCount: () => "0x0",
    eth_chainId: () => chainId,
    eth_syncing: () => false,
    eth_accounts: () => [],
    eth_mining: () => false,
    eth_coinbase: () => chain.head().header.coinbase.toString(),
    eth_blockNumber: () => quantity(chain.head().number),
    eth_gasPrice: () => quantity(nextBaseFee() + suggestTip()),
    eth_maxPriorityFeePerGas: () => quantity(suggestTip()),
    eth_blobBaseFee: () => quantity(chain.head().header.getBlobGasPrice()),
    eth_feeHistory: async ([blocks, newest, percentiles]) => {
      const wanted = quantityParam(blocks, "block count");
      const list = percentiles === undefined || percentiles === null ? [] : percentiles;
      const numbers = listParam(list, "percentiles").map((value) => {
        if (typeof value !== "number") throw invalidParams("percentiles: expected numbers");
        return value;
      });
      const block = requireBlock(chain, blockParam(newest, "newest block"));
      return feeHistory(chain, Number(wanted), block, numbers);
    },
    eth_getBlockByNumber: async ([block, isFull]) =>
      show(blockParam(block, "block"), booleanParam(isFull, "full")),
    eth_getBlockByHash: async ([hash, isFull]) =>
      show({ kind: "hash", hash: hashParam(hash, "block hash") }, booleanParam(isFull, "full")),
    eth_getBlockTransactionCountByHash: ([hash]) => count(byHash(hash)),
    eth_getBlockTransactionCountByNumber: ([block]) => count(byNumber(block)),
    eth_getUncleCountByBlockHash: ([hash]) => noUncles(byHash(hash)),
    eth_getUncleCountByBlockNumber: ([block]) => noUncles(byNumber(block)),
    eth_getUncleByBlockHashAndIndex: ([, index]) => noUncle(index),
    eth_getUncleByBlockNumberAndIndex: ([, index]) => noUncle(index),
  };
}

function noUncle(index: unknown): Json {
  indexParam(index, "uncle index");
  return null;
}

/** What the next block would hold if it were made now; its hash and roots are not known. */
async function formatPendingBlock(
  { chain, clock, pool }: MethodDependencies,
  isFull: boolean,
): Promise<Json> {
  const next = chain.nextEnvironment(clock.now().seconds);
  const head: EvmChain["head"] = () => chain.head();
  const zeros = (length: number): string => `0x${"00".repeat(length)}`;
  return {
    number: quantity(next.number),
    hash: null,
    parentHash: bytesToHex(head().hash),
    sha3Uncles: bytesToHex(head().header.uncleHash),
    miner: bytesToHex(next.feeRecipient),
    stateRoot: zeros(32),
    transactionsRoot: zeros(32),
    receiptsRoot: zeros(32),
    logsBloom: zeros(256),
    difficulty: "0x0",
    totalDifficulty: "0x0",
    gasLimit: quantity(next.gasLimit),
    gasUsed: "0x0",
    timestamp: quantity(next.timestampSeconds),
    extraData: "0x",
    mixHash: zeros(32),
    nonce: zeros(8),
    baseFeePerGas: quantity(next.baseFeePerGas),
    size: "0x0",
    uncles: [],
    transactions: await mapPaced(
      pool.posted(next.gasLimit),
      EXECUTION_SLICE_MS,
      ({ transaction, hash, sender }) =>
        isFull ? formatPending(transaction, hash, sender.bytes) : bytesToHex(hash),
    ),
    withdrawals: [],
  };
}
