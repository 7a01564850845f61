import { connect, type Socket } from "node:net";
import { once } from "node:events";
import { afterEach, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { utf8ToBytes } from "../../proto/bytes.ts";
import { eventually } from "../../test/support/loopback.ts";
import { okResult, postRpc, startTestNode, type TestNode } from "../../test/support/rpc-node.ts";
import { BODY_BYTES_MAX } from "./limits.ts";
import { NULL_RPC_METRICS } from "./metrics.ts";

let node: TestNode;
const sockets: WebSocket[] = [];
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.terminate();
  await node.stop();
});

interface Client {
  readonly socket: WebSocket;
  readonly messages: readonly { readonly [key: string]: unknown }[];
  /** Sends a call and returns its answer. */
  readonly call: (method: string, params?: unknown) => Promise<{ readonly [key: string]: unknown }>;
}

let lastId = 0;

async function openClient(path = "/websocket"): Promise<Client> {
  const socket = new WebSocket(`ws://${node.host}:${node.port}${path}`);
  sockets.push(socket);
  const messages: { readonly [key: string]: unknown }[] = [];
  socket.on("message", (data: Buffer) => {
    messages.push(JSON.parse(data.toString("utf8")) as { readonly [key: string]: unknown });
  });
  await once(socket, "open");
  return {
    socket,
    messages,
    call: async (method, params) => {
      const id = ++lastId;
      socket.send(JSON.stringify({ jsonrpc: "2.0", id, method, params }));
      const answer = () => messages.find((message) => message["id"] === id);
      await eventually(() => answer() !== undefined, `an answer to ${method}`);
      return answer() ?? {};
    },
  };
}

async function rawConnection(
  text: string,
): Promise<{ readonly socket: Socket; readonly seen: () => string }> {
  const socket = connect(node.port, node.host);
  let seen = "";
  socket.on("data", (chunk: Buffer) => (seen += chunk.toString("latin1")));
  socket.on("error", () => {});
  await once(socket, "connect");
  socket.write(text);
  return { socket, seen: () => seen };
}

/** The answer to a target as it stands: Node's fetch cleans paths itself, beyond the first slash. */
async function rawGet(target: string): Promise<string> {
  const { socket, seen } = await rawConnection(
    `GET ${target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`,
  );
  await once(socket, "close");
  return seen();
}

