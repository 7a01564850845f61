import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import { afterEach, describe, expect, it } from "vitest";
import { WebSocketServer } from "ws";
import { assert } from "../../../proto/errors.ts";
import { NULL_LOGGER } from "../../../sequencer/ports/logger.ts";
import { createManualClock } from "../../../test/support/manual-clock.ts";
import {
  UPSTREAM_ANSWER_BYTES_MAX,
  UPSTREAM_FILTERS_MAX,
  UPSTREAM_OPTIONS_BYTES_MAX,
  UPSTREAM_PING_MS,
  UPSTREAM_RECONNECT_MS_FIRST,
  UPSTREAM_RECONNECT_MS_MAX,
  UPSTREAM_TIMEOUT_MS,
} from "./limits.ts";
import { createGatewayMethods, type GatewayMethodDependencies } from "./methods.ts";
import { RPC_CODE } from "../../json-rpc/errors.ts";
import { createUpstream } from "./upstream.ts";
import { createUpstreamSubscriptions } from "./upstream-subscriptions.ts";

const open: { close(): unknown }[] = [];
afterEach(async () => {
  for (const one of open.splice(0)) await one.close();
});

/** Listens where an executor would; returns its port. */
async function listen(answer: RequestListener) {
  const http = createServer(answer);
  http.listen(0, "127.0.0.1");
  await once(http, "listening");
  open.push({
    close() {
      http.closeAllConnections();
      http.close();
    },
  });
  const address = http.address();
  assert(typeof address === "object" && address !== null, "it listens");
  return { http, port: address.port };
}

describe("an executor's answers", () => {
  it("behavior: are looked for where the operator says, and nowhere else", async () => {
    let isAsked = false;
    const other = await listen((_, response) => {
      isAsked = true;
      response.end('{"jsonrpc":"2.0","id":1,"result":"0x1"}');
    });
    const { port } = await listen((_, response) => {
      response.writeHead(307, { location: `http://127.0.0.1:${other.port}` }).end();
    });
    const upstream = createUpstream(`http://127.0.0.1:${port}`);
    await expect(upstream.call("eth_chainId", [])).rejects.toMatchObject({
      code: RPC_CODE.RESOURCE_UNAVAILABLE,
    });
    expect(isAsked).toBe(false);
  });

  it("error: are refused beyond their size, with the reason", async () => {
    const { port } = await listen((_, response) => {
      const chunk = "x".repeat(1 << 20);
      for (let sent = 0; sent <= UPSTREAM_ANSWER_BYTES_MAX; sent += chunk.length) {
        response.write(chunk);
      }
      response.end();
    });
    const upstream = createUpstream(`http://127.0.0.1:${port}`);
    await expect(upstream.call("eth_getLogs", [])).rejects.toThrow(
      `more than ${UPSTREAM_ANSWER_BYTES_MAX} bytes`,
    );
  });
});

describe("filters at the executor", () => {
  it("behavior: are bounded, and the one asked about the longest ago is given up", async () => {
    const called: string[] = [];
    let made = 0;
    const upstream: GatewayMethodDependencies["upstream"] = {
      call(method, params) {
        if (method === "eth_newFilter") return Promise.resolve(`0x${((made += 1)).toString(16)}`);
        called.push(`${method} ${String(params[0])}`);
        return Promise.resolve([]);
      },
    };
    const methods = createGatewayMethods({
      upstream,
      pool: { get: () => undefined, add: unused, nextNonce: unused },
      clientVersion: "weft/test",
    });
    const context = { address: "", requester: "", signature: undefined, body: "" };
    const call = (name: string, params: unknown[]) => methods.get(name)?.(params, context);
    for (let i = 0; i < UPSTREAM_FILTERS_MAX; i++) await call("eth_newFilter", [{}]);
    await call("eth_getFilterChanges", ["0x1"]);
    expect(called.splice(0)).toEqual(["eth_getFilterChanges 0x1"]);
    await call("eth_newFilter", [{}]);
    expect(called.splice(0)).toEqual(["eth_uninstallFilter 0x2"]);
    await call("eth_uninstallFilter", ["0x1"]);
    await call("eth_newFilter", [{}]);
    expect(called).toEqual(["eth_uninstallFilter 0x1"]);
  });
});

