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
} from "./limits.ts";
import type { Json, Method, Subscribe, SubscriptionKinds } from "./method.ts";
import type { JsonRpcMetrics } from "./metrics.ts";

const POLICY_VIOLATION = 1008;

export function serveConnection(
  socket: WebSocket,
  caller: Caller,
  dependencies: {
    readonly dispatcher: Dispatcher;
    readonly subscriptions: SubscriptionKinds;
    readonly metrics: JsonRpcMetrics;
  },
): void {
  const { dispatcher, metrics } = dependencies;
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
    () => socket.readyState === socket.OPEN,
  );
  const answer = async (text: string): Promise<void> => {
    const reply = await dispatcher.answer(text, origin, extra); // never throws: errors are answers
    underWay -= 1;
    if (reply !== undefined) send(reply);
  };

  socket.on("message", (data, isBinary) => {
    if (isBinary) {
      socket.close(POLICY_VIOLATION, "text only");
      return;
    }
    if (underWay >= RPC_WEBSOCKET_CALLS_MAX) {
      metrics.rpcDropped.inc({ what: "websocket_calls" });
      const error = { code: RPC_CODE.LIMIT_EXCEEDED, message: "too many calls under way" };
      send(JSON.stringify({ jsonrpc: "2.0", id: null, error }));
      return;
    }
    underWay += 1;
    void answer(messageText(data));
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
  isOpen: () => boolean,
): Map<string, Method> {
  /** Those whose kind has not begun yet count too. */
  let starting = 0;

  async function start(subscribe: Subscribe, options: unknown): Promise<string> {
    if (subscriptions.size + starting >= RPC_SUBSCRIPTIONS_MAX) {
      throw limitExceeded(`at most ${RPC_SUBSCRIPTIONS_MAX} subscriptions a connection`);
    }
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
      const stop = await subscribe(options, notify);
      // The connection may have ended meanwhile.
      if (isOpen()) subscriptions.set(id, stop);
      else stop();
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
