/**
 * Carries payloads of one rollup into the order: gathers those that arrive together into one signed
 * `RollupData` action, submits it as an unordered transaction, and submits again until the payload is
 * committed or cannot be. Nonces of the paying account never make it serial.
 */
import { randomBytes } from "node:crypto";
import { Height } from "../../proto/brands.ts";
import { formatAddress } from "../../proto/address.ts";
import { fromHex, toHex } from "../../proto/bytes.ts";
import { txItemBytes } from "../../proto/codec/weft-block.ts";
import { accountAddress, rollupData, type TxBody } from "../../proto/codec/weft-tx.ts";
import { WeftError } from "../../proto/errors.ts";
import { sha256 } from "../../proto/hash.ts";
import type { RollupId } from "../../proto/brands.ts";
import type { Logger } from "../../sequencer/ports/logger.ts";
import type { SubmitClient } from "../client/failover-client.ts";
import type { ChainInfo } from "../client/sequencer-client.ts";
import { signTx, type TxSigner } from "../client/signed-tx.ts";
import {
  BATCH_BYTES_MAX,
  BATCH_ENTRIES_MAX,
  CHAIN_INFO_AGE_MS,
  GATEWAY_PENDING_BYTES_MAX,
  GATEWAY_PENDING_MAX,
  RESUBMISSIONS_MAX,
} from "../limits.ts";
import type { GatewayMetrics } from "./metrics.ts";

export type SubmitterErrorInfo =
  /** Too many payloads wait for the order; try again later. */
  | { readonly code: "GATEWAY_FULL" }
  /** The payload alone is larger than an item may be. */
  | { readonly code: "GATEWAY_PAYLOAD_TOO_LARGE" }
  /** The sequencer refused the submission, for a reason that trying again does not mend. */
  | { readonly code: "GATEWAY_REFUSED"; readonly txCode: number; readonly codespace: string }
  /** The sequencer cannot be reached. */
  | { readonly code: "GATEWAY_UNREACHABLE" }
  /** The gateway was stopped. */
  | { readonly code: "GATEWAY_STOPPED" };

/** The sequencer's code for an account whose balance does not cover the cost (`sequencer/app/codes.ts`). */
const CODE_INSUFFICIENT_FUNDS = 27;

export interface SubmitterOptions {
  readonly rollupId: RollupId;
  /** How long the first payload of a batch waits for company, in ms; 0: until the end of the tick. */
  readonly coalesceMs: number;
  /** Heights until a submission expires; at most the chain's window. */
  readonly expiryBlocks: number;
  /** nweft per byte on top of the base fee. */
  readonly tipPerByte: bigint;
}

/** What a committed sequencer block holds of this rollup. */
export interface OrderedBatch {
  readonly height: Height;
  /** Transaction ids of the rollup's entries in this block. */
  readonly itemIds: readonly Uint8Array[];
}

export interface Submitter {
  /** Resolves when the sequencer's pool holds the payload. @throws WeftError<SubmitterErrorInfo> */
  submit(payload: Uint8Array): Promise<void>;
  /** Tells what was ordered; call once per height, in order. */
  blockOrdered(batch: OrderedBatch): void;
  /** Payloads that were accepted and are not ordered yet. */
  pendingCount(): number;
  stop(): void;
}

interface Waiting {
  readonly payload: Uint8Array;
  readonly attempt: number;
  readonly accepted: () => void;
  readonly refused: (error: Error) => void;
}

interface Batch {
  readonly id: string;
  readonly payloads: readonly Waiting[];
  readonly expiryHeight: number;
  isAccepted: boolean;
}

