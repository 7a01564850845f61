/** Methods about logs and filters. */
import { RPC_CODE, RpcError, invalidParams } from "../../json-rpc/errors.ts";
import type { Json, Method } from "../../json-rpc/method.ts";
import { findLogs } from "./logs.ts";
import type { MethodDependencies } from "./methods.ts";
import { type BlockSelector } from "../../json-rpc/params.ts";
import { type LogFilter, logFilterParam } from "./params.ts";
import { findBlock } from "./places.ts";

export function logMethods({ chain, filters }: MethodDependencies): Record<string, Method> {
  const boundary = (selector: BlockSelector | undefined): number => {
    if (selector === undefined) return chain.head().number;
    // Number beyond the head: a range may end in the future.
    if (selector.kind === "number") return selector.number;
    return findBlock(chain, selector)?.number ?? chain.head().number;
  };
  const search = async (filter: LogFilter): Promise<Json> => {
    const { blockHash } = filter;
    if (blockHash !== undefined) {
      const block = findBlock(chain, { kind: "hash", hash: blockHash });
      if (block === undefined) throw new RpcError(RPC_CODE.RESOURCE_NOT_FOUND, "unknown block");
      return findLogs(chain, filter, block.number, block.number);
    }
    const from = boundary(filter.fromBlock);
    const to = Math.min(boundary(filter.toBlock), chain.head().number);
    if (filter.toBlock !== undefined && boundary(filter.toBlock) < from) {
      throw invalidParams("invalid block range: toBlock lies before fromBlock");
    }
    return findLogs(chain, filter, Math.max(from, chain.firstNumber()), to);
  };

  return {
    eth_getLogs: async ([filter]) => search(logFilterParam(filter, "filter")),
    eth_newFilter: ([value]) => {
      const filter = logFilterParam(value, "filter");
      const first = isNumber(filter.fromBlock) ? filter.fromBlock.number : 0;
      const last = isNumber(filter.toBlock) ? filter.toBlock.number : Number.MAX_SAFE_INTEGER;
      return filters.installLogs(filter, first, last);
    },
    eth_newBlockFilter: () => filters.installBlocks(),
    eth_newPendingTransactionFilter: () => filters.installPending(),
    eth_getFilterChanges: ([id]) => filters.changes(idParam(id)),
    eth_getFilterLogs: async ([id]) => search(filters.logFilter(idParam(id))),
    eth_uninstallFilter: ([id]) => filters.uninstall(idParam(id)),
  };
}

function isNumber(
  selector: BlockSelector | undefined,
): selector is Extract<BlockSelector, { kind: "number" }> {
  return selector?.kind === "number";
}

function idParam(value: unknown): string {
  if (typeof value !== "string") throw invalidParams("filter id: expected a string");
  return value;
}
