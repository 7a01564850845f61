/** Every method of CometBFT v0.38.25 (`rpc/core/routes.go`) with its arguments, and the settings of `[rpc]`. */
import { once } from "node:events";
import { afterEach, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { utf8ToBytes } from "../../proto/bytes.ts";
import { eventually } from "../../test/support/loopback.ts";
import { okResult, postRpc, startTestNode, type TestNode } from "../../test/support/rpc-node.ts";
import { NULL_RPC_METRICS } from "./metrics.ts";

/** Names and arguments, in the order of the file. */
const ROUTES = `
  subscribe query
  unsubscribe query
  unsubscribe_all
  health
  status
  net_info
  blockchain minHeight,maxHeight
  genesis
  genesis_chunked chunk
  block height
  block_by_hash hash
  block_results height
  commit height
  header height
  header_by_hash hash
  check_tx tx
  tx hash,prove
  tx_search query,prove,page,per_page,order_by
  block_search query,page,per_page,order_by
  validators height,page,per_page
  dump_consensus_state
  consensus_state
  consensus_params height
  unconfirmed_txs limit
  num_unconfirmed_txs
  broadcast_tx_commit tx
  broadcast_tx_sync tx
  broadcast_tx_async tx
  abci_query path,data,height,prove
  abci_info
  broadcast_evidence evidence`;
const UNSAFE_ROUTES = `
  dial_seeds seeds
  dial_peers peers,persistent,unconditional,private
  unsafe_flush_mempool`;

let node: TestNode;
afterEach(() => node.stop());

/** The methods that the page at `/` lists, as `name arguments`. */
async function listedRoutes(): Promise<readonly string[]> {
  const html = await (await fetch(node.url)).text();
  const links = [...html.matchAll(/>&#47;&#47;[^/<]*\/([^<]*)<|>\/\/[^/<]*\/([^<]*)</g)];
  return links
    .map((match) => (match[1] ?? match[2] ?? "").replaceAll("&#38;", "&").replaceAll("=_", ""))
    .map((text) => text.replace("?", " ").replaceAll("&", ","))
    .sort();
}

function lines(text: string): readonly string[] {
  return text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "")
    .sort();
}

async function call(method: string, params: unknown = {}): Promise<Record<string, unknown>> {
  const { text } = await postRpc(node, { jsonrpc: "2.0", id: 1, method, params });
  return JSON.parse(text) as Record<string, unknown>;
}

async function get(path: string): Promise<Record<string, unknown>> {
  return (await (await fetch(`${node.url}${path}`)).json()) as Record<string, unknown>;
}

describe("methods", () => {
  it("behavior: all of CometBFT's, with its arguments; the unsafe ones are left out", async () => {
    node = await startTestNode();
    expect(await listedRoutes()).toEqual(lines(ROUTES));
    for (const method of ["dial_seeds", "dial_peers", "unsafe_flush_mempool"]) {
      expect(await call(method)).toMatchObject({ error: { code: -32601 } });
      expect((await fetch(`${node.url}/${method}`)).status).toBe(404);
    }
  });

  it("behavior: the unsafe methods, where they are allowed, over JSON and URI", async () => {
    node = await startTestNode({ isUnsafe: true });
    expect(await listedRoutes()).toEqual(lines(ROUTES + UNSAFE_ROUTES));
    const peer = `${"ab".repeat(20)}@127.0.0.1:1`;
    expect(await call("dial_seeds", { seeds: [peer] })).toMatchObject({
      result: { log: "Dialing seeds in progress. See /net_info for details" },
    });
    expect(await get(`/dial_peers?peers=["${peer}"]&persistent=true`)).toMatchObject({
      result: { log: "Dialing peers in progress. See /net_info for details" },
    });
    node.mempool.pending.push(utf8ToBytes("a=b"));
    expect(await call("unsafe_flush_mempool")).toMatchObject({ result: {} });
    expect(node.mempool.count()).toBe(0);
  });

  it("behavior: dump_consensus_state has every field of Go's", async () => {
    node = await startTestNode();
    await node.chain.commitBlock([]);
    const { result } = (await call("dump_consensus_state")) as {
      result: { round_state: Record<string, unknown> };
    };
    // `consensus/types/round_state.go`
    expect(Object.keys(result.round_state)).toEqual([
      "height",
      "round",
      "step",
      "start_time",
      "commit_time",
      "validators",
      "proposal",
      "proposal_block",
      "proposal_block_parts",
      "locked_round",
      "locked_block",
      "locked_block_parts",
      "valid_round",
      "valid_block",
      "valid_block_parts",
      "votes",
      "commit_round",
      "last_commit",
      "last_validators",
      "triggered_timeout_precommit",
    ]);
  });
});

describe("a query of a height that no block can have", () => {
  it("behavior: is answered with a code, as through CometBFT", async () => {
    node = await startTestNode();
    const answer = await (await fetch(`${node.url}/abci_query?path="/params"&height=-5`)).text();
    expect(JSON.parse(answer)).toMatchObject({
      result: { response: { code: 1, log: "expected a height, got -5", codespace: "abci" } },
    });
  });
});

describe("settings", () => {
  it("behavior: a batch may be as long as it is set", async () => {
    node = await startTestNode({ batchRequestsMax: 2 });
    const batch = (count: number) =>
      Array.from({ length: count }, (_, id) => ({ jsonrpc: "2.0", id, method: "health" }));
    expect(JSON.parse((await postRpc(node, batch(2))).text)).toHaveLength(2);
    expect(JSON.parse((await postRpc(node, batch(3))).text)).toMatchObject({
      error: { data: "batch request exceeds maximum (2) allowed number of requests" },
    });
    await node.stop();
    node = await startTestNode({ batchRequestsMax: 0 });
    expect(JSON.parse((await postRpc(node, batch(100))).text)).toHaveLength(100);
  });

  it("behavior: browsers are told the methods and headers that are set", async () => {
    node = await startTestNode({
      corsOrigins: ["*"],
      corsMethods: ["POST"],
      corsHeaders: ["X-One", "X-Two"],
    });
    const { headers } = await fetch(node.url, { headers: { Origin: "https://any" } });
    expect(headers.get("access-control-allow-methods")).toBe("POST");
    expect(headers.get("access-control-allow-headers")).toBe("X-One, X-Two");
  });

  it("behavior: request headers beyond the limit are refused", async () => {
    node = await startTestNode({ headerBytesMax: 2_000 });
    const get = (bytes: number) => fetch(node.url, { headers: { "X-Long": "x".repeat(bytes) } });
    expect((await get(100)).status).toBe(200);
    expect((await get(4_000)).status).toBe(431);
  });

  it("behavior: a slow reader is kept and events are left out for it, where that is set", async () => {
    let leftOut = 0;
    const refused = {
      inc: (labels?: { readonly reason: string }) => {
        if (labels?.reason === "slow_client_event") leftOut++;
      },
    };
    node = await startTestNode(
      { closesSlowClients: false },
      { metrics: { ...NULL_RPC_METRICS, refused } },
    );
    const socket = new WebSocket(`ws://${node.host}:${node.port}/websocket`);
    const heights: number[] = [];
    let isSubscribed = false;
    socket.on("message", (data: Buffer) => {
      const { result } = JSON.parse(data.toString("utf8")) as {
        result?: { data?: { value: { block: { header: { height: string } } } } };
      };
      if (result?.data === undefined) isSubscribed = true;
      else heights.push(Number(result.data.value.block.header.height));
    });
    await once(socket, "open");
    const query = "tm.event='NewBlock'";
    socket.send(JSON.stringify({ jsonrpc: "2.0", id: 1, method: "subscribe", params: { query } }));
    await eventually(() => isSubscribed, "the subscription");
    await node.chain.commitBlock([]);
    await eventually(() => heights.length === 1, "the first block");
    socket.pause();
    const block = [utf8ToBytes(`big=${"x".repeat(500_000)}`)];
    for (let i = 0; i < 60 && leftOut === 0; i++) {
      await node.chain.commitBlock(block, { result: () => okResult() });
      await new Promise((resolve) => setImmediate(resolve));
    }
    await eventually(() => leftOut > 0, "an event is left out");
    socket.resume();
    const before = heights.length;
    await eventually(() => heights.length > before, "what was written arrives");
    expect(socket.readyState).toBe(WebSocket.OPEN);
    socket.terminate();
  });
});
