/** HTTP and WebSocket on one port: JSON-RPC, and health for whoever watches the process. */
import { createServer, type Server } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { type WebSocket, WebSocketServer } from "ws";
import { assert } from "../../proto/errors.ts";
import type { Cancel, Clock } from "../../sequencer/ports/clock.ts";
import type { Logger } from "../../sequencer/ports/logger.ts";
import { refuseUpgrade } from "../../sequencer/ports/refuse-upgrade.ts";
import { type AccessOptions, createAccess, isLoopback, networkOf, OPEN_ACCESS } from "./access.ts";
import { serveConnection } from "./connection.ts";
import type { Dispatcher } from "./dispatcher.ts";
import { createHttpHandler, isAllowedOrigin, type Readiness } from "./http-handler.ts";
import {
  RPC_BODY_BYTES_MAX,
  RPC_CONNECTIONS_EACH_MAX,
  RPC_CONNECTIONS_MAX,
  RPC_HEADER_BYTES_MAX,
  RPC_HEADERS_TIMEOUT_MS,
  RPC_IDLE_TIMEOUT_MS,
  RPC_KEEP_ALIVE_MS,
  RPC_REQUEST_TIMEOUT_MS,
  RPC_REQUESTS_EACH_MAX,
  RPC_REQUESTS_MAX,
  RPC_SUBSCRIPTIONS_ALL_MAX,
  RPC_SUBSCRIPTIONS_EACH_MAX,
  RPC_TIMEOUT_CHECK_MS,
  RPC_WEBSOCKETS_MAX,
  RPC_WEBSOCKET_PING_MS,
} from "./limits.ts";
import type { Json, SubscriptionKinds } from "./method.ts";
import type { JsonRpcMetrics } from "./metrics.ts";
import { createShare } from "./share.ts";

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
  /** Connections of all, and of one address (0: no limit). Default: RPC_CONNECTIONS_MAX, RPC_CONNECTIONS_EACH_MAX. */
  readonly connectionsMax?: number;
  readonly connectionsEachMax?: number;
  /** Requests of one requester under way; 0: no limit. Default: RPC_REQUESTS_EACH_MAX. */
  readonly requestsEachMax?: number;
  /** Addresses for which those two limits do not hold; default: the machine's own. */
  readonly isExempt?: (address: string) => boolean;
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
  const { connectionsMax = RPC_CONNECTIONS_MAX, isExempt = isLoopback } = options;
  const { connectionsEachMax: eachMax = RPC_CONNECTIONS_EACH_MAX } = options;
  const connectionShare = createShare({ max: connectionsMax, eachMax });
  const websocketsMax = Math.max(1, Math.min(RPC_WEBSOCKETS_MAX, connectionsMax >> 1));
  const websocketShare = createShare({ max: websocketsMax, eachMax });
  const requestShare = createShare({
    max: RPC_REQUESTS_MAX,
    eachMax: options.requestsEachMax ?? RPC_REQUESTS_EACH_MAX,
  });
  const subscriptionShare = createShare({
    max: RPC_SUBSCRIPTIONS_ALL_MAX,
    eachMax: RPC_SUBSCRIPTIONS_EACH_MAX,
  });
  const handle = createHttpHandler({
    ...dependencies,
    origins,
    bodyBytesMax,
    access,
    isExempt,
    requestShare,
  });
  const http = createServer({
    maxHeaderSize: RPC_HEADER_BYTES_MAX,
    headersTimeout: RPC_HEADERS_TIMEOUT_MS,
    requestTimeout: RPC_REQUEST_TIMEOUT_MS,
    keepAliveTimeout: RPC_KEEP_ALIVE_MS,
    connectionsCheckingInterval: RPC_TIMEOUT_CHECK_MS,
  });
  /** Whose client waits for us, not we for it. */
  const answering = new WeakSet<Socket>();
  http.on("request", (request, response) => {
    answering.add(request.socket);
    response.once("prefinish", () => answering.delete(request.socket));
    handle(request, response).catch((error: unknown) => {
      // The connection broke while it was being served; there is nobody left to answer.
      logger.debug("an HTTP request was not answered", { error: String(error) });
      response.destroy();
    });
  });
  http.maxConnections = connectionsMax;
  http.on("drop", () => metrics.rpcDropped.inc({ what: "connection" }));
  http.on("connection", (socket: Socket) => {
    // All that proxies bring comes from theirs.
    if ((options.access?.proxyHops ?? 0) > 0) return;
    const address = socket.remoteAddress ?? "";
    const taken = connectionShare.take(networkOf(address), { isExempt: isExempt(address) });
    if ("release" in taken) socket.once("close", taken.release);
    else {
      metrics.rpcDropped.inc({ what: "connection_of_one" });
      socket.destroy();
    }
  });
  http.setTimeout(RPC_IDLE_TIMEOUT_MS, (socket) => {
    const isUnread = socket.writableLength > 0;
    if (isUnread) metrics.rpcDropped.inc({ what: "idle" });
    if (isUnread || !answering.has(socket)) socket.destroy();
  });

  const websockets = new WebSocketServer({
    noServer: true,
    maxPayload: bodyBytesMax,
    perMessageDeflate: false,
    autoPong: false,
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
    if (!isAllowedOrigin(request.headers.origin, origins)) {
      metrics.rpcDropped.inc({ what: "websocket_origin" });
      refuseUpgrade(socket, "403 Forbidden");
      return;
    }
    const caller = access.callerOf(request);
    if (typeof caller === "string") {
      metrics.rpcDropped.inc({ what: "key" });
      refuseUpgrade(socket, "401 Unauthorized");
      return;
    }
    const taken = websocketShare.take(caller.requester, { isExempt: isExempt(caller.address) });
    if ("full" in taken) {
      metrics.rpcDropped.inc({ what: "websocket" });
      refuseUpgrade(
        socket,
        taken.full === "all" ? "503 Service Unavailable" : "429 Too Many Requests",
      );
      return;
    }
    socket.once("close", taken.release);
    websockets.handleUpgrade(request, socket, head, (websocket) => {
      metrics.rpcWebSockets.set(websockets.clients.size);
      websocket.on("close", () => metrics.rpcWebSockets.set(websockets.clients.size));
      websocket.on("pong", () => silent.delete(websocket));
      serveConnection(websocket, caller, {
        ...dependencies,
        requestShare,
        subscriptionShare,
        isExempt: isExempt(caller.address),
      });
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