function unused(): never {
  throw new Error("not asked for here");
}

describe("subscriptions at the executor", () => {
  it("error: are given up when it does not answer, and are asked for anew where it is silent", async () => {
    const { http, port } = await listen((_, response) => response.end());
    let connections = 0;
    // Takes everything and says nothing, not even that it lives.
    const server = new WebSocketServer({ server: http, autoPong: false });
    server.on("connection", () => (connections += 1));
    const clock = createManualClock();
    const subscriptions = createUpstreamSubscriptions(`ws://127.0.0.1:${port}`, {
      clock,
      logger: NULL_LOGGER,
    });
    open.push(subscriptions);
    const heads = subscriptions.kind("newHeads");
    await expect(
      heads({ address: "0x".padEnd(UPSTREAM_OPTIONS_BYTES_MAX, "0") }, unused, unused),
    ).rejects.toThrow("expected at most");
    const first = Promise.resolve(heads(undefined, unused, unused));
    await expect.poll(() => connections).toBe(1);
    await clock.advance(UPSTREAM_TIMEOUT_MS);
    await expect(first).rejects.toMatchObject({ code: RPC_CODE.RESOURCE_UNAVAILABLE });
    await clock.advance(2 * UPSTREAM_PING_MS);
    await expect
      .poll(async () => {
        Promise.resolve(heads(undefined, unused, unused)).catch(() => undefined);
        await clock.advance(UPSTREAM_RECONNECT_MS_MAX);
        return connections;
      })
      .toBeGreaterThan(1);
  });

  it("behavior: come back when a connection that was taken and never answered is given up", async () => {
    const { http, port } = await listen((_, response) => response.end());
    const server = new WebSocketServer({ noServer: true });
    answerCalls(server, () => ({ result: "0x1" }));
    let isFrozen = true;
    let asked = 0;
    http.on("upgrade", (request, socket, head) => {
      asked += 1;
      if (isFrozen) open.push({ close: () => socket.destroy() });
      else server.handleUpgrade(request, socket, head, (one) => server.emit("connection", one));
    });
    const { subscribe, clock } = subscriptionsAt(port);
    const first = subscribe();
    await expect.poll(() => asked).toBe(1);
    await clock.advance(UPSTREAM_TIMEOUT_MS);
    expect(await first).toBe("away");
    isFrozen = false;
    await expect
      .poll(async () => {
        const again = subscribe();
        await clock.advance(UPSTREAM_RECONNECT_MS_MAX);
        return again;
      })
      .toBe("taken");
  });

  it("error: end their connection when the executor, begun anew, refuses them", async () => {
    const { http, port } = await listen((_, response) => response.end());
    const server = new WebSocketServer({ server: http });
    let answer: object = { result: "0x1" };
    answerCalls(server, () => answer);
    const { subscribe, clock, lost } = subscriptionsAt(port);
    expect(await subscribe()).toBe("taken");
    answer = { error: { code: -32_601, message: "no such subscription" } };
    for (const one of server.clients) one.terminate();
    await expect
      .poll(async () => {
        await clock.advance(UPSTREAM_RECONNECT_MS_FIRST);
        return lost();
      })
      .toBe(1);
    // One that is refused at once has its answer.
    expect(await subscribe()).toBe("away");
    expect(lost()).toBe(1);
  });
});

function answerCalls(server: WebSocketServer, answer: () => object): void {
  server.on("connection", (one) => {
    open.push({ close: () => one.terminate() });
    one.on("message", (data: Buffer) => {
      const { id } = JSON.parse(data.toString("utf8")) as { readonly id: number };
      one.send(JSON.stringify({ jsonrpc: "2.0", id, ...answer() }));
    });
  });
}

function subscriptionsAt(port: number) {
  const clock = createManualClock();
  const subscriptions = createUpstreamSubscriptions(`ws://127.0.0.1:${port}`, {
    clock,
    logger: NULL_LOGGER,
  });
  open.push(subscriptions);
  let lost = 0;
  const heads = subscriptions.kind("newHeads");
  const subscribe = (): Promise<string> =>
    Promise.resolve(heads(undefined, unused, () => (lost += 1))).then(
      () => "taken",
      () => "away",
    );
  return { subscribe, clock, lost: () => lost };
}
