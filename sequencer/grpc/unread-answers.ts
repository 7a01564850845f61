/**
 * What callers were answered and have not taken. gRPC hands an answer to HTTP/2, which holds it, a status behind it, and the
 * call for as long as its caller does not read. Here these bytes are counted for each connection: with too many of them it
 * is given no more blocks, and a call of which nothing is taken for too long is reset. So are calls, those first of which
 * nothing was taken for the longest, when all connections together have too many. What was written to the socket already is
 * held there even for calls that were reset, and counted until it is gone; to be rid of it the connection is closed.
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
import {
  UNREAD_ANSWER_MS,
  UNREAD_BYTES_PER_SECOND_MIN,
  UNREAD_KEPT_SHARE,
  UNREAD_LOOK_MS,
} from "./limits.ts";
import type { GrpcMetrics } from "./metrics.ts";
import type { Outgoing } from "./outgoing.ts";

export interface UnreadAnswers {
  /** The first one of a server, so that it has what HTTP/2 is given. */
  readonly interceptor: ServerInterceptor;
  /** @throws GRPC_RESOURCE_EXHAUSTED when too much is unread of the connection that the call came by */
  check(call: Pick<ServerInterceptingCallInterface, "getPeer">): void;
  stop(): void;
}

export interface UnreadLimits {
  /** Of one connection, exceeded by one answer at most. */
  readonly bytesMax: number;
  /** Of all of them, exceeded by one answer at most. */
  readonly allBytesMax: number;
}