export function createSubmitter(
  options: SubmitterOptions,
  deps: {
    readonly client: SubmitClient;
    /** The account that pays for ordering. */
    readonly key: TxSigner;
    readonly logger: Logger;
    readonly metrics: GatewayMetrics;
  },
): Submitter {
  const { client, key, logger, metrics } = deps;
  const rollupIdBytes = fromHex(options.rollupId);
  const payer = formatAddress(accountAddress(key.publicKey));
  const batches = new Map<string, Batch>();
  let queue: Waiting[] = [];
  let pendingBytes = 0;
  let pendingCount = 0;
  let flushTimer: NodeJS.Timeout | undefined;
  let isFlushing = false;
  let isStopped = false;
  let info: ChainInfo | undefined;
  let infoMs = Number.NEGATIVE_INFINITY;
  let height = 0;

  /** Height and base fee of at most CHAIN_INFO_AGE_MS ago: the fee and the expiry leave room. */
  async function currentInfo(): Promise<ChainInfo> {
    if (info === undefined || performance.now() > infoMs + CHAIN_INFO_AGE_MS) {
      info = await client.chainInfo();
      infoMs = performance.now();
      height = Math.max(height, info.height);
    }
    return info;
  }

  function enqueue(entry: Waiting): void {
    queue.push(entry);
    pendingCount += 1;
    pendingBytes += entry.payload.length;
    metrics.pending.set(pendingCount);
    flushTimer ??= setTimeout(() => {
      flushTimer = undefined;
      void flush();
    }, options.coalesceMs);
  }

  function settled(entry: Waiting): void {
    pendingCount -= 1;
    pendingBytes -= entry.payload.length;
    metrics.pending.set(pendingCount);
  }

  /** Sends everything that waits, batch after batch, so that payloads keep their order. */
  async function flush(): Promise<void> {
    if (isFlushing) return;
    isFlushing = true;
    try {
      while (queue.length > 0 && !isStopped) await sendBatch(takeBatch());
    } finally {
      isFlushing = false;
    }
  }

  function takeBatch(): Waiting[] {
    let bytes = 0;
    let count = 0;
    for (const entry of queue) {
      if (
        count >= BATCH_ENTRIES_MAX ||
        (count > 0 && bytes + entry.payload.length > BATCH_BYTES_MAX)
      )
        break;
      bytes += entry.payload.length + 6;
      count += 1;
    }
    const taken = queue.slice(0, count);
    queue = queue.slice(count);
    return taken;
  }

  async function sendBatch(payloads: Waiting[]): Promise<void> {
    let batch: Batch | undefined;
    try {
      const signed = signBatch(await currentInfo(), payloads);
      batch = {
        id: toHex(signed.id),
        payloads,
        expiryHeight: signed.expiryHeight,
        isAccepted: false,
      };
      // Registered before it is sent: it may be committed before the answer arrives.
      batches.set(batch.id, batch);
      const outcome = await client.submit(signed.item);
      const isAccepted = outcome.code === 0 || outcome.isDuplicate;
      metrics.submissions.inc({ result: isAccepted ? "accepted" : "refused" });
      if (!isAccepted) {
        throw new WeftError<SubmitterErrorInfo>(
          { code: "GATEWAY_REFUSED", txCode: outcome.code, codespace: outcome.codespace },
          `the sequencer refused the submission: ${outcome.reason}${adviceFor(outcome.code)}`,
        );
      }
      batch.isAccepted = true;
      for (const entry of payloads) entry.accepted();
    } catch (cause) {
      if (batch !== undefined && !batches.delete(batch.id)) return; // ordered meanwhile
      const error =
        cause instanceof WeftError && cause.code === "GATEWAY_REFUSED"
          ? cause
          : new WeftError<SubmitterErrorInfo>(
              { code: "GATEWAY_UNREACHABLE" },
              "the sequencer cannot be reached; try again later",
              { cause },
            );
      logger.warn("submission not accepted", { error: error.message, payloads: payloads.length });
      for (const entry of payloads) {
        settled(entry);
        entry.refused(error);
      }
    }
  }

  /** A wallet's owner cannot know that another account pays for the order. */
  function adviceFor(code: number): string {
    if (code !== CODE_INSUFFICIENT_FUNDS) return "";
    return `; ordering is paid for by this rollup node's gateway account ${payer}: its operator must fund it with nweft (weft tx transfer ${payer} AMOUNT --from KEY)`;
  }

  function signBatch(
    chain: ChainInfo,
    payloads: readonly Waiting[],
  ): { id: Uint8Array; item: Uint8Array; expiryHeight: number } {
    const ahead = Math.max(1, Math.min(options.expiryBlocks, chain.unorderedWindow));
    const expiryHeight = Height(chain.height + ahead);
    const body: TxBody = {
      publicKey: key.publicKey,
      replay: { kind: "unordered", expiryHeight, salt: new Uint8Array(randomBytes(8)) },
      // The base fee may double before the submission expires out; the tip is paid as stated.
      fee: {
        maxFeePerByte: chain.baseFeePerByte * 2n + options.tipPerByte,
        tipPerByte: options.tipPerByte,
      },
      action: rollupData(
        rollupIdBytes,
        payloads.map((entry) => entry.payload),
      ),
    };
    metrics.batchBytes.observe(txItemBytes(body));
    return { ...signTx(chain.chainId, body, key), expiryHeight };
  }

  /** Queues again what its submission did not carry through; gives up after RESUBMISSIONS_MAX. */
  function again(entry: Waiting): void {
    if (entry.attempt >= RESUBMISSIONS_MAX) {
      metrics.abandoned.inc();
      logger.warn("payload abandoned after its last submission", {
        payload: toHex(sha256(entry.payload)),
        attempts: entry.attempt + 1,
      });
      return;
    }
    metrics.resubmissions.inc();
    enqueue({ ...entry, attempt: entry.attempt + 1, accepted: () => {}, refused: () => {} });
  }

  return {
    submit(payload) {
      return new Promise((accepted, refused) => {
        if (isStopped) {
          refused(
            new WeftError<SubmitterErrorInfo>(
              { code: "GATEWAY_STOPPED" },
              "the gateway is stopping",
            ),
          );
        } else if (payload.length > BATCH_BYTES_MAX) {
          refused(
            new WeftError<SubmitterErrorInfo>(
              { code: "GATEWAY_PAYLOAD_TOO_LARGE" },
              `a payload has at most ${BATCH_BYTES_MAX} bytes, got ${payload.length}`,
            ),
          );
        } else if (
          pendingCount >= GATEWAY_PENDING_MAX ||
          pendingBytes + payload.length > GATEWAY_PENDING_BYTES_MAX
        ) {
          refused(
            new WeftError<SubmitterErrorInfo>(
              { code: "GATEWAY_FULL" },
              `${pendingCount} payloads wait for the order already; try again later`,
            ),
          );
        } else {
          enqueue({ payload: payload.slice(), attempt: 0, accepted, refused });
        }
      });
    },
    blockOrdered(ordered) {
      height = Math.max(height, ordered.height);
      for (const id of ordered.itemIds) {
        const batch = batches.get(toHex(id));
        if (batch === undefined) continue;
        batches.delete(batch.id);
        for (const entry of batch.payloads) {
          settled(entry);
          // Ordered before its submission was answered: an answer all the same.
          if (!batch.isAccepted) entry.accepted();
        }
      }
      for (const batch of batches.values()) {
        // Valid while height < expiry; an unanswered submission is settled by its own call.
        if (batch.expiryHeight > height || !batch.isAccepted) continue;
        batches.delete(batch.id);
        for (const entry of batch.payloads) {
          settled(entry);
          again(entry);
        }
      }
    },
    pendingCount: () => pendingCount,
    stop() {
      isStopped = true;
      clearTimeout(flushTimer);
      const stopped = new WeftError<SubmitterErrorInfo>(
        { code: "GATEWAY_STOPPED" },
        "the gateway is stopping",
      );
      for (const entry of queue) entry.refused(stopped);
      queue = [];
    },
  };
}
