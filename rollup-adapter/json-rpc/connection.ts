/** One WebSocket: its calls, its subscriptions, and what happens when it does not keep up. */
import { randomBytes } from "node:crypto";
import type { RawData, WebSocket } from "ws";
import type { Caller } from "./access.ts";
import type { Dispatcher } from "./dispatcher.ts";
import { RPC_CODE, invalidParams, limitExceeded } from "./errors.ts";
import { bytesToHex } from "./hex.ts";
import {
  RPC_SUBSCRIPTIONS_MAX,
  RPC_WEBSOCKET_BACKLOG_BYTES_MAX,
  RPC_WEBSOCKET_CALLS_MAX,
  RPC_WEBSOCKET_PONG_BACKLOG_BYTES_MAX,
} from "./limits.ts";
import type { Json, Method, Subscribe, SubscriptionKinds } from "./method.ts";
import type { JsonRpcMetrics } from "./metrics.ts";
import type { Share } from "./share.ts";

const POLICY_VIOLATION = 1008;
const TRY_AGAIN_LATER = 1013;

export function serveConnection(
  socket: WebSocket,
  caller: Caller,
  dependencies: {
    readonly dispatcher: Dispatcher;
    readonly subscriptions: SubscriptionKinds;
    readonly metrics: JsonRpcMetrics;
    /** Requests under way, and subscriptions, of all connections. */
    readonly requestShare: Share;
    readonly subscriptionShare: Share;
    /** Whether limits of one requester do not hold for this one. */
    readonly isExempt: boolean;
  },
): void {
  const { dispatcher, metrics, requestShare, subscriptionShare, isExempt } = dependencies;
  const { requester } = caller;
  const subscriptions = new Map<string, () => void>();
  const origin = { ...caller, signature: undefined };
  let underWay = 0;

  const send = (text: string): void => {
    if (socket.readyState !== socket.OPEN) return;
    if (socket.bufferedAmount > RPC_WEBSOCKET_BACKLOG_BYTES_MAX) {
      metrics.rpcDropped.inc({ what: "websocket_backlog" });
      socket.close(POLICY_VIOLATION, "too slow");
      return;
    }
    socket.send(text);
  };
  const extra = subscriptionMethods(
    dependencies.subscriptions,
    subscriptions,
    send,
    () => socket.close(TRY_AGAIN_LATER, "a subscription was lost"),
    () => socket.readyState === socket.OPEN,
    () => {
      const taken = subscriptionShare.take(requester, { isExempt });
      if ("release" in taken) return taken.release;
      metrics.rpcDropped.inc({ what: "subscription" });
      throw limitExceeded("too many subscriptions are open; try again later");
    },
  );
  const answer = async (text: string, release: () => void): Promise<void> => {
    const reply = await dispatcher.answer(text, origin, extra); // never throws: errors are answers
    underWay -= 1;
    release();
    if (reply !== undefined) send(reply);
  };

  socket.on("message", (data, isBinary) => {
    if (isBinary) {
      socket.close(POLICY_VIOLATION, "text only");
      return;
    }
    // Dropped for being slow, it may still talk.
    if (socket.readyState !== socket.OPEN) return;
    const taken =
      underWay >= RPC_WEBSOCKET_CALLS_MAX ? undefined : requestShare.take(requester, { isExempt });
    if (taken === undefined || "full" in taken) {
      metrics.rpcDropped.inc({ what: "websocket_calls" });
      const error = { code: RPC_CODE.LIMIT_EXCEEDED, message: "too many calls under way" };
      send(JSON.stringify({ jsonrpc: "2.0", id: null, error }));
      return;
    }
    underWay += 1;
    void answer(messageText(data), taken.release);
  });
  // Answered here and not by ws: the answers of a client that asks without reading would gather without end.
  socket.on("ping", (data) => {
    if (socket.readyState !== socket.OPEN) return;
    if (socket.bufferedAmount <= RPC_WEBSOCKET_PONG_BACKLOG_BYTES_MAX) socket.pong(data);
    else metrics.rpcDropped.inc({ what: "websocket_pong" });
  });
  socket.on("close", () => {
    for (const stop of subscriptions.values()) stop();
    subscriptions.clear();
  });
  // A broken connection is closed by ws itself; there is nobody to tell.
  socket.on("error", () => undefined);
}

function messageText(data: RawData): string {
  if (Buffer.isBuffer(data)) return data.toString("utf8");
  return Buffer.concat(Array.isArray(data) ? data : [new Uint8Array(data)]).toString("utf8");
}

function subscriptionMethods(
  kinds: SubscriptionKinds,
  subscriptions: Map<string, () => void>,
  send: (text: string) => void,
  lose: () => void,
  isOpen: () => boolean,
  takeShare: () => () => void,
): Map<string, Method> {
  /** Those whose kind has not begun yet count too. */
  let starting = 0;

  async function start(subscribe: Subscribe, options: unknown): Promise<string> {
    if (subscriptions.size + starting >= RPC_SUBSCRIPTIONS_MAX) {
      throw limitExceeded(`at most ${RPC_SUBSCRIPTIONS_MAX} subscriptions a connection`);
    }
    const release = takeShare();
    const id = bytesToHex(randomBytes(16));
    // Until the answer that tells the id is out: a client cannot place what comes before it.
    let held: Json[] | undefined = [];
    const notify = (result: Json): void => {
      const params = { subscription: id, result };
      if (held !== undefined) held.push(result);
      else send(JSON.stringify({ jsonrpc: "2.0", method: "eth_subscription", params }));
    };
    starting += 1;
    try {
      const stop = await subscribe(options, notify, lose);
      const end = (): void => {
        stop();
        release();
      };
      // The connection may have ended meanwhile.
      if (isOpen()) subscriptions.set(id, end);
      else end();
    } catch (cause) {
      release();
      throw cause;
    } finally {
      starting -= 1;
    }
    setImmediate(() => {
      const results = held ?? [];
      held = undefined;
      if (subscriptions.has(id)) for (const result of results) notify(result);
    });
    return id;
  }

  return new Map<string, Method>([
    [
      "eth_subscribe",
      ([name, options]) => {
        const kind = typeof name === "string" ? kinds.get(name) : undefined;
        if (kind === undefined) {
          throw invalidParams(`unknown subscription; one of ${[...kinds.keys()].join(", ")}`);
        }
        return start(kind, options);
      },
    ],
    [
      "eth_unsubscribe",
      ([id]) => {
        if (typeof id !== "string") throw invalidParams("subscription id: expected a string");
        const stop = subscriptions.get(id);
        stop?.();
        return subscriptions.delete(id);
      },
    ],
  ]);
}
