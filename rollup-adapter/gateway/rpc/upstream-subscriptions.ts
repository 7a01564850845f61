/**
 * Subscriptions at the executor's WebSocket on behalf of wallets: one connection for all of them, opened with the first,
 * and opened again with all of them when it breaks.
 */
import { WebSocket } from "ws";
import type { Cancel, Clock } from "../../../sequencer/ports/clock.ts";
import type { Logger } from "../../../sequencer/ports/logger.ts";
import { invalidParams, limitExceeded } from "../../json-rpc/errors.ts";
import type { Json, Subscribe } from "../../json-rpc/method.ts";
import {
  UPSTREAM_ANSWER_BYTES_MAX,
  UPSTREAM_OPTIONS_BYTES_MAX,
  UPSTREAM_PING_MS,
  UPSTREAM_RECONNECT_MS_FIRST,
  UPSTREAM_RECONNECT_MS_MAX,
  UPSTREAM_SUBSCRIPTIONS_MAX,
  UPSTREAM_TIMEOUT_MS,
} from "./limits.ts";
import { away, parseAnswer, resultOf } from "./upstream.ts";

export interface UpstreamSubscriptions {
  /** The subscription of that name at the executor, with whatever options it takes. */
  kind(name: string): Subscribe;
  close(): void;
}

interface Subscription {
  readonly params: readonly unknown[];
  readonly notify: (result: Json) => void;
  /** Told when the executor, asked again, does not take it any more. */
  readonly lose: () => void;
  /** Told once whether the executor takes it; undefined from then on. */
  settle: ((error: Error | undefined) => void) | undefined;
  /** At the executor; undefined while it is not subscribed. */
  id: string | undefined;
}

/** @param url ws or wss */
export function createUpstreamSubscriptions(
  url: string,
  deps: { readonly clock: Clock; readonly logger: Logger },
): UpstreamSubscriptions {
  const { clock, logger } = deps;
  const subscriptions = new Set<Subscription>();
  const byId = new Map<string, Subscription>();
  /** By the id of the call that asks for them. */
  const asked = new Map<number, Subscription>();
  let socket: WebSocket | undefined;
  let retry: Cancel | undefined;
  let beat: Cancel | undefined;
  let pauseMs = UPSTREAM_RECONNECT_MS_FIRST;
  let lastCall = 0;
  let isClosed = false;

  function send(method: string, params: readonly unknown[]): number {
    lastCall += 1;
    socket?.send(JSON.stringify({ jsonrpc: "2.0", id: lastCall, method, params }));
    return lastCall;
  }

  function ask(subscription: Subscription): void {
    if (socket?.readyState === WebSocket.OPEN) {
      asked.set(send("eth_subscribe", subscription.params), subscription);
    } else connect();
  }

  function connect(): void {
    if (socket !== undefined || retry !== undefined || isClosed) return;
    const opened = new WebSocket(url, { maxPayload: UPSTREAM_ANSWER_BYTES_MAX });
    socket = opened;
    // Whoever takes the connection and never answers would be waited for without end.
    beat = clock.after(UPSTREAM_TIMEOUT_MS, () => opened.terminate());
    let isSilent = false;
    opened.on("pong", () => {
      isSilent = false;
    });
    // A connection that broke unseen would tell nobody of a block any more.
    const watch = (): Cancel =>
      clock.after(UPSTREAM_PING_MS, () => {
        if (isSilent) {
          opened.terminate();
          return;
        }
        isSilent = true;
        opened.ping();
        beat = watch();
      });
    opened.on("open", () => {
      beat?.cancel();
      beat = watch();
      pauseMs = UPSTREAM_RECONNECT_MS_FIRST;
      for (const subscription of subscriptions) ask(subscription);
    });
    opened.on("message", (data, isBinary) => {
      if (!isBinary && Buffer.isBuffer(data)) take(data.toString("utf8"));
    });
    opened.on("error", (error) => {
      logger.debug("the executor's WebSocket failed", { error: error.message });
    });
    opened.on("close", () => {
      beat?.cancel();
      socket = undefined;
      asked.clear();
      byId.clear();
      for (const subscription of subscriptions) {
        subscription.id = undefined;
        // Whoever waits for an answer is not kept waiting for a connection.
        subscription.settle?.(away());
      }
      if (isClosed || subscriptions.size === 0) return;
      retry = clock.after(pauseMs, () => {
        retry = undefined;
        connect();
      });
      pauseMs = Math.min(2 * pauseMs, UPSTREAM_RECONNECT_MS_MAX);
    });
  }

  function take(text: string): void {
    let message: unknown;
    try {
      message = parseAnswer(text);
    } catch {
      return; // no JSON-RPC: nobody waits for it
    }
    if (typeof message !== "object" || message === null) return;
    const { id, params } = message as {
      readonly id?: unknown;
      readonly params?: { readonly subscription?: unknown; readonly result?: Json };
    };
    if (typeof id === "number") answered(id, message);
    else if (typeof params?.subscription === "string" && params.result !== undefined) {
      byId.get(params.subscription)?.notify(params.result);
    }
  }

  function answered(call: number, message: object): void {
    const subscription = asked.get(call);
    asked.delete(call);
    if (subscription === undefined) return;
    let error: Error | undefined;
    try {
      const id = resultOf(message);
      if (typeof id !== "string") throw new RangeError("expected a subscription id");
      if (subscriptions.has(subscription)) {
        subscription.id = id;
        byId.set(id, subscription);
      } else send("eth_unsubscribe", [id]); // ended while it was asked for
    } catch (cause) {
      error = cause instanceof Error ? cause : new Error(String(cause));
      const wasTaken = subscription.settle === undefined;
      if (subscriptions.delete(subscription) && wasTaken) {
        logger.debug("the executor takes a subscription no more", { error: error.message });
        subscription.lose();
      }
    }
    subscription.settle?.(error);
  }

  function end(subscription: Subscription): void {
    subscriptions.delete(subscription);
    const { id } = subscription;
    if (id === undefined) return;
    byId.delete(id);
    if (socket?.readyState === WebSocket.OPEN) send("eth_unsubscribe", [id]);
  }

  return {
    kind: (name) => async (options, notify, lose) => {
      if (subscriptions.size >= UPSTREAM_SUBSCRIPTIONS_MAX) {
        throw limitExceeded(`${UPSTREAM_SUBSCRIPTIONS_MAX} subscriptions are kept already`);
      }
      const params = options === undefined ? [name] : [name, options];
      if (JSON.stringify(params).length > UPSTREAM_OPTIONS_BYTES_MAX) {
        throw invalidParams(`options: expected at most ${UPSTREAM_OPTIONS_BYTES_MAX} bytes`);
      }
      const subscription: Subscription = { params, notify, lose, settle: undefined, id: undefined };
      subscriptions.add(subscription);
      const timeout = clock.after(UPSTREAM_TIMEOUT_MS, () => subscription.settle?.(away()));
      try {
        await new Promise<void>((resolve, reject) => {
          subscription.settle = (error) => {
            subscription.settle = undefined;
            if (error === undefined) resolve();
            else reject(error);
          };
          ask(subscription);
        });
      } catch (error) {
        end(subscription);
        throw error;
      } finally {
        timeout.cancel();
      }
      return () => end(subscription);
    },
    close() {
      isClosed = true;
      retry?.cancel();
      beat?.cancel();
      socket?.terminate();
    },
  };
}
