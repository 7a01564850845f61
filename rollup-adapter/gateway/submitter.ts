/**
 * Carries payloads of one rollup into the order: gathers those that arrive together into one signed
 * `RollupData` action, or a sealed one, submits it as an unordered transaction, and submits again until the
 * payload is committed or cannot be. Nonces of the paying account never make it serial.
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
import type { ChainInfo, SubmitOutcome } from "../client/sequencer-client.ts";
import { type SignedItem, signTx, type TxSigner } from "../client/signed-tx.ts";
import {
  BATCH_BYTES_MAX,
  BATCH_ENTRIES_MAX,
  CHAIN_INFO_AGE_MS,
  GATEWAY_PENDING_BYTES_MAX,
  GATEWAY_PENDING_MAX,
  RESUBMISSIONS_MAX,
  SEAL_TRIES_MAX,
  SEALED_BATCH_BYTES_MAX,
} from "../limits.ts";
import type { GatewayMetrics } from "./metrics.ts";
import type { Sealer } from "./sealer.ts";

export type SubmitterErrorInfo =
  /** Too many payloads wait for the order; try again later. */
  | { readonly code: "GATEWAY_FULL" }
  /** The payload alone is larger than an item may be. */
  | { readonly code: "GATEWAY_PAYLOAD_TOO_LARGE" }
  /** The sequencer refused the submission, for a reason that trying again does not mend. */
  | { readonly code: "GATEWAY_REFUSED"; readonly txCode: number; readonly codespace: string }
  /** Submissions are sealed, and nothing sealed is taken now. */
  | { readonly code: "GATEWAY_SEAL_CLOSED" }
  /** The sequencer cannot be reached. */
  | { readonly code: "GATEWAY_UNREACHABLE" }
  /** The gateway was stopped. */
  | { readonly code: "GATEWAY_STOPPED" };

/** The sequencer's code for an account whose balance does not cover the cost (`sequencer/app/codes.ts`). */
const CODE_INSUFFICIENT_FUNDS = 27;
/** For a transaction whose expiry height has passed. */
const CODE_UNORDERED_EXPIRED = 22;
/** For one whose balance does not cover the bond of a sealed transaction. */
const CODE_SEAL_BOND = 224;
/**
 * For a sealed transaction that comes too late for its key, or to a node that is a block behind: its expiry
 * has passed, its key was replaced or is not in force yet, its last block has passed.
 */
const CODES_SEAL_KEY: ReadonlySet<number> = new Set([CODE_UNORDERED_EXPIRED, 221, 222, 223]);

/** Errors that tell a caller more than that nobody answered. */
const SAYS_WHY: ReadonlySet<string> = new Set([
  "GATEWAY_REFUSED",
  "GATEWAY_SEAL_CLOSED",
] satisfies SubmitterErrorInfo["code"][]);
/** Tag and length of an entry, at most. */
const ENTRY_BYTES = 6;

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
  /** Those of sealed ones that nobody opened: their place is void, and their payloads are sent again. */
  readonly unopenedIds: readonly Uint8Array[];
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
  /** From this block on nothing of it can be ordered. */
  expiryHeight: number;
  /** Number of the key that it is sealed for; undefined: it is not. */
  readonly key: number | undefined;
  isAccepted: boolean;
}

interface SignedBatch extends SignedItem {
  readonly expiryHeight: number;
  readonly key: number | undefined;
}

