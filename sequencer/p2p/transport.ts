/** From a TCP connection to a proven, compatible other side (spec §16.2). */
import { connect, type Socket } from "node:net";
import type { NodeId } from "../../proto/brands.ts";
import { encodeNodeInfo } from "../../proto/codec/p2p-messages.ts";
import type { NodeInfo } from "../../proto/messages.ts";
import { nodeIdOfPublicKey, type VerifySignature } from "../../proto/verify/ed25519.ts";
import type { Cancel, Clock } from "../ports/clock.ts";
import { formatHostPort, type HostPort } from "./address.ts";
import { P2pError, toP2pError } from "./errors.ts";
import { NODE_INFO_BYTES_MAX, READ_BUFFER_BYTES } from "./limits.ts";
import { assertCompatible, LARGE_FRAMES_CHANNEL, readNodeInfo } from "./node-info.ts";
import {
  type NodeSigner,
  openSecretConnection,
  type SecretConnection,
} from "./conn/secret-connection.ts";

export interface UpgradedConnection {
  readonly connection: SecretConnection;
  readonly nodeInfo: NodeInfo;
  readonly remoteAddress: string;
  readonly isOutbound: boolean;
  /** Both sides announced Weft frames; they are in use. */
  readonly usesLargeFrames: boolean;
}

export interface UpgradeDependencies {
  readonly signer: NodeSigner;
  readonly verifySignature: VerifySignature;
  readonly clock: Clock;
}

/**
 * Runs both handshakes on a connected socket within one deadline.
 *
 * @throws P2pError; the socket is destroyed.
 */
export async function upgradeConnection(
  options: {
    readonly socket: Socket;
    readonly ourInfo: NodeInfo;
    /** The id that was dialed; undefined for an accepted connection. */
    readonly expectedId: NodeId | undefined;
    readonly timeoutMs: number;
    /** By default whoever was dialed waits for the one that dialed. */
    readonly waitsForRemote?: boolean;
  },
  dependencies: UpgradeDependencies,
): Promise<UpgradedConnection> {
  const { socket, ourInfo, expectedId, timeoutMs } = options;
  const deadline = dependencies.clock.after(timeoutMs, () => {
    socket.destroy(
      new P2pError("P2P_HANDSHAKE_TIMEOUT", `expected a handshake within ${timeoutMs} ms`),
    );
  });
  let connection: SecretConnection | undefined;
  try {
    const remoteAddress = formatHostPort({
      host: socket.remoteAddress ?? "",
      port: socket.remotePort ?? 0,
    });
    const waitsForRemote = options.waitsForRemote ?? expectedId === undefined;
    connection = await openSecretConnection({ socket, waitsForRemote }, dependencies);
    const id = nodeIdOfPublicKey(connection.remotePublicKey);
    if (expectedId !== undefined && id !== expectedId) throw idMismatch(expectedId, id);
    connection.send(encodeNodeInfo(ourInfo));
    const nodeInfo = readNodeInfo(await connection.readDelimited(NODE_INFO_BYTES_MAX));
    if (nodeInfo.nodeId !== id) throw idMismatch(id, nodeInfo.nodeId);
    if (id === ourInfo.nodeId) {
      throw new P2pError("P2P_PEER_SELF", "expected another node, got ourselves");
    }
    assertCompatible(ourInfo, nodeInfo);
    const usesLargeFrames = announcesLargeFrames(ourInfo) && announcesLargeFrames(nodeInfo);
    if (usesLargeFrames) connection.useLargeFrames();
    const isOutbound = expectedId !== undefined;
    return { connection, nodeInfo, remoteAddress, isOutbound, usesLargeFrames };
  } catch (error) {
    const reason = toP2pError(error, "P2P_HANDSHAKE_MALFORMED", "the handshake failed");
    if (connection === undefined) socket.destroy();
    else connection.close(reason);
    throw reason;
  } finally {
    deadline.cancel();
  }
}

/**
 * Connects over TCP. All reads share one buffer, so a chunk is valid only while its `data` event runs.
 * Throws `P2P_DIAL_FAILED`.
 */
export async function dialTcp(
  options: {
    readonly address: HostPort;
    readonly timeoutMs: number;
    /** Gives the attempt up. */
    readonly signal?: AbortSignal | undefined;
  },
  dependencies: { readonly clock: Clock },
): Promise<Socket> {
  const { address, timeoutMs, signal } = options;
  const socket: Socket = connect({
    ...address,
    noDelay: true,
    // Without it every read allocates as much, which is most of what a busy node would allocate.
    onread: {
      buffer: new Uint8Array(READ_BUFFER_BYTES),
      callback(count, buffer) {
        socket.emit("data", buffer.subarray(0, count));
        return true;
      },
    },
  });
  let timer: Cancel | undefined;
  let onAbort = (): void => {};
  try {
    await new Promise<void>((resolve, reject) => {
      onAbort = () => reject(new RangeError("given up for a newer attempt"));
      if (signal?.aborted === true) onAbort();
      signal?.addEventListener("abort", onAbort);
      timer = dependencies.clock.after(timeoutMs, () => {
        reject(new RangeError(`no connection within ${timeoutMs} ms`));
      });
      socket.once("connect", resolve);
      socket.once("error", reject);
    });
    return socket;
  } catch (error) {
    socket.destroy();
    throw toP2pError(error, "P2P_DIAL_FAILED", `could not connect to ${formatHostPort(address)}`);
  } finally {
    timer?.cancel();
    signal?.removeEventListener("abort", onAbort);
    socket.removeAllListeners("connect");
    socket.removeAllListeners("error");
    // Until the handshake listens: an error here surfaces there as a closed socket.
    socket.on("error", () => {});
  }
}

/** Whether Weft frames may be used with this node. */
export function announcesLargeFrames(info: NodeInfo): boolean {
  return info.channels.includes(LARGE_FRAMES_CHANNEL);
}

function idMismatch(expected: NodeId, got: NodeId): P2pError {
  return new P2pError("P2P_PEER_ID_MISMATCH", `expected node ${expected}, got ${got}`);
}
