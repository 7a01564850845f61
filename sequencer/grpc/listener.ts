/**
 * Where gRPC is listened for. gRPC takes any number of connections, and each may leave answers unread: here they are counted,
 * in all and of each address, before it has them, and closed beyond a limit.
 */
import { lookup } from "node:dns/promises";
import { createServer, type Server, type Socket } from "node:net";
import { WeftError } from "../../proto/errors.ts";
import type { Clock } from "../ports/clock.ts";
import type { Logger } from "../ports/logger.ts";
import { CONNECTION_LOG_MS } from "./limits.ts";
import type { GrpcMetrics } from "./metrics.ts";

export type GrpcListenErrorInfo =
  /** The address cannot be listened on. */
  { readonly code: "GRPC_LISTEN_FAILED"; readonly address: string };

export interface ListenerOptions {
  /** A name stands for all of its addresses. */
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  /** Connections at once, in all and of one address. */
  readonly connectionsMax: number;
  readonly connectionsOfPeerMax: number;
}

export interface ListenerDependencies {
  /** Has the connection from then on. */
  readonly take: (socket: Socket) => void;
  readonly clock: Pick<Clock, "monotonicMs">;
  readonly logger: Logger;
  readonly metrics: Pick<GrpcMetrics, "connections" | "connectionsRefused">;
}

export interface Listener {
  /** Resolves with the port. @throws WeftError<GrpcListenErrorInfo> */
  start(): Promise<number>;
  /** Takes no more connections; those that there are stay. */
  stop(): void;
  /** Ends those that are left. */
  destroy(): void;
}

export function createListener(options: ListenerOptions, deps: ListenerDependencies): Listener {
  const { connectionsMax, connectionsOfPeerMax } = options;
  const { take, clock, logger, metrics } = deps;
  const servers: Server[] = [];
  const open = new Set<Socket>();
  const byPeer = new Map<string, number>();
  let notLogged = 0;
  let loggedMs = -CONNECTION_LOG_MS;

  /** What is not taken can be more than a log holds: a line now and then says how many there were. */
  function warn(fields: Readonly<Record<string, string>>): void {
    notLogged += 1;
    const nowMs = clock.monotonicMs();
    if (nowMs - loggedMs < CONNECTION_LOG_MS) return;
    logger.warn("gRPC connections not accepted", { ...fields, count: notLogged });
    notLogged = 0;
    loggedMs = nowMs;
  }

  function refusal(ofPeer: number): "all" | "peer" | undefined {
    if (open.size >= connectionsMax) return "all";
    return ofPeer >= connectionsOfPeerMax ? "peer" : undefined;
  }

  function accept(socket: Socket): void {
    const peer = socket.remoteAddress;
    // It has gone already.
    if (peer === undefined) {
      socket.destroy();
      return;
    }
    const ofPeer = byPeer.get(peer) ?? 0;
    const reason = refusal(ofPeer);
    if (reason !== undefined) {
      socket.destroy();
      metrics.connectionsRefused.inc({ reason });
      warn({ reason, peer });
      return;
    }
    open.add(socket);
    byPeer.set(peer, ofPeer + 1);
    metrics.connections.set(open.size);
    socket.once("close", () => {
      open.delete(socket);
      const left = (byPeer.get(peer) ?? 1) - 1;
      if (left === 0) byPeer.delete(peer);
      else byPeer.set(peer, left);
      metrics.connections.set(open.size);
    });
    take(socket);
  }

  function listen(host: string, port: number): Promise<number> {
    const server = createServer({ noDelay: true }, accept);
    return new Promise((resolve, reject) => {
      server.once("error", reject);
      server.listen(port, host, () => {
        server.off("error", reject);
        // Accepting may fail for a while (no descriptors, no memory); the server goes on after it.
        server.on("error", (error) => warn({ reason: error.message }));
        servers.push(server);
        const address = server.address();
        resolve(typeof address === "object" && address !== null ? address.port : port);
      });
    });
  }

  function stop(): void {
    for (const server of servers) server.close();
  }

  return {
    async start() {
      let { port } = options;
      let failure: unknown;
      try {
        for (const { address } of await lookup(options.host, { all: true })) {
          try {
            port = await listen(address, port);
          } catch (error) {
            // A name may have an address that this machine lacks: one that it has is enough.
            if (!isLacking(error)) throw error;
            failure = error;
          }
        }
        if (servers.length > 0) return port;
      } catch (error) {
        failure = error;
      }
      stop();
      const host = options.host.includes(":") ? `[${options.host}]` : options.host;
      const address = `${host}:${options.port}`;
      throw new WeftError<GrpcListenErrorInfo>(
        { code: "GRPC_LISTEN_FAILED", address },
        `cannot listen for gRPC on ${address}; is another node running? Set grpc.laddr to a free port`,
        { cause: failure },
      );
    },
    stop,
    destroy() {
      for (const socket of open) socket.destroy();
    },
  };
}

/** The machine has no such address, or none of its family. */
function isLacking(error: unknown): boolean {
  if (!(error instanceof Error) || !("code" in error)) return false;
  return error.code === "EADDRNOTAVAIL" || error.code === "EAFNOSUPPORT";
}
