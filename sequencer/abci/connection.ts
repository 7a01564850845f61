/**
 * One connection of the engine: requests in, answers out in the same order. Calls of one shared kind
 * run together (many CheckTx, so that their signatures are checked in batches); any other call waits
 * for those before it on this connection.
 */
import type { Socket } from "node:net";
import { isCodecError } from "../../proto/codec/errors.ts";
import { AssertionFailure } from "../../proto/errors.ts";
import type { Clock } from "../ports/clock.ts";
import type { Logger } from "../ports/logger.ts";
import { type AnswerCall, callClass, type CallClass, METHOD_NAMES } from "./answer-call.ts";
import { FrameReader } from "./frame-reader.ts";
import {
  ANSWER_BYTES_WAITING_MAX,
  EXCEPTION_LENGTH_MAX,
  REQUEST_BYTES_MAX,
  REQUEST_BYTES_UNDER_WAY_MAX,
  REQUESTS_UNDER_WAY_MAX,
} from "./limits.ts";
import type { AbciMetrics } from "./metrics.ts";
import { type AbciRequest, decodeAbciRequest } from "./request-codec.ts";
import { type AbciResponse, encodeAbciResponse } from "./response-codec.ts";

export interface ConnectionDependencies {
  readonly answer: AnswerCall;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: AbciMetrics;
  /** The application broke an assertion: it must not be asked again. */
  readonly onBroken: (error: AssertionFailure) => void;
}

/** A request whose answer has not been written. */
interface Slot {
  readonly method: string;
  readonly bytes: number;
  readonly startMs: number;
  answer: Uint8Array | undefined;
  isException: boolean;
}

/** Calls that may run together, after all calls before them. */
interface Batch {
  readonly class: CallClass;
  /** Settled when the calls before have ended; undefined when they have. */
  before: Promise<void> | undefined;
  underWay: number;
  onEmpty: (() => void) | undefined;
}

const MALFORMED = "malformed";

export class AbciConnection {
  /** Resolves when the socket is closed and no call of it runs any more. */
  readonly closed: Promise<void>;
  readonly #socket: Socket;
  readonly #deps: ConnectionDependencies;
  readonly #frames = new FrameReader({ bytesMax: REQUEST_BYTES_MAX });
  readonly #slots: Slot[] = [];
  #slotBytes = 0;
  #batch: Batch = { class: "immediate", before: undefined, underWay: 0, onEmpty: undefined };
  #callsUnderWay = 0;
  #isPaused = false;
  #isReading = false;
  /** A flush was answered while requests were read: write when that is over. */
  #isFlushDue = false;
  /** The other side has sent all that it will. */
  #hasEnded = false;
  /** No further request is read: what came is none, a call failed, or this side stops. */
  #isReadOver = false;
  #isEnding = false;
  #isSocketClosed = false;
  #isWriteDue = false;
  #resolveClosed: () => void = () => {};

  constructor(socket: Socket, deps: ConnectionDependencies) {
    this.#socket = socket;
    this.#deps = deps;
    this.closed = new Promise((resolve) => (this.#resolveClosed = resolve));
    socket.on("data", (chunk: Uint8Array) => this.#received(chunk));
    socket.on("drain", () => this.#advance());
    socket.on("end", () => {
      this.#hasEnded = true;
      this.#advance();
    });
    socket.on("error", (error) => {
      deps.logger.debug("ABCI socket failed", { error: error.message });
      socket.destroy();
    });
    socket.on("close", () => {
      this.#isSocketClosed = true;
      this.#isReadOver = true;
      this.#settle();
    });
  }

  /** Answers what has been read, then closes; what is asked from now on is not read. */
  finish(): void {
    this.#isReadOver = true;
    this.#socket.pause();
    this.#advance();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #received(chunk: Uint8Array): void {
    if (this.#isReadOver) return;
    this.#deps.metrics.receivedBytes.inc(undefined, chunk.length);
    this.#frames.push(chunk);
    this.#read();
  }

  /** Takes whole requests for as long as there is room for them. */
  #read(): void {
    if (this.#isReading) return;
    this.#isReading = true;
    while (!this.#isReadOver && !this.#isFull()) {
      try {
        const bytes = this.#frames.next();
        if (bytes === undefined) break;
        this.#take(decodeAbciRequest(bytes), bytes.length);
      } catch (error) {
        if (!isCodecError(error)) throw error;
        this.#refuse(error);
      }
    }
    this.#isReading = false;
    this.#pauseOrResume();
    if (!this.#isFlushDue) return;
    this.#isFlushDue = false;
    this.#advance();
  }

  #isFull(): boolean {
    return (
      this.#slots.length >= REQUESTS_UNDER_WAY_MAX ||
      this.#slotBytes >= REQUEST_BYTES_UNDER_WAY_MAX ||
      this.#socket.writableLength >= ANSWER_BYTES_WAITING_MAX
    );
  }

  #hasRoom(): boolean {
    return (
      this.#slots.length <= REQUESTS_UNDER_WAY_MAX / 2 &&
      this.#slotBytes <= REQUEST_BYTES_UNDER_WAY_MAX / 2 &&
      this.#socket.writableLength <= ANSWER_BYTES_WAITING_MAX / 2
    );
  }

  #pauseOrResume(): void {
    if (this.#isReadOver) return;
    if (!this.#isPaused && this.#isFull()) {
      this.#isPaused = true;
      this.#socket.pause();
      this.#deps.metrics.pauses.inc();
    } else if (this.#isPaused && this.#hasRoom()) {
      this.#isPaused = false;
      this.#socket.resume();
    }
  }

  #take(request: AbciRequest, bytes: number): void {
    const method = METHOD_NAMES[request.kind === "refused" ? request.call : request.kind];
    const slot = this.#addSlot(method, bytes);
    if (request.kind === "flush") {
      this.#answered(slot, { kind: "flush" });
      return;
    }
    const batch = this.#batchFor(callClass(request));
    this.#callsUnderWay++;
    if (batch !== undefined) batch.underWay++;
    void this.#run(request, slot, batch?.before).then(() => {
      this.#callsUnderWay--;
      if (batch !== undefined && --batch.underWay === 0) batch.onEmpty?.();
      this.#settle();
    });
  }

  #addSlot(method: string, bytes: number): Slot {
    const startMs = this.#deps.clock.monotonicMs();
    const slot = { method, bytes, startMs, answer: undefined, isException: false };
    this.#slots.push(slot);
    this.#slotBytes += bytes;
    return slot;
  }

