import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { loadRollupConfig } from "../../rollup-adapter/node/rollup-config.ts";
import { loadGenesis } from "../engine/genesis.ts";
import { loadConfig } from "../node/config.ts";
import { homeAt } from "../node/home.ts";
import { DEFAULT_PORTS, validatorPlaces } from "./network-layout.ts";
import { createRollupFiles, type RollupFilesOptions, rollupHomeAt } from "./rollup-files.ts";
import { createTestnet, type TestnetOptions } from "./testnet-files.ts";

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "weft-existing-"));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

function network(over: Partial<TestnetOptions> = {}, count = 3): TestnetOptions {
  return {
    chainId: "first",
    genesisTime: { seconds: 1_700_000_000n, nanos: 0 },
    validators: validatorPlaces(root, count, DEFAULT_PORTS),
    accounts: [{ address: new Uint8Array(20).fill(1), balance: 5n }],
    rollups: [{ name: "alpha", ownerKey: new Uint8Array(32).fill(2) }],
    config: {},
    host: () => "127.0.0.1",
    ...over,
  };
}

describe("a network that is there", () => {
  test("is left as it is when the same is asked for again", async () => {
    expect(await createTestnet(network())).toEqual({ isUnchanged: false });
    expect(await createTestnet(network())).toEqual({ isUnchanged: true });
    expect(await createTestnet(network({ rollups: [] }))).toEqual({ isUnchanged: true });
  });

  test.each<[string, (given: TestnetOptions) => Partial<TestnetOptions>, RegExp]>([
    ["chain id", () => ({ chainId: "second" }), /chain id: first is there, second was asked for/],
    [
      "fewer validators",
      ({ validators }) => ({ validators: validators.slice(0, 2) }),
      /validators: 3 is there, 2 was asked for/,
    ],
    [
      "more validators",
      () => ({ validators: validatorPlaces(root, 4, DEFAULT_PORTS) }),
      /no home of validator-3/,
    ],
    [
      "rollups",
      () => ({ rollups: [{ name: "beta", ownerKey: new Uint8Array(32) }] }),
      /rollups: alpha are there, beta was asked for/,
    ],
    [
      "balance",
      () => ({ accounts: [{ address: new Uint8Array(20).fill(1), balance: 6n }] }),
      /balance of weft1\w+: 5 is there, 6 was asked for/,
    ],
    [
      "parameters",
      () => ({ params: { epoch_length: 7 } }),
      /params.epoch_length: its default is there, 7 was asked for/,
    ],
    [
      "ports",
      () => ({ validators: validatorPlaces(root, 3, { ...DEFAULT_PORTS, rpc: 9 }) }),
      /validator-0, port of rpc.laddr: 26657 is there, 9 was asked for/,
    ],
    [
      "hosts",
      () => ({ host: (i) => `10.0.0.${i}`, comparesHosts: true }),
      /peers: 127.0.0.1:26666, 127.0.0.1:26676 is there, 10.0.0.1:26666/,
    ],
  ])("error: is refused when another is asked for: %s", async (_name, change, words) => {
    const given = network();
    await createTestnet(given);
    await expect(createTestnet({ ...given, ...change(given) })).rejects.toThrow(words);
  });
});

describe("places of validators", () => {
  test("those of one host have ports 10 apart, those of their own the documented ones", async () => {
    const hosts = ["a", "b", "a"];
    const places = validatorPlaces(root, 3, DEFAULT_PORTS, hosts);
    expect(places.map(({ p2pPort }) => p2pPort)).toEqual([26656, 26656, 26666]);
    await createTestnet(network({ validators: places, host: (i) => hosts[i] ?? "" }));
    const { p2p, rpc } = loadConfig(homeAt(places[0]?.home ?? "").configFile, {}, {});
    expect([p2p.laddr, rpc.laddr]).toEqual(["tcp://0.0.0.0:26656", "tcp://127.0.0.1:26657"]);
    expect(p2p.persistent_peers).toMatch(/@b:26656,.*@a:26666$/);
    expect(p2p.allow_duplicate_ip).toBe(false);
  });
});

test("a rollup's home is left as it is, and refused when another is asked for", async () => {
  await createTestnet(network());
  const genesis = await loadGenesis(homeAt(join(root, "validator-0")).genesisFile);
  const options: RollupFilesOptions = {
    home: rollupHomeAt(join(root, "rollup")),
    name: "alpha",
    evmChainId: 4_242n,
    sequencerGenesis: genesis,
    sequencerNodes: ["127.0.0.1:9090"],
    rpcPort: 8545,
    metricsPort: 26700,
    alloc: {},
  };
  expect(createRollupFiles(options)).toEqual({ isUnchanged: false });
  expect(createRollupFiles(options)).toEqual({ isUnchanged: true });
  const funded = { ...options, alloc: { [`0x${"11".repeat(20)}`]: 1n } };
  expect(() => createRollupFiles(funded)).toThrow(/genesis\.alloc\.0x1+: nothing is there/);
  expect(createRollupFiles(funded, "identity")).toEqual({ isUnchanged: true });
  expect(loadRollupConfig(options.home.configFile).gateway.seal).toBe(false);
  expect(() => createRollupFiles({ ...options, seal: true })).toThrow(
    /gateway: nothing is there, \{"seal":true\} was asked for/,
  );
  expect(createRollupFiles({ ...options, seal: true }, "identity")).toEqual({ isUnchanged: true });
  expect(loadRollupConfig(options.home.configFile).gateway.seal).toBe(true);
  expect(createRollupFiles(options, "identity")).toEqual({ isUnchanged: true });
  expect(loadRollupConfig(options.home.configFile).gateway.seal).toBe(true);
  const sealing = { ...options, home: rollupHomeAt(join(root, "sealing")), seal: true };
  createRollupFiles(sealing);
  expect(loadRollupConfig(sealing.home.configFile).gateway.seal).toBe(true);
  expect(createRollupFiles({ ...sealing, seal: false }, "identity")).toEqual({ isUnchanged: true });
  expect(() => createRollupFiles({ ...options, rpcPort: 1 }, "identity")).toThrow(
    /rpc\.port: 8545 is there, 1 was asked for/,
  );
});
