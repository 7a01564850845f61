/** A listener that cannot have its address: which one it is, and what the operator may do. */
import { once } from "node:events";
import { createServer } from "node:net";
import { WeftError } from "../../proto/errors.ts";

export type ListenErrorInfo =
  /** The address of a listener is taken, not this machine's, or not allowed. */
  { readonly code: "NODE_LISTEN_FAILED"; readonly key: string };

const REASONS: Readonly<Record<string, string>> = {
  EADDRINUSE: "it is in use, by another node perhaps",
  EADDRNOTAVAIL: "this machine has no such address",
  EACCES: "this user may not bind it; ports below 1024 need a privilege",
};

export interface NamedListener {
  /** For people, such as `the RPC`. */
  readonly name: string;
  /** Key of the configuration. */
  readonly key: string;
  readonly address: string;
  /** How to choose another address, such as `--set rpc.laddr=tcp://127.0.0.1:PORT`. */
  readonly remedy: string;
}

/**
 * Runs `start` of a listener.
 * @throws WeftError<ListenErrorInfo> when it cannot have its address; anything else as it came
 */
export async function listening<T>(listener: NamedListener, start: () => Promise<T>): Promise<T> {
  try {
    return await start();
  } catch (error) {
    throw namingListener(listener, error);
  }
}

/** The error of a listener that cannot have its address, with its name; any other as it came. */
export function namingListener(listener: NamedListener, error: unknown): unknown {
  const code = listenFault(error);
  if (code === undefined) return error;
  const { name, key, address, remedy } = listener;
  return new WeftError<ListenErrorInfo>(
    { code: "NODE_LISTEN_FAILED", key },
    `${name} cannot listen at ${address} (${key}): ${REASONS[code]}; free it, or choose another with: ${remedy}`,
    { cause: error },
  );
}

/** A listener of `weft start`, or of another command with the same config.toml, by its key there. */
export async function listeningAt<T>(
  key: string,
  address: string,
  start: () => Promise<T>,
  command = "weft start",
): Promise<T> {
  return await listening(listenerOf(key, address, command), start);
}

/** As `namingListener`, for a listener of `weft start`. */
export function namingListenerOf(key: string, address: string, error: unknown): unknown {
  return namingListener(listenerOf(key, address), error);
}

function listenerOf(key: string, address: string, command = "weft start"): NamedListener {
  const remedy = `${command} --set ${key}=tcp://127.0.0.1:PORT, or in config.toml`;
  return { name: LISTENERS[key] ?? key, key, address, remedy };
}

/** A port of loopback that nobody listens at now, for a process that cannot say which one it took. */
export async function freeLoopbackPort(): Promise<number> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") throw new Error("expected a TCP address");
  return address.port;
}

const LISTENERS: Readonly<Record<string, string>> = {
  "p2p.laddr": "p2p",
  "rpc.laddr": "the JSON-RPC",
  "grpc.laddr": "gRPC",
  "instrumentation.prometheus_listen_addr": "the metrics server",
};

/** The system's code when an error, or what caused it, is that an address cannot be had. */
export function listenFault(error: unknown): string | undefined {
  for (let e: unknown = error; e instanceof Error; e = e.cause) {
    const code: unknown = "code" in e ? e.code : undefined;
    if (typeof code !== "string") continue;
    const isListen = !("syscall" in e) || e.syscall === "listen" || e.syscall === "bind";
    if (Object.hasOwn(REASONS, code) && isListen) return code;
  }
  return undefined;
}
