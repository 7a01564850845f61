/** Sockets on the loopback interface, for tests. */
import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";

/** A server at a port that was free. */
export async function listenAnywhere(
  server: Server = createServer(),
): Promise<{ readonly server: Server; readonly port: number }> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no TCP address");
  return { server, port: address.port };
}

/** Two sockets that are connected. */
export interface SocketPair {
  readonly dialed: Socket;
  readonly accepted: Socket;
  close(): Promise<void>;
}

export async function createSocketPair(): Promise<SocketPair> {
  const { server, port } = await listenAnywhere();
  const dialed = connect(port, "127.0.0.1");
  const accepted = await new Promise<Socket>((resolve) => server.once("connection", resolve));
  if (dialed.connecting) await once(dialed, "connect");
  for (const socket of [dialed, accepted]) socket.on("error", () => socket.destroy());
  return {
    dialed,
    accepted,
    async close() {
      dialed.destroy();
      accepted.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

/** Resolves when `condition` holds; it is looked at after every turn of the event loop. */
export async function eventually(condition: () => boolean, what: string): Promise<void> {
  const deadline = performance.now() + 20_000;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`never happened: ${what}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}
