import { expect, test } from "vitest";
import { parsePeerAddress } from "../../p2p/address.ts";
import { startTestNode, TEST_NODE_INFO } from "../../../test/support/rpc-node.ts";
import type { RpcNetwork } from "../ports.ts";
import { unsafeRoutes } from "./unsafe.ts";

const PEER = `${"ab".repeat(20)}@127.0.0.1:26656`;

function setup() {
  const calls: unknown[] = [];
  const network = {
    dialSeeds: (seeds: readonly string[]) => void calls.push(seeds.map(parsePeerAddress)),
    dialPeers: (peers: readonly string[], as: object) => void calls.push([peers, as]),
  };
  const routes = unsafeRoutes({ network, mempool: { flush: () => void calls.push("flush") } });
  const context = { client: "", signal: new AbortController().signal, sink: undefined };
  const call = async (name: string, args: Record<string, unknown>): Promise<unknown> =>
    routes[name]?.call(args, context);
  return { calls, call };
}

test("dial_peers passes on what is asked, in CometBFT's words", async () => {
  const { calls, call } = setup();
  const flags = { persistent: true, unconditional: false, private: true };
  expect(await call("dial_peers", { peers: [PEER], ...flags })).toEqual({
    log: "Dialing peers in progress. See /net_info for details",
  });
  expect(calls).toEqual([
    [[PEER], { isPersistent: true, isUnconditional: false, isPrivate: true }],
  ]);
});

test("unsafe_flush_mempool empties the pool", async () => {
  const { calls, call } = setup();
  expect(await call("unsafe_flush_mempool", {})).toEqual({});
  expect(calls).toEqual(["flush"]);
});

test.each<[string, Record<string, unknown>, RegExp]>([
  ["dial_seeds", { seeds: [] }, /no seeds provided/],
  ["dial_peers", { peers: null }, /no peers provided/],
  ["dial_peers", { peers: "x" }, /a list/],
  ["dial_peers", { peers: Array<string>(101).fill(PEER) }, /at most 100/],
  ["dial_seeds", { seeds: ["nobody"] }, /expected an address|expected a peer/],
])("%s refuses it: %#", async (name, args, why) => {
  const { calls, call } = setup();
  await expect(call(name, args)).rejects.toThrow(why);
  expect(calls).toEqual([]);
});

test("over HTTP they are there only when the node allows them", async () => {
  const dialed: (readonly string[])[] = [];
  const network: RpcNetwork = {
    nodeInfo: () => TEST_NODE_INFO,
    isListening: () => true,
    listeners: () => [],
    peers: () => [],
    banned: () => [],
    dialSeeds: () => {},
    dialPeers: (peers) => void dialed.push(peers),
    peerState: () => undefined,
  };
  const safe = await startTestNode({}, { network });
  const unsafe = await startTestNode({ isUnsafe: true }, { network });
  try {
    const params = { peers: [PEER], persistent: true, unconditional: false, private: false };
    const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "dial_peers", params });
    const post = async (url: string): Promise<unknown> =>
      (
        await fetch(url, { method: "POST", headers: { "content-type": "application/json" }, body })
      ).json();
    expect(await post(safe.url)).toMatchObject({ error: { code: -32601 } });
    expect(await post(unsafe.url)).toMatchObject({
      result: { log: expect.stringMatching("Dialing peers") },
    });
    const query = `peers=["${PEER}"]&persistent=false`;
    const byUri = await fetch(`${unsafe.url}/dial_peers?${query}`);
    expect(await byUri.json()).toMatchObject({
      result: { log: expect.stringMatching("Dialing peers") },
    });
    expect(dialed).toEqual([[PEER], [PEER]]);
  } finally {
    await Promise.all([safe.stop(), unsafe.stop()]);
  }
});
