/**
 * The node's end (`privval/signer_listener_endpoint.go`): at most one connection to a signer that has
 * told the right public key, one request at a time on it, pings while nothing is asked. A connection
 * that errs is closed; the next one takes its place.
 */
import type { PrivvalMessage } from "../../proto/messages.ts";
import type { Cancel, Clock } from "../ports/clock.ts";
import type { Logger } from "../ports/logger.ts";
import { SignerError, toSignerError } from "./errors.ts";
import { CANDIDATES_MAX, HANDSHAKE_TIMEOUT_MS, SIGNER_IDLE_MS } from "./limits.ts";
import type { MessageStream } from "./message-stream.ts";
import type { RemoteSignerMetrics } from "./metrics.ts";

export interface SignerLinkOptions {
  readonly chainId: string;
  /** Time for one answer, and the longest wait for a connection, in ms. */
  readonly timeoutMs: number;
}

export interface SignerLinkDependencies {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: RemoteSignerMetrics;
  /** Judges a signer's answer to the first request; throws when its key is not the one. */
  readonly onPublicKey: (answer: PrivvalMessage) => void;
}

interface Pending {
  readonly resolve: (answer: PrivvalMessage) => void;
  readonly reject: (reason: SignerError) => void;
  readonly timer: Cancel;
}

/** A connection with at most one request under way. */
class Exchange {
  readonly stream: MessageStream;
  readonly #clock: Clock;
  #pending: Pending | undefined;
  #closed: SignerError | undefined;
  /** When the last answer came. */
  lastAnswerMs: number;
  #tail: Promise<unknown> = Promise.resolve();

  constructor(stream: MessageStream, clock: Clock) {
    this.stream = stream;
    this.#clock = clock;
    this.lastAnswerMs = clock.monotonicMs();
  }

  begin(): void {
    this.stream.onClose((reason) => {
      this.#closed = reason;
      this.#pending?.timer.cancel();
      this.#pending?.reject(reason);
      this.#pending = undefined;
    });
    this.stream.onMessage((message) => {
      const pending = this.#pending;
      if (pending === undefined) {
        this.stream.close(
          new SignerError("SIGNER_MESSAGE_INVALID", `got ${message.kind} without a request`),
        );
        return;
      }
      this.#pending = undefined;
      pending.timer.cancel();
      this.lastAnswerMs = this.#clock.monotonicMs();
      pending.resolve(message);
    });
  }

  /** In the order of the calls. @throws SignerError when there is no answer; the connection is closed. */
  ask(request: PrivvalMessage, timeoutMs: number): Promise<PrivvalMessage> {
    const result = this.#tail.then(() => this.#exchange(request, timeoutMs));
    this.#tail = Promise.allSettled([result]);
    return result;
  }

  #exchange(request: PrivvalMessage, timeoutMs: number): Promise<PrivvalMessage> {
    const { stream } = this;
    return new Promise((resolve, reject) => {
      if (this.#closed !== undefined) {
        reject(this.#closed);
        return;
      }
      const timer = this.#clock.after(timeoutMs, () =>
        stream.close(new SignerError("SIGNER_TIMEOUT", `no answer within ${timeoutMs} ms`)),
      );
      this.#pending = { resolve, reject, timer };
      stream.send(request);
    });
  }
}

export class SignerLink {
  readonly #options: SignerLinkOptions;
  readonly #deps: SignerLinkDependencies;
  readonly #candidates = new Set<MessageStream>();
  readonly #waiters = new Set<() => void>();
  #current: Exchange | undefined;
  #pingTimer: Cancel | undefined;
  #lastFailure: SignerError | undefined;
  #isStopped = false;

  constructor(options: SignerLinkOptions, deps: SignerLinkDependencies) {
    this.#options = options;
    this.#deps = deps;
    deps.metrics.connected.set(0);
  }

  get isConnected(): boolean {
    return this.#current !== undefined;
  }

  /** Why the last connection ended or was refused. */
  get lastFailure(): SignerError | undefined {
    return this.#lastFailure;
  }

