/**
 * Where gRPC is listened for. gRPC takes any number of connections, and each may leave answers unread: here they are counted,
 * in all and of each address, before it has them, and closed beyond a limit. One that takes nothing of what it was sent is
 * closed too: gRPC ends only its HTTP/2 session, and that waits for what was sent to be taken.
 */
import { lookup } from "node:dns/promises";
import { createServer, type Server, type Socket } from "node:net";
import { WeftError } from "../../proto/errors.ts";
import type { Cancel, Clock } from "../ports/clock.ts";
import type { Logger } from "../ports/logger.ts";
import { CONNECTION_LOG_MS, UNREAD_ANSWER_MS, UNREAD_LOOK_MS } from "./limits.ts";
import type { GrpcMetrics } from "./metrics.ts";
import { type Outgoing, outgoingOf } from "./outgoing.ts";

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
  readonly clock: Pick<Clock, "after" | "monotonicMs">;
  /** The addresses of a name; the system's when left out. */
  readonly addressesOf?: (host: string) => Promise<readonly string[]>;
  readonly logger: Logger;
  readonly metrics: Pick<GrpcMetrics, "connections" | "connectionsRefused">;
}

export interface Listener {
  /** Resolves with the port, also when it was stopped meanwhile. @throws WeftError<GrpcListenErrorInfo> */
  start(): Promise<number>;
  /** What waits to be taken by the other end at this address and port. */
  outgoing(peer: string): Outgoing | undefined;
  /** Takes no more connections; those that there are stay. */
  stop(): void;
  /** Ends those that are left. */
  destroy(): void;
}

export function createListener(options: ListenerOptions, deps: ListenerDependencies): Listener {
  const { connectionsMax, connectionsOfPeerMax } = options;
  const { take, clock, addressesOf = lookupAll, logger, metrics } = deps;
  const servers: Server[] = [];
  let isStopped = false;
  /** By address and port. */
  const open = new Map<string, Connection>();
  let timer: Cancel | undefined;
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
    const outgoing = outgoingOf(socket);
    const key = `${peer}:${socket.remotePort}`;
    const connection = { outgoing, takenBytes: 0, sinceMs: clock.monotonicMs() };
    open.set(key, connection);
    timer ??= clock.after(UNREAD_LOOK_MS, closeStuck);
    byPeer.set(peer, ofPeer + 1);
    metrics.connections.set(open.size);
    socket.once("close", () => {
      // Its port may have come back before this was heard of.
      if (open.get(key) === connection) open.delete(key);
      const left = (byPeer.get(peer) ?? 1) - 1;
      if (left === 0) byPeer.delete(peer);
      else byPeer.set(peer, left);
      metrics.connections.set(open.size);
    });
    take(socket);
  }

  /** Whoever takes a little now and then stays. */
  function closeStuck(): void {
    timer = undefined;
    const nowMs = clock.monotonicMs();
    for (const connection of open.values()) {
      const { outgoing, sinceMs } = connection;
      const takenBytes = outgoing.takenBytes();
      if (outgoing.waitingBytes() === 0 || takenBytes !== connection.takenBytes) {
        connection.takenBytes = takenBytes;
        connection.sinceMs = nowMs;
      } else if (nowMs - sinceMs >= UNREAD_ANSWER_MS) {
        outgoing.destroy();
      }
    }
    if (open.size > 0) timer = clock.after(UNREAD_LOOK_MS, closeStuck);
  }

  function listen(host: string, port: number): Promise<number> {
    const server = createServer({ noDelay: true }, accept);
    return new Promise((resolve, reject) => {
      server.once("error", reject);
      server.listen(port, host, () => {
        server.off("error", reject);
        const address = server.address();
        resolve(typeof address === "object" && address !== null ? address.port : port);
        // Accepting may fail for a while (no descriptors, no memory); the server goes on after it.
        server.on("error", (error) => warn({ reason: error.message }));
        if (isStopped) server.close();
        else servers.push(server);
      });
    });
  }

  function stop(): void {
    isStopped = true;
    for (const server of servers) server.close();
  }

  return {
    async start() {
      let { port } = options;
      let failure: unknown;
      try {
        // A name may have the same one twice.
        for (const address of new Set(await addressesOf(options.host))) {
          if (isStopped) break;
          try {
            port = await listen(address, port);
          } catch (error) {
            // A name may have an address that this machine lacks: one that it has is enough.
            if (isInUse(error)) throw error;
            failure = error;
            logger.warn("gRPC is not listened for on an address", {
              address,
              error: reasonOf(error),
            });
          }
        }
        if (servers.length > 0 || isStopped) return port;
      } catch (error) {
        failure = error;
      }
      stop();
      const host = options.host.includes(":") ? `[${options.host}]` : options.host;
      const address = `${host}:${options.port}`;
      throw new WeftError<GrpcListenErrorInfo>(
        { code: "GRPC_LISTEN_FAILED", address },
        isInUse(failure)
          ? `cannot listen for gRPC on ${address}; is another node running? Set grpc.laddr to a free port`
          : `cannot listen for gRPC on ${address}: ${reasonOf(failure)}; set grpc.laddr to an address of this machine`,
        { cause: failure },
      );
    },
    outgoing: (peer) => open.get(peer)?.outgoing,
    stop,
    destroy() {
      timer?.cancel();
      for (const { outgoing } of open.values()) outgoing.destroy();
    },
  };
}

/** `sinceMs`: when something of what it was sent was taken last, or nothing waited, as far as was looked. */
interface Connection {
  readonly outgoing: Outgoing;
  takenBytes: number;
  sinceMs: number;
}

async function lookupAll(host: string): Promise<readonly string[]> {
  return (await lookup(host, { all: true })).map(({ address }) => address);
}

function isInUse(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "EADDRINUSE";
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : "unknown";
}
