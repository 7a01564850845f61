import { mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { freePorts } from "../cli/free-ports.ts";
import { createFollowerFiles } from "../cli/follower-files.ts";
import { createTestnet } from "../cli/testnet-files.ts";
import type { LogFields, Logger } from "../ports/logger.ts";
import { createSystemClock } from "../ports/system-clock.ts";
import { loadOrCreateNodeKey } from "../p2p/node-key.ts";
import { loadConfig } from "./config.ts";
import { type Home, homeAt } from "./home.ts";
import { createNode, type Node } from "./node.ts";
import { holdsValidatorKey } from "./validator-role.ts";

const LOOPBACK = {
  "rpc.laddr": "tcp://127.0.0.1:0",
  "grpc.laddr": "tcp://127.0.0.1:0",
  "p2p.laddr": "tcp://127.0.0.1:0",
  "instrumentation.prometheus": false,
  "consensus.timeout_commit": "20ms",
};

let root: string;
const running: Node[] = [];

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "weft-role-"));
});
afterEach(async () => {
  for (const node of running.splice(0).reverse()) await node.stop();
  await rm(root, { recursive: true, force: true });
});

async function createValidatorHome(name: string, chainId: string): Promise<Home> {
  const home = join(root, name);
  const ports = { p2pPort: 0, rpcPort: 0, grpcPort: 0, metricsPort: 0 };
  await createTestnet({
    chainId,
    genesisTime: createSystemClock().now(),
    validators: [{ name, home, ...ports }],
    accounts: [],
    rollups: [],
    config: {},
    host: () => "127.0.0.1",
  });
  return homeAt(home);
}

/** Starts a node; resolves with it and what it logs. */
async function start(
  home: Home,
  settings: Readonly<Record<string, unknown>>,
): Promise<{ readonly node: Node; readonly log: readonly string[] }> {
  const log: string[] = [];
  const write = (message: string, fields?: LogFields) =>
    void log.push(`${message} ${JSON.stringify(fields ?? {})}`);
  const logger: Logger = {
    error: write,
    warn: write,
    info: write,
    debug: () => {},
    child: () => logger,
  };
  const node = await createNode(
    {
      home,
      config: loadConfig(home.configFile, { ...LOOPBACK, ...settings }, {}),
      onBlock: () => {},
    },
    { clock: createSystemClock(), logger },
  );
  running.push(node);
  await node.start();
  return { node, log };
}

/** A network of one validator that peers can reach; gives the address they dial. */
async function startNetwork(): Promise<{ readonly home: Home; readonly peer: string }> {
  const home = await createValidatorHome("validator", "role-test");
  const [port] = await freePorts(1);
  await start(home, { "p2p.laddr": `tcp://127.0.0.1:${port}` });
  const { id } = loadOrCreateNodeKey(home.nodeKeyFile);
  return { home, peer: `${id}@127.0.0.1:${port}` };
}

async function untilHeight({ engine }: Node, height: number): Promise<void> {
  await new Promise<void>((resolve) => {
    const off = engine.events.on((event) => {
      if (event.kind !== "NewBlock" || event.block.header.height < height) return;
      off();
      resolve();
    });
  });
}

describe("a node that is not a validator", () => {
  test("follows the chain without any validator's keys", async () => {
    const { home, peer } = await startNetwork();
    const follower = join(root, "follower");
    const config = { "p2p.persistent_peers": peer };
    await createFollowerFiles({ home: follower, genesisFile: home.genesisFile, config });
    const { node, log } = await start(homeAt(follower), {});
    await untilHeight(node, 5);
    expect(node.engine.status().publicKey).toBeUndefined();
    expect(log.join("\n")).toContain("no validator key: this node follows the chain");
    // It goes on where it stopped.
    running.pop();
    await node.stop();
    const again = await start(homeAt(follower), {});
    expect(again.node.engine.status().height).toBeGreaterThanOrEqual(5);
    await untilHeight(again.node, again.node.engine.status().height + 2);
  });

  test("follows the chain with the keys of a validator of another one", async () => {
    const { home, peer } = await startNetwork();
    const other = await createValidatorHome("other", "another");
    await writeFile(other.genesisFile, await readFile(home.genesisFile));
    const { node, log } = await start(other, { "p2p.persistent_peers": peer });
    await untilHeight(node, 3);
    expect(log.join("\n")).toContain("not a validator of this chain");
  });
});

describe("a validator", () => {
  test("error: without its application key, or with another's, it does not start", async () => {
    const home = await createValidatorHome("validator", "role-test");
    await rm(home.applicationKeyFile);
    await expect(start(home, {})).rejects.toThrow(/is not configured; restore .*application_key/);
    running.pop();
    const other = await createValidatorHome("other", "another");
    await rename(other.applicationKeyFile, home.applicationKeyFile);
    await expect(start(home, {})).rejects.toMatchObject({ code: "KEY_APPLICATION_MISMATCH" });
    running.pop();
  });

  test("error: does not become a follower because its key is gone", async () => {
    const home = await createValidatorHome("validator", "role-test");
    expect(holdsValidatorKey(home)).toBe(true);
    await rm(home.validatorKeyFile);
    expect(() => holdsValidatorKey(home)).toThrow(/application_key.json is there.*your backup/);
    await rm(home.applicationKeyFile);
    expect(holdsValidatorKey(home)).toBe(false);
    await writeFile(home.validatorStateFile, "{}");
    expect(() => holdsValidatorKey(home)).toThrow(/priv_validator_state.json is there/);
  });
});
