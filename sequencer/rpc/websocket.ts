/** JSON-RPC over one WebSocket, with the events its client subscribed to. */
import { nextTick } from "node:process";
import type { Duplex } from "node:stream";
import type { WebSocket } from "ws";
import type { Clock } from "../ports/clock.ts";
import { RpcError } from "./errors.ts";
import type { Dispatcher, Request, RequestId } from "./json-rpc.ts";
import { errorText, idText, parseRequest } from "./json-rpc.ts";
import {
  CLIENT_BUFFER_BYTES_MAX,
  CLIENT_CLOSE_TIMEOUT_MS,
  CLIENT_REQUESTS_MAX,
  PING_PERIOD_MS,
  READ_TIMEOUT_MS,
} from "./limits.ts";
import type { RpcMetrics } from "./metrics.ts";
import type { CallContext } from "./routes.ts";
import type { EventSink, JsonEvent, SubscriptionKeeper } from "./subscriptions.ts";

export interface WebSocketDependencies {
  readonly dispatcher: Dispatcher;
  readonly hub: SubscriptionKeeper;
  readonly clock: Clock;
  readonly metrics: RpcMetrics;
}

/** Close codes of RFC 6455: going away, policy violation. */
const GOING_AWAY = 1001;
const POLICY_VIOLATION = 1008;

/** Words that CometBFT sends to a client that reads too slowly. */
const SLOW_CLIENT = "slow client";

export class WebSocketClient {
  readonly #socket: WebSocket;
  /** Below it. */
  readonly #stream: Pick<Duplex, "cork" | "uncork">;
  #isCorked = false;
  readonly #client: string;
  readonly #closesWhenSlow: boolean;
  readonly #deps: WebSocketDependencies;
  readonly #abort = new AbortController();
  readonly #onGone: () => void;
  #running = 0;
  #lastHeardMs: number;
  #isClosing = false;
  #ping: { cancel(): void } | undefined;

  /** `client` names the connection; `onGone` is called once when it is over. */
  constructor(
    socket: WebSocket,
    stream: Pick<Duplex, "cork" | "uncork">,
    options: { readonly client: string; readonly closesWhenSlow: boolean },
    deps: WebSocketDependencies,
    onGone: () => void,
  ) {
    this.#socket = socket;
    this.#stream = stream;
    this.#client = options.client;
    this.#closesWhenSlow = options.closesWhenSlow;
    this.#deps = deps;
    this.#onGone = onGone;
    this.#lastHeardMs = deps.clock.monotonicMs();
    // Text or binary: some libraries send one for the other, and Go reads both.
    socket.on("message", (data: Buffer) => this.#onMessage(data));
    socket.on("pong", () => this.#heard());
    socket.on("ping", () => this.#heard());
    socket.on("error", () => this.#socket.terminate());
    socket.on("close", () => this.#onClose());
    this.#schedulePing();
  }

  /** Says why and closes; a client that does not answer is cut off. */
  close(code = GOING_AWAY, reason = "the node is stopping"): void {
    if (this.#isClosing) return;
    this.#isClosing = true;
    this.#deps.hub.dropClient(this.#client);
    this.#socket.close(code, reason);
    this.#deps.clock.after(CLIENT_CLOSE_TIMEOUT_MS, () => this.#socket.terminate());
  }

  #onMessage(data: Buffer): void {
    this.#heard();
    let request: Request;
    try {
      request = parseRequest(data.toString("utf8"));
    } catch (error) {
      this.#send(errorText(undefined, error));
      return;
    }
    if (request.id === undefined) return;
    // A client with enough under way is not read until something is done: TCP slows it down.
    if (++this.#running >= CLIENT_REQUESTS_MAX) this.#socket.pause();
    const { id } = request;
    const context = {
      client: this.#client,
      signal: this.#abort.signal,
      sink: (query: string) => this.#sink(id, query),
    };
    void this.#answer(request, context);
  }

  async #answer(request: Request, context: CallContext): Promise<void> {
    const answer = await this.#deps.dispatcher.callJson(request, context);
    if (this.#running-- === CLIENT_REQUESTS_MAX && !this.#isClosing) this.#socket.resume();
    this.#send(answer.text);
  }

  #sink(id: RequestId, query: string): EventSink<JsonEvent> {
    const start = `{"jsonrpc":"2.0",${idText(id)}"result":{"query":${JSON.stringify(query)}`;
    return {
      deliver: (event) => {
        // Not even written for a client that has no room for it.
        if (this.#isLeftOut()) return;
        this.#send(`${start},"data":${event.dataJson()},"events":${event.eventsJson()}}}`);
      },
      cancelled: (reason) => this.#send(cancellationText(id, reason)),
    };
  }

  #isLeftOut(): boolean {
    if (this.#closesWhenSlow) return false;
    const isFull = this.#socket.bufferedAmount > CLIENT_BUFFER_BYTES_MAX / 2;
    if (isFull) this.#deps.metrics.refused.inc({ reason: "slow_client_event" });
    return isFull;
  }

  #send(text: string): void {
    if (this.#isClosing || this.#socket.readyState !== this.#socket.OPEN) return;
    if (this.#socket.bufferedAmount + text.length > CLIENT_BUFFER_BYTES_MAX) {
      this.#deps.metrics.slowClientsDropped.inc();
      this.#socket.send(cancellationText(undefined, SLOW_CLIENT));
      this.close(POLICY_VIOLATION, SLOW_CLIENT);
      return;
    }
    this.#leaveTogether();
    this.#socket.send(text);
  }

  /** What is answered in one go leaves in one write: a call to the kernel costs more than most answers. */
  #leaveTogether(): void {
    if (this.#isCorked) return;
    this.#isCorked = true;
    this.#stream.cork();
    // After all that is ready now, microtasks included.
    nextTick(() => {
      this.#isCorked = false;
      this.#stream.uncork();
    });
  }

  #heard(): void {
    this.#lastHeardMs = this.#deps.clock.monotonicMs();
  }

  #schedulePing(): void {
    this.#ping = this.#deps.clock.after(PING_PERIOD_MS, () => {
      const silentMs = this.#deps.clock.monotonicMs() - this.#lastHeardMs;
      // While we do not read, silence says nothing of the client.
      if (silentMs > READ_TIMEOUT_MS && !this.#socket.isPaused) {
        this.#socket.terminate();
        return;
      }
      this.#socket.ping();
      this.#schedulePing();
    });
  }

  #onClose(): void {
    this.#isClosing = true;
    this.#ping?.cancel();
    this.#abort.abort();
    this.#deps.hub.dropClient(this.#client);
    this.#onGone();
  }
}

function cancellationText(id: RequestId, reason: string): string {
  const message = `subscription was canceled (reason: ${reason})`;
  return errorText(id, new RpcError({ code: "RPC_SERVER" }, message));
}
