/** The methods of a gateway in front of an executor elsewhere: what it does itself, and what it passes on. */
import { formatPending } from "../../evm/rpc/format.ts";
import { bytesToHex, quantity } from "../../json-rpc/hex.ts";
import type { Json, Method, MethodTable, Params } from "../../json-rpc/method.ts";
import { addressParam } from "../../evm/rpc/params.ts";
import { blockParam, bytesParam, hashParam } from "../../json-rpc/params.ts";
import type { PendingPool } from "../pool/pending-pool.ts";
import { UPSTREAM_FILTERS_MAX } from "./limits.ts";
import type { Upstream } from "./upstream.ts";

export interface GatewayMethodDependencies {
  readonly upstream: Upstream;
  readonly pool: Pick<PendingPool, "add" | "get" | "nextNonce">;
  /** What web3_clientVersion says. */
  readonly clientVersion: string;
  /** Methods beside Ethereum's. */
  readonly more?: Readonly<Record<string, Method>>;
}

/**
 * Reads that the executor answers, with the index of the parameter that names a block. Everything else does not exist here:
 * engine_, admin_, debug_, personal_ and whatever else an executor may offer to its owner.
 */
const PASSED: Readonly<Record<string, number | undefined>> = {
  eth_blobBaseFee: undefined,
  eth_blockNumber: undefined,
  eth_call: 1,
  eth_chainId: undefined,
  eth_createAccessList: 1,
  eth_estimateGas: 1,
  eth_feeHistory: 1,
  eth_gasPrice: undefined,
  eth_getBalance: 1,
  eth_getBlockByHash: undefined,
  eth_getBlockByNumber: 0,
  eth_getBlockReceipts: 0,
  eth_getBlockTransactionCountByHash: undefined,
  eth_getBlockTransactionCountByNumber: 0,
  eth_getCode: 1,
  eth_getLogs: undefined,
  eth_getProof: 2,
  eth_getStorageAt: 2,
  eth_getTransactionByBlockHashAndIndex: undefined,
  eth_getTransactionByBlockNumberAndIndex: 0,
  eth_getTransactionReceipt: undefined,
  eth_getUncleCountByBlockHash: undefined,
  eth_getUncleCountByBlockNumber: 0,
  eth_maxPriorityFeePerGas: undefined,
  eth_syncing: undefined,
  net_version: undefined,
};

export function createGatewayMethods(dependencies: GatewayMethodDependencies): MethodTable {
  const { upstream, pool, clientVersion, more = {} } = dependencies;

  /** Made here, the one asked about the longest ago first: an executor sets no limit of its own. */
  const filters = new Set<string>();
  const newFilter =
    (name: string): Method =>
    async (params) => {
      const id = await upstream.call(name, params);
      if (typeof id !== "string") return id;
      filters.add(id);
      for (const oldest of filters) {
        if (filters.size <= UPSTREAM_FILTERS_MAX) break;
        filters.delete(oldest);
        // One that it keeps all the same ends by itself when nobody asks.
        upstream.call("eth_uninstallFilter", [oldest]).catch(() => undefined);
      }
      return id;
    };
  const ofFilter =
    (name: string): Method =>
    ([id]) => {
      // Asked about just now; of another gateway's nothing is kept.
      const isOwn = typeof id === "string" && filters.delete(id);
      if (isOwn && name !== "eth_uninstallFilter") filters.add(id);
      return upstream.call(name, [id]);
    };

  const own: Readonly<Record<string, Method>> = {
    web3_clientVersion: () => clientVersion,
    net_listening: () => true,
    net_peerCount: () => "0x0",
    eth_accounts: () => [],
    eth_newBlockFilter: newFilter("eth_newBlockFilter"),
    eth_newFilter: newFilter("eth_newFilter"),
    eth_getFilterChanges: ofFilter("eth_getFilterChanges"),
    eth_getFilterLogs: ofFilter("eth_getFilterLogs"),
    eth_uninstallFilter: ofFilter("eth_uninstallFilter"),
    eth_mining: () => false,
    eth_sendRawTransaction: async ([raw], context) =>
      bytesToHex(await pool.add(bytesParam(raw, "transaction"), context.requester)),
    eth_getTransactionByHash: async ([value]) => {
      const hash = hashParam(value, "transaction hash");
      const found = await upstream.call("eth_getTransactionByHash", [value]);
      if (found !== null) return found;
      const pending = pool.get(hash);
      if (pending === undefined) return null;
      return formatPending(pending.transaction, pending.hash, pending.sender.bytes);
    },
    eth_getRawTransactionByHash: async ([value]) => {
      const pending = pool.get(hashParam(value, "transaction hash"));
      if (pending !== undefined) return bytesToHex(pending.raw);
      return upstream.call("eth_getRawTransactionByHash", [value]);
    },
    eth_getTransactionCount: async (params) => {
      const [address, block] = params;
      const sender = addressParam(address, "address");
      const answer = await upstream.call(
        "eth_getTransactionCount",
        withoutPending(params.slice(0, 2), 1),
      );
      const selector = blockParam(block, "block");
      const isPending = selector.kind === "tag" && selector.tag === "pending";
      if (!isPending || typeof answer !== "string") return answer;
      return quantity(pool.nextNonce(sender, BigInt(answer)));
    },
  };
  const passed = Object.entries(PASSED).map(([name, block]): [string, Method] => [
    name,
    (params): Promise<Json> => upstream.call(name, withoutPending(params, block)),
  ]);
  return new Map([...passed, ...Object.entries(own), ...Object.entries(more)]);
}

/** `pending` is the head's state: nothing is executed ahead of the order. */
function withoutPending(params: Params, index: number | undefined): Params {
  if (index === undefined || params[index] !== "pending") return params;
  return params.map((value, at) => (at === index ? "latest" : value));
}
