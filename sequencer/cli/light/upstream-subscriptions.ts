/**
 * Subscriptions of the proxy's clients at the primary: one WebSocket to it for each client, events passed
 * on as they come and marked as unverified.
 */
import { WebSocket } from "ws";
import { isWeftError } from "../../../proto/errors.ts";
import { type JsonNode, parseJson } from "../../../proto/json-reader.ts";
import { methodFailure } from "../../rpc/errors.ts";
import { SUBSCRIPTION_CLIENTS_MAX, SUBSCRIPTIONS_PER_CLIENT_MAX } from "../../rpc/limits.ts";
import type { EventSink, JsonEvent, SubscriptionKeeper } from "../../rpc/subscriptions.ts";
import { EVENT_BYTES_MAX, UPSTREAM_TIMEOUT_MS } from "../limits.ts";

/** Attribute that stands beside the events' own: nobody verified what it comes with. */
const MARK = { "light.unverified": ["*"] };

interface Subscription {
  readonly query: string;
  readonly sink: EventSink<JsonEvent>;
  /** Of the answer to `subscribe`, which is also that of its events. */
  readonly id: number;
}

interface Pending {
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

export class UpstreamSubscriptions implements SubscriptionKeeper {
  readonly #address: () => string;
  readonly #clients = new Map<string, UpstreamClient>();

  /** @param address URL of the primary's WebSocket at the moment */
  constructor(address: () => string) {
    this.#address = address;
  }

  /** @throws RpcError in the primary's words */
  async subscribe(client: string, query: string, sink: EventSink<JsonEvent>): Promise<void> {
    let upstream = this.#clients.get(client);
    if (upstream === undefined) {
      if (this.#clients.size >= SUBSCRIPTION_CLIENTS_MAX) {
        throw methodFailure(`max_subscription_clients ${SUBSCRIPTION_CLIENTS_MAX} reached`);
      }
      const made = new UpstreamClient(this.#address(), () => {
        // Its end may come after another has taken its place.
        if (this.#clients.get(client) === made) this.#clients.delete(client);
      });
      this.#clients.set(client, made);
      upstream = made;
    }
    await upstream.subscribe(query, sink);
  }

  async unsubscribe(client: string, query: string): Promise<void> {
    const upstream = this.#clients.get(client);
    if (upstream === undefined) throw methodFailure("subscription not found");
    await upstream.unsubscribe(query);
  }

  dropClient(client: string): void {
    this.#clients.get(client)?.end();
    this.#clients.delete(client);
  }

  stop(): void {
    for (const upstream of this.#clients.values()) upstream.end();
    this.#clients.clear();
  }
}

class UpstreamClient {
  readonly #socket: WebSocket;
  readonly #opened: Promise<void>;
  readonly #subscriptions = new Map<number, Subscription>();
  readonly #pending = new Map<number, Pending>();
  #lastId = 0;

  constructor(url: string, onGone: () => void) {
    this.#socket = new WebSocket(url, {
      maxPayload: EVENT_BYTES_MAX,
      handshakeTimeout: UPSTREAM_TIMEOUT_MS,
      perMessageDeflate: false,
    });
    this.#opened = new Promise((resolve, reject) => {
      this.#socket.once("open", resolve);
      this.#socket.once("error", (error) =>
        reject(methodFailure(`the primary does not take subscriptions: ${error.message}`, error)),
      );
    });
    // Whoever subscribes is told; without a subscriber there is nobody to tell.
    this.#opened.catch(() => {});
    this.#socket.on("error", () => this.#socket.terminate());
    this.#socket.binaryType = "nodebuffer";
    this.#socket.on("message", (data: Buffer) => this.#onMessage(data.toString("utf8")));
    this.#socket.on("close", () => {
      onGone();
      this.#fail("the primary closed the connection");
    });
  }

  async subscribe(query: string, sink: EventSink<JsonEvent>): Promise<void> {
    if (this.#find(query) !== undefined) throw methodFailure("already subscribed");
    if (this.#subscriptions.size >= SUBSCRIPTIONS_PER_CLIENT_MAX) {
      const limit = `max_subscriptions_per_client ${SUBSCRIPTIONS_PER_CLIENT_MAX}`;
      throw methodFailure(`${limit} reached`);
    }
    const id = ++this.#lastId;
    this.#subscriptions.set(id, { id, query, sink });
    try {
      await this.#call(id, "subscribe", { query });
    } catch (error) {
      this.#subscriptions.delete(id);
      throw error;
    }
  }

  async unsubscribe(query: string): Promise<void> {
    const known = this.#find(query);
    if (known === undefined) throw methodFailure("subscription not found");
    this.#subscriptions.delete(known.id);
    await this.#call(++this.#lastId, "unsubscribe", { query });
  }

  /** Its client is gone: nobody is told. */
  end(): void {
    this.#subscriptions.clear();
    this.#socket.terminate();
  }

  #find(query: string): Subscription | undefined {
    return [...this.#subscriptions.values()].find((one) => one.query === query);
  }

  async #call(id: number, method: string, params: Readonly<Record<string, string>>): Promise<void> {
    await this.#opened;
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#pending.delete(id);
        reject(methodFailure(`the primary did not answer ${method}`));
      }, UPSTREAM_TIMEOUT_MS);
      const settled = (then: () => void): void => {
        clearTimeout(timer);
        this.#pending.delete(id);
        then();
      };
      this.#pending.set(id, {
        resolve: () => settled(resolve),
        reject: (error) => settled(() => reject(error)),
      });
      this.#socket.send(JSON.stringify({ jsonrpc: "2.0", id, method, params }));
    });
  }

  #onMessage(text: string): void {
    try {
      this.#take(parseJson(text));
    } catch (error) {
      // A primary that does not speak JSON-RPC is of no use; anything else is a bug.
      if (!isWeftError(error)) throw error;
      this.#socket.terminate();
    }
  }

  #take(message: JsonNode): void {
    const id = message.get("id").integer();
    const error = message.get("error");
    const pending = this.#pending.get(id);
    const said = error.isAbsent ? "" : error.get("data").text() || error.get("message").text();
    if (pending !== undefined) {
      if (error.isAbsent) pending.resolve();
      else pending.reject(methodFailure(said));
      return;
    }
    const subscription = this.#subscriptions.get(id);
    if (subscription === undefined) return;
    if (!error.isAbsent) {
      this.#subscriptions.delete(id);
      subscription.sink.cancelled(said);
      return;
    }
    const result = message.get("result");
    const events = result.get("events");
    const marked = events.isAbsent ? MARK : { ...Object(events.raw), ...MARK };
    subscription.sink.deliver({
      dataJson: () => JSON.stringify(result.get("data").raw ?? null),
      eventsJson: () => JSON.stringify(marked),
    });
  }

  #fail(reason: string): void {
    for (const { reject } of this.#pending.values()) reject(methodFailure(reason));
    for (const { sink } of this.#subscriptions.values()) sink.cancelled(reason);
    this.#subscriptions.clear();
  }
}
