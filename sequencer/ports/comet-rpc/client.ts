/**
 * A client of CometBFT's JSON-RPC over HTTP (spec/cometbft-v0.38.md §19.3). Answers are bounded in size
 * and time and come back as nodes of JSON that have yet to be read strictly.
 */
import http from "node:http";
import https from "node:https";
import { isWeftError, WeftError } from "../../../proto/errors.ts";
import { type JsonNode, parseJson } from "../../../proto/json-reader.ts";
import { ANSWER_BYTES_MAX, CALL_TIMEOUT_MS, CONNECTIONS_MAX } from "./limits.ts";

export type CometRpcErrorInfo =
  /** The address is no URL of http, https, tcp or unix. */
  | { readonly code: "COMET_RPC_URL" }
  /** No connection, no answer in time, or an answer cut off. */
  | { readonly code: "COMET_RPC_UNREACHABLE"; readonly url: string }
  /** An answer that is larger than it may be. */
  | { readonly code: "COMET_RPC_TOO_LARGE"; readonly url: string }
  /** An answer that is no JSON-RPC response to the call. */
  | { readonly code: "COMET_RPC_MALFORMED"; readonly url: string }
  /** The node answered with an error. */
  | {
      readonly code: "COMET_RPC_REFUSED";
      readonly url: string;
      /** The JSON-RPC code, its message, and what the node adds. */
      readonly number: number;
      readonly text: string;
      readonly data: string;
    };

export type CometRpcError = WeftError<CometRpcErrorInfo>;

export interface CallOptions {
  /** Ends the call. */
  readonly signal?: AbortSignal | undefined;
  readonly timeoutMs?: number | undefined;
  readonly answerBytesMax?: number | undefined;
}

export interface CometRpcClient {
  /** The address without a user's name and password: for logs. */
  readonly name: string;
  /** The result of a call. @throws CometRpcError; the reason of `signal` when that ends it */
  call(
    method: string,
    params: Readonly<Record<string, unknown>>,
    options?: CallOptions,
  ): Promise<JsonNode>;
  /**
   * One call for each of `params`, together in one request; the answers in that order, an error of the
   * node's in the place of its call. A node takes as many as its `rpc.max_request_batch_size` says.
   * @throws CometRpcError when there is no whole answer
   */
  batch(
    method: string,
    params: readonly Readonly<Record<string, unknown>>[],
    options?: CallOptions,
  ): Promise<readonly (JsonNode | CometRpcError)[]>;
  /** Closes idle connections; calls under way go on. */
  close(): void;
}

/**
 * A client of the node at `address`: a URL, `tcp://host:port`, `host:port`, or `unix:///path`. Opens no
 * connection yet.
 * @throws CometRpcError COMET_RPC_URL
 */
