/**
 * Transactions that were submitted to this process, and what CometBFT must know of them. The application
 * checks each at once, in this process, so that its answer has the code and the reason that it has under
 * the embedded engine; what it takes goes to CometBFT's pool, which passes it on to peers.
 */
import { sha256Latin1 } from "../../proto/hash.ts";
import type { CheckTxRequest, CheckTxResponse } from "../abci/application.ts";
import { EMPTY_TX_RESULT } from "../abci/empty-result.ts";
import type { Cancel, Clock } from "../ports/clock.ts";
import {
  type CometRpcClient,
  type CometRpcError,
  isCometRpcError,
} from "../ports/comet-rpc/client.ts";
import type { Logger } from "../ports/logger.ts";
import {
  HANDOVER_BATCH_MAX,
  HANDOVER_BODY_BYTES_MAX,
  HANDOVER_BYTES_MAX,
  HANDOVER_CALL_BYTES,
  HANDOVER_FAILURES_TOLD,
  HANDOVER_QUEUE_MAX,
  HANDOVER_RETRY_MS,
} from "./limits.ts";
import type { CometBftMetrics } from "./metrics.ts";

export interface Handover {
  /**
   * Checks a transaction, and hands it to CometBFT when it is taken.
   * @returns undefined when too many wait already: nothing was checked
   */
  submit(tx: Uint8Array): Promise<CheckTxResponse | undefined>;
  /** CheckTx as CometBFT calls it: what this process has taken already is not checked again. */
  checkTx(request: CheckTxRequest): Promise<CheckTxResponse>;
  /** CometBFT answers; `pending` is what the application holds and its new pool does not. */
  up(pending: readonly Uint8Array[]): void;
  /** It does not answer any more; what was taken waits. */
  down(): void;
}

interface Waiting {
  readonly tx: Uint8Array;
  readonly key: string;
}

/** Nobody looks at this answer but CometBFT's pool, which asks for the code alone. */
const TAKEN: CheckTxResponse = EMPTY_TX_RESULT;

export function createHandover(
  options: {
    /** Calls of one request that CometBFT takes; 0: as many as one likes. */
    readonly batchMax: number;
    /** Bytes of one request that it takes: room for the largest transaction by itself. */
    readonly bodyBytesMax: number;
  },
  deps: {
    readonly client: Pick<CometRpcClient, "batch">;
    readonly checkTx: (request: CheckTxRequest) => Promise<CheckTxResponse>;
    readonly clock: Clock;
    readonly logger: Logger;
    readonly metrics: CometBftMetrics;
  },
): Handover {
  const { client, clock, logger, metrics } = deps;
  const batchMax =
    options.batchMax === 0 ? HANDOVER_BATCH_MAX : Math.min(options.batchMax, HANDOVER_BATCH_MAX);
  const bodyBytesMax = Math.min(options.bodyBytesMax, HANDOVER_BODY_BYTES_MAX);
  /** Requests in a row that had no answer. */
  let failures = 0;
  const queue: Waiting[] = [];
  let queueBytes = 0;
  /** Taken, told to CometBFT or about to be, and not asked for yet. */
  const taken = new Map<string, CheckTxResponse>();
  let isUp = false;
  let isSending = false;
  let retry: Cancel | undefined;

  function push(tx: Uint8Array, answer: CheckTxResponse): void {
    const key = sha256Latin1(tx);
    if (taken.has(key)) return;
    taken.set(key, answer);
    queue.push({ tx, key });
    queueBytes += tx.length;
    metrics.handoverWaiting.set(queue.length);
  }

  /** One request at a time: an account's transactions reach peers in the order of their nonces. */
  async function send(): Promise<void> {
    if (isSending) return;
    isSending = true;
    retry?.cancel();
    try {
      while (isUp && queue.length > 0) {
        const batch = nextBatch();
        const params = batch.map(({ tx }) => ({ tx: Buffer.from(tx).toString("base64") }));
        const answers = await client.batch("broadcast_tx_async", params);
        failures = 0;
        queue.splice(0, batch.length);
        for (const [i, one] of batch.entries()) {
          queueBytes -= one.tx.length;
          const answer = answers[i];
          if (answer !== undefined && isCometRpcError(answer)) refused(one, answer);
        }
        metrics.handoverWaiting.set(queue.length);
      }
    } catch (error) {
      failures += 1;
      logger[failures === HANDOVER_FAILURES_TOLD ? "warn" : "debug"](
        "transactions not handed over yet",
        {
          waiting: queue.length,
          error: String(error),
        },
      );
      if (isUp) retry = clock.after(HANDOVER_RETRY_MS, () => void send());
    } finally {
      isSending = false;
    }
  }

  function nextBatch(): Waiting[] {
    let bytes = 0;
    let count = 0;
    for (const { tx } of queue) {
      bytes += Math.ceil(tx.length / 3) * 4 + HANDOVER_CALL_BYTES;
      if (count > 0 && (count >= batchMax || bytes > bodyBytesMax)) break;
      count += 1;
    }
    return queue.slice(0, count);
  }

  /** The application holds it and will propose it; only peers do not hear of it from here. */
  function refused({ key }: Waiting, error: CometRpcError): void {
    taken.delete(key);
    // A peer was faster.
    if (/already exists in cache/.test(error.message)) return;
    metrics.handoverRefused.inc();
    logger.warn("CometBFT does not pass a transaction on", { error: error.message });
  }

  return {
    async submit(tx) {
      if (queue.length >= HANDOVER_QUEUE_MAX || queueBytes >= HANDOVER_BYTES_MAX) return undefined;
      const answer = await deps.checkTx({ tx, type: "new" });
      if (answer.code === 0) {
        push(tx, answer);
        void send();
      }
      return answer;
    },
    async checkTx(request) {
      if (request.type === "new" && taken.size > 0) {
        const key = sha256Latin1(request.tx);
        const answer = taken.get(key);
        if (answer !== undefined) {
          taken.delete(key);
          return answer;
        }
      }
      return deps.checkTx(request);
    },
    up(pending) {
      isUp = true;
      for (const tx of pending) push(tx, TAKEN);
      void send();
    },
    down() {
      isUp = false;
      retry?.cancel();
      // Its pool has gone with it, and will be told all that the application holds.
      queue.length = 0;
      queueBytes = 0;
      taken.clear();
    },
  };
}
