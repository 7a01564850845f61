/**
 * What callers were answered and have not taken. gRPC hands an answer to HTTP/2, which holds it, a status behind it, and the
 * call for as long as its caller does not read. Here these bytes are counted, in all and for each address. Above the limits
 * calls are refused and messages of streams wait; a call of which nothing is taken for too long is reset.
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
import { UNREAD_ANSWER_MS } from "./limits.ts";
import type { GrpcMetrics } from "./metrics.ts";

export interface UnreadLimits {
  readonly bytesMax: number;
  readonly bytesOfPeerMax: number;
}

export interface UnreadAnswers {
  /** The first one of a server, so that it has what HTTP/2 is given. */
  readonly interceptor: ServerInterceptor;
  /** @throws GRPC_RESOURCE_EXHAUSTED when too much is unread, in all or of this address */
  check(address: string): void;
  /** As `check`; and counts an answer that is being made as unread, until what it returns is called, once. */
  reserve(address: string, bytes: number): () => void;
  stop(): void;
}

/** Without the port, of which a caller has as many as it likes. */
export function addressOf(call: Pick<ServerInterceptingCallInterface, "getPeer">): string {
  return call.getPeer().replace(/:\d+$/, "");
}

export function createUnreadAnswers(
  { bytesMax, bytesOfPeerMax }: UnreadLimits,
  {
    clock,
    metrics,
  }: {
    readonly clock: Pick<Clock, "after" | "monotonicMs">;
    readonly metrics: Pick<GrpcMetrics, "unreadBytes" | "unreadCalls">;
  },
): UnreadAnswers {
  const peers = new Map<string, Peer>();
  let allBytes = 0;
  /** Calls with unread answers, and since when none was taken: the one that has waited the longest first. */
  const waiting = new Map<CountedCall, number>();
  let timer: Cancel | undefined;

  const isFull = (): boolean => allBytes >= bytesMax;
  const bytesOf = (address: string): number => peers.get(address)?.bytes ?? 0;
  const hasRoom = (address: string): boolean => !isFull() && bytesOf(address) < bytesOfPeerMax;

  function check(address: string): void {
    if (isFull()) {
      throw grpcError(
        "GRPC_RESOURCE_EXHAUSTED",
        `of this node's answers ${allBytes} bytes have not been read; try another node`,
      );
    }
    const bytes = bytesOf(address);
    if (bytes >= bytesOfPeerMax) {
      throw grpcError(
        "GRPC_RESOURCE_EXHAUSTED",
        `of the answers to this address ${bytes} bytes have not been read; read them first`,
      );
    }
  }

  function peerOf(address: string): Peer {
    const peer = peers.get(address) ?? { address, bytes: 0, held: new Set() };
    peers.set(address, peer);
    return peer;
  }

  function add(peer: Peer, bytes: number): void {
    peer.bytes += bytes;
    allBytes += bytes;
    metrics.unreadBytes.set(allBytes);
  }

  function release(peer: Peer, bytes: number): void {
    const wasFull = isFull();
    add(peer, -bytes);
    for (const one of wasFull ? peers.values() : [peer]) {
      sendHeld(one);
      forget(one);
    }
  }

  /** One message of each call after the other. */
  function sendHeld(peer: Peer): void {
    for (const call of peer.held) {
      if (!hasRoom(peer.address)) return;
      peer.held.delete(call);
      if (call.sendHeld()) peer.held.add(call);
    }
  }

  function forget(peer: Peer): void {
    if (peer.bytes === 0 && peer.held.size === 0) peers.delete(peer.address);
  }

  function moved(call: CountedCall, isWaiting: boolean): void {
    waiting.delete(call);
    if (!isWaiting) return;
    waiting.set(call, clock.monotonicMs());
    timer ??= clock.after(UNREAD_ANSWER_MS, resetLate);
  }

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

  const book: Book = {
    hasRoom,
    add: (address, bytes) => add(peerOf(address), bytes),
    release: (address, bytes) => release(peerOf(address), bytes),
    hold: (address, call) => peerOf(address).held.add(call),
    letGo(address, call) {
      const peer = peerOf(address);
      peer.held.delete(call);
      forget(peer);
    },
    moved,
  };
  return {
    // The handler of a single answer asks whether there is room for it.
    interceptor: ({ responseStream }, call) => new CountedCall(call, book, responseStream),
    check,
    reserve(address, bytes) {
      check(address);
      if (bytes === 0) return () => {};
      const peer = peerOf(address);
      add(peer, bytes);
      return () => release(peer, bytes);
    },
    stop() {
      timer?.cancel();
    },
  };
}

