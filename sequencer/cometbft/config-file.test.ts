import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse } from "smol-toml";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type ConfigOverrides, loadConfig } from "../node/config.ts";
import { homeAt } from "../node/home.ts";
import { renderCometBftConfig, writeCometBftConfig } from "./config-file.ts";

const HOME = homeAt("/srv/weft");
const SETTINGS = {
  proxyApp: "unix:///run/weft.sock",
  prometheus: { host: "127.0.0.1", port: 4000 },
  logFormat: "json",
} as const;
type Sections = Record<string, Record<string, unknown>>;

function rendered(overrides: ConfigOverrides = {}, hasKeyFile = true): Sections {
  const config = loadConfig(undefined, overrides, {});
  return parse(renderCometBftConfig(HOME, config, SETTINGS, { hasKeyFile })) as Sections;
}

describe("CometBFT's configuration", () => {
  test("names the files that both engines share by absolute path, and data of its own", () => {
    expect(rendered()).toMatchObject({
      proxy_app: "unix:///run/weft.sock",
      genesis_file: "/srv/weft/config/genesis.json",
      node_key_file: "/srv/weft/config/node_key.json",
      priv_validator_key_file: "/srv/weft/config/priv_validator_key.json",
      priv_validator_state_file: "/srv/weft/data/priv_validator_state.json",
      db_dir: "/srv/weft/cometbft/data",
      p2p: { addr_book_file: "/srv/weft/config/addrbook.json" },
      consensus: { wal_file: "/srv/weft/cometbft/data/cs.wal/wal" },
      instrumentation: { prometheus: true, prometheus_listen_addr: "127.0.0.1:4000" },
      log_format: "json",
      log_level: "info",
    });
  });

  test("carries over every key that ours has from CometBFT, whatever its value", () => {
    const changed: Record<string, unknown> = {};
    const config = loadConfig(undefined, {}, {});
    const ours = [
      "grpc",
      "storage",
      "blocksync",
      "mev",
      "instrumentation",
      "mempool.max_per_account",
      "p2p.silence_timeout",
    ];
    for (const [section, keys] of Object.entries(config)) {
      if (typeof keys !== "object") continue;
      for (const [key, value] of Object.entries(keys)) {
        const name = `${section}.${key}`;
        if (ours.includes(section) || ours.includes(name)) continue;
        changed[name] = differentFrom(name, value);
      }
    }
    const made = rendered({ moniker: "a name", ...changed });
    expect(made["moniker"]).toBe("a name");
    for (const [name, value] of Object.entries(changed)) {
      const [section = "", key = ""] = name.split(".");
      const wanted = name === "statesync.chunk_fetchers" ? String(value) : value;
      expect(made[section]?.[key], name).toEqual(
        name === "p2p.addr_book_file" ? `/srv/weft/${String(wanted)}` : wanted,
      );
    }
    expect(Object.keys(changed).length).toBeGreaterThan(55);
  });

  test("has full addresses, and a port of loopback where we would not listen at all", () => {
    const { rpc, p2p } = rendered({ "rpc.laddr": ":26657", "p2p.laddr": "" });
    expect([rpc?.["laddr"], p2p?.["laddr"]]).toEqual(["tcp://0.0.0.0:26657", "tcp://127.0.0.1:0"]);
    expect(rendered({ "rpc.laddr": "[::1]:7" })["rpc"]?.["laddr"]).toBe("tcp://[::1]:7");
  });

  test("never lets CometBFT make a key where ours would stand", () => {
    const own = {
      priv_validator_key_file: "/srv/weft/cometbft/config/priv_validator_key.json",
      priv_validator_state_file: "/srv/weft/cometbft/data/priv_validator_state.json",
    };
    expect(rendered({}, false)).toMatchObject(own);
    expect(rendered({ priv_validator_laddr: "127.0.0.1:1234" })).toMatchObject({
      ...own,
      priv_validator_laddr: "tcp://127.0.0.1:1234",
    });
  });

  test("waits as long as CometBFT's state sync insists on", () => {
    expect(
      rendered({
        "statesync.discovery_time": "200ms",
        "statesync.chunk_request_timeout": "0.1m",
      })["statesync"],
    ).toMatchObject({ discovery_time: "5000ms", chunk_request_timeout: "0.1m" });
  });

  test("is refused where leaving a key out would change who signs", () => {
    const id = "a".repeat(40);
    expect(() => rendered({ priv_validator_dial_addr: "tcp://127.0.0.1:1" })).toThrow(
      /priv_validator_dial_addr cannot be had with CometBFT/,
    );
    expect(() =>
      rendered({ priv_validator_laddr: "tcp://127.0.0.1:1", priv_validator_signer_ids: id }),
    ).toThrow(/priv_validator_signer_ids cannot be had/);
  });

  test("is refused for a home whose path CometBFT would read otherwise", () => {
    const home = homeAt("/srv/we$ft");
    const render = () =>
      renderCometBftConfig(home, loadConfig(undefined, {}, {}), SETTINGS, { hasKeyFile: true });
    expect(render).toThrow(/--home cannot be had .* takes what follows a \$ in \/srv\/we\$ft/);
  });
});

