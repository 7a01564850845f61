/** The JSON-RPC methods: names, and what each does with its parameters. */
import type { Clock } from "../../../sequencer/ports/clock.ts";
import type { Method, MethodTable } from "../../json-rpc/method.ts";
import type { EvmChain } from "../executor.ts";
import { atomicMethods } from "./atomic-methods.ts";
import { blockMethods } from "./block-methods.ts";
import type { FilterTable } from "./filters.ts";
import { logMethods } from "./log-methods.ts";
import { mevMethods, type SearcherPort } from "./mev-methods.ts";
import type { PendingPool } from "../../gateway/pool/pending-pool.ts";
import type { Simulator } from "./simulator.ts";
import { stateMethods } from "./state-methods.ts";
import { transactionMethods } from "./transaction-methods.ts";

export interface MethodDependencies {
  readonly chain: EvmChain;
  readonly pool: PendingPool;
  readonly simulator: Simulator;
  readonly filters: FilterTable;
  readonly suggestTip: () => bigint;
  readonly clock: Clock;
  /** What web3_clientVersion says. */
  readonly clientVersion: string;
  readonly moreMethods?: Readonly<Record<string, Method>> | undefined;
  /** Left out: no methods of searchers. */
  readonly searchers?: SearcherPort | undefined;
}

export function createMethodTable(dependencies: MethodDependencies): MethodTable {
  return new Map<string, Method>(
    Object.entries({
      ...blockMethods(dependencies),
      ...stateMethods(dependencies),
      ...transactionMethods(dependencies),
      ...logMethods(dependencies),
      ...atomicMethods(dependencies.chain),
      ...dependencies.moreMethods,
      ...(dependencies.searchers &&
        mevMethods(dependencies.searchers, {
          decoder: dependencies.chain.decoder,
          headNumber: () => Promise.resolve(dependencies.chain.head().number),
          pool: dependencies.pool,
        })),
    }),
  );
}
