/**
 * JSON-RPC 2.0 as CometBFT speaks it: what a request is, how a call is run, how an answer is
 * written. Transports (`http-server.ts`, `websocket.ts`) bring the text.
 */
import type { Json } from "./amino-json.ts";
import { RawJson } from "./amino-json.ts";
import { errorToJson, methodFailure, RpcError } from "./errors.ts";
import type { RpcMetrics } from "./metrics.ts";
import { isShallowJson } from "../../proto/json-reader.ts";
import { argsFromJson, jsonType } from "./params.ts";
import type { CallContext, Route, Routes } from "./routes.ts";
import { isCacheable } from "./routes.ts";
import type { Logger } from "../ports/logger.ts";

/** Absent only when the request was not understood; CometBFT then leaves `id` out. */
export type RequestId = string | bigint | undefined;

/** A call; one without an id is a notification and gets no answer. */
export interface Request {
  readonly id: RequestId;
  readonly method: string;
  readonly params: unknown;
}

export interface Answer {
  /** The response object as JSON. */
  readonly text: string;
  readonly isCacheable: boolean;
  readonly isError: boolean;
}

/** Runs calls against the routes and counts them. */
export class Dispatcher {
  readonly #routes: Routes;
  readonly #logger: Logger;
  readonly #metrics: RpcMetrics;

  constructor(deps: {
    readonly routes: Routes;
    readonly logger: Logger;
    readonly metrics: RpcMetrics;
  }) {
    this.#routes = deps.routes;
    this.#logger = deps.logger;
    this.#metrics = deps.metrics;
  }

  /** The route of a name, unless the transport may not call it. */
  route(method: string, isWebSocket: boolean): Route | undefined {
    const route = this.#routes.get(method);
    return route !== undefined && (isWebSocket || !route.isWebSocketOnly) ? route : undefined;
  }

  /** Calls a method with the `params` of a JSON-RPC request. Never rejects. */
  async callJson(request: Request, context: CallContext): Promise<Answer> {
    const route = this.route(request.method, context.sink !== undefined);
    if (route === undefined) {
      this.#metrics.requests.inc({ method: "unknown", outcome: "error" });
      return this.fail(request.id, new RpcError({ code: "RPC_METHOD_NOT_FOUND" }, ""));
    }
    return this.call(request.id, request.method, route, context, () => {
      try {
        return argsFromJson(route.params, request.params);
      } catch (error) {
        // Over a WebSocket CometBFT calls them an internal error.
        if (context.sink === undefined || !(error instanceof RpcError)) throw error;
        throw methodFailure(error.message, error);
      }
    });
  }

  /** Calls a method with arguments read by `args`. Never rejects. */
  async call(
    id: RequestId,
    method: string,
    route: Route,
    context: CallContext,
    args: () => Record<string, unknown>,
  ): Promise<Answer> {
    const startMs = performance.now();
    let answer: Answer;
    try {
      const values = args();
      const result = await route.call(values, context);
      answer = {
        text: successText(id, result),
        isCacheable: isCacheable(route, values),
        isError: false,
      };
    } catch (error) {
      answer = this.fail(id, error, method);
    }
    this.#metrics.requests.inc({ method, outcome: answer.isError ? "error" : "ok" });
    this.#metrics.requestDuration.observe((performance.now() - startMs) / 1_000, { method });
    return answer;
  }

  /** An error's answer; what no method foresaw is logged, for the client learns nothing of it. */
  fail(id: RequestId, error: unknown, method = "unknown"): Answer {
    if (!(error instanceof RpcError)) this.#logger.error("rpc method failed", { method, error });
    return { text: errorText(id, error), isCacheable: false, isError: true };
  }
}

/**
 * The requests in a body: one, or a batch of at most `batchMax` (0: of any length).
 * @throws RpcError `RPC_PARSE` when it is neither, `RPC_INVALID_REQUEST` when the batch is too long
 */
export function parseRequests(text: string, batchMax: number): readonly Request[] {
  const value = parseJson(text);
  if (!Array.isArray(value)) return [toRequest(value)];
  if (batchMax > 0 && value.length > batchMax) {
    throw new RpcError(
      { code: "RPC_INVALID_REQUEST" },
      `batch request exceeds maximum (${batchMax}) allowed number of requests`,
    );
  }
  return value.map(toRequest);
}

/** The one request of a WebSocket message; batches are for HTTP. */
export function parseRequest(text: string): Request {
  return toRequest(parseJson(text));
}

export function successText(id: RequestId, result: Json | RawJson): string {
  const text = result instanceof RawJson ? result.text : JSON.stringify(result);
  return `{"jsonrpc":"2.0",${idText(id)}"result":${text}}`;
}

export function errorText(id: RequestId, error: unknown): string {
  return `{"jsonrpc":"2.0",${idText(id)}"error":${JSON.stringify(errorToJson(error))}}`;
}

/** The member `id` of an answer with its comma, or nothing. */
export function idText(id: RequestId): string {
  if (id === undefined) return "";
  return `"id":${typeof id === "string" ? JSON.stringify(id) : id.toString()},`;
}

function parseJson(text: string): unknown {
  // Go's words for it, though Go goes to ten thousand; nesting costs the parser most.
  if (!isShallowJson(text)) throw parseFailure("exceeded max depth");
  try {
    return JSON.parse(text);
  } catch (error) {
    throw parseFailure(error instanceof Error ? error.message : String(error));
  }
}

function parseFailure(message: string): RpcError {
  return new RpcError({ code: "RPC_PARSE" }, `error unmarshaling request: ${message}`);
}

function toRequest(value: unknown): Request {
  // Go reads null as an empty request, which is a notification.
  if (value === null) return { id: undefined, method: "", params: undefined };
  if (typeof value !== "object" || Array.isArray(value)) {
    throw parseFailure(`json: cannot unmarshal ${jsonType(value)} into a JSON-RPC request`);
  }
  const fields = fieldsOf(value);
  for (const name of ["jsonrpc", "method"]) {
    const field = fields.get(name);
    if (field !== undefined && field !== null && typeof field !== "string") {
      throw parseFailure(
        `json: cannot unmarshal ${jsonType(field)} into Go struct field .${name} of type string`,
      );
    }
  }
  const method = fields.get("method");
  return {
    id: toId(fields.get("id")),
    method: typeof method === "string" ? method : "",
    params: fields.get("params"),
  };
}

/** By name in small letters: Go reads the members of a request whatever their case, the last wins. */
function fieldsOf(value: object): ReadonlyMap<string, unknown> {
  return new Map(Object.entries(value).map(([name, field]) => [name.toLowerCase(), field]));
}

/** A Go `int`, and what a number that it cannot hold becomes there. */
const INT_MIN = -(2n ** 63n);
const INT_MAX = 2n ** 63n - 1n;

function toId(id: unknown): RequestId {
  if (id === undefined || id === null) return undefined;
  if (typeof id === "string") return id;
  // Go reads a float64 and cuts decimals off; no exponent comes back.
  if (typeof id === "number" && Number.isFinite(id)) {
    const integer = BigInt(Math.trunc(id));
    return integer < INT_MIN || integer > INT_MAX ? INT_MIN : integer;
  }
  if (typeof id === "number") {
    throw parseFailure("json: cannot unmarshal number into Go struct field .id of type float64");
  }
  throw parseFailure(`json-rpc ID (${JSON.stringify(id)}) is of unknown type (${jsonType(id)})`);
}
