/** A link through which bytes wait while it is held, as TCP makes them wait for a cable to be put back. */
import { connect, createServer, type Socket } from "node:net";
import { listenAnywhere } from "./loopback.ts";

export interface HeldLink {
  /** What passes from here reaches the target. */
  readonly port: number;
  /** From now on nothing passes; sockets stay open, and new ones are not answered. */
  hold(): void;
  /** What waited goes on; nothing is lost. */
  release(): void;
  close(): Promise<void>;
}

export async function startHeldLink(targetPort: number): Promise<HeldLink> {
  const sockets = new Set<Socket>();
  /** What waits for the link: connections that nobody answered yet, ends of sockets. */
  const waiting: (() => void)[] = [];
  let isHeld = false;
  const whenOpen = (act: () => void): void => {
    if (isHeld) waiting.push(act);
    else act();
  };

  const server = createServer({ noDelay: true, pauseOnConnect: true }, (near) => {
    watch(near, undefined);
    whenOpen(() => {
      if (near.destroyed) return;
      const far = connect({ port: targetPort, host: "127.0.0.1", noDelay: true });
      watch(far, near);
      watch(near, far);
      pass(near, far);
      pass(far, near);
    });
  });

  function watch(socket: Socket, other: Socket | undefined): void {
    if (!sockets.has(socket)) {
      sockets.add(socket);
      socket.on("error", () => socket.destroy());
      socket.on("close", () => sockets.delete(socket));
    }
    // That the other end is gone is news, which a link that is held does not carry either.
    if (other !== undefined) socket.on("close", () => whenOpen(() => other.destroy()));
  }

  function pass(from: Socket, to: Socket): void {
    from.on("data", (chunk) => {
      if (!to.destroyed && !to.write(chunk)) from.pause();
    });
    to.on("drain", () => {
      if (!isHeld) from.resume();
    });
    if (isHeld) from.pause();
    else from.resume();
  }

  const { port } = await listenAnywhere(server);
  return {
    port,
    hold() {
      isHeld = true;
      for (const socket of sockets) socket.pause();
    },
    release() {
      isHeld = false;
      for (const socket of sockets) socket.resume();
      for (const act of waiting.splice(0)) act();
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
      });
    },
  };
}
