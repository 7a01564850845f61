/** JSON-RPC 2.0: one request or a batch in, the answer's text out. */
import { isShallowJson } from "../../proto/json-reader.ts";
import type { Logger } from "../../sequencer/ports/logger.ts";
import { RPC_CODE, RpcError } from "./errors.ts";
import { RPC_BATCH_ANSWER_BYTES_MAX, RPC_BATCH_MAX, RPC_REFUSED_BYTES_READ_MAX } from "./limits.ts";
import type { Json, Method, MethodTable, Params, RequestContext } from "./method.ts";
import type { JsonRpcMetrics } from "./metrics.ts";

type Id = string | number | null;

/** What the transport knows of a request. */
export interface RequestOrigin extends Omit<RequestContext, "body"> {
  /** Asked for the first call of a request before it is read, then for the rest; the refusal, if they are too many. Left out: they never are. */
  readonly admit?: (calls: number) => string | undefined;
}

/** Methods that exist on one connection only (eth_subscribe). */
export type ConnectionMethods = ReadonlyMap<string, Method>;

export class Dispatcher {
  readonly #methods: MethodTable;
  readonly #logger: Logger;
  readonly #metrics: JsonRpcMetrics;
  readonly #batchMax: number;

  constructor(dependencies: {
    readonly methods: MethodTable;
    readonly logger: Logger;
    readonly metrics: JsonRpcMetrics;
    /** Calls in one batch; default and highest: RPC_BATCH_MAX. */
    readonly batchMax?: number | undefined;
  }) {
    this.#methods = dependencies.methods;
    this.#logger = dependencies.logger;
    this.#metrics = dependencies.metrics;
    this.#batchMax = Math.min(dependencies.batchMax ?? RPC_BATCH_MAX, RPC_BATCH_MAX);
  }

