import { once } from "node:events";
import { createServer } from "node:http";
import { connect, type Socket } from "node:net";
import { afterEach, describe, expect, it, vi } from "vitest";
import { WebSocket } from "ws";
import { assert } from "../../proto/errors.ts";
import { NULL_LOGGER } from "../../sequencer/ports/logger.ts";
import { createSystemClock } from "../../sequencer/ports/system-clock.ts";
import { type AccessOptions, OPEN_ACCESS } from "./access.ts";
import { Dispatcher } from "./dispatcher.ts";
import type { Method, Subscribe } from "./method.ts";
import { NULL_JSON_RPC_METRICS } from "./metrics.ts";
import { type RpcServer, type RpcServerOptions, startRpcServer } from "./server.ts";
import { createUnreadAnswers } from "./unread-answers.ts";

const open: { close(): unknown }[] = [];
afterEach(async () => {
  for (const one of open.splice(0)) await one.close();
});

/** Whose callers say in X-Forwarded-For who they are. */
const PROXIED: AccessOptions = { ...OPEN_ACCESS, proxyHops: 1 };

async function start(options: Partial<RpcServerOptions> = {}) {
  const dropped: string[] = [];
  /** What ends each of them. */
  const subscribed: (() => void)[] = [];
  const metrics = {
    ...NULL_JSON_RPC_METRICS,
    rpcDropped: { inc: (labels?: { what: string }) => void dropped.push(labels?.what ?? "") },
  };
  let let_go = (): void => {};
  const gate = new Promise<string>((resolve) => {
    let_go = () => resolve("done");
  });
  let calls = 0;
  const methods = new Map<string, Method>([
    ["echo", (params) => (calls += 1) && typeof params[0]],
    ["wait", () => gate],
  ]);
  const server = await startRpcServer(
    { port: 0, ...options },
    {
      dispatcher: new Dispatcher({ methods, logger: NULL_LOGGER, metrics }),
      subscriptions: new Map<string, Subscribe>([
        [
          "ticks",
          (_, __, lose) => {
            subscribed.push(lose);
            return () => {};
          },
        ],
      ]),
      readiness: () => Promise.resolve({ isReady: true }),
      healthFacts: () => ({}),
      clock: createSystemClock(),
      logger: NULL_LOGGER,
      metrics,
    },
  );
  open.push(server);
  return { server, dropped, subscribed, letGo: () => let_go(), calls: () => calls };
}

function post(
  { port }: RpcServer,
  method: string,
  headers: Record<string, string> = {},
  body = JSON.stringify({ jsonrpc: "2.0", id: 7, method, params: [] }),
): Promise<Response> {
  return fetch(`http://127.0.0.1:${port}`, { method: "POST", headers, body });
}

async function rawConnection({ port }: { readonly port: number }): Promise<Socket> {
  const socket = connect({ host: "127.0.0.1", port });
  open.push({ close: () => socket.destroy() });
  socket.on("error", () => undefined);
  await once(socket, "connect");
  return socket;
}

describe("what one address may hold", () => {
  it("behavior: connections beyond its own are closed, and places come back with those that end", async () => {
    const { server, dropped } = await start({ connectionsEachMax: 2, isExempt: () => false });
    const first = await rawConnection(server);
    const second = await rawConnection(server);
    const third = await rawConnection(server);
    if (!third.closed) await once(third, "close");
    expect(dropped).toEqual(["connection_of_one"]);
    expect(second.closed).toBe(false);
    first.destroy();
    const answered = await vi.waitFor(async () => {
      const socket = await rawConnection(server);
      socket.write("GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
      let text = "";
      socket.on("data", (chunk) => (text += chunk.toString()));
      if (!socket.closed) await once(socket, "close");
      expect(text).not.toBe("");
      return text;
    });
    expect(answered).toContain("200 OK");
  });

  it("behavior: this machine's own connections are not counted", async () => {
    const { server } = await start({ connectionsEachMax: 1 });
    await rawConnection(server);
    expect((await post(server, "echo")).status).toBe(200);
  });

  it("behavior: a connection is kept for longer than proxies keep theirs, so that no request meets its end", async () => {
    const { server } = await start();
    const answer = await post(server, "echo");
    expect(answer.headers.get("keep-alive")).toBe("timeout=75");
  });

  it("behavior: requests of one that wait keep nobody else from being answered", async () => {
    const { server, letGo } = await start({ requestsEachMax: 2, access: PROXIED });
    const from = (address: string) => ({ "x-forwarded-for": address });
    const one = from("198.51.100.1");
    const waiting = [post(server, "wait", one), post(server, "wait", one)];
    await vi.waitFor(async () => expect((await post(server, "echo", one)).status).toBe(429));
    expect((await post(server, "echo", from("198.51.100.2"))).status).toBe(200);
    letGo();
    for (const answer of waiting) expect((await answer).status).toBe(200);
    expect((await post(server, "echo", one)).status).toBe(200);
  });

  it("behavior: requests that come one behind the other on one connection count too", async () => {
    const { server } = await start({ requestsEachMax: 2, access: PROXIED });
    const socket = await rawConnection(server);
    const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "wait", params: [] });
    const request = `POST / HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 198.51.100.1\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
    socket.write(request.repeat(3));
    const headers = { "x-forwarded-for": "198.51.100.1" };
    await vi.waitFor(async () => expect((await post(server, "echo", headers)).status).toBe(429));
    expect((await post(server, "echo")).status).toBe(200);
    // They are given back with the connection.
    socket.destroy();
    await vi.waitFor(async () => expect((await post(server, "echo", headers)).status).toBe(200));
  });

  it("behavior: WebSockets count with their requester", async () => {
    const { server } = await start({ connectionsEachMax: 1, access: PROXIED });
    const url = `ws://127.0.0.1:${server.port}`;
    const dial = async (address: string): Promise<number | "open"> => {
      const socket = new WebSocket(url, { headers: { "x-forwarded-for": address } });
      open.push({ close: () => socket.terminate() });
      return await new Promise((resolve) => {
        socket.on("error", () => undefined);
        socket.on("open", () => resolve("open"));
        socket.on("unexpected-response", (_, { statusCode }) => resolve(statusCode ?? 0));
      });
    };
    expect(await dial("198.51.100.1")).toBe("open");
    expect(await dial("198.51.100.1")).toBe(429);
    expect(await dial("198.51.100.2")).toBe("open");
  });

  it("behavior: a forwarded address that is none is not believed", async () => {
    const { server } = await start({
      access: { ...PROXIED, requestsPerSecond: 0.001, requestsBurst: 1 },
    });
    const claims = (text: string) => post(server, "echo", { "x-forwarded-for": text });
    expect(await (await claims("nobody\u00e9")).json()).toHaveProperty("result");
    expect(await (await claims("another")).json()).toHaveProperty("error");
  });
});

