/**
 * What callers were answered and have not taken. gRPC hands an answer to HTTP/2, which holds it, a status behind it, and the
 * call for as long as its caller does not read. Here these bytes are counted for each connection: with too many of them it
 * is given no more blocks, and a call of which nothing is taken for too long is reset.
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
import { grpcError } from "./grpc-error.ts";
import { UNREAD_ANSWER_MS, UNREAD_BYTES_PER_SECOND_MIN, UNREAD_LOOK_MS } from "./limits.ts";
import type { GrpcMetrics } from "./metrics.ts";

export interface UnreadAnswers {
  /** The first one of a server, so that it has what HTTP/2 is given. */
  readonly interceptor: ServerInterceptor;
  /** @throws GRPC_RESOURCE_EXHAUSTED when too much is unread of the connection that the call came by */
  check(call: Pick<ServerInterceptingCallInterface, "getPeer">): void;
  stop(): void;
}

/** @param bytesMax of one connection, exceeded by one answer at most */
export function createUnreadAnswers(
  { bytesMax }: { readonly bytesMax: number },
  {
    clock,
    metrics,
  }: {
    readonly clock: Pick<Clock, "after" | "monotonicMs">;
    readonly metrics: Pick<GrpcMetrics, "unreadBytes" | "unreadCalls">;
  },
): UnreadAnswers {
  /** Bytes by address and port: connections with something unread. */
  const connections = new Map<string, number>();
  /** Calls with something unread, and since when none of it was taken. */
  const waiting = new Map<CountedCall, number>();
  let allBytes = 0;
  let timer: Cancel | undefined;

  function count(peer: string, bytes: number): void {
    const left = (connections.get(peer) ?? 0) + bytes;
    if (left === 0) connections.delete(peer);
    else connections.set(peer, left);
    allBytes += bytes;
    metrics.unreadBytes.set(allBytes);
  }

  function moved(call: CountedCall): void {
    if (call.unreadBytes() === 0) {
      waiting.delete(call);
      return;
    }
    waiting.set(call, clock.monotonicMs());
    timer ??= clock.after(UNREAD_LOOK_MS, resetLate);
  }

  function resetLate(): void {
    timer = undefined;
    const nowMs = clock.monotonicMs();
    for (const [call, sinceMs] of waiting) {
      if (nowMs - sinceMs < takingMs(call.unreadBytes())) continue;
      waiting.delete(call);
      metrics.unreadCalls.inc();
      call.reset();
    }
    if (waiting.size > 0) timer = clock.after(UNREAD_LOOK_MS, resetLate);
  }

  return {
    interceptor: (_, call) => new CountedCall(call, { count, moved }),
    check(call) {
      const bytes = connections.get(call.getPeer()) ?? 0;
      if (bytes < bytesMax) return;
      throw grpcError(
        "GRPC_RESOURCE_EXHAUSTED",
        `of the answers to this connection ${bytes} bytes have not been read; read them first`,
      );
    },
    stop() {
      timer?.cancel();
    },
  };
}

/** That a message was taken shows when all of it was: a large one may be on its way over a slow link. */
function takingMs(bytes: number): number {
  return UNREAD_ANSWER_MS + (bytes * 1_000) / UNREAD_BYTES_PER_SECOND_MIN;
}

/** What a call tells of itself. */
interface Book {
  /** So many bytes more, or fewer, are unread of the connection with that address and port. */
  count(peer: string, bytes: number): void;
  /** Something is unread from now on, or was taken. */
  moved(call: CountedCall): void;
}

/** Knows what of its answers was handed over and not taken. */
class CountedCall extends ServerInterceptingCall {
  readonly #stream: ServerHttp2Stream;
  readonly #book: Book;
  readonly #peer: string;
  #unreadBytes = 0;
  #isWatched = false;

  constructor(call: ServerInterceptingCallInterface, book: Book) {
    super(call);
    this.#stream = streamOf(call);
    this.#book = book;
    this.#peer = call.getPeer();
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
    // Its deadline has passed: gRPC has ended the answer.
    if (stream.writableEnded) return;
    const heldBytes = stream.writableLength;
    let bytes = 0;
    super.sendMessage(message, () => {
      this.#taken(bytes);
      goOn();
    });
    bytes = stream.writableLength - heldBytes;
    // None: the call is over, or the message too large.
    if (bytes === 0 || stream.closed || stream.destroyed) return;
    if (!this.#isWatched) stream.once("close", () => this.#taken(this.#unreadBytes));
    this.#isWatched = true;
    const wasTaken = this.#unreadBytes === 0;
    this.#unreadBytes += bytes;
    this.#book.count(this.#peer, bytes);
    if (wasTaken) this.#book.moved(this);
  }

  #taken(bytes: number): void {
    if (bytes === 0 || this.#unreadBytes === 0) return;
    this.#unreadBytes -= bytes;
    this.#book.count(this.#peer, -bytes);
    this.#book.moved(this);
  }
}

/** gRPC shows its stream to nobody, and has no other way to end a call whose caller does not read. */
function streamOf(call: ServerInterceptingCallInterface): ServerHttp2Stream {
  assert("stream" in call && isHttp2Stream(call.stream), "the lowest call has its HTTP/2 stream");
  return call.stream;
}

function isHttp2Stream(stream: unknown): stream is ServerHttp2Stream {
  return stream instanceof Duplex && "session" in stream && "close" in stream;
}
