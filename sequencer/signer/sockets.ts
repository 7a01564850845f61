/** Listening and dialing, TCP and Unix, up to a stream of messages whose other side is allowed. */
import { connect, createServer, type Server, type Socket } from "node:net";
import type { NodeId } from "../../proto/brands.ts";
import { formatHostPort } from "../p2p/address.ts";
import type { Cancel, Clock } from "../ports/clock.ts";
import { listenAtPath } from "../ports/unix-socket.ts";
import { formatSignerAddress, type SignerAddress } from "./address.ts";
import { SignerError, toSignerError } from "./errors.ts";
import { DIAL_TIMEOUT_MS, HANDSHAKE_TIMEOUT_MS } from "./limits.ts";
import {
  type MessageStream,
  openMessageStream,
  type StreamDependencies,
} from "./message-stream.ts";

export interface SocketDependencies extends StreamDependencies {
  readonly clock: Clock;
}

export interface SignerListener {
  /** What is listened on, with the port that was taken. */
  readonly address: SignerAddress;
  stop(): Promise<void>;
}

export interface ListenOptions {
  readonly address: SignerAddress;
  /** Ids of connection keys that may come; undefined takes any. Unix sockets are guarded by their mode. */
  readonly allowedIds: readonly NodeId[] | undefined;
  /** Connections in their handshake; a further one is closed. */
  readonly handshakesMax: number;
}

/**
 * Listens; each connection whose handshake succeeds goes to `onStream`, every other to `onRefused`.
 * @throws SignerError SIGNER_LISTEN_FAILED
 */
export async function listenForStreams(
  { address, allowedIds, handshakesMax }: ListenOptions,
  deps: SocketDependencies & {
    readonly onStream: (stream: MessageStream) => void;
    readonly onRefused: (remote: string, reason: SignerError) => void;
  },
): Promise<SignerListener> {
  const sockets = new Set<Socket>();
  let handshakes = 0;
  const accept = async (socket: Socket): Promise<void> => {
    const remote = remoteOf(socket, address);
    sockets.add(socket);
    socket.on("error", () => socket.destroy());
    socket.on("close", () => sockets.delete(socket));
    if (handshakes >= handshakesMax) {
      socket.destroy();
      deps.onRefused(remote, new SignerError("SIGNER_BUSY", "too many handshakes at once"));
      return;
    }
    handshakes += 1;
    try {
      const isSecret = address.kind === "tcp";
      deps.onStream(await upgrade(socket, { remote, isSecret, allowedIds }, deps));
    } catch (error) {
      deps.onRefused(remote, toSignerError(error, "SIGNER_HANDSHAKE_FAILED", "no handshake"));
    } finally {
      handshakes -= 1;
    }
  };
  const server = createServer((socket) => void accept(socket));
  // Accepting may fail for a while (no descriptors, no memory); the server goes on after it.
  server.on("error", () => {});
  try {
    if (address.kind === "unix") await listenAtPath(server, address.path);
    else await listenAtPort(server, address.port, address.host === "" ? "0.0.0.0" : address.host);
  } catch (cause) {
    server.close();
    throw toSignerError(
      cause,
      "SIGNER_LISTEN_FAILED",
      `cannot listen on ${formatSignerAddress(address)}`,
    );
  }
  return {
    address: boundAddress(server, address),
    async stop() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

/** @throws SignerError SIGNER_DIAL_FAILED, SIGNER_HANDSHAKE_FAILED, SIGNER_NOT_ALLOWED */
export async function dialStream(
  address: SignerAddress,
  allowedIds: readonly NodeId[] | undefined,
  deps: SocketDependencies,
): Promise<MessageStream> {
  const remote = formatSignerAddress(address);
  const socket =
    address.kind === "unix"
      ? connect({ path: address.path })
      : connect({ host: address.host, port: address.port, noDelay: true });
  let timer: Cancel | undefined;
  try {
    await new Promise<void>((resolve, reject) => {
      timer = deps.clock.after(DIAL_TIMEOUT_MS, () =>
        reject(new RangeError(`no connection within ${DIAL_TIMEOUT_MS} ms`)),
      );
      socket.once("connect", resolve);
      socket.once("error", reject);
    });
  } catch (cause) {
    socket.destroy();
    throw toSignerError(cause, "SIGNER_DIAL_FAILED", `cannot connect to ${remote}`);
  } finally {
    timer?.cancel();
    socket.removeAllListeners("connect");
    socket.removeAllListeners("error");
    // An error from here on shows as a closed socket.
    socket.on("error", () => socket.destroy());
  }
  const isSecret = address.kind === "tcp";
  const ids = address.kind === "tcp" && address.id !== undefined ? [address.id] : allowedIds;
  return upgrade(socket, { remote, isSecret, allowedIds: ids }, deps);
}

async function upgrade(
  socket: Socket,
  options: {
    readonly remote: string;
    readonly isSecret: boolean;
    readonly allowedIds: readonly NodeId[] | undefined;
  },
  deps: SocketDependencies,
): Promise<MessageStream> {
  const { remote, isSecret, allowedIds } = options;
  const deadline = deps.clock.after(HANDSHAKE_TIMEOUT_MS, () => socket.destroy());
  try {
    const stream = await openMessageStream({ socket, isSecret, remote }, deps);
    const { remoteId: id } = stream;
    if (id === undefined || allowedIds === undefined || allowedIds.includes(id)) return stream;
    const reason = new SignerError(
      "SIGNER_NOT_ALLOWED",
      `expected a connection key of ${allowedIds.join(" or ")}, got ${id}`,
    );
    stream.close(reason);
    throw reason;
  } finally {
    deadline.cancel();
  }
}

async function listenAtPort(server: Server, port: number, host: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, resolve);
  });
}

function boundAddress(server: Server, wanted: SignerAddress): SignerAddress {
  const bound = server.address();
  if (wanted.kind === "unix" || bound === null || typeof bound === "string") return wanted;
  return { ...wanted, port: bound.port };
}

function remoteOf(socket: Socket, address: SignerAddress): string {
  if (address.kind === "unix") return formatSignerAddress(address);
  return formatHostPort({ host: socket.remoteAddress ?? "", port: socket.remotePort ?? 0 });
}