export function createSubmitter(
  options: SubmitterOptions,
  deps: {
    readonly client: Pick<SubmitClient, "chainInfo" | "submit">;
    /** The account that pays for ordering. */
    readonly key: TxSigner;
    /** Seals every submission; without it none is. */
    readonly sealer?: Sealer | undefined;
    readonly logger: Logger;
    readonly metrics: GatewayMetrics;
  },
): Submitter {
  const { client, key, sealer, logger, metrics } = deps;
  const batchBytesMax = sealer === undefined ? BATCH_BYTES_MAX : SEALED_BATCH_BYTES_MAX;
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
  async function currentInfo(isFresh: boolean): Promise<ChainInfo> {
    if (isFresh || info === undefined || performance.now() > infoMs + CHAIN_INFO_AGE_MS) {
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
        (count > 0 && bytes + entry.payload.length + ENTRY_BYTES > batchBytesMax)
      )
        break;
      bytes += entry.payload.length + ENTRY_BYTES;
      count += 1;
    }
    const taken = queue.slice(0, count);
    queue = queue.slice(count);
    return taken;
  }

  async function sendBatch(payloads: Waiting[]): Promise<void> {
    let batch: Batch | undefined;
    /** Registered before it is sent: it may be committed before the answer arrives. */
    async function send(isFresh: boolean): Promise<SubmitOutcome> {
      const signed = await signBatch(await currentInfo(isFresh), payloads, isFresh);
      const { expiryHeight } = signed;
      if (batch !== undefined) batches.delete(batch.id);
      batch = {
        id: toHex(signed.id),
        payloads,
        expiryHeight,
        key: signed.key,
        isAccepted: false,
      };
      batches.set(batch.id, batch);
      return client.submit(signed.item);
    }
    try {
      let outcome = await send(false);
      for (let tries = 1; tries < SEAL_TRIES_MAX; tries++) {
        if (sealer === undefined || !CODES_SEAL_KEY.has(outcome.code)) break;
        metrics.submissions.inc({ result: "resealed" });
        outcome = await send(true);
      }
      const isAccepted = outcome.code === 0 || outcome.isDuplicate;
      metrics.submissions.inc({ result: isAccepted ? "accepted" : "refused" });
      if (!isAccepted) {
        throw new WeftError<SubmitterErrorInfo>(
          { code: "GATEWAY_REFUSED", txCode: outcome.code, codespace: outcome.codespace },
          `the sequencer refused the submission: ${outcome.reason}${adviceFor(outcome.code)}`,
        );
      }
      if (batch !== undefined) batch.isAccepted = true;
      for (const entry of payloads) entry.accepted();
    } catch (cause) {
      if (batch !== undefined && !batches.delete(batch.id)) return; // ordered meanwhile
      const error =
        cause instanceof WeftError && SAYS_WHY.has(cause.code)
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
    if (code !== CODE_INSUFFICIENT_FUNDS && code !== CODE_SEAL_BOND) return "";
    return `; ordering is paid for by this rollup node's gateway account ${payer}: its operator must fund it with nweft (weft tx transfer ${payer} AMOUNT --from KEY)`;
  }

  /** `isFresh`: with the key that is in force now. */
  async function signBatch(
    chain: ChainInfo,
    payloads: readonly Waiting[],
    isFresh: boolean,
  ): Promise<SignedBatch> {
    const sealingKey = await sealer?.key(isFresh);
    const ahead = Math.max(1, Math.min(options.expiryBlocks, chain.unorderedWindow));
    // What is sealed for a key that ends is made anew for the next one.
    const end = sealingKey?.endHeight ?? Number.POSITIVE_INFINITY;
    const expiryHeight = Height(Math.min(chain.height + ahead, end));
    const terms: Omit<TxBody, "action"> = {
      publicKey: key.publicKey,
      replay: { kind: "unordered", expiryHeight, salt: new Uint8Array(randomBytes(8)) },
      // The base fee may double before the submission expires out; the tip is paid as stated.
      fee: {
        maxFeePerByte: chain.baseFeePerByte * 2n + options.tipPerByte,
        tipPerByte: options.tipPerByte,
      },
    };
    const data = payloads.map((entry) => entry.payload);
    const action =
      sealer === undefined || sealingKey === undefined
        ? rollupData(rollupIdBytes, data)
        : sealer.seal({
            ...terms,
            chainId: chain.chainId,
            key: sealingKey,
            parts: [{ rollupId: rollupIdBytes, data }],
            maxHeight: Height(expiryHeight - 1),
          });
    const body: TxBody = { ...terms, action };
    metrics.batchBytes.observe(txItemBytes(body));
    return { ...signTx(chain.chainId, body, key), expiryHeight, key: sealingKey?.number };
  }

  /** No block holds what is sealed for a key that was replaced: it need not wait for its expiry. */
  async function noteKeyChange(current: Sealer): Promise<void> {
    if (![...batches.values()].some((batch) => batch.key !== undefined)) return;
    const { number, fromHeight, endHeight } = await current.key();
    for (const batch of batches.values()) {
      if (batch.key === undefined) continue;
      const end = batch.key < number ? fromHeight : endHeight;
      if (end !== undefined) batch.expiryHeight = Math.min(batch.expiryHeight, end);
    }
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
        } else if (payload.length > batchBytesMax - ENTRY_BYTES) {
          refused(
            new WeftError<SubmitterErrorInfo>(
              { code: "GATEWAY_PAYLOAD_TOO_LARGE" },
              `a ${sealer === undefined ? "" : "sealed "}payload has at most ${batchBytesMax - ENTRY_BYTES} bytes, got ${payload.length}`,
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
      const unopened = new Set(ordered.unopenedIds.map(toHex));
      for (const id of ordered.itemIds) {
        const batch = batches.get(toHex(id));
        if (batch === undefined) continue;
        batches.delete(batch.id);
        for (const entry of batch.payloads) {
          settled(entry);
          // Ordered before its submission was answered: an answer all the same.
          if (!batch.isAccepted) entry.accepted();
          if (unopened.has(batch.id)) again(entry);
        }
      }
      // While the node cannot be asked, batches wait for their expiry.
      if (sealer !== undefined) noteKeyChange(sealer).catch(() => {});
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
