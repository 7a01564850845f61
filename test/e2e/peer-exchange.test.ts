/** Validators that know nobody but a seed. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { homeAt } from "../../sequencer/node/home.ts";
import {
  createTestNetwork,
  height,
  rpc,
  type TestNetwork,
  type TestValidator,
  until,
  untilHeight,
} from "../support/local-network.ts";

let network: TestNetwork;
let seed: TestValidator;
let others: readonly TestValidator[];

/** Ids of a node's peers, sorted. */
async function peersOf(node: TestValidator): Promise<readonly string[]> {
  const { peers } = await rpc<{ peers: { node_info: { moniker: string } }[] }>(node, "net_info");
  return peers.map(({ node_info: { moniker } }) => moniker).sort();
}

function configure(node: TestValidator, change: (config: string) => string): void {
  const { configFile } = homeAt(node.home);
  writeFileSync(configFile, change(readFileSync(configFile, "utf8")));
}

beforeAll(async () => {
  network = await createTestNetwork({
    validators: 4,
    // Addresses of this machine, which nobody else could reach.
    config: { "p2p.addr_book_strict": false },
  });
  const [first, ...rest] = network.validators;
  if (first === undefined) throw new Error("there is no validator");
  seed = first;
  others = rest;
  const [second] = others;
  if (second === undefined) throw new Error("there is one validator only");
  // Where the second knows the first, the first is.
  const known = readFileSync(homeAt(second.home).configFile, "utf8");
  const seedAddress = new RegExp(`[0-9a-f]{40}@127\\.0\\.0\\.1:${seed.p2pPort}`).exec(known)?.[0];
  const alone = (config: string): string =>
    config.replace(/^persistent_peers = .*$/m, 'persistent_peers = ""');
  configure(seed, (config) => alone(config).replace("seed_mode = false", "seed_mode = true"));
  for (const node of others) {
    configure(node, (config) =>
      alone(config).replace(/^seeds = .*$/m, `seeds = "${seedAddress ?? ""}"`),
    );
  }
});
afterAll(() => network.close());

describe("validators that know nobody but a seed", () => {
  it("find each other and decide, without the seed's vote", async () => {
    network.start();
    // Three of four: each needs both others, if only through one of them.
    await untilHeight(others, 3, 90_000);
    for (const node of others) {
      expect((await peersOf(node)).length, node.name).toBeGreaterThanOrEqual(1);
    }
  });

  it("find each other again by their address books when the seed is gone", async () => {
    await network.end(seed.name, "SIGTERM");
    const [node, ...rest] = others;
    if (node === undefined) throw new Error("there is no such node");
    await network.end(node.name, "SIGTERM");
    expect(existsSync(join(node.home, "config", "addrbook.json"))).toBe(true);
    // Nobody decides without it.
    const at = Math.max(...(await Promise.all(rest.map(height))));
    network.start(node.name);
    await untilHeight(others, at + 3, 90_000);
    await until("it has peers", async () => (await peersOf(node)).length > 0);
  });
});
