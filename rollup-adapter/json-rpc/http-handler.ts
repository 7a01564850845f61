/** One HTTP request of a JSON-RPC server: who may call, the body within its limits, the answer; and health. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { assert } from "../../proto/errors.ts";
import type { Access } from "./access.ts";
import type { Dispatcher } from "./dispatcher.ts";
import { RPC_BODIES_BYTES_MAX, RPC_UNREAD_BYTES_MAX } from "./limits.ts";
import type { Json } from "./method.ts";
import type { JsonRpcMetrics } from "./metrics.ts";
import type { Share } from "./share.ts";
import { createUnreadAnswers, type UnreadAnswers } from "./unread-answers.ts";

/** Whether the rollup can serve; why not, when it cannot. */
export interface Readiness {
  readonly isReady: boolean;
  readonly detail?: string;
}

/** What an HTTP request is served with. */
export interface Serving {
  readonly dispatcher: Dispatcher;
  readonly readiness: () => Promise<Readiness>;
  /** What /health tells beside that. */
  readonly healthFacts: () => Readonly<Record<string, Json>>;
  readonly metrics: JsonRpcMetrics;
  readonly origins: readonly string[];
  readonly bodyBytesMax: number;
  readonly access: Access;
  readonly isExempt: (address: string) => boolean;
  readonly requestShare: Share;
}

interface Handling extends Serving {
  readonly unread: UnreadAnswers;
  /** Of all HTTP requests that are being read or answered. */
  readonly bodies: { bytes: number };
}

/** Never throws but for a connection that breaks. */
export function createHttpHandler(
  serving: Serving,
): (request: IncomingMessage, response: ServerResponse) => Promise<void> {
  const unread = createUnreadAnswers(RPC_UNREAD_BYTES_MAX, () =>
    serving.metrics.rpcDropped.inc({ what: "unread" }),
  );
  const handling = { ...serving, unread, bodies: { bytes: 0 } };
  return (request, response) => handle(request, response, handling);
}

async function handle(
  request: IncomingMessage,
  response: ServerResponse,
  serving: Handling,
): Promise<void> {
  const { origins, metrics } = serving;
  const { origin } = request.headers;
  response.setHeader("vary", "origin");
  if (origin !== undefined && isAllowedOrigin(origin, origins)) {
    response.setHeader("access-control-allow-origin", origin);
    response.setHeader(
      "access-control-allow-headers",
      "authorization, content-type, x-api-key, x-flashbots-signature",
    );
    response.setHeader("access-control-allow-methods", "POST, GET, OPTIONS");
  }
  if (request.method === "POST") {
    if (isForeignPage(origin, origins)) {
      metrics.rpcDropped.inc({ what: "origin" });
      refuse(response, 403, "pages of this origin may not call; see rpc.cors_origins");
    } else await call(request, response, serving);
  } else if (request.method === "GET" || request.method === "HEAD") {
    await health(request, response, serving);
  } else if (request.method === "OPTIONS") response.writeHead(204).end();
  else reply(response, 405, { error: "POST a JSON-RPC request" });
}

async function call(
  request: IncomingMessage,
  response: ServerResponse,
  serving: Handling,
): Promise<void> {
  const { dispatcher, metrics, access, isExempt, requestShare, unread } = serving;
  const caller = access.callerOf(request);
  if (typeof caller === "string") {
    metrics.rpcDropped.inc({ what: "key" });
    refuse(response, 401, caller);
    return;
  }
  const taken = requestShare.take(caller.requester, { isExempt: isExempt(caller.address) });
  if ("full" in taken) {
    metrics.rpcDropped.inc({ what: "requests" });
    const isOwn = taken.full === "requester";
    refuse(response, isOwn ? 429 : 503, "too many requests under way; try again later");
    return;
  }
  // Until its client has read the answer, or is gone.
  response.once("close", taken.release);
  const body = await readBody(request, serving);
  response.once("close", () => {
    serving.bodies.bytes -= body.bytes;
  });
  if (response.destroyed) return;
  if (body.text === undefined) {
    metrics.rpcDropped.inc({ what: body.what });
    if (body.what === "body") {
      refuse(response, 413, `a body has at most ${serving.bodyBytesMax} bytes`);
    } else refuse(response, 503, "too much is being read; try again later");
    return;
  }
  const header = request.headers["x-flashbots-signature"];
  const answer = await dispatcher.answer(body.text, {
    ...caller,
    signature: Array.isArray(header) ? header.join(",") : header,
  });
  if (answer === undefined) response.writeHead(204).end();
  else {
    response.writeHead(200, { "content-type": "application/json" });
    unread.send(response, answer);
  }
}

async function health(
  request: IncomingMessage,
  response: ServerResponse,
  { readiness, healthFacts }: Serving,
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

interface Body {
  /** Absent when it is too large (`body`), or too much is being read already (`bodies`). */
  readonly text: string | undefined;
  readonly what: "body" | "bodies";
  /** Counted in `bodies` for it. */
  readonly bytes: number;
}

async function readBody(
  request: IncomingMessage,
  { bodyBytesMax, bodies }: Pick<Handling, "bodyBytesMax" | "bodies">,
): Promise<Body> {
  const announced = Number(request.headers["content-length"] ?? 0);
  if (announced > bodyBytesMax) return { text: undefined, what: "body", bytes: 0 };
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    // Destroyed by leaving the loop, its connection could not carry the refusal.
    for await (const chunk of request.iterator({ destroyOnReturn: false })) {
      assert(Buffer.isBuffer(chunk), "a request without encoding yields buffers");
      if (bytes + chunk.length > bodyBytesMax) return { text: undefined, what: "body", bytes };
      if (bodies.bytes + chunk.length > RPC_BODIES_BYTES_MAX) {
        return { text: undefined, what: "bodies", bytes };
      }
      bytes += chunk.length;
      bodies.bytes += chunk.length;
      chunks.push(chunk);
    }
  } catch (cause) {
    bodies.bytes -= bytes;
    throw cause;
  }
  return { text: Buffer.concat(chunks).toString("utf8"), what: "body", bytes };
}

/** An answer instead of the work; whatever else comes on the connection is not read. */
function refuse(response: ServerResponse, status: number, error: string): void {
  response.setHeader("connection", "close");
  reply(response, status, { error });
}

function reply(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
}

/** No origin: not a browser, which is always allowed. */
export function isAllowedOrigin(origin: string | undefined, origins: readonly string[]): boolean {
  return origin === undefined || origins.includes("*") || origins.includes(origin);
}

/**
 * A page in a browser that is not allowed to call. Its own origin is no exception: whoever makes a name of theirs point
 * to this machine has that. Extensions (a wallet) have origins of other schemes, and are the user's own.
 */
function isForeignPage(origin: string | undefined, origins: readonly string[]): boolean {
  return !isAllowedOrigin(origin, origins) && /^(https?:|null$)/.test(origin ?? "");
}
