/**
 * The ABCI 2.0 socket server (spec/cometbft-v0.38.md §12.1): the application listens, CometBFT dials
 * four connections. Each is answered strictly in order; consensus calls run one at a time over all.
 */
import { existsSync, lstatSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { dirname } from "node:path";
import type { AssertionFailure } from "../../proto/errors.ts";
import type { Clock } from "../ports/clock.ts";
import type { Logger } from "../ports/logger.ts";
import { listenAtPath } from "../ports/unix-socket.ts";
import { type AbciAddress, formatAbciAddress, parseAbciAddress } from "./address.ts";
import { createAnswerCall, type SocketApplication } from "./answer-call.ts";
import { AbciConnection } from "./connection.ts";
import { AbciError } from "./errors.ts";
import { CONNECTIONS_MAX, STOP_TIMEOUT_MS } from "./limits.ts";
import type { AbciMetrics } from "./metrics.ts";

export interface AbciServerOptions {
  /** `tcp://host:port`, port 0 for a free one, or `unix:///path`, reachable by its owner only. */
  readonly address: string;
}

export interface AbciServerDependencies {
  readonly application: SocketApplication;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: AbciMetrics;
}

export interface AbciServer {
  /** @throws AbciError ABCI_LISTEN_FAILED */
  start(): Promise<void>;
  /** Takes no further request, answers those under way, and closes; resolves when no call runs any more. */
  stop(): Promise<void>;
  /** Where it listens, with the port that was taken. */
  address(): string;
  /** Connections at this moment. */
  connections(): number;
  /**
   * Never resolves. Rejects when the application broke an assertion of its own: what it holds in memory
   * may be wrong, so the process should end and start from its disk.
   */
  readonly failed: Promise<never>;
}

/** @throws AbciError ABCI_ADDRESS_INVALID */
export function createAbciServer(
  options: AbciServerOptions,
  deps: AbciServerDependencies,
): AbciServer {
  const wanted = parseAbciAddress(options.address);
  const { clock, metrics } = deps;
  const logger = deps.logger.child({ module: "abci" });
  const answer = createAnswerCall(deps.application);
  const connections = new Set<AbciConnection>();
  let bound: AbciAddress | undefined;
  let onBroken: (error: AssertionFailure) => void = () => {};
  const failed = new Promise<never>((_, reject) => {
    onBroken = reject;
  });
  // Whoever starts a server may not look at this, and no rejection goes unheard: the log has it.
  failed.catch(() => {});

  const server = createServer({ allowHalfOpen: true, noDelay: true }, accept);

  function accept(socket: Socket): void {
    if (connections.size >= CONNECTIONS_MAX) {
      metrics.connectionsRefused.inc();
      logger.warn("ABCI connection refused: there are too many", { connections: CONNECTIONS_MAX });
      socket.on("error", () => {});
      socket.destroy();
      return;
    }
    const connection = new AbciConnection(socket, { answer, clock, logger, metrics, onBroken });
    connections.add(connection);
    metrics.connections.set(connections.size);
    logger.info("engine connected", { connections: connections.size });
    void connection.closed.then(() => {
      connections.delete(connection);
      metrics.connections.set(connections.size);
      logger.info("engine disconnected", { connections: connections.size });
    });
  }

  return {
    failed,
    connections: () => connections.size,
    address: () => formatAbciAddress(bound ?? wanted),
    async start() {
      try {
        if (wanted.kind === "unix") await listenAtPath(server, wanted.path);
        else await listenAtPort(server, wanted.host, wanted.port);
      } catch (cause) {
        throw new AbciError(
          { code: "ABCI_LISTEN_FAILED" },
          `the application cannot listen at ${formatAbciAddress(wanted)}: ${whyNot(wanted, cause)}, or choose another address (proxy_app)`,
          { cause },
        );
      }
      // Accepting may fail for a while (no descriptors, no memory); the server goes on after it.
      server.on("error", ({ message }) =>
        logger.warn("connection not accepted", { error: message }),
      );
      const taken = server.address();
      bound =
        wanted.kind === "unix" || taken === null || typeof taken === "string"
          ? wanted
          : { ...wanted, port: taken.port };
      metrics.connections.set(0);
      logger.info("application listens", { address: formatAbciAddress(bound) });
    },
    async stop() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const connection of connections) connection.finish();
      const force = clock.after(STOP_TIMEOUT_MS, () => {
        for (const connection of connections) connection.destroy();
      });
      await Promise.all([...connections].map((connection) => connection.closed));
      force.cancel();
      await closed;
    },
  };
}

/** Why an address cannot be had, and what to do about it. */
function whyNot(wanted: AbciAddress, cause: unknown): string {
  const code = cause instanceof Error && "code" in cause ? cause.code : undefined;
  // The system's own word for a missing folder is that access is denied.
  const folder = wanted.kind === "unix" ? dirname(wanted.path) : undefined;
  if (folder !== undefined && !existsSync(folder)) return `there is no folder ${folder}; make it`;
  if (
    wanted.kind === "unix" &&
    lstatSync(wanted.path, { throwIfNoEntry: false })?.isSocket() === false
  ) {
    return "a file that is no socket stands there; move it away";
  }
  if (code === "EADDRINUSE") return "it is in use; stop what listens there";
  if (code === "EACCES") {
    return folder === undefined
      ? "this user may not bind that port; have it allowed"
      : `this user may not write to ${folder}; have it allowed`;
  }
  if (code === "EADDRNOTAVAIL") return "this machine has no such address; correct it";
  return `${cause instanceof Error ? cause.message : String(cause)}; mend that`;
}

async function listenAtPort(server: Server, host: string, port: number): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host === "" ? "0.0.0.0" : host, () => {
      server.off("error", reject);
      resolve();
    });
  });
}
