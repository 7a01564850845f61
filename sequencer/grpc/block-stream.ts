/**
 * StreamBlocks and StreamHeaders: every height once, in order, from the one asked for until the reader goes or has what it wanted. A
 * reader sets its own pace; one that does not take what it was sent is ended, and told where to go on.
 *
 * All readers of a node share what they read (`encoded-blocks.ts`) and take turns (`reader-turns.ts`). A reader is a small
 * state machine and not a task that waits: a thousand of them wake with every block.
 */
import { Metadata, type ServerWritableStream } from "@grpc/grpc-js";
import { Height } from "../../proto/brands.ts";
import { Compression } from "../../proto/grpc/compression.ts";
import type { StreamBlocksRequest } from "../../proto/grpc/rollup-service.ts";
import type { Cancel, Clock } from "../ports/clock.ts";
import {
  type BlockKey,
  createEncodedBlocks,
  type EncodedBlock,
  type SentBefore,
} from "./encoded-blocks.ts";
import { endOfStream, grpcError } from "./grpc-error.ts";
import { toWrite } from "./frames.ts";
import {
  BYTES_PER_TURN,
  HISTORY_PAUSE_MS,
  LOOP_LATE_MS,
  MESSAGES_PER_TURN,
  NEW_HEIGHTS,
  NEWS_PAUSE_MS_PER_READER,
  SLOW_READER_MS,
} from "./limits.ts";
import { createLoopLag, type LoopLag } from "./loop-lag.ts";
import type { GrpcMetrics } from "./metrics.ts";
import type { GrpcBlocks } from "./ports.ts";
import { createReaderTurns } from "./reader-turns.ts";
import type { Missing, StreamContent } from "./stream-content.ts";
import { createUnread } from "./unread.ts";

/** What all such requests have. */
export type StreamRange = Pick<StreamBlocksRequest, "fromHeight" | "untilHeight" | "compression">;

/** What is written is encoded already. */
export type BlockStreamCall<Request extends StreamRange> = ServerWritableStream<Request, Buffer>;

export interface BlockStreams {
  /** Resolves when the stream is at its end, and rejects with why it ends before. */
  serve<Request extends StreamRange>(
    call: BlockStreamCall<Request>,
    content: StreamContent,
  ): Promise<void>;
  /** Resolves when it is the turn of a reader who waited for this block to be read. */
  turn(height: Height): Promise<void>;
  stop(): void;
}

/** What became of a message that was not at hand. */
type Loaded =
  | { readonly kind: "message"; readonly block: EncodedBlock }
  | { readonly kind: Missing; readonly hasMissed: () => boolean }
  | { readonly kind: "failure"; readonly error: unknown };

