/** What eth_subscribe tells of: blocks, their logs, and transactions on their way into one. */
import { bytesToHex } from "../../json-rpc/hex.ts";
import type { Subscribe, SubscriptionKinds } from "../../json-rpc/method.ts";
import { booleanParam } from "../../json-rpc/params.ts";
import { formatHead, formatPending } from "./format.ts";
import { logsOfBlock } from "./logs.ts";
import type { MethodDependencies } from "./methods.ts";
import { logFilterParam } from "./params.ts";

export function subscriptionKinds({
  chain,
  pool,
}: Pick<MethodDependencies, "chain" | "pool">): SubscriptionKinds {
  return new Map<string, Subscribe>([
    ["newHeads", (_, notify) => chain.onBlock(({ block }) => notify(formatHead(block)))],
    [
      "logs",
      (options, notify) => {
        const filter = logFilterParam(options ?? {}, "filter");
        return chain.onBlock(({ block, receipts }) => {
          for (const log of logsOfBlock(block, receipts, filter)) notify(log);
        });
      },
    ],
    [
      "newPendingTransactions",
      (options, notify) => {
        const isFull = booleanParam(options, "full");
        return pool.onTransaction(({ transaction, hash, sender }) =>
          notify(isFull ? formatPending(transaction, hash, sender.bytes) : bytesToHex(hash)),
        );
      },
    ],
  ]);
}
