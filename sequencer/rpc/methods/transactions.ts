/** Transactions: sending, waiting, finding (`rpc/core/{mempool,tx,evidence}.go`). */
import type { Height } from "../../../proto/brands.ts";
import { toBase64 } from "../../../proto/bytes.ts";
import { assert, isWeftError } from "../../../proto/errors.ts";
import { txHash } from "../../../proto/hashes.ts";
import { merkleProofs } from "../../../proto/merkle.ts";
import type { Block, MerkleProof } from "../../../proto/types.ts";
import type { CheckTxResponse, ExecTxResult } from "../../abci/application.ts";
import type { Json } from "../amino-json.ts";
import { bytes, hex, integer } from "../amino-json.ts";
import { EMPTY_TX_RESULT } from "../../abci/empty-result.ts";
import { txResultToJson } from "../abci-json.ts";
import type { RpcEnvironment } from "../environment.ts";
import { resolvePage, resolvePerPage } from "../environment.ts";
import { methodFailure } from "../errors.ts";
import type { TxPosition } from "../indexer/chain-index.ts";
import { ASYNC_TXS_PENDING_MAX, QUERY_LENGTH_MAX } from "../limits.ts";
import { optional, param } from "../params.ts";
import { parseQuery } from "../query/query.ts";
import type { CallContext, Route } from "../routes.ts";
import { route } from "../routes.ts";
import { isDescending } from "./blocks.ts";

export function transactionRoutes(env: RpcEnvironment): Readonly<Record<string, Route>> {
  const txParam = { tx: param("bytes") };
  const sendAsync = asyncSender(env);
  return {
    broadcast_tx_async: route(txParam, ({ tx }) => sendAsync(tx)),
    broadcast_tx_sync: route(txParam, async ({ tx }) => {
      const { code, data, log, codespace } = await submit(env, tx);
      return { code, data: hex(data), log, codespace, hash: hex(txHash(tx)) };
    }),
    broadcast_tx_commit: route(txParam, ({ tx }, context) => broadcastCommit(env, tx, context)),
    check_tx: route(txParam, async ({ tx }) => {
      if (env.app.dryRun === undefined) {
        throw methodFailure(
          "check_tx is not available: this application keeps what it checks; use broadcast_tx_sync",
        );
      }
      return txResultToJson(await env.app.dryRun(tx));
    }),
    unconfirmed_txs: route({ limit: optional("int") }, ({ limit }) => {
      const txs = env.mempool.list(resolvePerPage(limit)).map(toBase64);
      return { ...pendingCounts(env, txs.length), txs };
    }),
    num_unconfirmed_txs: route({}, () => ({
      ...pendingCounts(env, env.mempool.count()),
      txs: null,
    })),
    tx: route(
      { hash: param("bytes"), prove: param("bool") },
      ({ hash, prove }) => txByHash(env, hash, prove),
      { cacheUnlessDefault: [] },
    ),
    tx_search: route(
      {
        query: param("string"),
        prove: param("bool"),
        page: optional("int"),
        per_page: optional("int"),
        order_by: param("string"),
      },
      (args) => txSearch(env, args),
    ),
  };
}

function pendingCounts(env: RpcEnvironment, shown: number): { readonly [key: string]: Json } {
  return {
    n_txs: integer(shown),
    total: integer(env.mempool.count()),
    total_bytes: integer(env.mempool.sizeBytes()),
  };
}

/** Passes a transaction to the pool; a refusal becomes this call's error. */
async function submit(env: RpcEnvironment, tx: Uint8Array): Promise<CheckTxResponse> {
  try {
    return await env.mempool.submit(tx);
  } catch (error) {
    if (isWeftError(error)) throw methodFailure(error.message, error);
    throw error;
  }
}

/**
 * Answers before the check is done. What the pool refuses at once, it refuses here too; a later
 * refusal is only logged, for nobody waits for it.
 */
function asyncSender(env: RpcEnvironment): (tx: Uint8Array) => Promise<Json> {
  let pending = 0;
  /** The next turn of the loop, one for all that come in this one. */
  let turn: Promise<void> | undefined;
  const nextTurn = (): Promise<void> =>
    (turn ??= new Promise((resolve) => {
      setImmediate(() => {
        turn = undefined;
        resolve();
      });
    }));
  return async (tx) => {
    if (pending >= ASYNC_TXS_PENDING_MAX) {
      env.metrics.refused.inc({ reason: "async_txs_pending" });
      throw methodFailure(
        `${ASYNC_TXS_PENDING_MAX} transactions wait for their check; send again later`,
      );
    }
    pending++;
    let refusal: unknown;
    submit(env, tx).then(
      () => pending--,
      (error: unknown) => {
        pending--;
        refusal = error;
        env.logger.debug("refused a transaction sent async", { error });
      },
    );
    await nextTurn();
    if (refusal !== undefined) throw refusal;
    return { code: 0, data: "", log: "", codespace: "", hash: hex(txHash(tx)) };
  };
}

async function broadcastCommit(
  env: RpcEnvironment,
  tx: Uint8Array,
  { client, signal }: CallContext,
): Promise<Json> {
  const hash = hex(txHash(tx));
  const answer = (check: CheckTxResponse, result: ExecTxResult, height: number): Json => ({
    check_tx: txResultToJson(check),
    tx_result: txResultToJson(result),
    hash,
    height: integer(height),
  });
  const wait = waitForTx(env, client, hash, signal);
  try {
    const check = await submit(env, tx).catch((error: unknown) => {
      if (!isWeftError(error)) throw error;
      throw methodFailure(`error on broadcastTxCommit: ${error.message}`, error);
    });
    if (check.code !== 0) return answer(check, EMPTY_TX_RESULT, 0);
    wait.startTimer();
    const { height, result } = await wait.done;
    return answer(check, result, height);
  } finally {
    wait.end();
  }
}