export function createUnreadAnswers(
  { bytesMax, allBytesMax }: UnreadLimits,
  {
    clock,
    metrics,
    outgoing,
  }: {
    /** Of the connection from this address and port. */
    readonly outgoing: (peer: string) => Outgoing | undefined;
    readonly clock: Pick<Clock, "after" | "monotonicMs">;
    readonly metrics: Pick<GrpcMetrics, "unreadBytes" | "unreadCalls">;
  },
): UnreadAnswers {
  /** By address and port, while a call on it has answered. */
  const connections = new Map<string, Connection>();
  /** Calls that have had something unread since they were looked at, or still have. */
  const watched = new Set<CountedCall>();
  let allBytes = 0;
  let timer: Cancel | undefined;

  function resetLate(): void {
    timer = undefined;
    const nowMs = clock.monotonicMs();
    for (const call of watched) {
      const { bytes, sinceMs } = call.unread;
      if (bytes > 0 && nowMs - sinceMs >= takingMs(bytes)) reset(call, "late");
      if (call.unread.bytes === 0) forget(call);
    }
    if (watched.size > 0) timer = clock.after(UNREAD_LOOK_MS, resetLate);
  }

  /** More than is needed for the moment, so that they are not put in order for every answer. */
  function makeRoom(newest: CountedCall): void {
    const calls = [...watched].filter((call) => call !== newest && call.unread.bytes > 0);
    calls.sort((a, b) => a.unread.sinceMs - b.unread.sinceMs);
    for (const call of calls) {
      if (allBytes <= allBytesMax * UNREAD_KEPT_SHARE) return;
      // It may have gone with another one of its connection.
      if (call.unread.bytes > 0) reset(call, "room");
      if (call.unread.bytes > 0) call.closeConnection();
      forget(call);
    }
  }

  function forget(call: CountedCall): void {
    watched.delete(call);
    call.unread.isWatched = false;
  }

  function reset(call: CountedCall, reason: "late" | "room"): void {
    if (call.reset()) metrics.unreadCalls.inc({ reason });
  }

  const book: Book = {
    nowMs: () => clock.monotonicMs(),
    open(peer, call) {
      const connection = connections.get(peer) ?? {
        bytes: 0,
        calls: new Set<CountedCall>(),
        outgoing: outgoing(peer),
      };
      connection.calls.add(call);
      connections.set(peer, connection);
      return connection;
    },
    close(peer, call, { calls }) {
      calls.delete(call);
      if (calls.size === 0) connections.delete(peer);
    },
    count(bytes) {
      allBytes += bytes;
      metrics.unreadBytes.set(allBytes);
    },
    watch(call) {
      watched.add(call);
      timer ??= clock.after(UNREAD_LOOK_MS, resetLate);
    },
    added(call) {
      if (allBytes > allBytesMax) makeRoom(call);
    },
  };

  return {
    interceptor: (_, call) => new CountedCall(call, book),
    check(call) {
      const bytes = connections.get(call.getPeer())?.bytes ?? 0;
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

/** What all calls of a connection have unread, and which of them have answered. */
interface Connection {
  bytes: number;
  readonly calls: Set<CountedCall>;
  readonly outgoing: Outgoing | undefined;
}

/** What a call tells of itself: little for each message, which a node sends by the thousand. */
interface Book {
  nowMs(): number;
  /** It begins to answer, to this address and port. */
  open(peer: string, call: CountedCall): Connection;
  close(peer: string, call: CountedCall, connection: Connection): void;
  /** So many bytes more, or fewer, are unread. */
  count(bytes: number): void;
  /** It has something unread, and is to be looked at. */
  watch(call: CountedCall): void;
  /** An answer of it came to be unread. */
  added(call: CountedCall): void;
}

/** Knows what of its answers was handed over and not taken. */
class CountedCall extends ServerInterceptingCall {
  /** `sinceMs`: when something of it was taken last, or came to be unread. */
  readonly unread = { bytes: 0, sinceMs: 0, isWatched: false };
  readonly #stream: ServerHttp2Stream;
  readonly #book: Book;
  readonly #peer: string;
  #connection: Connection | undefined;
  #isReset = false;

  constructor(call: ServerInterceptingCallInterface, book: Book) {
    super(call);
    this.#stream = streamOf(call);
    this.#book = book;
    this.#peer = call.getPeer();
  }

  /** A gRPC client reads this code as RESOURCE_EXHAUSTED. @returns false when it was reset before */
  reset(): boolean {
    const isFirst = !this.#isReset;
    this.#isReset = true;
    // HTTP/2 writes what it may before it lets go of the rest.
    if (isFirst) this.#stream.close(constants.NGHTTP2_ENHANCE_YOUR_CALM);
    if (!this.#isStuck()) this.#taken(this.unread.bytes);
    return isFirst;
  }

  /** All its calls end. */
  closeConnection(): void {
    const connection = this.#connection;
    if (connection === undefined) return;
    // First, so that HTTP/2 writes no more: to a closed socket it would without end.
    this.#stream.session?.destroy();
    connection.outgoing?.destroy();
    for (const call of connection.calls) call.#taken(call.unread.bytes);
  }

  #isStuck(): boolean {
    return (this.#connection?.outgoing?.waitingBytes() ?? 0) > 0;
  }

  override sendMessage(message: unknown, goOn: () => void): void {
    const stream = this.#stream;
    // Its deadline has passed: gRPC has ended the answer.
    if (stream.writableEnded) return;
    const heldBytes = stream.writableLength;
    let bytes = 0;
    super.sendMessage(message, () => {
      if (bytes > 0) this.#taken(bytes);
      goOn();
    });
    bytes = stream.writableLength - heldBytes;
    // None: the call is over, or the message too large.
    if (bytes === 0 || stream.closed || stream.destroyed) return;
    const { unread } = this;
    if (unread.bytes === 0) unread.sinceMs = this.#book.nowMs();
    unread.bytes += bytes;
    this.#opened().bytes += bytes;
    this.#book.count(bytes);
    if (!unread.isWatched) {
      unread.isWatched = true;
      this.#book.watch(this);
    }
    this.#book.added(this);
  }

  #opened(): Connection {
    if (this.#connection === undefined) {
      const connection = this.#book.open(this.#peer, this);
      this.#connection = connection;
      const { session } = this.#stream;
      this.#stream.once("close", () => {
        // A session that has ended leaves its socket open until all was taken.
        if (this.unread.bytes > 0 && session?.destroyed === true && this.#isStuck()) {
          connection.outgoing?.destroy();
        }
        this.#taken(this.unread.bytes);
        this.#book.close(this.#peer, this, connection);
      });
    }
    return this.#connection;
  }

  /** Nothing is left of a call that is over, whatever is said to be taken later. */
  #taken(given: number): void {
    const { unread } = this;
    const bytes = Math.min(given, unread.bytes);
    if (bytes === 0) return;
    unread.bytes -= bytes;
    if (unread.bytes > 0) unread.sinceMs = this.#book.nowMs();
    if (this.#connection !== undefined) this.#connection.bytes -= bytes;
    this.#book.count(-bytes);
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
