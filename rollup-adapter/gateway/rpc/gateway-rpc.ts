/**
 * Ethereum JSON-RPC in front of an executor elsewhere (op-geth behind the Engine API, or anything that serves reads): takes
 * wallets' transactions, has them ordered, and passes reads on.
 */
import type { Address } from "@ethereumjs/util";
import { keccak_256 } from "@noble/hashes/sha3.js";
import type { Clock } from "../../../sequencer/ports/clock.ts";
import type { Logger } from "../../../sequencer/ports/logger.ts";
import { formatPending } from "../../evm/rpc/format.ts";
import { mevMethods, type SearcherPort } from "../../evm/rpc/mev-methods.ts";
import type { EvmMetrics } from "../../evm/metrics.ts";
import type { DecodedPayload } from "../../evm/payload.ts";
import type { ExecuteBlockResponse } from "../../execution.ts";
import { Dispatcher } from "../../json-rpc/dispatcher.ts";
import { bytesToHex } from "../../json-rpc/hex.ts";
import type { Subscribe } from "../../json-rpc/method.ts";
import { booleanParam } from "../../json-rpc/params.ts";
import type { Readiness } from "../../json-rpc/http-handler.ts";
import { type RpcServerOptions, startRpcServer } from "../../json-rpc/server.ts";
import {
  PendingPool,
  type PoolQuota,
  type Restoring,
  type SubmitPort,
} from "../pool/pending-pool.ts";
import { type StatusDependencies, statusMethods } from "../status/status-method.ts";
import { createExecutionFeed } from "../execution-feed.ts";
import { createGatewayMethods } from "./methods.ts";
import { createRpcChain, type RpcChainOptions } from "./rpc-chain.ts";
import { createUpstream } from "./upstream.ts";
import { createUpstreamSubscriptions } from "./upstream-subscriptions.ts";

export interface GatewayRpcOptions extends RpcChainOptions {
  readonly rpc: RpcServerOptions;
  /** The executor's own RPC. `webSocket` left out: no subscriptions to blocks and logs. */
  readonly executor: { readonly http: string; readonly webSocket?: string | undefined };
  /** What web3_clientVersion says. */
  readonly clientVersion: string;
}

export interface GatewayRpcDependencies {
  /** Has the sequencer order a transaction of this rollup; throws with a reason when it will not. */
  readonly submit: SubmitPort;
  /** Keeps accepted transactions beyond the process; left out: they are lost with it. */
  readonly restoring?: Restoring | undefined;
  /** What one requester may have; left out: all. */
  readonly quota?: PoolQuota | undefined;
  /** How far the executor's state is behind the order, in words: nothing is taken meanwhile; left out: it never is. */
  readonly catchingUp?: (() => string | undefined) | undefined;
  /** Calls in one batch; default and highest: RPC_BATCH_MAX. */
  readonly batchMax?: number | undefined;
  /** Takes bundles and bids of searchers; left out: their methods do not exist. */
  readonly searchers?: SearcherPort | undefined;
  /** What answers `weft_getTransactionStatus`; left out: the method does not exist. */
  readonly status?: Omit<StatusDependencies, "chain" | "pool"> | undefined;
  readonly readiness: () => Promise<Readiness>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Pick<
    EvmMetrics,
    | "pendingTransactions"
    | "resubmissions"
    | "rpcDropped"
    | "rpcRequests"
    | "rpcRequestSeconds"
    | "rpcWebSockets"
  >;
}

export interface GatewayRpc {
  readonly rpc: { readonly host: string; readonly port: number; readonly url: string };
  /** Tells what the driver has fed and the executor answered; call once per height, in order, and again where it feeds again. */
  blockExecuted(
    payloads: readonly Uint8Array[],
    answer: Pick<ExecuteBlockResponse, "outcome" | "included" | "skipped">,
    height?: number,
  ): void;
  close(): Promise<void>;
}

/** Listens; rejects when the port is taken. */
export async function startGatewayRpc(
  options: GatewayRpcOptions,
  dependencies: GatewayRpcDependencies,
): Promise<GatewayRpc> {
  const { clock, logger, metrics, restoring } = dependencies;
  const upstream = createUpstream(options.executor.http);
  const chain = createRpcChain(options, upstream, () => clock.monotonicMs());
  const feed = createExecutionFeed();
  const { submit, quota, catchingUp } = dependencies;
  const kept = restoring?.kept;
  const pool = new PendingPool({
    chain,
    submit,
    clock,
    logger,
    metrics,
    kept,
    quota,
    catchingUp,
  });
  if (restoring !== undefined) await pool.restore(restoring);
  const { webSocket } = options.executor;
  const subscriptions =
    webSocket === undefined ? undefined : createUpstreamSubscriptions(webSocket, { clock, logger });
  const stop = (): void => {
    pool.close();
    subscriptions?.close();
  };

  const kinds = new Map<string, Subscribe>([
    [
      "newPendingTransactions",
      (wish, notify) => {
        const isFull = booleanParam(wish, "full");
        return pool.onTransaction(({ transaction, hash, sender }) =>
          notify(isFull ? formatPending(transaction, hash, sender.bytes) : bytesToHex(hash)),
        );
      },
    ],
  ]);
  if (subscriptions !== undefined) {
    for (const name of ["newHeads", "logs"]) kinds.set(name, subscriptions.kind(name));
  }
  try {
    const { clientVersion } = options;
    const methods = createGatewayMethods({
      upstream,
      pool,
      clientVersion,
      more: {
        ...(dependencies.status &&
          statusMethods({ ...dependencies.status, pool: () => pool, chain: () => chain })),
        ...(dependencies.searchers &&
          mevMethods(dependencies.searchers, {
            decoder: chain.decoder,
            headNumber: () => chain.headNumber(),
            pool,
          })),
      },
    });
    const server = await startRpcServer(options.rpc, {
      dispatcher: new Dispatcher({ methods, logger, metrics, batchMax: dependencies.batchMax }),
      subscriptions: kinds,
      readiness: dependencies.readiness,
      healthFacts: () => ({ chainId: options.chainId.toString(), pending: pool.size }),
      clock,
      logger,
      metrics,
    });
    const { host, port } = server;
    const shownHost = host.includes(":") ? `[${host}]` : host;
    return {
      rpc: { host, port, url: `http://${shownHost}:${port}` },
      blockExecuted(payloads, answer, height) {
        const { payloads: settled, isComplete } = feed.executed(payloads, answer, height);
        if (answer.outcome !== "block") return;
        // While nothing is pending here nobody waits for it: a node that follows has each sender looked for but once.
        const waited = pool.size === 0 ? [] : settled;
        chain.executed({
          included: waited.flatMap(({ payload, reason }) => {
            if (reason !== undefined) return [];
            const hash = keccak_256(payload);
            const sender = chain.decoder.senderOf(hash) ?? senderIn(chain.decoder.decode(payload));
            return sender === undefined ? [] : [{ hash, sender: sender.bytes }];
          }),
          skipped: waited.flatMap(({ payload, reason }) =>
            reason === undefined ? [] : [{ payload, reason }],
          ),
          isComplete,
          // The feed takes them to be gathered still.
          waiting: isComplete ? [] : payloads,
        });
      },
      async close() {
        await server.close();
        stop();
      },
    };
  } catch (cause) {
    stop();
    throw cause;
  }
}

function senderIn(payload: DecodedPayload): Address | undefined {
  return payload.kind === "skip" ? undefined : payload.decoded.sender;
}
