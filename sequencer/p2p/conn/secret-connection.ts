/**
 * SecretConnection (spec §16.1): the authenticated, encrypted byte stream under every peer.
 * Owns its socket: after `openSecretConnection` nothing else may read or write it.
 */
import type { Socket } from "node:net";
import { concatBytes, EMPTY_BYTES, fromHex, toHex } from "../../../proto/bytes.ts";
import { decodeAuthSigMessage, encodeAuthSigMessage } from "../../../proto/codec/p2p-messages.ts";
import { delimitedRange } from "../../../proto/codec/reader.ts";
import { AssertionFailure } from "../../../proto/errors.ts";
import type { VerifySignature } from "../../../proto/verify/ed25519.ts";
import { P2pError, toP2pError } from "../errors.ts";
import { createFrameReader, type FrameReader } from "./frame-reader.ts";
import { createFrameWriter, type FrameWriter } from "./frame-writer.ts";
import { createEphemeralKey, deriveSession, type EphemeralKey } from "./key-schedule.ts";
import { AUTH_MESSAGE_BYTES_MAX, HANDSHAKE_BACKLOG_BYTES_MAX } from "../limits.ts";

/** The key that names this node; only the handshake signs with it. */
export interface NodeSigner {
  /** Raw ed25519 public key, 32 bytes. */
  readonly publicKey: Uint8Array;
  sign(message: Uint8Array): Uint8Array;
}

export interface SecretConnection {
  /** Proven ed25519 key of the other side. */
  readonly remotePublicKey: Uint8Array;
  readonly writer: FrameWriter;
  /** Bytes on the wire, both directions, frames and handshake included. */
  readonly bytesSent: number;
  readonly bytesReceived: number;
  /** Writes one message and flushes it: for handshake steps, not for traffic. */
  send(bytes: Uint8Array): void;
  /** The next uvarint-delimited message, its length included. For handshake steps. */
  readDelimited(bytesMax: number): Promise<Uint8Array>;
  /** From now on plaintext goes to `sink` as it arrives; spans are valid only during the call. */
  stream(sink: (bytes: Uint8Array, start: number, end: number) => void): void;
  /** Both directions use Weft frames from the next frame on (see `frame-writer.ts`). */
  useLargeFrames(): void;
  /** Called when the writer has room again after `hasRoom` said no. */
  setRoomListener(listener: () => void): void;
  /** Stops and continues reading from the socket: receive-rate limits. */
  pause(): void;
  resume(): void;
  /** Closes once, for `reason`; later calls do nothing. */
  close(reason: P2pError): void;
  /** Calls `listener` once when the connection has closed, at once if it has already. */
  onClose(listener: (reason: P2pError) => void): void;
}

const EPHEMERAL_HEADER = fromHex("220a20");
const EPHEMERAL_MESSAGE_BYTES = 35;

/**
 * Runs the handshake, the same on both sides. The caller owns the deadline: destroying the socket
 * rejects the promise.
 *
 * @throws P2pError `P2P_HANDSHAKE_*`, `P2P_FRAME_*` or `P2P_SOCKET_CLOSED`; the socket is destroyed.
 */
export async function openSecretConnection(
  options: {
    readonly socket: Socket;
    readonly ephemeralKey?: EphemeralKey;
    /**
     * Let the other side speak first, as the one that dialed does at once: a connection that says
     * nothing then costs no key. Both sides must not wait.
     */
    readonly waitsForRemote?: boolean;
  },
  dependencies: { readonly signer: NodeSigner; readonly verifySignature: VerifySignature },
): Promise<SecretConnection> {
  const { signer, verifySignature } = dependencies;
  const stream = createSocketStream(options.socket);
  try {
    const early = options.waitsForRemote === true ? await stream.readEphemeralKey() : undefined;
    const ours = options.ephemeralKey ?? createEphemeralKey();
    stream.writeRaw(concatBytes(EPHEMERAL_HEADER, ours.publicKey));
    const theirs = early ?? (await stream.readEphemeralKey());
    const session = deriveSession(ours, theirs);
    stream.seal(session.sendKey, session.receiveKey);
    stream.send(
      encodeAuthSigMessage({
        publicKey: { type: "ed25519", bytes: signer.publicKey },
        signature: signer.sign(session.challenge),
      }),
    );
    const auth = decodeAuthSigMessage(await stream.readDelimited(AUTH_MESSAGE_BYTES_MAX));
    const { type, bytes: key } = auth.publicKey;
    if (type !== "ed25519") {
      throw new P2pError("P2P_HANDSHAKE_MALFORMED", `expected an ed25519 key, got ${type}`);
    }
    if (!verifySignature(key, session.challenge, auth.signature)) {
      throw new P2pError(
        "P2P_HANDSHAKE_BAD_SIGNATURE",
        `expected the challenge signed with ${toHex(key)}, got a signature that does not verify`,
      );
    }
    return stream.authenticated(key);
  } catch (error) {
    const reason = toP2pError(error, "P2P_HANDSHAKE_MALFORMED", "the secret handshake failed");
    stream.close(reason);
    throw reason;
  }
}

