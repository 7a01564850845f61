import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { loadConfig, renderConfig } from "./config.ts";
import { listenAddress, meetingListeners } from "./listen-address.ts";

function file(content: string): string {
  const path = join(mkdtempSync(join(tmpdir(), "weft-config-")), "config.toml");
  writeFileSync(path, content);
  return path;
}

describe("configuration", () => {
  test("defaults: every key has one, and the rendered file reads back equal", () => {
    const defaults = loadConfig(undefined, {}, {});
    expect(defaults.consensus.timeout_commit).toBe("500ms");
    const text = renderConfig(defaults);
    expect(text).toContain("[p2p]");
    expect(text).toContain("# Pause after a block");
    expect(loadConfig(file(text), {}, {})).toEqual(defaults);
  });

  test("a seed needs peer exchange", () => {
    const seed = { "p2p.seed_mode": true, "p2p.pex": false };
    expect(() => loadConfig(undefined, seed, {})).toThrow(/p2p\.seed_mode: expected pex = true/);
    expect(loadConfig(undefined, { "p2p.seed_mode": true }, {}).p2p.seed_mode).toBe(true);
  });

  test("precedence: flag over environment over file over default", () => {
    const path = file('[rpc]\nladdr = "tcp://127.0.0.1:1"\nmax_open_connections = 7\n');
    const environment = { WEFT_RPC__LADDR: "tcp://127.0.0.1:2", WEFT_P2P__SEND_RATE: "9" };
    expect(loadConfig(path, {}, {}).rpc.laddr).toBe("tcp://127.0.0.1:1");
    const config = loadConfig(path, { "rpc.laddr": "tcp://127.0.0.1:3" }, environment);
    expect(config.rpc).toMatchObject({ laddr: "tcp://127.0.0.1:3", max_open_connections: 7 });
    expect(config.p2p.send_rate).toBe(9);
  });

  test("every key can be set from the environment, lists too; other variables are not ours", () => {
    const environment = {
      WEFT_SIGNATURE_WORKERS: "2",
      WEFT_RPC__CORS_ALLOWED_ORIGINS: '["https://a.example"]',
      WEFT_RPC__LADDR: "tcp://[::1]:1",
      WEFT_E2E_KEEP: "1",
    };
    const config = loadConfig(undefined, {}, environment);
    expect(config.signature_workers).toBe(2);
    expect(config.rpc.cors_allowed_origins).toEqual(["https://a.example"]);
    expect(config.rpc.laddr).toBe("tcp://[::1]:1");
  });

  test("two listeners cannot have one port of one address", () => {
    const meeting = (overrides: Record<string, unknown>) =>
      meetingListeners(loadConfig(undefined, overrides, {}));
    expect(meeting({})).toEqual([]);
    expect(meeting({ "grpc.laddr": "tcp://127.0.0.1:26657" })).toEqual([
      "grpc.laddr: tcp://127.0.0.1:26657 and rpc.laddr, tcp://127.0.0.1:26657, meet: expected a port of its own",
    ]);
    expect(meeting({ "instrumentation.prometheus_listen_addr": "127.0.0.1:26656" })).toEqual([
      expect.stringMatching(/^instrumentation\..* and p2p\.laddr, tcp:\/\/0\.0\.0\.0:26656, meet/),
    ]);
    expect(meeting({ "grpc.laddr": "tcp://127.0.0.2:26657" })).toEqual([]);
    expect(meeting({ "grpc.laddr": "127.0.0.1:0", "rpc.laddr": "127.0.0.1:0" })).toEqual([]);
    const off = {
      "instrumentation.prometheus": false,
      "instrumentation.prometheus_listen_addr": "tcp://127.0.0.1:26657",
    };
    expect(meeting(off)).toEqual([]);
  });

  test("an address for others has a host and a port", () => {
    const external = (address: string) =>
      loadConfig(undefined, { "p2p.external_address": address }, {}).p2p.external_address;
    for (const good of ["", "a.example:1", "tcp://10.0.0.1:26656", "[::1]:5"]) {
      expect(external(good)).toBe(good);
    }
    expect(() => external("nohost")).toThrow(/p2p\.external_address: expected host:port/);
  });

  test("a remote signer: one direction at a time, TCP or Unix", () => {
    const environment = { WEFT_PRIV_VALIDATOR_LADDR: "unix:///run/weft/signer.sock" };
    expect(loadConfig(undefined, {}, environment).priv_validator_laddr).toBe(
      "unix:///run/weft/signer.sock",
    );
    const dial = { priv_validator_dial_addr: `tcp://${"ab".repeat(20)}@10.0.0.9:26659` };
    expect(loadConfig(undefined, dial, {})).toMatchObject(dial);
    expect(() => loadConfig(undefined, dial, environment)).toThrow(
      /priv_validator_dial_addr: priv_validator_laddr is set too/,
    );
    expect(() => loadConfig(undefined, { priv_validator_laddr: "grpc://x" }, {})).toThrow(
      /expected tcp:\/\/host:port or unix:\/\/\/path/,
    );
  });

  test("state sync: CometBFT's keys, and nothing half told", () => {
    const text = [
      "[statesync]",
      "enable = true",
      'rpc_servers = "127.0.0.1:26657,http://127.0.0.1:26667"',
      "trust_height = 5",
      `trust_hash = "${"AB".repeat(32)}"`,
      'chunk_fetchers = "4"',
    ];
    expect(loadConfig(file(text.join("\n")), {}, {}).statesync).toMatchObject({
      enable: true,
      trust_period: "168h",
      discovery_time: "15s",
      chunk_request_timeout: "10s",
      chunk_fetchers: 4,
    });
    expect(() => loadConfig(undefined, { "statesync.enable": true }, {})).toThrow(
      /statesync\.rpc_servers: expected two servers.*\n.*trust_height: .*\n.*trust_hash: /,
    );
    const noBlocks = { "blocksync.enable": false };
    expect(() => loadConfig(file(text.join("\n")), noBlocks, {})).toThrow(
      /blocksync\.enable: expected true with statesync\.enable/,
    );
  });

  test("error: all problems at once, each with its path", () => {
    const path = file(
      'colour = 1\n[rpc]\nladdr = "nowhere"\nfoo = 2\n[consensus]\ntimeout_commit = "soon"\n',
    );
    expect(() => loadConfig(path, {}, {})).toThrow(
      expect.objectContaining({
        info: {
          code: "CONFIG_INVALID",
          problems: expect.arrayContaining([
            expect.stringMatching(/^rpc\.laddr: expected an address/),
            expect.stringMatching(/^rpc\.foo: unknown key \(.*config\.toml\)$/),
            expect.stringMatching(/^consensus\.timeout_commit: expected a duration/),
            expect.stringMatching(/^colour: unknown key \(/),
          ]),
        },
      }),
    );
  });

  test("error: a problem names where its value came from, what it was, and the key that was meant", () => {
    const problems = (overrides: object, environment: Record<string, string>): string => {
      try {
        loadConfig(file(""), { ...overrides }, environment);
      } catch (error) {
        return String(error);
      }
      return "accepted";
    };
    expect(problems({ "consensus.timeout_commit": 500 }, {})).toMatch(
      /consensus\.timeout_commit: expected a duration with its unit, .*, got 500 \(--set\)/,
    );
    expect(problems({}, { WEFT_RPC__LADR: "tcp://127.0.0.1:1" })).toMatch(
      /rpc\.ladr: unknown key, did you mean rpc\.laddr\? \(WEFT_RPC__LADR\)/,
    );
    expect(problems({ "consensus.persistent_peers": "" }, {})).toMatch(
      /did you mean p2p\.persistent_peers\?/,
    );
    expect(problems({ "rpc.quite_another_thing": 1 }, {})).toMatch(/unknown key \(--set\)/);
  });

  test("error: not TOML names the place, a missing file says what to do", () => {
    expect(() => loadConfig(file("a = = b"), {}, {})).toThrow(/line 1, column/);
    expect(() => loadConfig("/nonexistent/config.toml", {}, {})).toThrow(/weft init/);
  });

  test("error: peers that are no peers are told at once, not when they are dialed", () => {
    const id = "ab".repeat(20);
    const peers = (text: string) => () =>
      loadConfig(undefined, { "p2p.persistent_peers": text }, {});
    expect(peers(`${id}@10.0.0.1:26656, ${id}@[::1]:1`)).not.toThrow();
    expect(peers("10.0.0.1:26656")).toThrow(/p2p\.persistent_peers: expected entries such as/);
    expect(() => loadConfig(undefined, { "p2p.unconditional_peer_ids": "me" }, {})).toThrow(
      /unconditional_peer_ids/,
    );
  });

  test("listen addresses: host and port, all interfaces, off", () => {
    expect(listenAddress("tcp://127.0.0.1:26657")).toEqual({ host: "127.0.0.1", port: 26657 });
    expect(listenAddress(":26656")).toEqual({ host: "0.0.0.0", port: 26656 });
    expect(listenAddress("[::1]:5")).toEqual({ host: "::1", port: 5 });
    expect(listenAddress("")).toBeUndefined();
  });
});