export function createCometRpcClient(address: string): CometRpcClient {
  const socketPath = /^unix:\/\/(\/.+)$/.exec(address)?.[1];
  const url = parseAddress(socketPath === undefined ? address : "http://localhost");
  const library = url.protocol === "https:" ? https : http;
  const agent = new library.Agent({ keepAlive: true, maxSockets: CONNECTIONS_MAX });
  const auth =
    url.username === "" ? undefined : decodeURIComponent(`${url.username}:${url.password}`);
  const bare = new URL(url);
  bare.username = "";
  bare.password = "";
  const name = socketPath === undefined ? bare.href.replace(/\/$/, "") : address;

  async function call(
    method: string,
    params: Readonly<Record<string, unknown>>,
    options: CallOptions = {},
  ): Promise<JsonNode> {
    const body = JSON.stringify({ jsonrpc: "2.0", id: 0, method, params });
    const answer = await send(method, body, options);
    const result = readAnswer(answer, method, name, (node) => resultOf(node, method, name));
    if (result instanceof WeftError) throw result;
    return result;
  }

  async function batch(
    method: string,
    params: readonly Readonly<Record<string, unknown>>[],
    options: CallOptions = {},
  ): Promise<readonly (JsonNode | CometRpcError)[]> {
    const [only] = params;
    if (only === undefined) return [];
    const calls = params.map((one, id) => ({ jsonrpc: "2.0", id, method, params: one }));
    // A batch of one is answered like a call.
    const isOne = params.length === 1;
    const answer = await send(method, JSON.stringify(isOne ? calls[0] : calls), options);
    return readAnswer(answer, method, name, (node) => {
      const nodes = isOne ? [node] : node.items();
      if (nodes.length !== params.length) throw node.error(`${params.length} answers`);
      const byId = new Map(nodes.map((one) => [one.get("id").count(), one]));
      return params.map((_, id) => {
        const one = byId.get(id);
        if (one === undefined) throw node.error(`an answer with the id ${id}`);
        return resultOf(one, method, name);
      });
    });
  }

  async function send(method: string, body: string, options: CallOptions): Promise<Answer> {
    const timeoutMs = options.timeoutMs ?? CALL_TIMEOUT_MS;
    const timeout = AbortSignal.timeout(timeoutMs);
    const signal =
      options.signal === undefined ? timeout : AbortSignal.any([options.signal, timeout]);
    try {
      return await post(body, signal, options.answerBytesMax ?? ANSWER_BYTES_MAX);
    } catch (cause) {
      options.signal?.throwIfAborted();
      if (isWeftError(cause)) throw cause;
      const why = timeout.aborted ? `no answer in ${timeoutMs} ms` : messageOf(cause);
      throw rpcError({ code: "COMET_RPC_UNREACHABLE", url: name }, `${method}: ${why}`, cause);
    }
  }

  function post(body: string, signal: AbortSignal, bytesMax: number): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const request = library.request(
        bare,
        {
          method: "POST",
          agent,
          signal,
          auth,
          socketPath,
          headers: {
            "content-type": "application/json",
            "content-length": Buffer.byteLength(body),
          },
        },
        (response) => {
          const chunks: Buffer[] = [];
          let bytes = 0;
          response.on("data", (chunk: Buffer) => {
            bytes += chunk.length;
            if (bytes > bytesMax) {
              const info = { code: "COMET_RPC_TOO_LARGE", url: name } as const;
              reject(rpcError(info, `an answer of more than ${bytesMax} bytes`));
              response.destroy();
              return;
            }
            chunks.push(chunk);
          });
          response.on("error", reject);
          response.on("aborted", () => reject(new Error("the answer was cut off")));
          response.on("end", () => {
            const text = Buffer.concat(chunks, bytes).toString("utf8");
            resolve({ text, status: response.statusCode ?? 0 });
          });
        },
      );
      request.on("error", reject);
      request.end(body);
    });
  }

  return { name, call, batch, close: () => agent.destroy() };
}

export function isCometRpcError(error: unknown): error is CometRpcError {
  return isWeftError(error) && error.code.startsWith("COMET_RPC_");
}

function parseAddress(address: string): URL {
  const text = /^[a-z]+:\/\//i.test(address)
    ? address.replace(/^tcp:/i, "http:")
    : `http://${address}`;
  let url: URL | undefined;
  try {
    const parsed = new URL(text);
    decodeURIComponent(parsed.username + parsed.password);
    url = parsed;
  } catch {
    // Not a URL, or a name that is not encoded as one: refused below.
  }
  if (url !== undefined && /^https?:$/.test(url.protocol) && url.hostname !== "") return url;
  throw rpcError(
    { code: "COMET_RPC_URL" },
    `expected the address of a node's RPC, such as http://127.0.0.1:26657, got ${JSON.stringify(address)}`,
  );
}

interface Answer {
  readonly text: string;
  readonly status: number;
}

/** What an answer holds, as `read` finds it; whatever is no answer of a node is told as that. */
function readAnswer<T>(
  { text, status }: Answer,
  method: string,
  url: string,
  read: (node: JsonNode) => T,
): T {
  try {
    return read(parseJson(text));
  } catch (cause) {
    if (!isWeftError(cause) || cause.code !== "JSON_SHAPE") throw cause;
    // Nodes send their errors with status 500 and a body; without one, it is a gateway that speaks.
    if (status >= 400) {
      const info = { code: "COMET_RPC_UNREACHABLE", url } as const;
      throw rpcError(info, `${method}: answered with HTTP status ${status}`, cause);
    }
    const info = { code: "COMET_RPC_MALFORMED", url } as const;
    throw rpcError(info, `${method}: not an answer of a node: ${cause.message}`, cause);
  }
}

/** The result of one response, or the node's error. */
function resultOf(answer: JsonNode, method: string, url: string): JsonNode | CometRpcError {
  const error = answer.get("error");
  if (!error.isAbsent) {
    const info = {
      code: "COMET_RPC_REFUSED",
      url,
      number: error.get("code").integer(),
      text: error.get("message").text(),
      data: error.get("data").text(),
    } as const;
    return rpcError(info, `${method}: ${info.data === "" ? info.text : info.data}`);
  }
  const version = answer.get("jsonrpc");
  if (version.text() !== "2.0") throw version.error("JSON-RPC 2.0");
  return answer.get("result");
}

function rpcError(info: CometRpcErrorInfo, message: string, cause?: unknown): CometRpcError {
  const where = "url" in info ? `${info.url}: ` : "";
  return new WeftError<CometRpcErrorInfo>(info, where + message, { cause });
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
