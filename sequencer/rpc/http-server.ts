/**
 * The RPC server: JSON-RPC over POST, URIs over GET, WebSocket at `/websocket`, the list of methods
 * at `/` (spec §19.3; `rpc/jsonrpc/server`).
 */
import { createServer } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { WebSocketServer } from "ws";
import type { Clock } from "../ports/clock.ts";
import type { Logger } from "../ports/logger.ts";
import { refuseUpgrade } from "../ports/refuse-upgrade.ts";
import { corsHeaders } from "./cors.ts";
import { invalidRequest, RpcError } from "./errors.ts";
import type { Answer, Dispatcher } from "./json-rpc.ts";
import { errorText, parseRequests } from "./json-rpc.ts";
import { IDLE_TIMEOUT_MS, STOP_TIMEOUT_MS } from "./limits.ts";
import { listMethods } from "./method-list.ts";
import type { RpcMetrics } from "./metrics.ts";
import { argsFromUri } from "./params.ts";
import type { CallContext, Routes } from "./routes.ts";
import type { SubscriptionKeeper } from "./subscriptions.ts";
import { WebSocketClient } from "./websocket.ts";

export interface HttpServerOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** Origins that browsers may call from; `*` is all, `https://*.x` a family. */
  readonly corsOrigins: readonly string[];
  readonly corsMethods: readonly string[];
  readonly corsHeaders: readonly string[];
  readonly connectionsMax: number;
  readonly bodyBytesMax: number;
  readonly headerBytesMax: number;
  readonly batchRequestsMax: number;
  readonly closesSlowClients: boolean;
  /** Time that headers and body of a request may take to arrive. */
  readonly requestTimeoutMs: number;
}

export interface HttpServerDependencies {
  readonly routes: Routes;
  readonly dispatcher: Dispatcher;
  readonly hub: SubscriptionKeeper;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: RpcMetrics;
}

/** What a URI call's answer has for an id. */
const URI_ID = -1n;
const CACHE_ONE_DAY = "public, max-age=86400";

export class HttpServer {
  readonly #options: HttpServerOptions;
  readonly #deps: HttpServerDependencies;
  readonly #server: Server;
  readonly #webSockets: WebSocketServer;
  readonly #clients = new Set<WebSocketClient>();
  readonly #abort = new AbortController();
  #connections = 0;

