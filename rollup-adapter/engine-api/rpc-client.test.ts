import { createHmac } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { createSystemClock } from "../../sequencer/ports/system-clock.ts";
import { NULL_ENGINE_API_METRICS } from "./metrics.ts";
import { createEngineRpc, type EngineRpc } from "./rpc-client.ts";

const SECRET = new Uint8Array(32).fill(3);
const servers: Server[] = [];

afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

type Answer = (request: IncomingMessage, body: string, response: ServerResponse) => void;

/** A client on the other side that answers as a test wants it. */
async function clientThat(answer: Answer, timeoutMs = 5_000): Promise<EngineRpc> {
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => answer(request, Buffer.concat(chunks).toString("utf8"), response));
  });
  servers.push(server);
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  const { port } = server.address() as AddressInfo;
  return rpcAt(`http://127.0.0.1:${port}`, timeoutMs);
}

function rpcAt(url: string, timeoutMs: number): EngineRpc {
  return createEngineRpc(
    { url, secret: SECRET, timeoutMs },
    { clock: createSystemClock(), metrics: NULL_ENGINE_API_METRICS },
  );
}

const says =
  (json: unknown): Answer =>
  (_request, _body, response) => {
    response.end(JSON.stringify(json));
  };

describe("calls of an execution client", () => {
  test("carry a fresh token that the secret signs", async () => {
    let token = "";
    const rpc = await clientThat((request, _body, response) => {
      token = (request.headers.authorization ?? "").replace("Bearer ", "");
      response.end('{"jsonrpc":"2.0","id":0,"result":"0x1"}');
    });
    expect(await rpc.call("eth_chainId", [])).toBe("0x1");
    const [header = "", payload = "", signature] = token.split(".");
    const read = (part: string): unknown => JSON.parse(Buffer.from(part, "base64url").toString());
    expect(read(header)).toEqual({ alg: "HS256", typ: "JWT" });
    const { iat } = read(payload) as { iat: number };
    expect(Math.abs(iat - Date.now() / 1_000)).toBeLessThan(30);
    const expected = createHmac("sha256", SECRET)
      .update(`${header}.${payload}`)
      .digest("base64url");
    expect(signature).toBe(expected);
  });

  test("answers of a batch go to the calls that they belong to", async () => {
    const rpc = await clientThat((_request, body, response) => {
      const calls = JSON.parse(body) as { id: number; params: string[] }[];
      const answers = calls.map(({ id, params }) => ({ jsonrpc: "2.0", id, result: params[0] }));
      response.end(JSON.stringify(answers.toReversed()));
    });
    const calls = Array.from({ length: 2_000 }, (_, i) => ({ method: "m", params: [`${i}`] }));
    expect(await rpc.batch(calls)).toEqual(calls.map(({ params }) => params[0]));
  });

  test.each([
    [
      says({ jsonrpc: "2.0", id: 0, error: { code: -38_003, message: "no" } }),
      "ENGINE_API_CALL_FAILED",
    ],
    [says({ hello: 1 }), "ENGINE_API_BAD_ANSWER"],
    [((_q, _b, response) => response.end("<html>")) satisfies Answer, "ENGINE_API_BAD_ANSWER"],
    [
      ((_q, _b, response) => response.writeHead(401).end("stale")) satisfies Answer,
      "ENGINE_API_UNAUTHORIZED",
    ],
    [
      ((_q, _b, response) => response.writeHead(502).end()) satisfies Answer,
      "ENGINE_API_HTTP_STATUS",
    ],
  ] as const)("what is no result has its code", async (answer, code) => {
    const rpc = await clientThat(answer);
    await expect(rpc.call("m", [])).rejects.toMatchObject({ code });
  });

  test("one that never answers is given up, one that is away is tried again", async () => {
    const mute = await clientThat(() => {}, 100);
    await expect(mute.call("m", [])).rejects.toMatchObject({ code: "ENGINE_API_TIMEOUT" });
    let tries = 0;
    const shy = await clientThat((request, _body, response) => {
      tries += 1;
      if (tries < 3) request.socket.destroy();
      else response.end('{"jsonrpc":"2.0","id":0,"result":1}');
    });
    expect(await shy.call("m", [])).toBe(1);
    await expect(rpcAt("http://127.0.0.1:1", 1_000).call("m", [])).rejects.toMatchObject({
      code: "ENGINE_API_UNREACHABLE",
    });
  });
});
