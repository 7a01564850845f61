/** Links that break without a word, and come back. */
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, it } from "vitest";
import { namespacesFault } from "../../bench/links/namespaces.ts";
import { fromHex } from "../../proto/bytes.ts";
import { eventually } from "../support/loopback.ts";
import { createTestNode, type TestNode } from "../support/p2p.ts";
import { type SilentProxy, startSilentProxy } from "../support/silent-proxy.ts";

const BENCH = fileURLToPath(new URL("../../dist/bench/main.js", import.meta.url));
/** The goal is 2 s on a machine of one's own. */
const RECOVERY_MS_MAX = 8_000;

const nodes: TestNode[] = [];
const proxies: SilentProxy[] = [];
afterEach(async () => {
  for (const { network } of nodes.splice(0)) await network.stop();
  for (const proxy of proxies.splice(0)) await proxy.close();
});

describe("a link that goes silent without closing", () => {
  it("is given up, and its peer found again when it is back", async () => {
    const liveness = { heartbeatIntervalMs: 50, silenceTimeoutMs: 400 };
    const far = createTestNode(liveness);
    await far.network.start();
    const proxy = await startSilentProxy(Number(far.network.listenAddress()?.split(":").at(-1)));
    const near = createTestNode({
      ...liveness,
      persistentPeers: [`${far.key.id}@127.0.0.1:${proxy.port}`],
    });
    await near.network.start();
    nodes.push(far, near);
    proxies.push(proxy);
    const areConnected = (): boolean =>
      near.network.peers().length === 1 && far.network.peers().length === 1;
    await eventually(areConnected, "they connect");
    proxy.silence();
    await eventually(
      () => near.network.peers().length === 0 && far.network.peers().length === 0,
      "both notice",
    );
    expect([near, far].map(({ chat }) => chat.gone.at(-1)?.reason.code)).toEqual([
      "P2P_PEER_SILENT",
      "P2P_PEER_SILENT",
    ]);
    proxy.heal();
    await eventually(areConnected, "they find each other");
    near.network.broadcast(0x20, fromHex("01"));
    await eventually(() => far.chat.heard.length > 0, "and talk");
  });

  it("gives way to a newer connection of the same peer before it is given up", async () => {
    // Only the one that dials notices; the other keeps the dead connection for a minute.
    const far = createTestNode({ heartbeatIntervalMs: 50, silenceTimeoutMs: 60_000 });
    await far.network.start();
    const proxy = await startSilentProxy(Number(far.network.listenAddress()?.split(":").at(-1)));
    const near = createTestNode({
      heartbeatIntervalMs: 50,
      silenceTimeoutMs: 400,
      persistentPeers: [`${far.key.id}@127.0.0.1:${proxy.port}`],
    });
    await near.network.start();
    nodes.push(far, near);
    proxies.push(proxy);
    const isConnected = ({ network }: TestNode): boolean => network.peers().length === 1;
    await eventually(() => isConnected(near) && isConnected(far), "they connect");
    proxy.silence();
    await eventually(() => near.network.peers().length === 0, "the dialer notices");
    expect(far.network.peers().length).toBe(1);
    proxy.heal();
    await eventually(
      () => far.chat.gone.at(-1)?.reason.code === "P2P_PEER_DUPLICATE",
      "the newer connection replaces the dead one",
    );
    await eventually(() => {
      far.network.broadcast(0x20, fromHex("02"));
      return near.chat.heard.length > 0;
    }, "and carries messages");
  });
});

// Where namespaces are not permitted, the tests above are what can be shown.
const fault = namespacesFault();
if (fault !== undefined) process.stderr.write(`partition in namespaces not tested: ${fault}\n`);
const PLACES = fault === undefined ? ["four network namespaces"] : [];

describe.each(PLACES)("four validators in %s, cut into halves without quorum", () => {
  it("stand still, and commit again soon after the links are back", async () => {
    const args = ["--partition", "--seconds", "5", "--runs", "1", "--json"];
    const child = spawn(process.execPath, [BENCH, ...args], { stdio: ["ignore", "pipe", "pipe"] });
    let [output, errors] = ["", ""];
    child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
    child.stderr.on("data", (chunk: Buffer) => (errors += chunk.toString()));
    const code = await new Promise((resolve) => child.once("close", resolve));
    expect(code, errors).toBe(0);
    const { partition } = JSON.parse(output) as {
      partition: { recoveries: { firstMs: number; lastMs: number }[] };
    };
    expect(partition.recoveries.length).toBe(1);
    for (const { firstMs, lastMs } of partition.recoveries) {
      process.stdout.write(`first new block ${firstMs} ms, everywhere ${lastMs} ms\n`);
      expect(lastMs).toBeLessThan(RECOVERY_MS_MAX);
    }
  });
});