describe("the file", () => {
  let root = "";
  beforeAll(() => {
    root = mkdtempSync(join(tmpdir(), "weft-cometbft-"));
  });
  afterAll(() => rmSync(root, { recursive: true, force: true }));

  test("is written for its owner alone, and anew at each start", async () => {
    const home = homeAt(root);
    const files = await writeCometBftConfig(home, loadConfig(undefined, {}, {}), SETTINGS);
    mkdirSync(home.configDir);
    writeFileSync(home.validatorKeyFile, "{}");
    const before = parse(readFileSync(files.configFile, "utf8"));
    await writeCometBftConfig(home, loadConfig(undefined, { moniker: "b" }, {}), SETTINGS);
    const after = parse(readFileSync(files.configFile, "utf8"));
    expect(statSync(files.configFile).mode & 0o777).toBe(0o600);
    expect([before["moniker"], after["moniker"]]).toEqual(["weft", "b"]);
    expect(before["priv_validator_key_file"]).toBe(`${files.configDir}/priv_validator_key.json`);
    expect(after["priv_validator_key_file"]).toBe(home.validatorKeyFile);
  });
});

describe("the key that CometBFT makes where it signs nothing", () => {
  let root = "";
  beforeAll(() => {
    root = mkdtempSync(join(tmpdir(), "weft-cometbft-"));
  });
  afterAll(() => rmSync(root, { recursive: true, force: true }));

  test("is set aside when its state is gone, and stays when it is there", async () => {
    const home = homeAt(root);
    const write = () => writeCometBftConfig(home, loadConfig(undefined, {}, {}), SETTINGS);
    const { configDir, dataDir } = await write();
    const [key, state] = [
      join(configDir, "priv_validator_key.json"),
      join(dataDir, "priv_validator_state.json"),
    ];
    writeFileSync(key, "key");
    writeFileSync(state, "state");
    await write();
    expect(readFileSync(key, "utf8")).toBe("key");
    rmSync(state);
    await write();
    expect(existsSync(key)).toBe(false);
    expect(readFileSync(`${key}.unused`, "utf8")).toBe("key");
  });
});

/** Another value that the schema takes. */
function differentFrom(name: string, value: unknown): unknown {
  const special: Readonly<Record<string, unknown>> = {
    "rpc.laddr": "tcp://127.0.0.1:1",
    "p2p.laddr": "tcp://127.0.0.1:2",
    "p2p.external_address": "other.example:6",
    "statesync.rpc_servers": "127.0.0.1:3,127.0.0.1:4",
    "statesync.trust_hash": "ab".repeat(32),
    "tx_index.indexer": "null",
  };
  if (name in special) return special[name];
  // A seed needs peer exchange, so that one stays.
  if (name === "p2p.pex") return value;
  if (typeof value === "boolean") return !value;
  if (typeof value === "number") return value + 1;
  if (Array.isArray(value)) return [...(value as string[]), "X-Another"];
  if (/^\d.*[a-z]$/.test(String(value))) return "77s";
  if (/peers|seeds/.test(name)) return `${"a".repeat(40)}@127.0.0.1:5`;
  return name.endsWith("ids") ? "b".repeat(40) : `other${String(value)}`;
}