export function createBlockStreams({
  blocks,
  clock,
  metrics,
  lag = createLoopLag(clock, metrics),
  stopped,
}: {
  readonly blocks: GrpcBlocks;
  readonly clock: Clock;
  readonly metrics: GrpcMetrics;
  readonly lag?: LoopLag;
  readonly stopped: AbortSignal;
}): BlockStreams {
  const turns = createReaderTurns(clock, () => lag.lagMs());
  const encoded = createEncodedBlocks({ blocks, clock, metrics, turns });
  const written = createWritten();
  /** Woken by the next block. */
  let waiting: (() => void)[] = [];
  let toldMs = Number.NEGATIVE_INFINITY;
  let telling: Cancel | undefined;
  /** Told when the reader who loads a message has it, by what is loaded. */
  const loads = new Map<string, ((outcome: Loaded) => void)[]>();
  let fillingWaits = 0;
  const off = blocks.onBlock(() => {
    if (telling !== undefined) return;
    const dueMs = toldMs + waiting.length * NEWS_PAUSE_MS_PER_READER;
    const inMs = dueMs - clock.monotonicMs();
    if (inMs <= 0) tell();
    else telling = clock.after(inMs, tell);
  });

  function tell(): void {
    telling = undefined;
    toldMs = clock.monotonicMs();
    const woken = waiting;
    waiting = [];
    for (const wake of woken) wake();
  }

  function setFillingWaits(change: 1 | -1): void {
    fillingWaits += change;
    metrics.waitingStreams.set(fillingWaits);
  }

  return {
    serve: <Request extends StreamRange>(
      call: BlockStreamCall<Request>,
      content: StreamContent,
    ): Promise<void> =>
      new Promise((resolve, reject) => {
        const { fromHeight, untilHeight = Height(0), compression } = call.request;
        const last = untilHeight === 0 ? Number.MAX_SAFE_INTEGER : untilHeight;
        const isCompressed = compression === Compression.GZIP;
        const unread = createUnread<Request, Buffer>(call, stopped, clock);
        let next = fromHeight === 0 ? Height(blocks.height() + 1) : fromHeight;
        let before: SentBefore = { validatorsHash: undefined, lastHeader: 0, isCompressed };
        /** Read for this reader, and not written yet. */
        let inHand: EncodedBlock | undefined;
        let isQueued = false;
        let isLoading = false;
        /** Has given way to a late loop once for this message. */
        let hasPaused = false;
        let isFillingWait = false;
        let isOver = false;
        const unwatch = lag.watch();

        const key = (): BlockKey => ({ content, from: next, last: content.lastOf(next, last) });
        /** A message that speaks of several heights is new as long as the last of them is. */
        const isLive = (): boolean => content.lastOf(next, last) + NEW_HEIGHTS > blocks.height();

        function finish(error?: unknown): void {
          if (isOver) return;
          isOver = true;
          unwatch();
          setWaitsForFilling(false);
          call.off("cancelled", wake);
          stopped.removeEventListener("abort", wake);
          if (error === undefined) resolve();
          // What it is is the caller's to say: a status, or a fault of ours.
          else reject(error);
        }

        function wake(): void {
          if (isOver || isQueued) return;
          isQueued = true;
          turns.add(step, isLive() ? "live" : "history");
        }

        function setWaitsForFilling(isWaiting: boolean): void {
          if (isFillingWait === isWaiting) return;
          isFillingWait = isWaiting;
          setFillingWaits(isWaiting ? 1 : -1);
        }

        /** A few messages at most, so that all readers go on alike. */
        function step(): void {
          isQueued = false;
          if (isOver || isLoading) return;
          if (!canGoOn()) return;
          const first = inHand ?? encoded.peek(key(), before);
          inHand = undefined;
          if (first === undefined) {
            if (isLive() || hasPaused || lag.lagMs() <= LOOP_LATE_MS) load(key());
            else pause();
            return;
          }
          const from = next;
          const messages = [first];
          let bytes = first.bytes.length;
          moveOn(first);
          // One that reads slowly gets them one by one.
          while (messages.length < MESSAGES_PER_TURN && unread.isEmpty()) {
            if (next > last || next > blocks.height()) break;
            const block = encoded.peek(key(), before);
            if (block === undefined || bytes + block.bytes.length > BYTES_PER_TURN) break;
            messages.push(block);
            bytes += block.bytes.length;
            moveOn(block);
          }
          unread.write(written.of(messages), bytes, from);
          metrics.streamBlocks.inc(undefined, messages.length);
          metrics.streamBytes.inc(undefined, bytes);
          wake();
        }

        /** Whether there is a message to be written, and room for it; sees to what comes instead. */
        function canGoOn(): boolean {
          if (call.cancelled) {
            finish();
          } else if (stopped.aborted) {
            const why = `the node is stopping; go on from height ${next}`;
            finish(
              grpcError("GRPC_UNAVAILABLE", why, {
                "weft-resume": String(unread.firstUnread(next)),
              }),
            );
          } else if (next > last) {
            finish();
          } else if (!unread.hasRoom()) {
            waitForReader();
          } else if (next > blocks.height()) {
            waiting.push(wake);
          } else {
            return true;
          }
          return false;
        }

        /** History can wait: reading it is what costs the loop most. */
        function pause(): void {
          hasPaused = true;
          clock.after(HISTORY_PAUSE_MS, wake);
        }

        /** One reader loads what others need too; they look for their form of it when it is there. */
        function load(at: BlockKey): void {
          isLoading = true;
          const id = `${content.id}/${at.from}/${at.last}`;
          const others = loads.get(id);
          if (others !== undefined) {
            others.push(loaded);
            return;
          }
          const all = [loaded];
          loads.set(id, all);
          const isHistory = !isLive();
          const head = blocks.height();
          const tellAll = (outcome: Loaded): void => {
            loads.delete(id);
            if (isHistory) metrics.historyReads.inc();
            if (outcome.kind === "message") inHand = outcome.block;
            for (const tell of all) tell(outcome);
          };
          loadAhead(at).then(
            (block) =>
              tellAll(
                typeof block === "string"
                  ? { kind: block, hasMissed: () => blocks.height() > head }
                  : { kind: "message", block },
              ),
            (error: unknown) => tellAll({ kind: "failure", error }),
          );
        }

        /** The message, and what is there of those that come with it at a turn. */
        async function loadAhead(at: BlockKey): Promise<EncodedBlock | Missing> {
          const first = await encoded.load(at, before);
          let block = first;
          let had = before;
          let bytes = 0;
          for (let more = MESSAGES_PER_TURN - 1; more > 0; more -= 1) {
            if (typeof block === "string") break;
            bytes += block.bytes.length;
            had = after(had, block);
            const from = Height(block.height + 1);
            if (from > last || from > blocks.height() || bytes >= BYTES_PER_TURN) break;
            const to = content.lastOf(from, last);
            // What cannot be read is said when it is this reader's turn to have it.
            block = await encoded
              .load({ content, from, last: to }, had)
              .catch(() => "block" as const);
          }
          return first;
        }

        function loaded(outcome: Loaded): void {
          isLoading = false;
          setWaitsForFilling(outcome.kind === "filling");
          if (outcome.kind === "failure") {
            finish(endOfStream(outcome.error, unread.firstUnread(next)));
          } else if (outcome.kind === "message") {
            wake();
          } else if (outcome.hasMissed() || call.cancelled || stopped.aborted) {
            // A block came while it was looked for, or the end of the stream.
            wake();
          } else {
            waiting.push(wake);
          }
        }

        function moveOn(block: EncodedBlock): void {
          setWaitsForFilling(false);
          before = after(before, block);
          next = Height(block.height + 1);
          hasPaused = false;
        }

        function waitForReader(): void {
          void unread.room().then((hasRoom) => (hasRoom ? wake() : endSlowReader()));
        }

        function endSlowReader(): void {
          metrics.slowReaders.inc();
          const height = unread.firstUnread(next);
          finish(
            grpcError(
              "GRPC_RESOURCE_EXHAUSTED",
              `what was sent ${SLOW_READER_MS / 1_000} s ago has not been read; go on from height ${height}`,
              { "weft-resume": String(height) },
            ),
          );
        }

        if (isCompressed) {
          const head = new Metadata();
          head.set("grpc-encoding", "gzip");
          call.sendMetadata(head);
        }
        call.on("cancelled", wake);
        stopped.addEventListener("abort", wake);
        wake();
      }),
    turn: (height) => turns.turn(height + NEW_HEIGHTS > blocks.height() ? "live" : "history"),
    stop() {
      off();
      telling?.cancel();
      lag.stop();
      turns.stop();
    },
  };
}

function after(before: SentBefore, { validatorsHash, lastHeader }: EncodedBlock): SentBefore {
  return { ...before, validatorsHash, lastHeader: Math.max(before.lastHeader, lastHeader) };
}

/** Readers come one after the other who are given the same messages: they are put together once. */
function createWritten() {
  const newest = new WeakMap<EncodedBlock, { messages: readonly EncodedBlock[]; bytes: Buffer }>();
  return {
    of(messages: readonly EncodedBlock[]): Buffer {
      const [first] = messages;
      const known = first && newest.get(first);
      const isSame =
        known?.messages.length === messages.length &&
        known.messages.every((message, i) => message === messages[i]);
      if (isSame) return known.bytes;
      const bytes = toWrite(messages);
      if (first !== undefined) newest.set(first, { messages, bytes });
      return bytes;
    },
  };
}