  /** The answer to `body`, or nothing when it held notifications only. Never throws. */
  async answer(
    body: string,
    from: RequestOrigin,
    extra?: ConnectionMethods,
  ): Promise<string | undefined> {
    const { address, requester, signature } = from;
    const context = { address, requester, signature, body };
    let request: unknown;
    // Reading is work too: not for somebody who has no call left.
    const tooMany = from.admit?.(1);
    if (tooMany !== undefined) return this.#tooMany(idOfSmall(body), tooMany);
    if (!isShallowJson(body)) {
      return this.#refusal(null, RPC_CODE.PARSE_ERROR, "parse error: the body is nested too deep");
    }
    try {
      request = JSON.parse(body);
    } catch {
      return this.#refusal(null, RPC_CODE.PARSE_ERROR, "parse error: the body is not JSON");
    }
    const batch: unknown[] | undefined = Array.isArray(request) ? request : undefined;
    if (batch?.length === 0) {
      return this.#refusal(null, RPC_CODE.INVALID_REQUEST, "an empty batch");
    }
    if (batch !== undefined && batch.length > this.#batchMax) {
      return this.#refusal(
        null,
        RPC_CODE.LIMIT_EXCEEDED,
        `at most ${this.#batchMax} calls a batch, got ${batch.length}`,
      );
    }
    if (batch === undefined) return this.#one(request, context, extra);
    const rest = batch.length === 1 ? undefined : from.admit?.(batch.length - 1);
    if (rest !== undefined) return this.#tooMany(null, rest);
    return this.#batch(batch, context, extra);
  }

  #tooMany(id: Id, refusal: string): string {
    this.#metrics.rpcDropped.inc({ what: "rate" });
    return this.#refusal(id, RPC_CODE.LIMIT_EXCEEDED, refusal);
  }

  async #batch(
    requests: unknown[],
    context: RequestContext,
    extra?: ConnectionMethods,
  ): Promise<string | undefined> {
    const answers: string[] = [];
    let bytes = 0;
    for (const request of requests) {
      const answer =
        bytes > RPC_BATCH_ANSWER_BYTES_MAX
          ? this.#refusal(idOf(request), RPC_CODE.LIMIT_EXCEEDED, "batch answer too large")
          : await this.#one(request, context, extra);
      if (answer === undefined) continue;
      bytes += answer.length;
      answers.push(answer);
    }
    return answers.length === 0 ? undefined : `[${answers.join(",")}]`;
  }

  async #one(
    request: unknown,
    context: RequestContext,
    extra?: ConnectionMethods,
  ): Promise<string | undefined> {
    const call = readCall(request);
    if (call === undefined) {
      return this.#refusal(idOf(request), RPC_CODE.INVALID_REQUEST, "not a JSON-RPC 2.0 request");
    }
    const known = this.#methods.get(call.method) ?? extra?.get(call.method);
    const label = known === undefined ? "other" : call.method;
    const started = performance.now();
    const answer = await this.#run(known, call, context);
    this.#metrics.rpcRequestSeconds.observe((performance.now() - started) / 1000, {
      method: label,
    });
    const code = "error" in answer ? answer.error.code : 0;
    this.#metrics.rpcRequests.inc({ method: label, code: String(code) });
    if (call.id === undefined) return undefined;
    try {
      return JSON.stringify({ jsonrpc: "2.0", id: call.id, ...answer });
    } catch {
      // Longer than a string may be, which no limit on the way should allow.
      return this.#refusal(call.id, RPC_CODE.LIMIT_EXCEEDED, "the answer is too large");
    }
  }

  async #run(
    method: Method | undefined,
    call: { readonly method: string; readonly params: unknown },
    context: RequestContext,
  ): Promise<{ readonly result: Json } | { readonly error: ErrorObject }> {
    if (method === undefined) {
      return failed(
        RPC_CODE.METHOD_NOT_FOUND,
        `the method ${call.method.slice(0, 64)} does not exist/is not available`,
      );
    }
    if (call.params !== undefined && call.params !== null && !Array.isArray(call.params)) {
      return failed(RPC_CODE.INVALID_PARAMS, "params: expected a list");
    }
    try {
      return { result: await method((call.params ?? []) as Params, context) };
    } catch (error) {
      if (error instanceof RpcError) return failed(error.code, error.message, error.data);
      // A bug or a failed disk: the caller learns that much, the operator learns what.
      this.#logger.error("a JSON-RPC method failed", {
        method: call.method,
        error: error instanceof Error ? (error.stack ?? error.message) : String(error),
      });
      return failed(RPC_CODE.INTERNAL, "internal error");
    }
  }

  #refusal(id: Id, code: number, message: string): string {
    this.#metrics.rpcRequests.inc({ method: "other", code: String(code) });
    return JSON.stringify({ jsonrpc: "2.0", id, ...failed(code, message) });
  }
}

interface ErrorObject {
  readonly code: number;
  readonly message: string;
  readonly data?: Json;
}

function failed(code: number, message: string, data?: Json): { readonly error: ErrorObject } {
  return { error: { code, message, ...(data === undefined ? {} : { data }) } };
}

function readCall(
  request: unknown,
): { readonly id: Id | undefined; readonly method: string; readonly params: unknown } | undefined {
  if (typeof request !== "object" || request === null) return undefined;
  const { jsonrpc, method, params, id } = request as Readonly<Record<string, unknown>>;
  if (jsonrpc !== "2.0" || typeof method !== "string") return undefined;
  if (id !== undefined && id !== null && typeof id !== "string" && typeof id !== "number") {
    return undefined;
  }
  return { id, method, params };
}

function idOf(request: unknown): Id {
  if (typeof request !== "object" || request === null || !("id" in request)) return null;
  const { id } = request;
  return typeof id === "string" || typeof id === "number" ? id : null;
}

/** Of one request that is refused unread: its id, so that a WebSocket's client knows which, where that costs little. */
function idOfSmall(body: string): Id {
  if (body.length > RPC_REFUSED_BYTES_READ_MAX || !isShallowJson(body)) return null;
  try {
    return idOf(JSON.parse(body));
  } catch {
    return null; // no JSON: no id
  }
}
