/**
 * `/metrics` for Prometheus, `/health`, `/livez` and `/readyz` for balancers and supervisors. It has
 * a port of its own, so that a busy RPC server does not make a node look dead.
 */
import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Clock } from "../ports/clock.ts";
import type { Logger } from "../ports/logger.ts";
import type { PrometheusRegistry } from "../ports/prometheus.ts";
import type { HealthReport } from "./health.ts";
import { healthStatusCode, isServing } from "./health.ts";
import {
  CONNECTIONS_MAX,
  HEADER_BYTES_MAX,
  IDLE_TIMEOUT_MS,
  REQUEST_TIMEOUT_MS,
  STOP_TIMEOUT_MS,
} from "./limits.ts";

export interface MetricsServerOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
}

export interface MetricsServerDependencies {
  readonly registry: Pick<PrometheusRegistry, "text" | "contentType">;
  readonly health: () => HealthReport;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface MetricsServer {
  start(): Promise<{ readonly host: string; readonly port: number }>;
  stop(): Promise<void>;
}

interface Answer {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
}

/**
 * - `/livez`: 200 as long as the process answers. A halted node stays alive: whether it may go on is
 *   not for a supervisor to decide.
 * - `/readyz`: 200 when the node is up with the chain and blocks come, else 503.
 * - `/health`: 200 ready, 206 syncing, 503 starting, stalled or failed.
 */
export function createMetricsServer(
  options: MetricsServerOptions,
  deps: MetricsServerDependencies,
): MetricsServer {
  const logger = deps.logger.child({ module: "metrics" });
  let scrape: Promise<string> | undefined;

  /** Scrapes that come while one is under way share it: it walks every metric on the main loop. */
  function metricsText(): Promise<string> {
    scrape ??= deps.registry.text().finally(() => (scrape = undefined));
    return scrape;
  }

  async function answerTo(path: string): Promise<Answer> {
    const report = deps.health();
    switch (path) {
      case "/metrics":
        return {
          status: 200,
          contentType: deps.registry.contentType,
          body: await metricsText(),
        };
      case "/livez":
        return json(200, report);
      case "/readyz":
        return json(isServing(report) ? 200 : 503, report);
      case "/health":
        return json(healthStatusCode(report.status), report);
      case "/":
        return text(200, "/metrics /health /livez /readyz\n");
      default:
        return text(404, "not found; try /metrics, /health, /livez or /readyz\n");
    }
  }

  async function respond(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let answer: Answer;
    try {
      const isRead = request.method === "GET" || request.method === "HEAD";
      answer = isRead
        ? await answerTo((request.url ?? "/").split("?", 1)[0] ?? "/")
        : text(405, "only GET and HEAD\n");
    } catch (error) {
      logger.error("could not answer", { url: request.url, error });
      answer = text(500, "internal error, see the log of the node\n");
    }
    if (response.destroyed) return;
    response.writeHead(answer.status, {
      "Content-Type": answer.contentType,
      "Content-Length": Buffer.byteLength(answer.body).toString(),
      "Cache-Control": "no-store",
    });
    response.end(request.method === "HEAD" ? undefined : answer.body);
  }

  const server = createServer(
    {
      maxHeaderSize: HEADER_BYTES_MAX,
      headersTimeout: REQUEST_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      connectionsCheckingInterval: 1_000,
    },
    (request, response) => void respond(request, response),
  );
  server.maxConnections = CONNECTIONS_MAX;
  server.timeout = IDLE_TIMEOUT_MS;

  return {
    start() {
      return new Promise((resolve, reject) => {
        server.once("error", reject);
        server.listen(options.port, options.host, () => {
          server.off("error", reject);
          // Accepting may fail for a while (no descriptors, no memory); the server goes on after it.
          server.on("error", (error) =>
            logger.warn("connection not accepted", { error: error.message }),
          );
          const address = server.address();
          if (address === null || typeof address === "string") {
            reject(new Error(`expected a TCP address, got ${String(address)}`));
            return;
          }
          const bound = { host: address.address, port: address.port };
          logger.info("metrics server listens", bound);
          resolve(bound);
        });
      });
    },
    async stop() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeIdleConnections();
      const force = deps.clock.after(STOP_TIMEOUT_MS, () => server.closeAllConnections());
      await closed;
      force.cancel();
    },
  };
}

function json(status: number, report: HealthReport): Answer {
  return { status, contentType: "application/json", body: `${JSON.stringify(report)}\n` };
}

function text(status: number, body: string): Answer {
  return { status, contentType: "text/plain; charset=utf-8", body };
}