interface TxWait {
  readonly done: Promise<{ readonly height: Height; readonly result: ExecTxResult }>;
  startTimer(): void;
  end(): void;
}

/** Waits for a transaction's event; subscribed before it is sent, so that none is missed. */
function waitForTx(env: RpcEnvironment, client: string, hash: string, signal: AbortSignal): TxWait {
  let settle: {
    resolve(value: { readonly height: Height; readonly result: ExecTxResult }): void;
    reject(error: Error): void;
  };
  const done = new Promise<{ readonly height: Height; readonly result: ExecTxResult }>(
    (resolve, reject) => (settle = { resolve, reject }),
  );
  // The call may fail earlier than this wait, which then nobody awaits.
  done.catch(() => {});
  const query = parseQuery(`tm.event='Tx' AND tx.hash='${hash}'`);
  const unsubscribe = env.hub.subscribe(client, query, {
    deliver: ({ event }) => {
      if (event.kind === "Tx") settle.resolve({ height: event.height, result: event.result });
    },
    cancelled: (reason) => settle.reject(methodFailure(`txSub was canceled (reason: ${reason})`)),
  });
  const onAbort = () =>
    settle.reject(methodFailure("broadcast confirmation not received: context canceled"));
  signal.addEventListener("abort", onAbort, { once: true });
  let timer: { cancel(): void } | undefined;
  return {
    done,
    startTimer() {
      timer = env.clock.after(env.broadcastCommitTimeoutMs, () =>
        settle.reject(methodFailure("timed out waiting for tx to be included in a block")),
      );
    },
    end() {
      timer?.cancel();
      unsubscribe();
      signal.removeEventListener("abort", onAbort);
    },
  };
}

async function txByHash(env: RpcEnvironment, hash: Uint8Array, prove: boolean): Promise<Json> {
  if (env.index === undefined) throw methodFailure("transaction indexing is disabled");
  if (hash.length === 0) throw methodFailure("transaction hash cannot be empty");
  const position = await env.index.txByHash(hash);
  const tx = position === undefined ? undefined : await new TxReader(env).read(position, prove);
  if (tx === undefined) throw methodFailure(`tx (${hex(hash)}) not found`);
  return tx;
}

async function txSearch(
  env: RpcEnvironment,
  args: {
    readonly query: string;
    readonly prove: boolean;
    readonly page: bigint | undefined;
    readonly per_page: bigint | undefined;
    readonly order_by: string;
  },
): Promise<Json> {
  if (env.index === undefined) throw methodFailure("transaction indexing is disabled");
  if (Buffer.byteLength(args.query) > QUERY_LENGTH_MAX) {
    throw methodFailure("maximum query length exceeded");
  }
  const query = parseQuery(args.query);
  const isReversed = isDescending(args.order_by, "asc");
  const found = await env.index.searchTxs(query);
  const { skip, take } = resolvePage(args.page, args.per_page, found.length);
  const ordered = isReversed ? found.toReversed() : found;
  const reader = new TxReader(env);
  const txs: Json[] = [];
  for (const position of ordered.slice(skip, skip + take)) {
    const tx = await reader.read(position, args.prove);
    if (tx !== undefined) txs.push(tx);
  }
  return { txs, total_count: integer(found.length) };
}

/** Reads transactions back from their blocks; a page of them often shares one block. */
class TxReader {
  readonly #env: RpcEnvironment;
  #height: Height | undefined;
  #block: Block | undefined;
  #results: readonly ExecTxResult[] = [];
  #proofs: { readonly root: Uint8Array; readonly proofs: readonly MerkleProof[] } | undefined;

  constructor(env: RpcEnvironment) {
    this.#env = env;
  }

  /** undefined when the block is gone. */
  async read({ height, index }: TxPosition, prove: boolean): Promise<Json | undefined> {
    if (this.#height !== height) {
      const [block, response] = await Promise.all([
        this.#env.blocks.block(height),
        this.#env.states.finalizeBlockResponse(height),
      ]);
      this.#height = height;
      this.#block = block;
      this.#results = response?.txResults ?? [];
      this.#proofs = undefined;
    }
    const tx = this.#block?.txs[index];
    const result = this.#results[index];
    if (tx === undefined || result === undefined) return undefined;
    return {
      hash: hex(txHash(tx)),
      height: integer(height),
      index,
      tx_result: txResultToJson(result),
      tx: toBase64(tx),
      ...(prove ? { proof: this.#proof(tx, index) } : {}),
    };
  }

  #proof(tx: Uint8Array, index: number): Json {
    // The leaves of `data_hash` are the hashes of the transactions (spec §5.2).
    this.#proofs ??= merkleProofs((this.#block?.txs ?? []).map(txHash));
    const proof = this.#proofs.proofs[index];
    assert(proof !== undefined, `no proof of transaction ${index}`);
    return {
      root_hash: hex(this.#proofs.root),
      data: toBase64(tx),
      proof: {
        total: integer(proof.total),
        index: integer(proof.index),
        leaf_hash: bytes(proof.leafHash),
        aunts: proof.aunts.map(toBase64),
      },
    };
  }
}
