import { readdirSync, readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Height, Round } from "../../proto/brands.ts";
import { createTestnet } from "../cli/testnet-files.ts";
import { listenAnywhere } from "../../test/support/loopback.ts";
import { NULL_LOGGER } from "../ports/logger.ts";
import { createSystemClock } from "../ports/system-clock.ts";
import { loadConfig } from "./config.ts";
import { type Home, homeAt } from "./home.ts";
import { createNode, type Node } from "./node.ts";

let root: string;
let home: Home;
let onBlock: () => void = () => {};

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "weft-node-"));
  home = homeAt(root);
  await createTestnet({
    chainId: "node-test",
    genesisTime: createSystemClock().now(),
    validators: [
      { name: "validator-0", home: root, p2pPort: 0, rpcPort: 0, grpcPort: 0, metricsPort: 0 },
    ],
    accounts: [],
    rollups: [],
    config: {},
    host: () => "127.0.0.1",
  });
});
afterEach(() => rm(root, { recursive: true, force: true }));

function create(settings: Readonly<Record<string, unknown>>): Promise<Node> {
  const config = loadConfig(home.configFile, settings, {});
  return createNode(
    { home, config, onBlock: () => onBlock() },
    { clock: createSystemClock(), logger: NULL_LOGGER },
  );
}

describe("node", () => {
  test("error: a node that cannot listen everywhere leaves nothing running and nothing locked", async () => {
    const { server, port } = await listenAnywhere();
    const node = await create({ "rpc.laddr": `tcp://127.0.0.1:${port}` });
    await expect(node.start()).rejects.toMatchObject({
      code: "NODE_LISTEN_FAILED",
      message: expect.stringMatching(
        /JSON-RPC cannot listen at .* \(rpc\.laddr\): it is in use.*--set rpc\.laddr=/,
      ),
    });
    server.close();
    // The same home again, at once: everything was given back.
    const again = await create({});
    const blocks = new Promise<void>((resolve) => {
      onBlock = resolve;
    });
    await again.start();
    await blocks;
    await again.stop();
  });

  test("listens on IPv6 addresses", async () => {
    const node = await create({
      "rpc.laddr": "tcp://[::1]:0",
      "grpc.laddr": "tcp://[::1]:0",
      "p2p.laddr": "tcp://[::1]:0",
      "instrumentation.prometheus_listen_addr": "tcp://[::1]:0",
    });
    await node.start();
    expect(node.engine.status().catchingUp).toBe(false);
    await node.stop();
  });

  test("leaves proof of two proposals in one round in its home", async () => {
    const node = await create({});
    await node.start();
    const proposal = {
      height: Height(3),
      round: Round(0),
      polRound: Round(-1),
      blockId: {
        hash: new Uint8Array(32).fill(1),
        partSetHeader: { total: 1, hash: new Uint8Array(32) },
      },
      timestamp: { seconds: 1_700_000_000n, nanos: 0 },
      signature: new Uint8Array(64),
    };
    const other = { ...proposal.blockId, hash: new Uint8Array(32).fill(2) };
    node.engine.events.publish({
      kind: "ConflictingProposals",
      first: proposal,
      second: { ...proposal, blockId: other },
      proposer: { type: "ed25519", bytes: new Uint8Array(32).fill(3) },
    });
    await node.stop();
    const names = readdirSync(home.foundEvidenceDir);
    expect(names).toEqual([expect.stringMatching(/^duplicate-proposal-3-0-[0-9a-f]{40}\.json$/)]);
  });

  test("no command and no other product code can put a middleware between a node and its peers", () => {
    const product = ["sequencer", "rollup-adapter", "mev", "proto", "bench", "scripts"];
    const naming = product
      .flatMap((folder) => sourcesIn(join(REPOSITORY, folder)))
      .filter((file) => /\bmiddleware\b/.test(readFileSync(file, "utf8")))
      .map((file) => relative(REPOSITORY, file));
    expect(naming).toEqual([join("sequencer", "node", "node.ts")]);
  });
});

const REPOSITORY = fileURLToPath(new URL("../..", import.meta.url));

function sourcesIn(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => /\.(ts|mjs)$/.test(name) && !name.endsWith(".test.ts"))
    .map((name) => join(folder, name));
}
