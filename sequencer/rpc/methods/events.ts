/** Subscriptions, over WebSocket only (`rpc/core/events.go`). */
import { methodFailure, RpcError } from "../errors.ts";
import type { RpcEnvironment } from "../environment.ts";
import { QUERY_LENGTH_MAX } from "../limits.ts";
import { param } from "../params.ts";
import type { Query } from "../query/query.ts";
import { parseQuery } from "../query/query.ts";
import type { Route } from "../routes.ts";
import { route } from "../routes.ts";

export function eventRoutes(env: RpcEnvironment): Readonly<Record<string, Route>> {
  const isWebSocketOnly = true;
  return {
    subscribe: route(
      { query: param("string") },
      ({ query }, { client, sink }) => {
        if (sink === undefined) throw new RpcError({ code: "RPC_METHOD_NOT_FOUND" }, "");
        env.hub.assertRoom(client);
        if (Buffer.byteLength(query) > QUERY_LENGTH_MAX) {
          throw methodFailure("maximum query length exceeded");
        }
        env.hub.subscribe(client, parse(query), sink(query));
        return {};
      },
      { isWebSocketOnly },
    ),
    unsubscribe: route(
      { query: param("string") },
      ({ query }, { client }) => {
        env.hub.unsubscribe(client, parse(query));
        return {};
      },
      { isWebSocketOnly },
    ),
    unsubscribe_all: route(
      {},
      (_args, { client }) => {
        env.hub.unsubscribeAll(client);
        return {};
      },
      { isWebSocketOnly },
    ),
  };
}

function parse(text: string): Query {
  try {
    return parseQuery(text);
  } catch (error) {
    if (error instanceof RpcError) {
      throw methodFailure(`failed to parse query: ${error.message}`, error);
    }
    throw error;
  }
}
