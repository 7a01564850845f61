/**
 * Carries payloads of one rollup into the order: gathers those that arrive together into one signed
 * `RollupData` action, or a sealed one, submits it as an unordered transaction, and submits again until the
 * payload is committed or cannot be. Nonces of the paying account never make it serial.
 *
 * Nothing is sent before its bytes are in the journal, and nothing is signed anew for a payload while what was
 * signed before may still be ordered: after a crash the same bytes are sent again, so that no fee is paid twice.
 */
import type { RollupId } from "../../proto/brands.ts";
import { Height } from "../../proto/brands.ts";
import { compareBytes, toHex } from "../../proto/bytes.ts";
import { WeftError } from "../../proto/errors.ts";
import { sha256 } from "../../proto/hash.ts";
import type { Logger } from "../../sequencer/ports/logger.ts";
import type { SubmitClient } from "../client/failover-client.ts";
import type { ChainInfo, SubmitOutcome } from "../client/sequencer-client.ts";
import type { TxSigner } from "../client/signed-tx.ts";
import {
  BATCH_BYTES_MAX,
  BATCH_ENTRIES_MAX,
  CHAIN_INFO_AGE_MS,
  GATEWAY_PENDING_BYTES_MAX,
  GATEWAY_PENDING_MAX,
  RESEND_BLOCKS,
  RESENT_PER_BLOCK_MAX,
  SALT_BLOCKS,
  RESUBMISSIONS_MAX,
  RETRY_MS_FIRST,
  RETRY_MS_MAX,
  SEAL_TRIES_MAX,
  SEALED_BATCH_BYTES_MAX,
} from "../limits.ts";
import { createBatchSigner, type SignedBatch } from "./batch-signer.ts";
import { type Batch, BATCH_PREFIX, type Entry, moved, record, removal } from "./batch.ts";
import { decodeBatchRecord } from "./journal/batch-record.ts";
import { createMemoryJournalStore, type JournalOperation } from "./journal/journal-store.ts";
import { createJournal, type Journal } from "./journal/journal.ts";
import type { GatewayMetrics } from "./metrics.ts";
import type { Sealer } from "./sealer.ts";
import {
  isTooLate,
  reasonIn,
  refusalOf,
  stopping,
  type SubmitterErrorInfo,
  unreachable,
} from "./submitter-error.ts";

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
  /** Takes up what the journal holds of an earlier life: sends it again as it was. Call first, once. */
  restore(): Promise<void>;
  /**
   * Resolves when the sequencer's pool holds the payload, and the journal its submission. One that is on its way
   * already is not sent twice, unless the caller knows that its place was in vain (`isRepeat`).
   * @throws WeftError<SubmitterErrorInfo>
   */
  submit(payload: Uint8Array, options?: { readonly isRepeat?: boolean }): Promise<void>;
  /** The submission that carries this payload: its transaction id (hex); undefined while it has none. */
  submissionOf(payload: Uint8Array): { readonly id: string | undefined } | undefined;
  /** Tells what was ordered; call once per height, in order. */
  blockOrdered(batch: OrderedBatch): void;
  /**
   * Settles once it is known what became of the journal's submissions while the process was not there: after the
   * first block that `blockOrdered` was told of.
   */
  readonly reconciled: Promise<void>;
  /** Payloads that were accepted and are not ordered yet. */
  pendingCount(): number;
  stop(): void;
}

