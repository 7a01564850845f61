/**
 * Messages of the signer's protocol over one open connection: SecretConnection over TCP, plain bytes
 * over a Unix socket, whose file the system guards (`privval/socket_listeners.go`).
 */
import type { Socket } from "node:net";
import type { NodeId } from "../../proto/brands.ts";
import { joinBytes } from "../../proto/bytes.ts";
import { decodePrivvalMessage, encodePrivvalFrame } from "../../proto/codec/privval-messages.ts";
import { delimitedRange } from "../../proto/codec/reader.ts";
import type { PrivvalMessage } from "../../proto/messages.ts";
import { nodeIdOfPublicKey, type VerifySignature } from "../../proto/verify/ed25519.ts";
import {
  type NodeSigner,
  openSecretConnection,
  type SecretConnection,
} from "../p2p/conn/secret-connection.ts";
import { P2pError } from "../p2p/errors.ts";
import { SignerError, toSignerError } from "./errors.ts";
import { MESSAGE_BYTES_MAX, WRITE_BYTES_MAX } from "./limits.ts";

export interface MessageStream {
  /** Id of the other side's connection key; undefined over a Unix socket. */
  readonly remoteId: NodeId | undefined;
  /** For logs. */
  readonly remote: string;
  send(message: PrivvalMessage): void;
  /** Set once; messages that came before are handed over at once. */
  onMessage(listener: (message: PrivvalMessage) => void): void;
  close(reason: SignerError): void;
  /** Called once, at once when it has closed already. */
  onClose(listener: (reason: SignerError) => void): void;
}

export interface StreamDependencies {
  /** Key of this side's connections, not the validator's. */
  readonly connectionKey: NodeSigner;
  readonly verifySignature: VerifySignature;
}

/**
 * Runs the handshake on a connected socket. The caller owns the deadline: destroying the socket
 * rejects the promise.
 * @throws SignerError SIGNER_HANDSHAKE_FAILED
 */
export async function openMessageStream(
  options: { readonly socket: Socket; readonly isSecret: boolean; readonly remote: string },
  { connectionKey, verifySignature }: StreamDependencies,
): Promise<MessageStream> {
  const { socket, isSecret, remote } = options;
  if (!isSecret) return plainStream(socket, remote);
  try {
    const secret = await openSecretConnection(
      { socket },
      { signer: connectionKey, verifySignature },
    );
    return createStream({
      remote,
      remoteId: nodeIdOfPublicKey(secret.remotePublicKey),
      write: createFrameQueue(secret),
      start: (sink) => secret.stream((bytes, from, to) => sink(bytes.slice(from, to))),
      destroy: (reason) =>
        secret.close(new P2pError("P2P_SOCKET_CLOSED", reason.message, { cause: reason })),
      onEnd: (listener) =>
        secret.onClose((reason) =>
          listener(
            reason.cause instanceof SignerError
              ? reason.cause
              : toSignerError(reason, "SIGNER_CLOSED", "the connection ended"),
          ),
        ),
    });
  } catch (error) {
    throw toSignerError(error, "SIGNER_HANDSHAKE_FAILED", `no secret handshake with ${remote}`);
  }
}

/** Frames are sealed as the kernel takes them: a large message is longer than what may be under way. */
function createFrameQueue(secret: SecretConnection): (bytes: Uint8Array) => void {
  const { writer } = secret;
  let waiting: Uint8Array[] = [];
  const pump = (): void => {
    for (let next = waiting[0]; next !== undefined; next = waiting[0]) {
      const count = Math.min(next.length, WRITE_BYTES_MAX);
      if (!writer.hasRoom(count)) break;
      writer.write(next, 0, count);
      if (count === next.length) waiting.shift();
      else waiting[0] = next.subarray(count);
    }
    writer.flush();
  };
  secret.setRoomListener(pump);
  secret.onClose(() => (waiting = []));
  return (bytes) => {
    waiting.push(bytes);
    pump();
  };
}

function plainStream(socket: Socket, remote: string): MessageStream {
  let failure: Error | undefined;
  socket.on("error", (error) => (failure ??= error));
  return createStream({
    remote,
    remoteId: undefined,
    write: (bytes) => socket.write(bytes),
    start: (sink) => socket.on("data", (chunk: Uint8Array) => sink(new Uint8Array(chunk))),
    destroy: () => socket.destroy(),
    onEnd(listener) {
      socket.on("close", () =>
        listener(
          failure === undefined
            ? new SignerError("SIGNER_CLOSED", "the other side closed the connection")
            : toSignerError(failure, "SIGNER_CLOSED", "the socket failed"),
        ),
      );
    },
  });
}

interface ByteStream {
  readonly remote: string;
  readonly remoteId: NodeId | undefined;
  write(bytes: Uint8Array): void;
  /** From now on bytes go to `sink`, which keeps them. */
  start(sink: (bytes: Uint8Array) => void): void;
  destroy(reason: SignerError): void;
  onEnd(listener: (reason: SignerError) => void): void;
}

function createStream(bytes: ByteStream): MessageStream {
  /** Received and not handed over; joined only when a whole message may be there. */
  let chunks: Uint8Array[] = [];
  let size = 0;
  let wanted = 1;
  let reason: SignerError | undefined;
  let onMessage: ((message: PrivvalMessage) => void) | undefined;
  const closeListeners: ((reason: SignerError) => void)[] = [];

  const end = (why: SignerError): void => {
    if (reason !== undefined) return;
    reason = why;
    for (const listener of closeListeners.splice(0)) listener(why);
  };
  const close = (why: SignerError): void => {
    end(why);
    bytes.destroy(why);
  };
  /** Hands over every whole message; what does not decode ends the connection. */
  const drain = (): void => {
    while (reason === undefined && onMessage !== undefined && size >= wanted) {
      let message: PrivvalMessage;
      try {
        const inbox = joinBytes(chunks);
        chunks = [inbox];
        const range = delimitedRange(inbox, 0, MESSAGE_BYTES_MAX);
        wanted = range?.end ?? size + 1;
        if (range === undefined || size < wanted) return;
        message = decodePrivvalMessage(inbox.subarray(range.start, range.end));
        chunks = [inbox.slice(range.end)];
        size -= range.end;
        wanted = 1;
      } catch (error) {
        close(toSignerError(error, "SIGNER_MESSAGE_INVALID", "expected a privval message"));
        return;
      }
      onMessage(message);
    }
  };
  bytes.onEnd(end);

  return {
    remote: bytes.remote,
    remoteId: bytes.remoteId,
    send(message) {
      if (reason === undefined) bytes.write(encodePrivvalFrame(message));
    },
    onMessage(listener) {
      onMessage = listener;
      bytes.start((chunk) => {
        if (reason !== undefined) return;
        chunks.push(chunk);
        size += chunk.length;
        drain();
      });
    },
    close,
    onClose(listener) {
      if (reason === undefined) closeListeners.push(listener);
      else listener(reason);
    },
  };
}
