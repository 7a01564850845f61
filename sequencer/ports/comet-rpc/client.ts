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
  /** The address is no URL of http, https or tcp. */
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
  /** Closes idle connections; calls under way go on. */
  close(): void;
}

/**
 * A client of the node at `address`: a URL, `tcp://host:port` or `host:port`. Opens no connection yet.
 * @throws CometRpcError COMET_RPC_URL
 */
export function createCometRpcClient(address: string): CometRpcClient {
  const url = parseAddress(address);
  const library = url.protocol === "https:" ? https : http;
  const agent = new library.Agent({ keepAlive: true, maxSockets: CONNECTIONS_MAX });
  const auth =
    url.username === "" ? undefined : decodeURIComponent(`${url.username}:${url.password}`);
  const bare = new URL(url);
  bare.username = "";
  bare.password = "";
  const name = bare.href.replace(/\/$/, "");

  async function call(
    method: string,
    params: Readonly<Record<string, unknown>>,
    options: CallOptions = {},
  ): Promise<JsonNode> {
    const timeoutMs = options.timeoutMs ?? CALL_TIMEOUT_MS;
    const timeout = AbortSignal.timeout(timeoutMs);
    const signal =
      options.signal === undefined ? timeout : AbortSignal.any([options.signal, timeout]);
    const body = JSON.stringify({ jsonrpc: "2.0", id: 0, method, params });
    let answer: Answer;
    try {
      answer = await post(body, signal, options.answerBytesMax ?? ANSWER_BYTES_MAX);
    } catch (cause) {
      options.signal?.throwIfAborted();
      if (isWeftError(cause)) throw cause;
      const why = timeout.aborted ? `no answer in ${timeoutMs} ms` : messageOf(cause);
      throw rpcError({ code: "COMET_RPC_UNREACHABLE", url: name }, `${method}: ${why}`, cause);
    }
    return resultOf(answer, method, name);
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

  return { name, call, close: () => agent.destroy() };
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

function resultOf({ text, status }: Answer, method: string, url: string): JsonNode {
  try {
    const answer = parseJson(text);
    const error = answer.get("error");
    if (!error.isAbsent) {
      const info = {
        code: "COMET_RPC_REFUSED",
        url,
        number: error.get("code").integer(),
        text: error.get("message").text(),
        data: error.get("data").text(),
      } as const;
      throw rpcError(info, `${method}: ${info.data === "" ? info.text : info.data}`);
    }
    const version = answer.get("jsonrpc");
    if (version.text() !== "2.0") throw version.error("JSON-RPC 2.0");
    return answer.get("result");
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

function rpcError(info: CometRpcErrorInfo, message: string, cause?: unknown): CometRpcError {
  const where = "url" in info ? `${info.url}: ` : "";
  return new WeftError<CometRpcErrorInfo>(info, where + message, { cause });
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