  /**
   * Takes a new connection on trial. Resolves when it has ended: refused because another is in use or
   * the key is wrong, or used and closed.
   */
  async offer(stream: MessageStream): Promise<void> {
    const ended = new Promise<SignerError>((resolve) => stream.onClose(resolve));
    const fault = this.#busyFault();
    if (fault !== undefined) {
      // A signer that comes again may have lost the connection that still looks open here.
      if (this.#current !== undefined) void this.#ping(this.#current);
      stream.close(fault);
      this.refused(stream.remote, fault);
      return;
    }
    const exchange = new Exchange(stream, this.#deps.clock);
    this.#candidates.add(stream);
    try {
      exchange.begin();
      const { chainId, timeoutMs } = this.#options;
      const wait = Math.min(timeoutMs, HANDSHAKE_TIMEOUT_MS);
      this.#deps.onPublicKey(await exchange.ask({ kind: "publicKeyRequest", chainId }, wait));
      const late = this.#current === undefined ? undefined : busy();
      if (late !== undefined || this.#isStopped) throw late ?? stopped();
    } catch (error) {
      const reason = toSignerError(
        error,
        "SIGNER_MESSAGE_INVALID",
        "the signer did not prove its key",
      );
      stream.close(reason);
      this.refused(stream.remote, reason);
      return;
    } finally {
      this.#candidates.delete(stream);
    }
    this.#use(exchange);
    this.#ended(exchange, await ended);
  }

  /** Counts and tells a connection that was not used. */
  refused(remote: string, reason: SignerError): void {
    if (this.#isStopped) return;
    const isNews = this.#lastFailure?.message !== reason.message;
    this.#lastFailure = reason;
    this.#deps.metrics.refused.inc({ reason: reason.code });
    const fields = { remote, code: reason.code, reason: reason.message };
    if (reason.code === "SIGNER_WRONG_KEY" || reason.code === "SIGNER_REFUSED_KEY") {
      this.#deps.logger.error("remote signer refused", fields);
    } else {
      // Whoever dials tries again and again.
      const level = isNews ? "warn" : "debug";
      this.#deps.logger[level]("no connection with a remote signer", fields);
    }
  }

  /**
   * Asks the signer, waiting for a connection if there is none.
   * @throws SignerError when there is no connection or no answer within the time, or `signal` is aborted
   */
  async ask(request: PrivvalMessage, signal: AbortSignal | undefined): Promise<PrivvalMessage> {
    const exchange = await this.#connected(this.#options.timeoutMs, signal);
    return exchange.ask(request, this.#options.timeoutMs);
  }

  /** Resolves when a signer is connected. @throws SignerError SIGNER_TIMEOUT, SIGNER_CLOSED */
  async untilConnected(timeoutMs: number): Promise<void> {
    await this.#connected(timeoutMs, undefined);
  }

  /** Ends the connection in use: its answers are not to be trusted. */
  drop(reason: SignerError): void {
    this.#current?.stream.close(reason);
  }

  stop(): void {
    this.#isStopped = true;
    this.#pingTimer?.cancel();
    for (const stream of this.#candidates) stream.close(stopped());
    this.#current?.stream.close(stopped());
    for (const wake of this.#waiters) wake();
  }

  #busyFault(): SignerError | undefined {
    if (this.#isStopped) return stopped();
    if (this.#current !== undefined) return busy();
    return this.#candidates.size >= CANDIDATES_MAX ? busy() : undefined;
  }

  #connected(timeoutMs: number, signal: AbortSignal | undefined): Promise<Exchange> {
    if (this.#current !== undefined) return Promise.resolve(this.#current);
    return new Promise((resolve, reject) => {
      const finish = (): void => {
        timer.cancel();
        this.#waiters.delete(finish);
        signal?.removeEventListener("abort", finish);
        if (this.#current !== undefined) resolve(this.#current);
        else if (this.#isStopped) reject(stopped());
        else reject(new SignerError("SIGNER_TIMEOUT", "no remote signer is connected"));
      };
      const timer = this.#deps.clock.after(timeoutMs, finish);
      this.#waiters.add(finish);
      signal?.addEventListener("abort", finish);
      if (this.#isStopped || signal?.aborted === true) finish();
    });
  }

  #use(exchange: Exchange): void {
    const { metrics, logger } = this.#deps;
    const { remote, remoteId } = exchange.stream;
    this.#current = exchange;
    metrics.connected.set(1);
    metrics.connections.inc();
    logger.info("remote signer connected", { remote, id: remoteId });
    this.#schedulePing(exchange);
    for (const wake of this.#waiters) wake();
  }

  #ended(exchange: Exchange, reason: SignerError): void {
    if (this.#current === exchange) this.#current = undefined;
    this.#pingTimer?.cancel();
    this.#deps.metrics.connected.set(0);
    if (this.#isStopped) return;
    this.#lastFailure = reason;
    this.#deps.logger.warn("remote signer disconnected", {
      remote: exchange.stream.remote,
      code: reason.code,
      reason: reason.message,
    });
  }

  /**
   * Two thirds of the time for an answer after the last one (spec §15.3), or before our signer takes the silence
   * for a broken link.
   */
  #schedulePing(exchange: Exchange): void {
    const intervalMs = Math.min((this.#options.timeoutMs * 2) / 3, SIGNER_IDLE_MS / 2);
    const dueMs = exchange.lastAnswerMs + intervalMs - this.#deps.clock.monotonicMs();
    this.#pingTimer = this.#deps.clock.after(Math.max(dueMs, 1), () => {
      if (this.#current !== exchange) return;
      const idleMs = this.#deps.clock.monotonicMs() - exchange.lastAnswerMs;
      const pinged = idleMs >= intervalMs ? this.#ping(exchange) : Promise.resolve();
      void pinged.then(() => {
        if (this.#current === exchange) this.#schedulePing(exchange);
      });
    });
  }

  async #ping(exchange: Exchange): Promise<void> {
    try {
      const answer = await exchange.ask({ kind: "pingRequest" }, this.#options.timeoutMs);
      if (answer.kind === "pingResponse") return;
      exchange.stream.close(
        new SignerError("SIGNER_MESSAGE_INVALID", `expected a pong, got ${answer.kind}`),
      );
    } catch {
      // The connection is closed already, and its end is told where it was used.
    }
  }
}

function busy(): SignerError {
  return new SignerError("SIGNER_BUSY", "another signer is connected; one at a time");
}

function stopped(): SignerError {
  return new SignerError("SIGNER_CLOSED", "this side stops");
}
