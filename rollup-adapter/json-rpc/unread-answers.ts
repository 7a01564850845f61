/**
 * Answers that their clients have not read yet: all of them together have a limit, and beyond it the one that waits the
 * longest goes, with its connection. Whoever reads is not kept waiting by those who do not.
 */
import type { ServerResponse } from "node:http";

export interface UnreadAnswers {
  /** Ends `response` with `text`. */
  send(response: ServerResponse, text: string): void;
}

/** @param dropped told of each connection that is cut */
export function createUnreadAnswers(bytesMax: number, dropped: () => void): UnreadAnswers {
  /** Bytes of each, the longest waiting first. */
  const waiting = new Map<ServerResponse, number>();
  let bytes = 0;

  function forget(response: ServerResponse): void {
    bytes -= waiting.get(response) ?? 0;
    waiting.delete(response);
  }

  return {
    send(response, text) {
      const body = Buffer.from(text);
      waiting.set(response, body.length);
      bytes += body.length;
      response.once("close", () => forget(response));
      response.end(body);
      for (const oldest of waiting.keys()) {
        if (bytes <= bytesMax) break;
        forget(oldest);
        dropped();
        oldest.destroy();
      }
    },
  };
}
