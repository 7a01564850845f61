import type { Duplex } from "node:stream";

/**
 * Answers an HTTP upgrade that is not wanted, and closes its connection. `status` is the rest of the
 * status line, such as `404 Not Found`.
 */
export function refuseUpgrade(socket: Duplex, status: string): void {
  // Node's own listeners are gone by now: a reset by the client would end the process, and a client
  // that keeps its side open would hold the connection, and a stopping server, for ever.
  socket.on("error", () => socket.destroy());
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`, () =>
    socket.destroy(),
  );
}