  /** The batch that a call belongs to; undefined when it need not wait for anything. */
  #batchFor(wanted: CallClass): Batch | undefined {
    if (wanted === "immediate") return undefined;
    const last = this.#batch;
    if (last.class === wanted && wanted !== "exclusive") return last;
    const before =
      last.underWay === 0
        ? undefined
        : new Promise<void>((resolve) => {
            last.onEmpty = resolve;
          });
    const next: Batch = { class: wanted, before, underWay: 0, onEmpty: undefined };
    void before?.then(() => (next.before = undefined));
    this.#batch = next;
    return next;
  }

  async #run(request: AbciRequest, slot: Slot, before: Promise<void> | undefined): Promise<void> {
    try {
      if (before !== undefined) await before;
      this.#answered(slot, await this.#deps.answer(request));
    } catch (error) {
      this.#failed(slot, error);
    }
  }

  #answered(slot: Slot, answer: AbciResponse): void {
    slot.answer = encodeAbciResponse(answer);
    this.#deps.metrics.callSeconds.observe(
      (this.#deps.clock.monotonicMs() - slot.startMs) / 1_000,
      { method: slot.method },
    );
    this.#ready(slot);
  }

  /** The engine stops at an exception: its operator has to know which call it was, and why. */
  #failed(slot: Slot, error: unknown): void {
    const { logger, metrics, onBroken } = this.#deps;
    const reason = error instanceof Error ? error.message : String(error);
    logger.error("ABCI call failed", { method: slot.method, error: reason });
    metrics.exceptions.inc({ method: slot.method });
    slot.answer = encodeAbciResponse({
      kind: "exception",
      error: reason.slice(0, EXCEPTION_LENGTH_MAX),
    });
    slot.isException = true;
    const broken = assertionIn(error);
    if (broken !== undefined) onBroken(broken);
    this.#ready(slot);
  }

  /** Bytes that are no request: what came before them is answered, what comes after is not read. */
  #refuse(error: unknown): void {
    this.#isReadOver = true;
    this.#socket.pause();
    this.#failed(this.#addSlot(MALFORMED, 0), error);
  }

  #ready(slot: Slot): void {
    if (this.#slots[0] !== slot) return;
    // A flush ends a synchronous call of the engine, which waits for nothing else.
    if (slot.method !== METHOD_NAMES.flush) this.#advanceSoon();
    else if (this.#isReading) this.#isFlushDue = true;
    else this.#advance();
  }

  /** Answers that become ready in one turn leave together. */
  #advanceSoon(): void {
    if (this.#isWriteDue) return;
    this.#isWriteDue = true;
    setImmediate(() => {
      this.#isWriteDue = false;
      this.#advance();
    });
  }

  /** Writes the answers whose turn it is, and reads on when there is room. */
  #advance(): void {
    if (this.#isSocketClosed || this.#isEnding) return;
    const socket = this.#socket;
    let sent = 0;
    let done = 0;
    let hasFailed = false;
    socket.cork();
    for (const slot of this.#slots) {
      if (slot.answer === undefined) break;
      done++;
      sent += slot.answer.length;
      this.#slotBytes -= slot.bytes;
      socket.write(slot.answer);
      hasFailed = slot.isException;
      if (hasFailed) break;
    }
    socket.uncork();
    this.#slots.splice(0, done);
    if (sent > 0) this.#deps.metrics.sentBytes.inc(undefined, sent);
    if (hasFailed) {
      this.#end();
      return;
    }
    this.#read();
    const isOver = this.#isReadOver || this.#hasEnded;
    if (isOver && this.#slots.length === 0) this.#end();
  }

  #end(): void {
    if (this.#isEnding) return;
    this.#isEnding = true;
    this.#isReadOver = true;
    this.#socket.end(() => this.#socket.destroy());
  }

  #settle(): void {
    if (this.#isSocketClosed && this.#callsUnderWay === 0) this.#resolveClosed();
  }
}

function assertionIn(error: unknown): AssertionFailure | undefined {
  for (let e: unknown = error; e instanceof Error; e = e.cause) {
    if (e instanceof AssertionFailure) return e;
  }
  return undefined;
}
