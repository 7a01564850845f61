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
import type { Clock } from "../ports/clock.ts";
import {
  type BlockKey,
  createEncodedBlocks,
  type EncodedBlock,
  type SentBefore,
} from "./encoded-blocks.ts";
import { grpcError } from "./grpc-error.ts";
import { HISTORY_PAUSE_MS, LOOP_LATE_MS, NEW_HEIGHTS, SLOW_READER_MS } from "./limits.ts";
import { createLoopLag, type LoopLag } from "./loop-lag.ts";
import type { GrpcMetrics } from "./metrics.ts";
import type { GrpcBlocks } from "./ports.ts";
import { createReaderTurns } from "./reader-turns.ts";
import type { StreamContent } from "./stream-content.ts";
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
  stop(): void;
}

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
  const encoded = createEncodedBlocks({ blocks, clock, metrics });
  const turns = createReaderTurns(clock, () => lag.lagMs());
  /** Woken by the next block. */
  let waiting: (() => void)[] = [];
  let fillingWaits = 0;
  const off = blocks.onBlock(() => {
    const woken = waiting;
    waiting = [];
    for (const wake of woken) wake();
  });

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

        /** One message at most, so that all readers go on alike. */
        function step(): void {
          isQueued = false;
          if (isOver || isLoading) return;
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
            const block = inHand ?? encoded.peek(key(), before);
            inHand = undefined;
            if (block !== undefined) write(block);
            else if (isLive() || hasPaused || lag.lagMs() <= LOOP_LATE_MS) load();
            else pause();
          }
        }

        /** History can wait: reading it is what costs the loop most. */
        function pause(): void {
          hasPaused = true;
          clock.after(HISTORY_PAUSE_MS, wake);
        }

        function load(): void {
          isLoading = true;
          const isHistory = !isLive();
          const head = blocks.height();
          encoded.load(key(), before).then(
            (block) => {
              isLoading = false;
              if (isHistory) metrics.historyReads.inc();
              setWaitsForFilling(block === "filling");
              if (typeof block === "string") {
                // A block may have come while it was looked for, or the end of the stream.
                if (blocks.height() > head || call.cancelled || stopped.aborted) wake();
                else waiting.push(wake);
                return;
              }
              inHand = block;
              wake();
            },
            (error: unknown) => {
              isLoading = false;
              finish(error);
            },
          );
        }

        function write({ bytes, height, validatorsHash, lastHeader }: EncodedBlock): void {
          setWaitsForFilling(false);
          unread.write(bytes, bytes.length, next);
          metrics.streamBlocks.inc();
          metrics.streamBytes.inc(bytes.length);
          before = {
            validatorsHash,
            lastHeader: Math.max(before.lastHeader, lastHeader),
            isCompressed,
          };
          next = Height(height + 1);
          hasPaused = false;
          wake();
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
    stop() {
      off();
      lag.stop();
      turns.stop();
    },
  };
}
