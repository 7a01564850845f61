import type { ServerWritableStream } from "@grpc/grpc-js";
import { Height } from "../../proto/brands.ts";
import { SLOW_READER_MS, STREAM_UNREAD_BYTES_MAX, STREAM_UNREAD_MESSAGES_MAX } from "./limits.ts";

/** What was written to a stream and its reader has not taken: bounded in messages and in bytes. */
export interface Unread<Message> {
  write(message: Message): void;
  /** Resolves when there is room for another message, or the call is over; false: too slow. */
  room(): Promise<boolean>;
  /** The height that a reader which got what was taken goes on from. */
  firstUnread(): Height;
}

/** @param bytesOf roughly, of a message on the wire */
export function createUnread<Request, Message extends { readonly height: Height }>(
  call: ServerWritableStream<Request, Message>,
  bytesOf: (message: Message) => number,
  stopped: AbortSignal,
): Unread<Message> {
  const waiting: { readonly height: Height; readonly bytes: number }[] = [];
  let bytes = 0;
  let firstUnread = Height(0);
  let wake: (() => void) | undefined;
  const isFull = (): boolean =>
    waiting.length >= STREAM_UNREAD_MESSAGES_MAX || bytes > STREAM_UNREAD_BYTES_MAX;
  const isOver = (): boolean => call.cancelled || stopped.aborted;

  /** Waits for a message to be taken or the call to end; false after SLOW_READER_MS without either. */
  function progress(): Promise<boolean> {
    return new Promise((resolve) => {
      const finish = (isProgress: boolean): void => {
        clearTimeout(timer);
        call.off("cancelled", moved);
        stopped.removeEventListener("abort", moved);
        wake = undefined;
        resolve(isProgress);
      };
      const moved = (): void => finish(true);
      const timer = setTimeout(() => finish(false), SLOW_READER_MS);
      wake = moved;
      call.once("cancelled", moved);
      stopped.addEventListener("abort", moved);
    });
  }

  return {
    write(message) {
      const entry = { height: message.height, bytes: bytesOf(message) };
      waiting.push(entry);
      bytes += entry.bytes;
      call.write(message, () => {
        waiting.shift();
        bytes -= entry.bytes;
        firstUnread = Height(entry.height + 1);
        wake?.();
      });
    },
    async room() {
      while (isFull() && !isOver()) if (!(await progress())) return false;
      return true;
    },
    firstUnread: () => waiting[0]?.height ?? firstUnread,
  };
}