describe("what a stranger sends", () => {
  it("behavior: a page that is not listed calls nothing, an extension and a listed one do", async () => {
    const { server, calls } = await start({ corsOrigins: ["https://app.example"] });
    const status = async (origin: string) => (await post(server, "echo", { origin })).status;
    for (const origin of ["https://evil.example", "http://127.0.0.1:1", "null"]) {
      expect(await status(origin), origin).toBe(403);
    }
    expect(calls()).toBe(0);
    expect(await status("chrome-extension://abcdef")).toBe(200);
    expect(await status("https://app.example")).toBe(200);
    expect(calls()).toBe(2);
  });

  it("error: is told of a body that is too large, announced or not", async () => {
    const { server } = await start({ bodyBytesMax: 1_024 });
    const announced = await post(server, "echo", {}, "x".repeat(2_000));
    expect(announced.status).toBe(413);
    const socket = await rawConnection(server);
    let text = "";
    socket.on("data", (chunk) => (text += chunk.toString()));
    socket.write("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
    socket.write(`500\r\n${"x".repeat(0x5_00)}\r\n`);
    await vi.waitFor(() => expect(text).toContain("HTTP/1.1 413"));
  });

  it("behavior: one without calls left is told so by its request's id, and its body is not read", async () => {
    const { server, calls } = await start({
      access: { ...OPEN_ACCESS, requestsPerSecond: 0.001, requestsBurst: 1 },
    });
    expect((await post(server, "echo")).status).toBe(200);
    expect(await (await post(server, "echo")).json()).toMatchObject({
      id: 7,
      error: { code: -32_005 },
    });
    const large = JSON.stringify({
      jsonrpc: "2.0",
      id: 7,
      method: "echo",
      pad: "x".repeat(20_000),
    });
    expect(await (await post(server, "echo", {}, large)).json()).toMatchObject({ id: null });
    expect(calls()).toBe(1);
  });

  it("behavior: who pings without reading gets no more pongs than it leaves unread", async () => {
    const { server, dropped } = await start();
    const socket = await rawConnection(server);
    socket.pause();
    const key = Buffer.alloc(16).toString("base64");
    socket.write(
      `GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${key}\r\n\r\n`,
    );
    const ping = Buffer.concat([Buffer.from([0x89, 0x80 | 125, 0, 0, 0, 0]), Buffer.alloc(125)]);
    const many = Buffer.concat(Array.from({ length: 8_000 }, () => ping));
    for (let sent = 0; sent < 200 && !dropped.includes("websocket_pong"); sent++) {
      if (!socket.write(many)) {
        await new Promise((resolve) => {
          socket.once("drain", resolve).once("close", resolve);
        });
      }
    }
    await vi.waitFor(() => expect(dropped).toContain("websocket_pong"));
  });

  it("behavior: of answers that nobody reads the oldest goes, and who reads is served", async () => {
    let cut = 0;
    const unread = createUnreadAnswers(40 << 20, () => (cut += 1));
    const http = createServer((_, response) => unread.send(response, "x".repeat(16 << 20)));
    http.listen(0, "127.0.0.1");
    await once(http, "listening");
    open.push({
      close: () => {
        http.closeAllConnections();
        http.close();
      },
    });
    const address = http.address();
    assert(typeof address === "object" && address !== null, "it listens");
    const deaf: Socket[] = [];
    for (let i = 0; i < 3; i++) {
      const socket = await rawConnection(address);
      socket.pause();
      socket.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
      deaf.push(socket);
    }
    await vi.waitFor(() => expect(cut).toBe(1));
    const text = await (await fetch(`http://127.0.0.1:${address.port}`)).text();
    expect(text).toHaveLength(16 << 20);
    expect(cut).toBe(2);
  });
});

describe("a subscription", () => {
  it("behavior: that is lost ends its connection, whose owner asks anew", async () => {
    const { server, subscribed } = await start();
    const socket = new WebSocket(`ws://127.0.0.1:${server.port}`);
    open.push({ close: () => socket.terminate() });
    await once(socket, "open");
    socket.send(
      JSON.stringify({ jsonrpc: "2.0", id: 1, method: "eth_subscribe", params: ["ticks"] }),
    );
    await once(socket, "message");
    const [lose] = subscribed;
    lose?.();
    const [code] = await once(socket, "close");
    expect(code).toBe(1_013);
  });
});