  constructor(options: HttpServerOptions, deps: HttpServerDependencies) {
    this.#options = options;
    this.#deps = deps;
    this.#server = createServer(
      {
        maxHeaderSize: options.headerBytesMax,
        headersTimeout: options.requestTimeoutMs,
        requestTimeout: options.requestTimeoutMs,
        connectionsCheckingInterval: Math.min(1_000, options.requestTimeoutMs),
        noDelay: true,
      },
      (request, response) => void this.#onRequest(request, response),
    );
    this.#server.maxConnections = options.connectionsMax;
    this.#server.timeout = IDLE_TIMEOUT_MS;
    this.#server.keepAliveTimeout = IDLE_TIMEOUT_MS;
    this.#server.on("drop", () => deps.metrics.refused.inc({ reason: "connections" }));
    this.#server.on("connection", (socket) => this.#onConnection(socket));
    this.#server.on("upgrade", (request, socket: Socket, head) =>
      this.#onUpgrade(request, socket, head),
    );
    this.#webSockets = new WebSocketServer({
      noServer: true,
      maxPayload: options.bodyBytesMax,
      perMessageDeflate: false,
      clientTracking: false,
    });
  }

  /** Resolves with the address it listens on. */
  listen(): Promise<{ readonly host: string; readonly port: number }> {
    const { host, port } = this.#options;
    return new Promise((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen(port, host, () => {
        this.#server.off("error", reject);
        // Accepting may fail for a while (no descriptors, no memory); the server goes on after it.
        this.#server.on("error", (error) =>
          this.#deps.logger.warn("rpc connection not accepted", { error: error.message }),
        );
        const address = this.#server.address();
        if (address === null || typeof address === "string") {
          reject(new Error(`expected a TCP address, got ${String(address)}`));
          return;
        }
        resolve({ host: address.address, port: address.port });
      });
    });
  }

  /** Tells WebSocket clients, lets answers under way end, then closes what is left. */
  async close(): Promise<void> {
    for (const client of this.#clients) client.close();
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeIdleConnections();
    this.#abort.abort();
    const force = this.#deps.clock.after(STOP_TIMEOUT_MS, () => this.#server.closeAllConnections());
    await closed;
    force.cancel();
  }

  #onConnection(socket: Socket): void {
    this.#connections++;
    this.#gauge();
    socket.once("close", () => {
      this.#connections--;
      this.#gauge();
    });
  }

  #gauge(): void {
    const { connections } = this.#deps.metrics;
    connections.set(this.#clients.size, { transport: "websocket" });
    connections.set(this.#connections - this.#clients.size, { transport: "http" });
  }

  #onUpgrade(request: IncomingMessage, socket: Socket, head: Buffer): void {
    if (pathOf(request) !== "/websocket") {
      refuseUpgrade(socket, "404 Not Found");
      return;
    }
    // `close` has told all that there were.
    if (this.#abort.signal.aborted) {
      refuseUpgrade(socket, "503 Service Unavailable");
      return;
    }
    const client = clientName(request);
    const { closesSlowClients: closesWhenSlow } = this.#options;
    this.#webSockets.handleUpgrade(request, socket, head, (webSocket) => {
      const options = { client, closesWhenSlow };
      const one = new WebSocketClient(webSocket, socket, options, this.#deps, () => {
        this.#clients.delete(one);
        this.#gauge();
      });
      this.#clients.add(one);
      this.#gauge();
    });
  }

  async #onRequest(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { corsOrigins: origins, corsMethods: methods, corsHeaders: headers } = this.#options;
    for (const [name, value] of corsHeaders({ origins, methods, headers }, request.headers)) {
      response.setHeader(name, value);
    }
    // What a browser asks before a call. Beyond that the method makes no difference, as in CometBFT.
    if (request.method === "OPTIONS" && origins.length > 0) {
      send(response, 204, "", {});
      return;
    }
    const connection = new AbortController();
    response.once("close", () => connection.abort());
    const context: CallContext = {
      client: clientName(request),
      signal: AbortSignal.any([connection.signal, this.#abort.signal]),
      sink: undefined,
    };
    let body: string;
    try {
      body = await readBody(request, this.#options.bodyBytesMax);
    } catch (error) {
      if (!(error instanceof RpcError)) return; // The client went away while it sent.
      this.#deps.metrics.refused.inc({ reason: "body" });
      response.setHeader("Connection", "close");
      sendJson(response, 400, errorText(undefined, error));
      return;
    }
    const path = pathOf(request);
    const clean = cleanPath(path);
    if (path !== clean) {
      const query = queryOf(request);
      // A browser takes a backslash for a slash, and `/\host` for another host's address.
      const to = clean.replaceAll("\\", "%5C");
      const location = query === "" ? to : `${to}?${query}`;
      send(response, 307, "Temporary Redirect\n", { "Content-Type": TEXT, Location: location });
    } else if (path !== "/") await this.#onUri(path, body, request, response, context);
    else if (body === "") this.#onList(request, response);
    else await this.#onJson(body, response, context);
  }

  async #onJson(body: string, response: ServerResponse, context: CallContext): Promise<void> {
    let answers: readonly Answer[];
    try {
      const requests = parseRequests(body, this.#options.batchRequestsMax).filter(
        ({ id }) => id !== undefined,
      );
      answers = await inOrder(requests, (one) => this.#deps.dispatcher.callJson(one, context));
    } catch (error) {
      const status = error instanceof RpcError && error.code === "RPC_INVALID_REQUEST" ? 200 : 500;
      sendJson(response, status, errorText(undefined, error));
      return;
    }
    const [first] = answers;
    if (first === undefined) {
      send(response, 200, "", {});
      return;
    }
    // As in CometBFT, a batch of one is answered with an object.
    const text =
      answers.length === 1 ? first.text : `[${answers.map((one) => one.text).join(",")}]`;
    sendJson(
      response,
      200,
      text,
      answers.every((one) => one.isCacheable),
    );
  }

  async #onUri(
    path: string,
    body: string,
    request: IncomingMessage,
    response: ServerResponse,
    context: CallContext,
  ): Promise<void> {
    const method = path.slice(1);
    const known = path.startsWith("/") ? this.#deps.routes.get(method) : undefined;
    if (path === "/websocket") {
      send(response, 400, "Bad Request\n", { "Content-Type": TEXT });
      return;
    }
    if (known === undefined) {
      send(response, 404, "404 page not found\n", { "Content-Type": TEXT });
      return;
    }
    const route = this.#deps.dispatcher.route(method, false);
    if (route === undefined) {
      sendJson(
        response,
        404,
        errorText(URI_ID, new RpcError({ code: "RPC_METHOD_NOT_FOUND" }, "")),
      );
      return;
    }
    const answer = await this.#deps.dispatcher.call(URI_ID, method, route, context, () =>
      argsFromUri(route.params, uriQuery(request, body)),
    );
    sendJson(response, answer.isError ? 500 : 200, answer.text, answer.isCacheable);
  }

  #onList(request: IncomingMessage, response: ServerResponse): void {
    const html = listMethods(this.#deps.routes, request.headers.host ?? "");
    send(response, 200, html, { "Content-Type": "text/html; charset=utf-8" });
  }
}