export function createSubmitter(
  options: SubmitterOptions,
  deps: {
    readonly client: Pick<SubmitClient, "chainInfo" | "submit" | "ordered">;
    /** The account that pays for ordering. */
    readonly key: TxSigner;
    /** Seals every submission; without it none is. */
    readonly sealer?: Sealer | undefined;
    /** Left out: what waits is lost with the process. */
    readonly journal?: Journal | undefined;
    readonly logger: Logger;
    readonly metrics: GatewayMetrics;
  },
): Submitter {
  const { client, sealer, logger, metrics } = deps;
  const journal = deps.journal ?? createJournal(createMemoryJournalStore(), metrics);
  const signer = createBatchSigner(options, { key: deps.key, sealer, metrics });
  const batchBytesMax = sealer === undefined ? BATCH_BYTES_MAX : SEALED_BATCH_BYTES_MAX;
  const batches = new Map<string, Batch>();
  /** The newest entry of each payload. */
  const known = new Map<string, Entry>();
  let queue: Entry[] = [];
  /** Promised, refused for now: since which height. */
  let deferred: { readonly entry: Entry; readonly height: number }[] = [];
  let pendingBytes = 0;
  let pendingCount = 0;
  let sequence = 0;
  let flushTimer: NodeJS.Timeout | undefined;
  let isFlushing = false;
  let isStopped = false;
  let info: Promise<ChainInfo> | undefined;
  let infoMs = Number.NEGATIVE_INFINITY;
  /** Last block of which it is known what it holds of the rollup: never the node's word alone. */
  let height = 0;
  let isReconciling = false;
  let reconciliation = (): void => {};
  const reconciled = new Promise<void>((resolve) => {
    reconciliation = resolve;
  });

  /** Height and base fee of at most CHAIN_INFO_AGE_MS ago: the fee and the expiry leave room. */
  async function currentInfo(isFresh: boolean): Promise<ChainInfo> {
    if (isFresh || info === undefined || performance.now() > infoMs + CHAIN_INFO_AGE_MS) {
      infoMs = performance.now();
      const asked = client.chainInfo(height);
      info = asked;
      // Asked again by the next one.
      asked.catch(() => {
        if (info === asked) info = undefined;
      });
    }
    const told = await info;
    return told.height >= height ? told : { ...told, height: Height(height) };
  }

  function enqueue(entry: Entry): void {
    count(entry);
    queueUp(entry);
  }

  function queueUp(entry: Entry): void {
    queue.push(entry);
    flushTimer ??= setTimeout(() => {
      flushTimer = undefined;
      void flush();
    }, options.coalesceMs);
  }

  function count(entry: Entry): void {
    known.set(entry.key, entry);
    pendingCount += 1;
    pendingBytes += entry.payload.length;
    metrics.pending.set(pendingCount);
  }

  function settled(entry: Entry): void {
    if (known.get(entry.key) === entry) known.delete(entry.key);
    pendingCount -= 1;
    pendingBytes -= entry.payload.length;
    metrics.pending.set(pendingCount);
  }

  function tellAccepted(entry: Entry): void {
    entry.isPromised = true;
    for (const { accepted } of entry.waiters.splice(0)) accepted();
  }

  function tellRefused(entry: Entry, error: Error): void {
    for (const { refused } of entry.waiters.splice(0)) refused(error);
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

  function takeBatch(): Entry[] {
    let bytes = 0;
    let entries = 0;
    for (const { payload } of queue) {
      const size = payload.length + ENTRY_BYTES;
      if (entries >= BATCH_ENTRIES_MAX || (entries > 0 && bytes + size > batchBytesMax)) break;
      bytes += size;
      entries += 1;
    }
    const taken = queue.slice(0, entries);
    queue = queue.slice(entries);
    return taken;
  }

  async function sendBatch(entries: Entry[]): Promise<void> {
    let batch: Batch | undefined;
    /** Registered before it is sent: it may be committed before the answer arrives. */
    async function send(isFresh: boolean): Promise<SubmitOutcome> {
      const payloads = entries.map((entry) => entry.payload);
      const signed = await signer.sign(
        await currentInfo(isFresh),
        payloads,
        isFresh,
        lastOutstanding(),
      );
      const operations: JournalOperation[] = [];
      if (batch !== undefined) {
        batches.delete(batch.name);
        operations.push(removal(batch));
      }
      batch = register(signed, entries);
      operations.push(record(batch, false), ...moved(entries));
      await journal.write(operations);
      return client.submit(batch.item);
    }
    try {
      let outcome = await send(false);
      for (let tries = 1; tries < SEAL_TRIES_MAX; tries++) {
        if (!isTooLate(outcome, sealer !== undefined)) break;
        if (sealer !== undefined) metrics.submissions.inc({ result: "resealed" });
        outcome = await send(true);
      }
      const refusal = refusalOf(outcome, signer.payer);
      metrics.submissions.inc({ result: refusal === undefined ? "accepted" : "refused" });
      if (refusal !== undefined) throw refusal;
      if (batch !== undefined) batch.state = "accepted";
      for (const entry of entries) tellAccepted(entry);
    } catch (cause) {
      await failed(entries, batch, cause);
    }
  }

  /** Id of the last of those that the next block may hold too. */
  function lastOutstanding(): Uint8Array | undefined {
    let last: Batch | undefined;
    for (const batch of batches.values()) {
      if (batch.signedHeight < height - SALT_BLOCKS) continue;
      if (last === undefined || compareBytes(batch.id, last.id) > 0) last = batch;
    }
    return last?.id;
  }

  function register(signed: SignedBatch, entries: readonly Entry[]): Batch {
    sequence += 1;
    const batch: Batch = {
      ...signed,
      name: toHex(signed.id),
      sequence,
      entries,
      state: "sending",
      isReconciled: true,
      unmoved: 0,
      sentHeight: Math.max(height, signed.signedHeight),
    };
    for (const entry of entries) entry.batch = batch;
    batches.set(batch.name, batch);
    return batch;
  }

  /** Nobody has taken it, or nobody says so. */
  async function failed(
    entries: readonly Entry[],
    batch: Batch | undefined,
    cause: unknown,
  ): Promise<void> {
    if (batch !== undefined && !batches.has(batch.name)) return; // ordered meanwhile
    const reason = reasonIn(cause);
    const error = reason ?? unreachable(batch !== undefined, cause);
    logger.warn("submission not accepted", { error: error.message, payloads: entries.length });
    if (batch !== undefined && reason === undefined) {
      // It may be ordered all the same: until it cannot be any more, the same bytes serve whoever asks again.
      batch.state = "unanswered";
      for (const entry of entries) tellRefused(entry, error);
      return;
    }
    if (batch !== undefined) {
      batches.delete(batch.name);
      const promised = entries.filter((entry) => entry.isPromised);
      batch.unmoved += promised.length;
      for (const entry of promised) entry.origin = batch;
      // Told before that is durable, a refusal could be followed by an execution after a crash.
      if (promised.length === 0) await journal.write([removal(batch)]).catch(() => {}); // a failure of its own
    }
    for (const entry of entries) {
      settled(entry);
      tellRefused(entry, error);
      // What was accepted once waits: the account may be funded, the lane opened.
      if (entry.isPromised) again(entry, (one) => deferred.push({ entry: one, height }));
    }
  }

  /** The same bytes once more, on behalf of somebody who waits for them. */
  async function sendAgain(batch: Batch): Promise<void> {
    batch.sentHeight = height;
    const isAwaited = batch.state === "unanswered";
    if (isAwaited) batch.state = "sending";
    let refusal: Error | undefined;
    try {
      // The node that took it may be cut off: then it goes to another.
      await currentInfo(false);
      refusal = refusalOf(await client.submit(batch.item), signer.payer);
      metrics.submissions.inc({ result: "sent_again" });
    } catch (cause) {
      refusal = unreachable(true, cause);
    }
    if (!isAwaited || !batches.has(batch.name)) return;
    batch.state = refusal === undefined ? "accepted" : "unanswered";
    for (const entry of batch.entries) {
      if (entry.waiters.length === 0) continue;
      if (refusal === undefined) tellAccepted(entry);
      else tellRefused(entry, refusal);
    }
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

  /** Ends a submission; what it did not carry through is queued again, or given up after RESUBMISSIONS_MAX. */
  function ended(batch: Batch, unfinished: readonly Entry[]): void {
    batches.delete(batch.name);
    for (const entry of batch.entries) settled(entry);
    batch.unmoved += unfinished.length;
    for (const entry of unfinished) {
      entry.origin = batch;
      again(entry, queueUp);
    }
    if (batch.unmoved === 0) journal.note([removal(batch)]);
  }

  function again(entry: Entry, queued: (entry: Entry) => void): void {
    if (entry.attempt >= RESUBMISSIONS_MAX) {
      metrics.abandoned.inc();
      logger.warn("payload abandoned after its last submission", {
        payload: entry.key,
        attempts: entry.attempt + 1,
      });
      journal.note(moved([entry]));
      return;
    }
    metrics.resubmissions.inc();
    const next: Entry = { ...entry, waiters: [], attempt: entry.attempt + 1, batch: undefined };
    count(next);
    queued(next);
  }

  function ordered(batch: Batch, isUnopened: boolean): void {
    // Ordered before its submission was answered: an answer all the same.
    for (const entry of batch.entries) tellAccepted(entry);
    if (isUnopened) journal.note([record(batch, true)]);
    ended(batch, isUnopened ? batch.entries : []);
  }

  /** After the first block of this life: which of the journal's submissions, `loaded`, a block before it holds. */
  async function reconcile(loaded: readonly Batch[], firstHeight: number): Promise<void> {
    const lowest = Math.min(...loaded.map((batch) => batch.signedHeight)) + 1;
    const { earliestHeight } = await currentInfo(true);
    if (lowest < earliestHeight) {
      logger.warn("submissions of before cannot all be looked up: the node has pruned blocks", {
        lowest,
        earliestHeight,
      });
    }
    const from = Math.max(lowest, earliestHeight);
    const places = await client.ordered(options.rollupId, from, firstHeight - 1);
    const ids = new Set(places.map(({ entry }) => toHex(entry.itemId)));
    for (const batch of loaded) {
      if (batches.get(batch.name) !== batch) continue; // ordered since
      batch.isReconciled = true;
      if (!ids.has(batch.name)) continue;
      metrics.recovered.inc({ what: "ordered" });
      ordered(batch, false);
    }
    reconciliation();
  }

  async function sendRestored(restored: readonly Batch[]): Promise<void> {
    for (const batch of restored) {
      if (batches.has(batch.name)) await client.submit(batch.item);
    }
  }

  /** Until it is done, with longer and longer pauses. */
  async function persist(work: () => Promise<void>, failed: (error: unknown) => void) {
    for (let pauseMs = RETRY_MS_FIRST; !isStopped; pauseMs = Math.min(2 * pauseMs, RETRY_MS_MAX)) {
      try {
        await work();
        return;
      } catch (error) {
        failed(error);
        await new Promise((resolve) => {
          setTimeout(resolve, pauseMs).unref();
        });
      }
    }
  }

  function refusalAtTheDoor(payload: Uint8Array): WeftError<SubmitterErrorInfo> | undefined {
    if (isStopped) {
      return stopping();
    }
    const bytesMax = batchBytesMax - ENTRY_BYTES;
    if (payload.length > bytesMax) {
      return new WeftError(
        { code: "GATEWAY_PAYLOAD_TOO_LARGE" },
        `a ${sealer === undefined ? "" : "sealed "}payload has at most ${bytesMax} bytes, got ${payload.length}`,
      );
    }
    if (
      pendingCount >= GATEWAY_PENDING_MAX ||
      pendingBytes + payload.length > GATEWAY_PENDING_BYTES_MAX
    ) {
      return new WeftError(
        { code: "GATEWAY_FULL" },
        `${pendingCount} payloads wait for the order already; try again later`,
      );
    }
    return undefined;
  }

  return {
    async restore() {
      const records = await journal.load(BATCH_PREFIX);
      const restored: Batch[] = [];
      // The newest first: a payload that it holds is not the older one's any more.
      const decoded = [...records]
        .map(([name, bytes]) => ({ name, ...decodeBatchRecord(name, bytes) }))
        .sort((a, b) => b.sequence - a.sequence);
      sequence = decoded[0]?.sequence ?? 0;
      for (const { name, payloads, attempts, isVoid, ...kept } of decoded) {
        const entries = payloads.flatMap((payload, i): Entry[] => {
          const key = toHex(sha256(payload));
          if (known.has(key)) return [];
          const attempt = attempts[i] ?? 0;
          const state = { isPromised: true, batch: undefined, origin: undefined };
          return [{ key, payload, attempt, waiters: [], ...state }];
        });
        const batch: Batch = {
          ...kept,
          id: Buffer.from(name, "hex"),
          name,
          entries,
          state: "accepted",
          isReconciled: isVoid,
          unmoved: 0,
          sentHeight: 0,
        };
        for (const entry of entries) {
          entry.batch = batch;
          count(entry);
        }
        if (isVoid || entries.length === 0) ended(batch, entries);
        else {
          batches.set(name, batch);
          restored.unshift(batch);
          metrics.recovered.inc({ what: "submission" });
        }
      }
      if (restored.length === 0) reconciliation();
      else logger.info("submissions of before are sent again", { submissions: restored.length });
      void persist(
        () => sendRestored(restored),
        (error) =>
          logger.debug("submissions of before could not be sent again yet", {
            error: String(error),
          }),
      );
    },
    submit(payload, { isRepeat = false } = {}) {
      const key = toHex(sha256(payload));
      const underWay = isRepeat ? undefined : known.get(key);
      return new Promise((accepted, refused) => {
        if (underWay !== undefined) {
          if (underWay.isPromised) accepted();
          else underWay.waiters.push({ accepted, refused });
          if (underWay.batch?.state === "unanswered") void sendAgain(underWay.batch);
          return;
        }
        const refusal = refusalAtTheDoor(payload);
        if (refusal !== undefined) {
          refused(refusal);
          return;
        }
        const state = { isPromised: false, batch: undefined, origin: undefined };
        const waiters = [{ accepted, refused }];
        enqueue({ key, payload: payload.slice(), attempt: 0, waiters, ...state });
      });
    },
    submissionOf(payload) {
      const entry = known.get(toHex(sha256(payload)));
      return entry && { id: entry.batch?.name };
    },
    blockOrdered(block) {
      height = Math.max(height, block.height);
      const unopened = new Set(block.unopenedIds.map(toHex));
      for (const id of block.itemIds) {
        const batch = batches.get(toHex(id));
        if (batch !== undefined) ordered(batch, unopened.has(batch.name));
      }
      if (!isReconciling) {
        isReconciling = true;
        const loaded = [...batches.values()].filter((batch) => !batch.isReconciled);
        if (loaded.length === 0) reconciliation();
        else {
          void persist(
            () => reconcile(loaded, block.height),
            // Nothing is signed anew for them till then.
            (error) =>
              logger.warn("submissions of before could not be looked up yet", {
                error: String(error),
              }),
          );
        }
      }
      // While the node cannot be asked, batches wait for their expiry.
      if (sealer !== undefined) noteKeyChange(sealer).catch(() => {});
      const isDue = (one: (typeof deferred)[number]): boolean =>
        height >= one.height + RESEND_BLOCKS;
      for (const { entry } of deferred.filter(isDue)) queueUp(entry);
      deferred = deferred.filter((one) => !isDue(one));
      let resent = 0;
      for (const batch of batches.values()) {
        // An unanswered submission is settled by its own call, one of before by what blocks before hold.
        if (batch.state === "sending" || !batch.isReconciled) continue;
        // Valid while height < expiry.
        if (batch.expiryHeight <= height) {
          const isUnanswered = batch.state === "unanswered";
          ended(
            batch,
            batch.entries.filter((entry) => entry.isPromised || !isUnanswered),
          );
        } else if (
          (batch.state === "accepted" || batch.entries.some((entry) => entry.isPromised)) &&
          height >= batch.sentHeight + RESEND_BLOCKS &&
          resent < RESENT_PER_BLOCK_MAX
        ) {
          // The node that took it may have lost its pool.
          resent += 1;
          void sendAgain(batch);
        }
      }
    },
    reconciled,
    pendingCount: () => pendingCount,
    stop() {
      isStopped = true;
      clearTimeout(flushTimer);
      const error = stopping();
      for (const entry of queue) tellRefused(entry, error);
      queue = [];
    },
  };
}
