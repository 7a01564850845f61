/**
 * What was written to a connection and the system has not taken. HTTP/2 writes all that its windows allow to the socket at
 * once: it is held there until the other end reads, whatever becomes of the calls.
 */
import type { Socket } from "node:net";

export interface Outgoing {
  /** Bytes that wait to be taken; none when the connection is closed. */
  waitingBytes(): number;
  /** Bytes that were taken since it was opened. */
  takenBytes(): number;
  /** Closes the connection, in a later turn: HTTP/2 may be about to write. What waits is let go of, which the end of the HTTP/2 session does not do. */
  destroy(): void;
}

export function outgoingOf(socket: Socket): Outgoing {
  const waitingBytes = (): number => queuedBytes(socket);
  return {
    waitingBytes,
    takenBytes: () => socket.bytesWritten - waitingBytes(),
    destroy: () => void setImmediate(() => socket.destroy()),
  };
}

/** HTTP/2 writes past the socket's own queue; only what is under it knows, and Node shows that to nobody else. */
function queuedBytes(socket: Socket): number {
  const handle: unknown = "_handle" in socket ? socket._handle : undefined;
  if (typeof handle !== "object" || handle === null || !("writeQueueSize" in handle)) return 0;
  return typeof handle.writeQueueSize === "number" ? handle.writeQueueSize : 0;
}