describe("rpc server", () => {
  it("behavior: lists its methods at /", async () => {
    node = await startTestNode();
    const response = await fetch(node.url);
    expect(response.headers.get("content-type")).toContain("text/html");
    const html = await response.text();
    for (const method of ["status", "tx_search?query=_", "abci_query?path=_&#38;data=_"]) {
      expect(html).toContain(method);
    }
    expect((await fetch(`${node.url}/nope`)).status).toBe(404);
    expect((await fetch(`${node.url}/websocket`)).status).toBe(400);
  });

  it("behavior: any HTTP method calls, as with CometBFT", async () => {
    node = await startTestNode();
    for (const method of ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]) {
      const answer = await (await fetch(`${node.url}/health`, { method })).text();
      expect(answer, method).toBe('{"jsonrpc":"2.0","id":-1,"result":{}}');
    }
    const body = '{"jsonrpc":"2.0","id":1,"method":"health"}';
    const put = await (await fetch(node.url, { method: "PUT", body })).text();
    expect(put).toBe('{"jsonrpc":"2.0","id":1,"result":{}}');
  });

  it("behavior: a base address with a slash at its end leads to the method all the same", async () => {
    node = await startTestNode();
    for (let i = 0; i < 2; i++) await node.chain.commitBlock([]);
    for (const path of [
      "//header?height=1",
      "/./header?height=1",
      "/a/..//header?height=1",
      "http://x//header?height=1",
    ]) {
      const answer = await rawGet(path);
      expect(answer, path).toContain("307 Temporary Redirect");
      expect(answer, path).toMatch(/\r\nLocation: \/header\?height=1\r\n/);
    }
    expect(await rawGet("//\\x.example/?a=\\")).toMatch(/\r\nLocation: \/%5Cx.example\/\?a=\\\r\n/);
    const header = await (await fetch(`${node.url}//header?height=1`)).text();
    expect(header).toContain('"height":"1"');
    expect((await fetch(`${node.url}/header/`)).status).toBe(404);
  });

  it("behavior: an address with scheme and host, as proxies send it, is served by its path", async () => {
    node = await startTestNode();
    await node.chain.commitBlock([]);
    for (const target of ["http://x/header?height=1", "HTTPS://x:1/header?height=1"]) {
      expect(await rawGet(target), target).toContain('"height":"1"');
    }
    for (const target of ["http://x", "http://x/", "http://x?a=http://y/z"]) {
      expect(await rawGet(target), target).toContain("text/html");
    }
    for (const target of ["http://x/y", "/http://x/header", "*", "*header"]) {
      expect(await rawGet(target), target).not.toContain("200 OK");
    }
    expect(await rawGet("*")).toContain("404 Not Found");
  });

  it("behavior: pairs of a query that cannot be read are left out, null is no argument", async () => {
    node = await startTestNode();
    for (let i = 0; i < 2; i++) await node.chain.commitBlock([]);
    for (const query of ["height=%zz", "height=1;2", "height=null", "height="]) {
      const answer = await (await fetch(`${node.url}/header?${query}`)).text();
      expect(answer, query).toContain('"height":"2"');
    }
    const form = await fetch(`${node.url}/header?height=`, {
      method: "POST",
      body: new URLSearchParams({ height: "1" }),
    });
    expect(await form.text()).toContain('"height":"1"');
  });

  it("behavior: of a name that is given twice the first counts, however many names there are", async () => {
    node = await startTestNode();
    for (let i = 0; i < 3; i++) await node.chain.commitBlock([]);
    const heightOf = async (query: string, form: readonly string[]) => {
      const headers = { "content-type": "application/x-www-form-urlencoded" };
      const body = form.join("&");
      const response = await fetch(`${node.url}/header${query}`, { method: "POST", headers, body });
      return /"height":"(\d+)"/.exec(await response.text())?.[1];
    };
    expect(await heightOf("?height=1&height=2", ["height=3"])).toBe("1");
    expect(await heightOf("", ["height=1", "height=2"])).toBe("1");
    const names = Array.from({ length: 190_000 }, (_, i) => i.toString(36));
    expect(await heightOf("?height=", [...names, "height=1"])).toBe("1");
  });

  it("behavior: marks what no later block changes as cacheable, and nothing else", async () => {
    node = await startTestNode();
    for (let i = 0; i < 2; i++) await node.chain.commitBlock([]);
    const cache = async (path: string) =>
      (await fetch(node.url + path)).headers.get("cache-control");
    expect(await cache("/block?height=1")).toBe("public, max-age=86400");
    expect(await cache("/block")).toBeNull();
    expect(await cache("/block?height=77")).toBeNull();
    expect(await cache("/status")).toBeNull();
    const batch = [
      { jsonrpc: "2.0", id: 1, method: "block", params: { height: "1" } },
      { jsonrpc: "2.0", id: 2, method: "status" },
    ];
    expect((await postRpc(node, batch)).headers.get("cache-control")).toBeNull();
  });

  it("behavior: a body beyond the limit is refused and the connection closed", async () => {
    node = await startTestNode();
    const { socket, seen } = await rawConnection(
      `POST / HTTP/1.1\r\nHost: x\r\nContent-Length: ${BODY_BYTES_MAX + 100}\r\n\r\n`,
    );
    socket.write("x".repeat(BODY_BYTES_MAX + 1));
    await once(socket, "close");
    expect(seen()).toContain("400 Bad Request");
    expect(seen()).toContain("http: request body too large");
  });

  it("behavior: garbage gets an answer or a close, and the server goes on", async () => {
    node = await startTestNode();
    for (const text of [
      "\0\0\0\0\r\n\r\n",
      "GET / HTTP/9.9\r\n\r\n",
      `GET /${"a".repeat(20)} \r\n\r\n`,
    ]) {
      const { socket } = await rawConnection(text);
      await once(socket, "close");
    }
    for (const body of ["", "{}", "[{}]", '{"id":1}', "\u0000", "[[[[", '{"id":{}}']) {
      expect((await postRpc(node, body)).status).toBeLessThan(501);
    }
    expect((await postRpc(node, { id: 1, method: "health" })).text).toBe(
      '{"jsonrpc":"2.0","id":1,"result":{}}',
    );
  });

  it("behavior: an upgrade elsewhere is refused and closed, whatever its client does", async () => {
    node = await startTestNode();
    const upgrade =
      "GET /nope HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";
    // Keeps its own side open for ever.
    const held = connect({ host: node.host, port: node.port, allowHalfOpen: true });
    held.on("error", () => {}).resume();
    held.write(upgrade);
    await once(held, "end");
    // Resets at once; without a listener for that, the process would end here.
    for (let i = 0; i < 20; i++) {
      const { socket } = await rawConnection(upgrade);
      socket.resetAndDestroy();
    }
    expect((await fetch(node.url)).status).toBe(200);
    // Not kept waiting by `held`.
    await node.stop();
    held.destroy();
    node = await startTestNode();
  });

  it("behavior: a request that trickles in is cut off, before and after its headers", async () => {
    node = await startTestNode({ requestTimeoutMs: 50 });
    for (const start of [
      "GET /hea",
      "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{",
    ]) {
      const { socket, seen } = await rawConnection(start);
      await once(socket, "close");
      expect(seen()).toMatch(/^(HTTP\/1.1 408|$)/);
    }
  });

  it("behavior: connections beyond the limit are closed at once", async () => {
    node = await startTestNode({ connectionsMax: 2 });
    const first = await rawConnection("GET /health HTTP/1.1\r\nHost: x\r\n\r\n");
    const second = await rawConnection("GET /health HTTP/1.1\r\nHost: x\r\n\r\n");
    await eventually(() => second.seen().includes("200 OK"), "the second answer");
    const third = await rawConnection("GET /health HTTP/1.1\r\nHost: x\r\n\r\n");
    await once(third.socket, "close");
    expect(third.seen()).toBe("");
    first.socket.destroy();
    second.socket.destroy();
  });

  it("behavior: browsers of allowed origins may read, others may not", async () => {
    node = await startTestNode({ corsOrigins: ["https://*.example.org"] });
    const origin = async (value: string, method = "GET") =>
      fetch(`${node.url}/health`, { method, headers: { origin: value } });
    const allowed = await origin("https://app.example.org");
    expect(allowed.headers.get("access-control-allow-origin")).toBe("https://app.example.org");
    const refused = await origin("https://example.com");
    expect(refused.headers.get("access-control-allow-origin")).toBeNull();
    expect((await origin("https://app.example.org", "OPTIONS")).status).toBe(204);
  });

  it("behavior: a broadcast waits for its block, a refused one does not", async () => {
    node = await startTestNode();
    const send = async (tx: string) =>
      JSON.parse(
        (
          await postRpc(node, {
            jsonrpc: "2.0",
            id: 1,
            method: "broadcast_tx_commit",
            params: { tx: Buffer.from(tx).toString("base64") },
          })
        ).text,
      ) as unknown;
    expect(await send("a=1")).toMatchObject({ result: { height: "1", tx_result: { code: 0 } } });
    expect(await send("a=1")).toMatchObject({
      error: { data: "error on broadcastTxCommit: tx already exists in cache" },
    });
    expect(await send("nothing")).toMatchObject({ result: { height: "0", check_tx: { code: 2 } } });
  });

  it("behavior: a broadcast that no block takes times out", async () => {
    node = await startTestNode({ broadcastCommitTimeoutMs: 20 });
    node.mempool.commits = false;
    const response = await fetch(`${node.url}/broadcast_tx_commit?tx="a=1"`);
    expect(await response.json()).toMatchObject({
      error: { data: "timed out waiting for tx to be included in a block" },
    });
    expect(await (await fetch(`${node.url}/unconfirmed_txs`)).json()).toMatchObject({
      result: { n_txs: "1", total: "1", total_bytes: "3", txs: ["YT0x"] },
    });
  });
});

