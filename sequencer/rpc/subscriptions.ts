/**
 * Event subscriptions of all clients. The engine's listener only queues; matching and JSON happen
 * in later turns of the loop, in slices, so that consensus never waits for a subscriber.
 */
import { txHash } from "../../proto/hashes.ts";
import type { EngineEvent } from "../engine/event-bus.ts";
import { hex } from "./amino-json.ts";
import { methodFailure } from "./errors.ts";
import type { PublicEvent, RoundHint } from "./events.ts";
import { eventToJson, eventToMap } from "./events.ts";
import { EVENTS_WAITING_MAX, SLICE_MS } from "./limits.ts";
import type { RpcMetrics } from "./metrics.ts";
import type { RpcEventSource } from "./ports.ts";
import type { EventMap, Query } from "./query/query.ts";
import { matchesEvents, requiredText } from "./query/query.ts";

/** Who receives the events of one subscription. Neither call may throw. */
export interface EventSink<Event extends JsonEvent = DeliveredEvent> {
  deliver(event: Event): void;
  /** The subscription ended, not by its owner. */
  cancelled(reason: string): void;
}

/** An event as clients see it: JSON of its data and of its map of attributes. */
export interface JsonEvent {
  dataJson(): string;
  eventsJson(): string;
}

/** One event for however many subscribers: its JSON is made once, when first asked for. */
export interface DeliveredEvent extends JsonEvent {
  readonly event: PublicEvent;
}

/** Who keeps subscriptions by client, as far as a transport has to know. */
export interface SubscriptionKeeper {
  /** Ends all subscriptions of a client that is gone. */
  dropClient(client: string): void;
}

export interface SubscriptionLimits {
  readonly clientsMax: number;
  readonly perClientMax: number;
}

interface Subscription {
  readonly client: string;
  readonly query: Query;
  readonly sink: EventSink;
  /** The only kind that can match; undefined when any might. */
  readonly kind: string | undefined;
  /** The only transaction that can match, upper-case hex. */
  readonly txHash: string | undefined;
}

const NO_HINT: RoundHint = { proposerIndex: -1 };

/** Words of `libs/pubsub`. */
const OUT_OF_CAPACITY = "internal subscription event buffer is out of capacity";

export class SubscriptionHub {
  readonly #limits: SubscriptionLimits;
  readonly #metrics: RpcMetrics;
  readonly #hint: () => RoundHint;
  readonly #remove: () => void;
  readonly #clients = new Map<string, Map<string, Subscription>>();
  #subscriptions: readonly Subscription[] = [];
  #queue: { readonly event: PublicEvent; readonly hint: RoundHint }[] = [];
  #taken = 0;
  #isDraining = false;
  #isStopped = false;

  constructor(
    limits: SubscriptionLimits,
    deps: {
      readonly events: RpcEventSource;
      readonly metrics: RpcMetrics;
      readonly hint: () => RoundHint;
    },
  ) {
    this.#limits = limits;
    this.#metrics = deps.metrics;
    this.#hint = deps.hint;
    this.#remove = deps.events.on((event) => this.#onEvent(event));
  }

  /** Throws when the client, or all clients together, have as many as they may. */
  assertRoom(client: string): void {
    const { clientsMax, perClientMax } = this.#limits;
    const own = this.#clients.get(client)?.size ?? 0;
    if (own === 0 && this.#clients.size >= clientsMax) {
      this.#metrics.refused.inc({ reason: "subscription_clients" });
      throw methodFailure(`max_subscription_clients ${clientsMax} reached`);
    }
    if (own >= perClientMax) {
      this.#metrics.refused.inc({ reason: "subscriptions_per_client" });
      throw methodFailure(`max_subscriptions_per_client ${perClientMax} reached`);
    }
  }

