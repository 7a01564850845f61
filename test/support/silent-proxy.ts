/** A link that can go silent without closing, as a cut cable does: bytes vanish, sockets stay open. */
import { connect, createServer, type Socket } from "node:net";
import { listenAnywhere } from "./loopback.ts";

export interface SilentProxy {
  readonly port: number;
  /** From now on nothing passes; what is sent meanwhile is lost for good. */
  silence(): void;
  /** New connections pass again. Those that were silenced have lost bytes and stay silent. */
  heal(): void;
  close(): Promise<void>;
}

export async function startSilentProxy(targetPort: number): Promise<SilentProxy> {
  const sockets = new Set<Socket>();
  let isSilent = false;
  const server = createServer((near) => {
    const far = connect({ port: targetPort, host: "127.0.0.1", noDelay: true });
    /** A connection that has lost bytes is of no use any more. */
    let isBroken = isSilent;
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from);
      from.on("data", (chunk) => {
        isBroken ||= isSilent;
        if (!isBroken) to.write(chunk);
      });
      from.on("error", () => from.destroy());
      from.on("close", () => {
        sockets.delete(from);
        if (!isBroken && !isSilent) to.destroy();
      });
    }
  });
  const { port } = await listenAnywhere(server);
  return {
    port,
    silence: () => {
      isSilent = true;
    },
    heal: () => {
      isSilent = false;
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
      });
    },
  };
}
