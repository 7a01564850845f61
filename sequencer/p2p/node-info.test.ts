import { describe, expect, test } from "vitest";
import { NodeId } from "../../proto/brands.ts";
import { fromHex } from "../../proto/bytes.ts";
import { encodeNodeInfo } from "../../proto/codec/p2p-messages.ts";
import type { NodeInfo } from "../../proto/messages.ts";
import { parseHostPort, parsePeerAddress } from "./address.ts";
import { assertCompatible, readNodeInfo } from "./node-info.ts";
import { createNodeKey } from "./node-key.ts";
import { redialDelayMs } from "./redial.ts";

const info: NodeInfo = {
  protocolVersion: { p2p: 8n, block: 11n, app: 1n },
  nodeId: NodeId("0123456789abcdef0123456789abcdef01234567"),
  listenAddress: "tcp://127.0.0.1:26656",
  network: "test-chain",
  version: "0.38.25",
  channels: fromHex("2021222330"),
  moniker: "node",
  other: { txIndex: "on", rpcAddress: "tcp://0.0.0.0:26657" },
};

describe("NodeInfo", () => {
  test("survives a round trip", () => {
    expect(readNodeInfo(encodeNodeInfo(info))).toEqual(info);
  });

  test.each<[string, Partial<NodeInfo>]>([
    ["an address without port", { listenAddress: "127.0.0.1" }],
    ["a port out of range", { listenAddress: "127.0.0.1:70000" }],
    ["no moniker", { moniker: "" }],
    ["a blank moniker", { moniker: "  " }],
    ["a moniker with a tab", { moniker: "a\tb" }],
    ["a version that is not ASCII", { version: "0.38é" }],
    ["17 channels", { channels: Uint8Array.from({ length: 17 }, (_, i) => i) }],
    ["a channel twice", { channels: fromHex("2020") }],
    ["another tx_index", { other: { txIndex: "yes", rpcAddress: "" } }],
  ])("with %s is refused", (_name, change) => {
    expect(() => readNodeInfo(encodeNodeInfo({ ...info, ...change }))).toThrow(
      /expected NodeInfo with/,
    );
  });

  test("is compatible with the same network, block protocol and a common channel only", () => {
    expect(() => assertCompatible(info, { ...info, channels: fromHex("6030") })).not.toThrow();
    for (const theirs of [
      { ...info, network: "other" },
      { ...info, protocolVersion: { p2p: 8n, block: 12n, app: 1n } },
      { ...info, channels: fromHex("4061") },
    ]) {
      expect(() => assertCompatible(info, theirs), JSON.stringify(theirs.network)).toThrow(
        /expected/,
      );
    }
    const upgrading = { ...info, channels: fromHex("2070") };
    expect(() => assertCompatible(upgrading, { ...info, channels: fromHex("4070") })).toThrow(
      /channels/,
    );
  });
});

test("a node key has CometBFT's id", () => {
  // Address of the ed25519 key of seed 01×32 (spec §22.2).
  expect(createNodeKey(new Uint8Array(32).fill(1)).id).toMatch(/^34750f98.*a4b5$/);
});

describe("addresses", () => {
  test("read as CometBFT writes them", () => {
    const id = "0123456789abcdef0123456789abcdef01234567";
    expect(parsePeerAddress(`${id}@127.0.0.1:26656`)).toEqual({
      id,
      host: "127.0.0.1",
      port: 26_656,
    });
    expect(parsePeerAddress(`${id}@[::1]:1`).host).toBe("::1");
    expect(parseHostPort("tcp://0.0.0.0:0")).toEqual({ host: "0.0.0.0", port: 0 });
    for (const text of ["127.0.0.1:1", `${id}@`, `${id}@host`, `${id}@h:99999`, "ab@h:1"]) {
      expect(() => parsePeerAddress(text), text).toThrow(/P2P|expected/);
    }
  });
});

describe("redial delays", () => {
  test("spread by at most a quarter, and keep to the cap", () => {
    expect(redialDelayMs(0, 0)).toBe(100);
    expect(redialDelayMs(5, 0.999)).toBeGreaterThan(600);
    expect(redialDelayMs(5, 0.999)).toBeLessThan(625);
    expect(redialDelayMs(5, 0.999, 400)).toBe(400);
  });
});