interface SocketStream {
  writeRaw(bytes: Uint8Array): void;
  readEphemeralKey(): Promise<Uint8Array>;
  seal(sendKey: Uint8Array, receiveKey: Uint8Array): void;
  send(bytes: Uint8Array): void;
  readDelimited(bytesMax: number): Promise<Uint8Array>;
  authenticated(remotePublicKey: Uint8Array): SecretConnection;
  close(reason: P2pError): void;
}

interface PendingRead {
  readonly parse: () => Uint8Array | undefined;
  readonly resolve: (message: Uint8Array) => void;
  readonly reject: (reason: P2pError) => void;
}

function createSocketStream(socket: Socket): SocketStream {
  let writer: FrameWriter | undefined;
  let reader: FrameReader | undefined;
  let closeReason: P2pError | undefined;
  let closeListeners: ((reason: P2pError) => void)[] = [];
  let roomListener: (() => void) | undefined;
  let bytesSent = 0;
  let bytesReceived = 0;
  /** Received, not yet given to the reader; only while a handshake step holds the stream. */
  let backlog: Uint8Array[] = [];
  let backlogBytes = 0;
  /** Plaintext (or, before keys exist, raw bytes) of handshake messages. */
  let inbox: Uint8Array = EMPTY_BYTES;
  let pending: PendingRead | undefined;
  let streamSink: ((bytes: Uint8Array, start: number, end: number) => void) | undefined;
  let isPausedByOwner = false;

  const close = (reason: P2pError): void => {
    if (closeReason !== undefined) return;
    closeReason = reason;
    socket.destroy();
    backlog = [];
    pending?.reject(reason);
    pending = undefined;
    const listeners = closeListeners;
    closeListeners = [];
    for (const listener of listeners) listener(reason);
  };
  /** Gives a waiting handshake step its message. Returns whether more plaintext is wanted. */
  const settle = (): boolean => {
    if (pending === undefined) return false;
    const message = pending.parse();
    if (message === undefined) return true;
    const { resolve } = pending;
    pending = undefined;
    resolve(message);
    return false;
  };
  const onPlain = (bytes: Uint8Array, start: number, end: number): boolean => {
    if (streamSink !== undefined) {
      streamSink(bytes, start, end);
      return closeReason === undefined;
    }
    inbox = concatBytes(inbox, bytes.subarray(start, end));
    return settle();
  };
  const enqueue = (chunk: Uint8Array): void => {
    backlogBytes += chunk.length;
    if (backlogBytes > HANDSHAKE_BACKLOG_BYTES_MAX) {
      throw new P2pError(
        "P2P_HANDSHAKE_MALFORMED",
        `expected the next handshake message, got ${backlogBytes} bytes ahead of it`,
      );
    }
    // The socket may read into the same buffer again.
    backlog.push(new Uint8Array(chunk));
    socket.pause();
  };
  const feed = (chunk: Uint8Array): void => {
    if (reader === undefined) {
      if (pending === undefined) {
        enqueue(chunk);
        return;
      }
      const wanted = EPHEMERAL_MESSAGE_BYTES - inbox.length;
      inbox = concatBytes(inbox, chunk.subarray(0, wanted));
      settle();
      if (chunk.length > wanted) enqueue(chunk.subarray(wanted));
      return;
    }
    const taken = reader.push(chunk, 0);
    if (taken < chunk.length && closeReason === undefined) enqueue(chunk.subarray(taken));
  };
  const guarded = (work: () => void): void => {
    if (closeReason !== undefined) return;
    try {
      work();
    } catch (error) {
      if (error instanceof AssertionFailure) throw error;
      const code = streamSink === undefined ? "P2P_HANDSHAKE_MALFORMED" : "P2P_MESSAGE_INVALID";
      close(toP2pError(error, code, "the peer's bytes could not be handled"));
    }
  };
  /** Lets the reader go on with what has already arrived. */
  const pump = (): void => {
    guarded(() => {
      reader?.resume();
      const chunks = backlog;
      backlog = [];
      backlogBytes = 0;
      if (chunks.length === 0) reader?.push(EMPTY_BYTES, 0);
      for (const chunk of chunks) {
        if (backlog.length > 0) enqueue(chunk);
        else feed(chunk);
      }
      if (backlog.length === 0 && !isPausedByOwner) socket.resume();
    });
  };
  const read = (parse: () => Uint8Array | undefined): Promise<Uint8Array> =>
    new Promise((resolve, reject) => {
      if (closeReason !== undefined) {
        reject(closeReason);
        return;
      }
      pending = { parse, resolve, reject };
      guarded(() => {
        if (settle()) pump();
      });
    });

  socket.setNoDelay(true);
  socket.on("data", (chunk: Uint8Array) => {
    bytesReceived += chunk.length;
    guarded(() => {
      if (backlog.length > 0) enqueue(chunk);
      else feed(chunk);
    });
  });
  socket.on("error", (error) => close(toP2pError(error, "P2P_SOCKET_CLOSED", "socket failed")));
  socket.on("close", () =>
    close(new P2pError("P2P_SOCKET_CLOSED", "the other side closed the connection")),
  );

  const send = (bytes: Uint8Array): void => {
    if (closeReason !== undefined || writer === undefined) return;
    writer.write(bytes, 0, bytes.length);
    writer.flush();
  };
  const readDelimited = (bytesMax: number): Promise<Uint8Array> =>
    read(() => {
      const message = takeDelimited(inbox, bytesMax);
      if (message === undefined) return undefined;
      inbox = inbox.slice(message.length);
      return message;
    });

  return {
    writeRaw(bytes) {
      bytesSent += bytes.length;
      socket.write(bytes);
    },
    readEphemeralKey: () =>
      read(() => {
        for (let i = 0; i < Math.min(inbox.length, EPHEMERAL_HEADER.length); i++) {
          if (inbox[i] !== EPHEMERAL_HEADER[i]) throw notAnEphemeralKey();
        }
        if (inbox.length < EPHEMERAL_MESSAGE_BYTES) return undefined;
        const key = inbox.slice(EPHEMERAL_HEADER.length);
        inbox = EMPTY_BYTES;
        return key;
      }),
    seal(sendKey, receiveKey) {
      writer = createFrameWriter(
        { key: sendKey },
        {
          sink: (bytes, onWritten) => {
            bytesSent += bytes.length;
            // A failed write is followed by `close`, which ends the connection.
            socket.write(bytes, () => {
              if (closeReason === undefined) onWritten();
            });
          },
          onRoom: () => roomListener?.(),
        },
      );
      reader = createFrameReader({ key: receiveKey }, { sink: onPlain });
    },
    send,
    readDelimited,
    close,
    authenticated(remotePublicKey) {
      const [sealed, opened] = [writer, reader];
      if (sealed === undefined || opened === undefined) throw notAnEphemeralKey();
      return {
        remotePublicKey,
        writer: sealed,
        get bytesSent() {
          return bytesSent;
        },
        get bytesReceived() {
          return bytesReceived;
        },
        send,
        readDelimited,
        stream(sink) {
          streamSink = sink;
          const early = inbox;
          inbox = EMPTY_BYTES;
          guarded(() => {
            if (early.length > 0) sink(early, 0, early.length);
          });
          pump();
        },
        useLargeFrames() {
          sealed.useLargeFrames();
          opened.useLargeFrames();
        },
        setRoomListener(listener) {
          roomListener = listener;
        },
        pause() {
          isPausedByOwner = true;
          socket.pause();
        },
        resume() {
          isPausedByOwner = false;
          if (closeReason === undefined && backlog.length === 0) socket.resume();
        },
        close,
        onClose(listener) {
          if (closeReason !== undefined) listener(closeReason);
          else closeListeners.push(listener);
        },
      };
    },
  };
}

/** The first delimited message of `bytes`, its length included; undefined while it is incomplete. */
function takeDelimited(bytes: Uint8Array, bytesMax: number): Uint8Array | undefined {
  const range = delimitedRange(bytes, 0, bytesMax);
  return range === undefined || range.end > bytes.length ? undefined : bytes.slice(0, range.end);
}

function notAnEphemeralKey(): P2pError {
  return new P2pError(
    "P2P_HANDSHAKE_MALFORMED",
    "expected a delimited 32-byte ephemeral key as first message, got other bytes",
  );
}
