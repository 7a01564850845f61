/**
 * What callers were answered and have not taken. gRPC hands an answer to HTTP/2, which holds it, a status behind it, and the
 * call for as long as its caller does not read. A call of which nothing is taken for too long is reset here.
 */
import { constants, type ServerHttp2Stream } from "node:http2";
import { Duplex } from "node:stream";
import {
  ServerInterceptingCall,
  type ServerInterceptingCallInterface,
  type ServerInterceptor,
} from "@grpc/grpc-js";
import { assert } from "../../proto/errors.ts";
import type { Cancel, Clock } from "../ports/clock.ts";
import { UNREAD_ANSWER_MS } from "./limits.ts";
import type { GrpcMetrics } from "./metrics.ts";

export interface UnreadAnswers {
  /** The first one of a server, so that it has what HTTP/2 is given. */
  readonly interceptor: ServerInterceptor;
  stop(): void;
}

export function createUnreadAnswers({
  clock,
  metrics,
}: {
  readonly clock: Pick<Clock, "after" | "monotonicMs">;
  readonly metrics: Pick<GrpcMetrics, "unreadCalls">;
}): UnreadAnswers {
  /** Calls with unread answers, and since when none was taken: the one that has waited the longest first. */
  const waiting = new Map<CountedCall, number>();
  let timer: Cancel | undefined;

  function resetLate(): void {
    timer = undefined;
    for (const [call, sinceMs] of waiting) {
      const leftMs = sinceMs + UNREAD_ANSWER_MS - clock.monotonicMs();
      if (leftMs > 0) {
        timer = clock.after(leftMs, resetLate);
        return;
      }
      waiting.delete(call);
      metrics.unreadCalls.inc();
      call.reset();
    }
  }

  function changed(call: CountedCall): void {
    waiting.delete(call);
    if (call.unreadBytes() === 0) return;
    waiting.set(call, clock.monotonicMs());
    timer ??= clock.after(UNREAD_ANSWER_MS, resetLate);
  }

  return {
    interceptor: (_, call) => new CountedCall(call, changed),
    stop() {
      timer?.cancel();
    },
  };
}

/** Knows what of its answers was handed over and not taken, and tells when that begins, goes on or ends. */
class CountedCall extends ServerInterceptingCall {
  readonly #stream: ServerHttp2Stream;
  readonly #changed: (call: CountedCall) => void;
  #unreadBytes = 0;

  constructor(call: ServerInterceptingCallInterface, changed: (call: CountedCall) => void) {
    super(call);
    this.#stream = streamOf(call);
    this.#changed = changed;
  }

  unreadBytes(): number {
    return this.#unreadBytes;
  }

  /** A gRPC client reads this code as RESOURCE_EXHAUSTED. */
  reset(): void {
    this.#stream.close(constants.NGHTTP2_ENHANCE_YOUR_CALM);
  }

  override sendMessage(message: unknown, goOn: () => void): void {
    const stream = this.#stream;
    const heldBytes = stream.writableLength;
    let bytes = 0;
    super.sendMessage(message, () => {
      this.#taken(bytes);
      goOn();
    });
    // None: the call is over, or the message too large.
    bytes = stream.writableLength - heldBytes;
    if (bytes === 0) return;
    if (this.#unreadBytes === 0) stream.once("close", this.#close);
    this.#unreadBytes += bytes;
    if (this.#unreadBytes === bytes) this.#changed(this);
  }

  #taken(bytes: number): void {
    if (bytes === 0 || this.#unreadBytes === 0) return;
    this.#unreadBytes -= bytes;
    if (this.#unreadBytes === 0) this.#stream.off("close", this.#close);
    this.#changed(this);
  }

  readonly #close = (): void => {
    this.#unreadBytes = 0;
    this.#changed(this);
  };
}

/** gRPC shows its stream to nobody, and has no other way to end a call whose caller does not read. */
function streamOf(call: ServerInterceptingCallInterface): ServerHttp2Stream {
  assert("stream" in call && isHttp2Stream(call.stream), "the lowest call has its HTTP/2 stream");
  return call.stream;
}

function isHttp2Stream(stream: unknown): stream is ServerHttp2Stream {
  return stream instanceof Duplex && "session" in stream && "close" in stream;
}