  /**
   * Sends events that match `query` to `sink`; returns a function that ends it.
   * @throws RpcError when there is no room, or the client has the same query already
   */
  subscribe(client: string, query: Query, sink: EventSink): () => void {
    if (this.#isStopped) throw methodFailure("the node is stopping");
    this.assertRoom(client);
    const own = this.#clients.get(client) ?? new Map<string, Subscription>();
    if (own.has(query.canonical)) throw methodFailure("already subscribed");
    const kind = requiredText(query, "tm.event");
    const subscription: Subscription = {
      client,
      query,
      sink,
      kind,
      txHash: kind === "Tx" ? requiredText(query, "tx.hash") : undefined,
    };
    own.set(query.canonical, subscription);
    this.#clients.set(client, own);
    this.#refresh();
    return () => this.#end(subscription);
  }

  /** @throws RpcError when there is no such subscription */
  unsubscribe(client: string, query: Query): void {
    const subscription = this.#clients.get(client)?.get(query.canonical);
    if (subscription === undefined) throw methodFailure("subscription not found");
    this.#end(subscription);
  }

  /** @throws RpcError when the client has none */
  unsubscribeAll(client: string): void {
    if (!this.dropClient(client)) throw methodFailure("subscription not found");
  }

  /** Ends what a client has, without a word; false when it had nothing. */
  dropClient(client: string): boolean {
    const had = this.#clients.delete(client);
    if (had) this.#refresh();
    return had;
  }

  /** Ends everything with a reason. */
  stop(reason: string): void {
    this.#isStopped = true;
    this.#remove();
    this.#queue = [];
    this.#taken = 0;
    for (const subscription of this.#subscriptions) this.#cancel(subscription, reason);
  }

  get count(): number {
    return this.#subscriptions.length;
  }

  #onEvent(event: EngineEvent): void {
    if (this.#subscriptions.length === 0 || event.kind === "Halted") return;
    if (event.kind === "ConflictingProposals") return;
    if (!this.#subscriptions.some(({ kind }) => kind === undefined || kind === event.kind)) return;
    if (this.#queue.length - this.#taken >= EVENTS_WAITING_MAX) {
      this.#queue = [];
      this.#taken = 0;
      this.#metrics.refused.inc({ reason: "event_queue_full" });
      for (const subscription of this.#subscriptions) this.#cancel(subscription, OUT_OF_CAPACITY);
      return;
    }
    // Events of transactions come by the thousand, and need nothing of the round.
    const hint = event.kind === "NewRound" ? this.#hint() : NO_HINT;
    this.#queue.push({ event, hint });
    if (this.#isDraining) return;
    this.#isDraining = true;
    setImmediate(() => this.#drain());
  }

  #drain(): void {
    const until = performance.now() + SLICE_MS;
    while (this.#taken < this.#queue.length) {
      const next = this.#queue[this.#taken++];
      if (next !== undefined) this.#deliver(next.event, next.hint);
      if (performance.now() >= until) break;
    }
    if (this.#taken < this.#queue.length) {
      setImmediate(() => this.#drain());
      return;
    }
    this.#queue = [];
    this.#taken = 0;
    this.#isDraining = false;
  }

  #deliver(event: PublicEvent, hint: RoundHint): void {
    let map: EventMap | undefined;
    let eventTxHash: string | undefined;
    let data: string | undefined;
    let events: string | undefined;
    const delivered: DeliveredEvent = {
      event,
      dataJson: () => (data ??= JSON.stringify(eventToJson(event, hint))),
      eventsJson: () =>
        (events ??= JSON.stringify(Object.fromEntries((map ??= eventToMap(event))))),
    };
    for (const subscription of this.#subscriptions) {
      if (subscription.kind !== undefined && subscription.kind !== event.kind) continue;
      if (subscription.txHash !== undefined && event.kind === "Tx") {
        eventTxHash ??= hex(txHash(event.tx));
        if (subscription.txHash !== eventTxHash) continue;
      }
      map ??= eventToMap(event);
      if (!matchesEvents(subscription.query, map)) continue;
      this.#metrics.eventsSent.inc();
      subscription.sink.deliver(delivered);
    }
  }

  #cancel(subscription: Subscription, reason: string): void {
    this.#end(subscription);
    subscription.sink.cancelled(reason);
  }

  #end(subscription: Subscription): void {
    const own = this.#clients.get(subscription.client);
    if (own?.get(subscription.query.canonical) !== subscription) return;
    own.delete(subscription.query.canonical);
    if (own.size === 0) this.#clients.delete(subscription.client);
    this.#refresh();
  }

  /** A new list, because a delivery that is under way walks the old one. */
  #refresh(): void {
    this.#subscriptions = [...this.#clients.values()].flatMap((own) => [...own.values()]);
    this.#metrics.subscriptions.set(this.#subscriptions.length);
  }
}