const TEXT = "text/plain; charset=utf-8";

/** One after another: a batch must not run many heavy calls at once. */
async function inOrder<T, R>(items: readonly T[], run: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  for (const item of items) results.push(await run(item));
  return results;
}

function readBody(request: IncomingMessage, bytesMax: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let length = 0;
    request.on("data", (chunk: Buffer) => {
      length += chunk.length;
      if (length > bytesMax) {
        request.pause();
        request.removeAllListeners("data");
        reject(invalidRequest("error reading request body: http: request body too large"));
        return;
      }
      chunks.push(chunk);
    });
    request.on("end", () => resolve(Buffer.concat(chunks).toString("utf8")));
    request.on("error", reject);
    request.on("close", () => reject(new Error("the client went away")));
  });
}

/** Arguments of a URI call; a form in the body gives those that the query does not, as with Go's FormValue. */
function uriQuery(request: IncomingMessage, body: string): ReadonlyMap<string, string> {
  const query = readQuery(queryOf(request));
  if (request.headers["content-type"]?.startsWith("application/x-www-form-urlencoded") === true) {
    for (const [name, value] of readQuery(body)) {
      if ((query.get(name) ?? "") === "") query.set(name, value);
    }
  }
  return query;
}

/** The first value of each name, without pairs that Go cannot read, which leaves them out and goes on. */
function readQuery(text: string): Map<string, string> {
  const pairs = text.split("&").filter((pair) => !/;|%(?![0-9a-f]{2})/i.test(pair));
  // A look-up in URLSearchParams compares the name with all others.
  const values = new Map<string, string>();
  for (const [name, value] of new URLSearchParams(pairs.join("&"))) {
    if (!values.has(name)) values.set(name, value);
  }
  return values;
}

/** What stands after the first question mark; a value may hold further ones. */
function queryOf(request: IncomingMessage): string {
  const url = request.url ?? "";
  const at = url.indexOf("?");
  return at < 0 ? "" : url.slice(at + 1);
}

/**
 * A path without empty, `.` and `..` segments: `//block` is where a client ends up whose base
 * address has a slash at its end, and Go's router sends it on.
 */
function cleanPath(path: string): string {
  // `*` is the server itself, and no path.
  if (!path.startsWith("/")) return path;
  const kept: string[] = [];
  const segments = path.split("/").slice(1);
  for (const segment of segments) {
    if (segment === "..") kept.pop();
    else if (segment !== "" && segment !== ".") kept.push(segment);
  }
  const isFolder = kept.length > 0 && path.endsWith("/");
  return `/${kept.join("/")}${isFolder ? "/" : ""}`;
}

/** Without scheme and host, which stand before it in what is sent by way of a proxy. */
function pathOf(request: IncomingMessage): string {
  const [target = ""] = (request.url ?? "").split("?", 1);
  const path = target.replace(/^[a-z][a-z0-9+.-]*:\/\/[^/]*/i, "");
  return path === "" ? "/" : path;
}

function clientName(request: IncomingMessage): string {
  return `${request.socket.remoteAddress ?? ""}:${request.socket.remotePort ?? 0}`;
}

function sendJson(
  response: ServerResponse,
  status: number,
  text: string,
  isCacheable = false,
): void {
  send(response, status, text, {
    "Content-Type": "application/json",
    ...(isCacheable ? { "Cache-Control": CACHE_ONE_DAY } : {}),
  });
}

function send(
  response: ServerResponse,
  status: number,
  text: string,
  headers: Readonly<Record<string, string>>,
): void {
  if (response.destroyed || response.writableEnded) return;
  response.writeHead(status, {
    ...headers,
    "X-Server-Time": Math.floor(Date.now() / 1_000).toString(),
    "Content-Length": Buffer.byteLength(text).toString(),
  });
  response.end(text);
}