describe("websocket", () => {
  it("behavior: subscribes, delivers matching events in order, unsubscribes", async () => {
    node = await startTestNode();
    const client = await openClient();
    expect(
      await client.call("subscribe", { query: "tm.event='Tx' AND app.key='b'" }),
    ).toMatchObject({
      result: {},
    });
    expect(
      await client.call("subscribe", { query: "tm.event = 'Tx' AND app.key = 'b'" }),
    ).toMatchObject({
      error: { data: "already subscribed" },
    });
    await node.chain.commitBlock([utf8ToBytes("a=1"), utf8ToBytes("b=2"), utf8ToBytes("b=3")]);
    const events = () => client.messages.filter((one) => JSON.stringify(one).includes("TxResult"));
    await eventually(() => events().length === 2, "two events");
    expect(events()).toMatchObject(
      [
        { id: 1, result: { data: { value: { TxResult: { tx: "Yj0y", index: 1 } } } } },
        { id: 1, result: { data: { value: { TxResult: { tx: "Yj0z", index: 2 } } } } },
      ].map((one) => ({ ...one, id: lastId - 1 })),
    );
    const query = "tm.event='Tx' AND app.key='b'";
    expect(await client.call("unsubscribe", { query })).toMatchObject({ result: {} });
    expect(await client.call("unsubscribe", { query })).toMatchObject({
      error: { data: "subscription not found" },
    });
    await node.chain.commitBlock([utf8ToBytes("b=4")]);
    expect(await client.call("unsubscribe_all")).toMatchObject({
      error: { data: "subscription not found" },
    });
    expect(events()).toHaveLength(2);
  });

  it("behavior: a client and all clients have so many subscriptions and no more", async () => {
    node = await startTestNode({ subscriptionClientsMax: 2, subscriptionsPerClientMax: 2 });
    const [first, second, third] = [await openClient(), await openClient(), await openClient()];
    for (const query of ["a.b=1", "a.b=2"]) {
      expect(await first.call("subscribe", { query })).toMatchObject({ result: {} });
    }
    expect(await first.call("subscribe", { query: "a.b=3" })).toMatchObject({
      error: { code: -32603, data: "max_subscriptions_per_client 2 reached" },
    });
    expect(await second.call("subscribe", { query: "a.b=1" })).toMatchObject({ result: {} });
    expect(await third.call("subscribe", { query: "a.b=1" })).toMatchObject({
      error: { data: "max_subscription_clients 2 reached" },
    });
    first.socket.close();
    await once(first.socket, "close");
    await eventually(() => node.chain.bus.subscriptionCount === 0, "the turn of the loop");
    expect(await third.call("subscribe", { query: "a.b=1" })).toMatchObject({ result: {} });
  });

  it("behavior: messages that are no request are answered, other calls work as over HTTP", async () => {
    node = await startTestNode();
    await node.chain.commitBlock([]);
    const { socket, messages, call } = await openClient();
    socket.send("{");
    socket.send(Buffer.from([1, 2, 3]));
    await eventually(() => messages.length === 2, "two refusals");
    expect(messages).toMatchObject([{ error: { code: -32700 } }, { error: { code: -32700 } }]);
    expect(await call("nope")).toMatchObject({ error: { code: -32601 } });
    expect(await call("header", { height: "1" })).toMatchObject({
      result: { header: { height: "1" } },
    });
    expect(await call("subscribe", { query: "malformed query" })).toMatchObject({
      error: {
        code: -32603,
        data: expect.stringMatching(
          /^failed to parse query: offset 10: got tag, wanted <= operator/,
        ),
      },
    });
  });

  it("behavior: over a WebSocket a call may be binary, and bad arguments are an internal error", async () => {
    node = await startTestNode();
    const { socket, messages, call } = await openClient();
    socket.send(Buffer.from('{"jsonrpc":"2.0","id":"binary","method":"health"}'));
    await eventually(() => messages.length === 1, "an answer");
    expect(messages).toEqual([{ jsonrpc: "2.0", id: "binary", result: {} }]);
    expect(await call("header", { height: 1 })).toMatchObject({
      error: {
        code: -32603,
        message: "Internal error",
        data: 'error converting json params to arguments: invalid 64-bit integer encoding "1", expected string',
      },
    });
  });

  it("behavior: a message beyond the limit closes the connection", async () => {
    node = await startTestNode();
    const { socket } = await openClient();
    socket.send("x".repeat(BODY_BYTES_MAX + 1));
    const [code] = (await once(socket, "close")) as [number];
    expect(code).toBe(1009);
  });

  it("behavior: a reader too slow for its events is dropped with a reason, others stay", async () => {
    const dropped: unknown[] = [];
    node = await startTestNode(
      {},
      { metrics: { ...NULL_RPC_METRICS, slowClientsDropped: { inc: () => void dropped.push(1) } } },
    );
    const [slow, fast] = [await openClient(), await openClient()];
    for (const client of [slow, fast])
      await client.call("subscribe", { query: "tm.event='NewBlock'" });
    slow.socket.pause();
    const block = [utf8ToBytes(`big=${"x".repeat(500_000)}`)];
    for (let i = 0; i < 40 && dropped.length === 0; i++) {
      const before = fast.messages.length;
      await node.chain.commitBlock(block, { result: () => okResult() });
      await eventually(() => fast.messages.length > before, "the block at the fast client");
    }
    expect(dropped).toHaveLength(1);
    const closed = once(slow.socket, "close");
    slow.socket.resume();
    await closed;
    expect(fast.socket.readyState).toBe(WebSocket.OPEN);
  });

  it("behavior: a stop tells subscribers why and closes their connections", async () => {
    node = await startTestNode();
    const { socket, messages, call } = await openClient();
    await call("subscribe", { query: "tm.event='NewBlock'" });
    const closed = once(socket, "close");
    await node.server.stop();
    const [code] = (await closed) as [number];
    expect(code).toBe(1001);
    expect(messages.at(-1)).toMatchObject({
      error: { code: -32000, data: "subscription was canceled (reason: the node is stopping)" },
    });
  });
});
