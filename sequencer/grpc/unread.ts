import type { ServerWritableStream } from "@grpc/grpc-js";
import type { Height } from "../../proto/brands.ts";
import type { Clock } from "../ports/clock.ts";
import { grpcError } from "./grpc-error.ts";
import { SLOW_READER_MS, STREAM_UNREAD_BYTES_MAX, STREAM_UNREAD_MESSAGES_MAX } from "./limits.ts";
import type { GrpcMetrics } from "./metrics.ts";

/** What was written to a stream and its reader has not taken: bounded in messages and in bytes. */
export interface Unread<Message> {
  /** @param bytes roughly, of the message on the wire */
  write(message: Message, bytes: number, height: Height): void;
  hasRoom(): boolean;
  isEmpty(): boolean;
  /** Resolves when there is room for another message, or the call is over; false: too slow. */
  room(): Promise<boolean>;
  /** The height of the first message that was not taken as a whole write; `next` when everything was. */
  firstUnread(next: Height): Height;
}

export function createUnread<Request, Message>(
  call: ServerWritableStream<Request, Message>,
  stopped: AbortSignal,
  clock: Pick<Clock, "after" | "monotonicMs">,
): Unread<Message> {
  const waiting: { readonly height: Height; readonly bytes: number; readonly atMs: number }[] = [];
  let bytes = 0;
  let wake: (() => void) | undefined;
  const hasRoom = (): boolean =>
    waiting.length < STREAM_UNREAD_MESSAGES_MAX && bytes < STREAM_UNREAD_BYTES_MAX;
  const isOver = (): boolean => call.cancelled || stopped.aborted;

  /** Waits for a message to be taken or the call to end; false when the oldest one has waited for too long. */
  function progress(): Promise<boolean> {
    return new Promise((resolve) => {
      const finish = (isProgress: boolean): void => {
        timer.cancel();
        call.off("cancelled", moved);
        stopped.removeEventListener("abort", moved);
        wake = undefined;
        resolve(isProgress);
      };
      const moved = (): void => finish(true);
      const nowMs = clock.monotonicMs();
      const waitedMs = nowMs - (waiting[0]?.atMs ?? nowMs);
      const timer = clock.after(Math.max(0, SLOW_READER_MS - waitedMs), () => finish(false));
      wake = moved;
      call.once("cancelled", moved);
      stopped.addEventListener("abort", moved);
    });
  }

  return {
    write(message, size, height) {
      const entry = { height, bytes: size, atMs: clock.monotonicMs() };
      waiting.push(entry);
      bytes += size;
      call.write(message, () => {
        waiting.shift();
        bytes -= entry.bytes;
        wake?.();
      });
    },
    hasRoom,
    isEmpty: () => waiting.length === 0,
    async room() {
      while (!hasRoom() && !isOver()) if (!(await progress())) return false;
      return true;
    },
    firstUnread: (next) => waiting[0]?.height ?? next,
  };
}

/**
 * Writes a message and resolves when there is room for another one, or the call is over.
 * @throws GRPC_RESOURCE_EXHAUSTED when the reader is too slow
 */
export async function sendInTime<Message>(
  unread: Unread<Message>,
  { slowReaders }: Pick<GrpcMetrics, "slowReaders">,
  ...written: Parameters<Unread<Message>["write"]>
): Promise<void> {
  unread.write(...written);
  if (await unread.room()) return;
  slowReaders.inc();
  throw grpcError(
    "GRPC_RESOURCE_EXHAUSTED",
    `what was sent ${SLOW_READER_MS / 1_000} s ago has not been read; open the stream again`,
  );
}
