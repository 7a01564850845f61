/** HTTP and WebSocket on one port: JSON-RPC, and health for whoever watches the process. */
import { type IncomingMessage, type Server, type ServerResponse, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { type WebSocket, WebSocketServer } from "ws";
import { assert } from "../../proto/errors.ts";
import type { Cancel, Clock } from "../../sequencer/ports/clock.ts";
import type { Logger } from "../../sequencer/ports/logger.ts";
import { refuseUpgrade } from "../../sequencer/ports/refuse-upgrade.ts";
import { type Access, type AccessOptions, createAccess, OPEN_ACCESS } from "./access.ts";
import { serveConnection } from "./connection.ts";
import type { Dispatcher } from "./dispatcher.ts";
import {
  RPC_BODY_BYTES_MAX,
  RPC_CONNECTIONS_MAX,
  RPC_REQUEST_TIMEOUT_MS,
  RPC_WEBSOCKETS_MAX,
  RPC_WEBSOCKET_PING_MS,
} from "./limits.ts";
import type { Json, SubscriptionKinds } from "./method.ts";
import type { JsonRpcMetrics } from "./metrics.ts";

export interface RpcServerOptions {
  /** Default 127.0.0.1: whoever exposes the port says so. */
  readonly host?: string;
  /** 0: any free port. */
  readonly port: number;
  /** Origins that browsers may call from; "*": all. Default: none. */
  readonly corsOrigins?: readonly string[];
  /** Keys and rate limits; default: none, everybody may call. */
  readonly access?: AccessOptions;
  /** Body of one request; default and highest: RPC_BODY_BYTES_MAX. */
  readonly bodyBytesMax?: number;
}

/** Whether the rollup can serve; why not, when it cannot. */
export interface Readiness {
  readonly isReady: boolean;
  readonly detail?: string;
}

export interface RpcServerDependencies {
  readonly dispatcher: Dispatcher;
  readonly subscriptions: SubscriptionKinds;
  readonly readiness: () => Promise<Readiness>;
  /** What /health tells beside that. */
  readonly healthFacts: () => Readonly<Record<string, Json>>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: JsonRpcMetrics;
}

export interface RpcServer {
  readonly host: string;
  readonly port: number;
  /** Ends open connections and frees the port. */
  close(): Promise<void>;
}

/** Listens; rejects when the port is taken. */
export async function startRpcServer(
  options: RpcServerOptions,
  dependencies: RpcServerDependencies,
): Promise<RpcServer> {
  const { logger, metrics } = dependencies;
  const origins = options.corsOrigins ?? [];
  const bodyBytesMax = Math.min(options.bodyBytesMax ?? RPC_BODY_BYTES_MAX, RPC_BODY_BYTES_MAX);
  const access = createAccess(options.access ?? OPEN_ACCESS, () =>
    dependencies.clock.monotonicMs(),
  );
  const serving = { ...dependencies, origins, bodyBytesMax, access };
  const http = createServer((request, response) => {
    handle(request, response, serving).catch((error: unknown) => {
      // The connection broke while it was being served; there is nobody left to answer.
      logger.debug("an HTTP request was not answered", { error: String(error) });
      response.destroy();
    });
  });
  http.maxConnections = RPC_CONNECTIONS_MAX;
  http.requestTimeout = RPC_REQUEST_TIMEOUT_MS;
  http.on("drop", () => metrics.rpcDropped.inc({ what: "connection" }));

  const websockets = new WebSocketServer({
    noServer: true,
    maxPayload: bodyBytesMax,
    perMessageDeflate: false,
  });
  /** Those that have not answered the last ping. */
  const silent = new WeakSet<WebSocket>();
  const beat = (): Cancel =>
    dependencies.clock.after(RPC_WEBSOCKET_PING_MS, () => {
      for (const client of websockets.clients) {
        if (silent.has(client)) client.terminate();
        silent.add(client);
        client.ping();
      }
      heartbeat = beat();
    });
  let heartbeat = beat();
  http.on("upgrade", (request, socket, head) => {
    const isAllowed = isAllowedOrigin(request.headers.origin, origins);
    if (!isAllowed || websockets.clients.size >= RPC_WEBSOCKETS_MAX) {
      metrics.rpcDropped.inc({ what: isAllowed ? "websocket" : "websocket_origin" });
      refuseUpgrade(socket, isAllowed ? "503 Service Unavailable" : "403 Forbidden");
      return;
    }
    const caller = access.callerOf(request);
    if (typeof caller === "string") {
      metrics.rpcDropped.inc({ what: "key" });
      refuseUpgrade(socket, "401 Unauthorized");
      return;
    }
    websockets.handleUpgrade(request, socket, head, (websocket) => {
      metrics.rpcWebSockets.set(websockets.clients.size);
      websocket.on("close", () => metrics.rpcWebSockets.set(websockets.clients.size));
      websocket.on("pong", () => silent.delete(websocket));
      serveConnection(websocket, caller, dependencies);
    });
  });

  try {
    await listen(http, options);
  } catch (cause) {
    heartbeat.cancel();
    throw cause;
  }
  // Accepting may fail for a while (no descriptors, no memory); the server goes on after it.
  http.on("error", (error) => logger.warn("connection not accepted", { error: error.message }));
  const address = addressOf(http);
  logger.info("Ethereum JSON-RPC is served", { host: address.address, port: address.port });
  return {
    host: address.address,
    port: address.port,
    close: async () => {
      heartbeat.cancel();
      for (const client of websockets.clients) client.terminate();
      websockets.close();
      http.closeAllConnections();
      await new Promise<void>((resolve) => {
        http.close(() => resolve());
      });
    },
  };
}

interface Serving extends RpcServerDependencies {
  readonly origins: readonly string[];
  readonly bodyBytesMax: number;
  readonly access: Access;
}

async function handle(
  request: IncomingMessage,
  response: ServerResponse,
  serving: Serving,
): Promise<void> {
  const { origins } = serving;
  const { origin } = request.headers;
  if (origin !== undefined && isAllowedOrigin(origin, origins)) {
    response.setHeader("access-control-allow-origin", origin);
    response.setHeader("vary", "origin");
    response.setHeader(
      "access-control-allow-headers",
      "authorization, content-type, x-api-key, x-flashbots-signature",
    );
    response.setHeader("access-control-allow-methods", "POST, GET, OPTIONS");
  }
  if (request.method === "POST") await call(request, response, serving);
  else if (request.method === "GET" || request.method === "HEAD") {
    await health(request, response, serving);
  } else if (request.method === "OPTIONS") response.writeHead(204).end();
  else reply(response, 405, { error: "POST a JSON-RPC request" });
}

async function call(
  request: IncomingMessage,
  response: ServerResponse,
  { dispatcher, metrics, access, bodyBytesMax }: Serving,
): Promise<void> {
  const caller = access.callerOf(request);
  if (typeof caller === "string") {
    metrics.rpcDropped.inc({ what: "key" });
    reply(response, 401, { error: caller });
    return;
  }
  const body = await readBody(request, bodyBytesMax);
  if (body === undefined) {
    metrics.rpcDropped.inc({ what: "body" });
    response.setHeader("connection", "close");
    reply(response, 413, { error: `a body has at most ${bodyBytesMax} bytes` });
    return;
  }
  const header = request.headers["x-flashbots-signature"];
  const answer = await dispatcher.answer(body, {
    ...caller,
    signature: Array.isArray(header) ? header.join(",") : header,
  });
  if (answer === undefined) response.writeHead(204).end();
  else response.writeHead(200, { "content-type": "application/json" }).end(answer);
}

async function health(
  request: IncomingMessage,
  response: ServerResponse,
  { readiness, healthFacts }: RpcServerDependencies,
): Promise<void> {
  const path = request.url?.split("?")[0];
  if (path === "/livez") {
    reply(response, 200, { status: "live" });
    return;
  }
  if (path !== "/readyz" && path !== "/health") {
    reply(response, 404, { error: "POST a JSON-RPC request, or GET /health, /livez, /readyz" });
    return;
  }
  const { isReady, detail } = await readiness();
  const status = isReady ? "ready" : "not ready";
  if (path === "/readyz") {
    reply(response, isReady ? 200 : 503, { status, detail });
    return;
  }
  reply(response, 200, { status, detail, ...healthFacts() });
}

/** The body as text; absent when it is too large. */
async function readBody(request: IncomingMessage, bytesMax: number): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request) {
    assert(Buffer.isBuffer(chunk), "a request without encoding yields buffers");
    bytes += chunk.length;
    if (bytes > bytesMax) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function reply(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
}

/** No origin: not a browser, which is always allowed. */
function isAllowedOrigin(origin: string | undefined, origins: readonly string[]): boolean {
  return origin === undefined || origins.includes("*") || origins.includes(origin);
}

async function listen(http: Server, { host, port }: RpcServerOptions): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    http.once("error", reject);
    http.listen({ host: host ?? "127.0.0.1", port }, () => {
      http.off("error", reject);
      resolve();
    });
  });
}

function addressOf(http: Server): AddressInfo {
  const address = http.address();
  assert(address !== null && typeof address !== "string", "a listening server has an address");
  return address;
}