interface Peer {
  readonly address: string;
  bytes: number;
  /** Calls with messages for which there is no room. */
  readonly held: Set<CountedCall>;
}

/** What a call tells of itself. */
interface Book {
  hasRoom(address: string): boolean;
  add(address: string, bytes: number): void;
  release(address: string, bytes: number): void;
  hold(address: string, call: CountedCall): void;
  letGo(address: string, call: CountedCall): void;
  /** Something is unread from now on, or was taken. */
  moved(call: CountedCall, isWaiting: boolean): void;
}

type Status = Parameters<ServerInterceptingCall["sendStatus"]>[0];

/** Hands over what there is room for, and knows what of it was not taken. */
class CountedCall extends ServerInterceptingCall {
  readonly #stream: ServerHttp2Stream;
  readonly #book: Book;
  readonly #canWait: boolean;
  readonly #address: string;
  #unreadBytes = 0;
  #held: (() => void)[] = [];
  /** Comes behind what is held. */
  #status: Status | undefined;
  #isWatched = false;

  constructor(call: ServerInterceptingCallInterface, book: Book, canWait: boolean) {
    super(call);
    this.#stream = streamOf(call);
    this.#book = book;
    this.#canWait = canWait;
    this.#address = addressOf(call);
  }

  /** A gRPC client reads this code as RESOURCE_EXHAUSTED. */
  reset(): void {
    this.#stream.close(constants.NGHTTP2_ENHANCE_YOUR_CALM);
  }

  /** There is room for a message; false when no further one waits. */
  sendHeld(): boolean {
    this.#held.shift()?.();
    if (this.#held.length > 0) return true;
    if (this.#status !== undefined) super.sendStatus(this.#status);
    return false;
  }

  override sendMessage(message: unknown, goOn: () => void): void {
    const wasWaiting = this.#isWaiting();
    const isFirst = this.#held.length === 0;
    if (!this.#canWait || (isFirst && this.#book.hasRoom(this.#address))) {
      this.#handOver(message, goOn);
    } else if (this.#watch()) {
      this.#held.push(() => this.#handOver(message, goOn));
      if (isFirst) this.#book.hold(this.#address, this);
    }
    if (!wasWaiting && this.#isWaiting()) this.#book.moved(this, true);
  }

  override sendStatus(status: Status): void {
    if (this.#held.length === 0) super.sendStatus(status);
    else this.#status = status;
  }

  #handOver(message: unknown, goOn: () => void): void {
    // Its deadline has passed: gRPC has ended the answer.
    if (this.#stream.writableEnded) return;
    const heldBytes = this.#stream.writableLength;
    let bytes = 0;
    super.sendMessage(message, () => {
      this.#taken(bytes);
      goOn();
    });
    bytes = this.#stream.writableLength - heldBytes;
    // None: the call is over, or the message too large.
    if (bytes === 0 || !this.#watch()) return;
    this.#unreadBytes += bytes;
    this.#book.add(this.#address, bytes);
  }

  #taken(bytes: number): void {
    if (bytes === 0 || this.#unreadBytes === 0) return;
    this.#unreadBytes -= bytes;
    this.#book.release(this.#address, bytes);
    this.#book.moved(this, this.#isWaiting());
  }

  #isWaiting(): boolean {
    return this.#unreadBytes > 0 || this.#held.length > 0;
  }

  /** Sees to it that the end of the call is noticed; false when that is past. */
  #watch(): boolean {
    if (this.#stream.closed || this.#stream.destroyed) return false;
    if (!this.#isWatched) this.#stream.once("close", () => this.#close());
    this.#isWatched = true;
    return true;
  }

  #close(): void {
    this.#held = [];
    this.#status = undefined;
    this.#book.letGo(this.#address, this);
    this.#book.release(this.#address, this.#unreadBytes);
    this.#unreadBytes = 0;
    this.#book.moved(this, false);
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
