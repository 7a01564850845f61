/** The command line as scripts use it: exit codes, messages that say what to do, one JSON object. */
import { execFile, spawn } from "node:child_process";
import {
  appendFileSync,
  chmodSync,
  cpSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { ExitCode } from "../../sequencer/cli/exit-codes.ts";
import { freePorts } from "../../sequencer/cli/free-ports.ts";
import { ENGINE, isEmbedded } from "../support/engine.ts";
import {
  createTestNetwork,
  ENTRY,
  type TestNetwork,
  type TestRollup,
  type TestValidator,
  until,
} from "../support/local-network.ts";

let network: TestNetwork;
let node: TestValidator;
let rollup: TestRollup;
let folder: string;
/** A home that was never started; each test gets a copy. */
let pristine: string;
/** A home that has run for some blocks and was stopped. */
let used: string;
let home: string;

interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function weft(...args: readonly string[]): Promise<Outcome> {
  return await new Promise((resolve) => {
    const { PATH, WEFT_ENGINE, WEFT_COMETBFT } = process.env;
    const env = {
      PATH,
      HOME: folder,
      ...(WEFT_ENGINE === undefined ? {} : { WEFT_ENGINE }),
      ...(WEFT_COMETBFT === undefined ? {} : { WEFT_COMETBFT }),
    };
    execFile(
      process.execPath,
      [ENTRY, ...args],
      { env, timeout: 60_000 },
      (error, stdout, stderr) => resolve({ code: Number(error?.code ?? 0), stdout, stderr }),
    );
  });
}

/** With `--json`: exactly one object on standard output. */
async function json(...args: readonly string[]) {
  const { code, stdout, stderr } = await weft("--json", ...args);
  const lines = stdout.split("\n").filter(Boolean);
  expect(lines, `${args.join(" ")}: ${stdout}${stderr}`).toHaveLength(1);
  return { code, stderr, value: JSON.parse(lines[0] ?? "") as Record<string, unknown> };
}

/** Settings of listeners that meet nobody. */
async function settings(over: Readonly<Record<string, string>> = {}): Promise<string[]> {
  const [p2p, rpc, grpc, metrics] = await freePorts(4);
  const all = {
    "p2p.laddr": `tcp://127.0.0.1:${p2p}`,
    "rpc.laddr": `tcp://127.0.0.1:${rpc}`,
    "grpc.laddr": `tcp://127.0.0.1:${grpc}`,
    "instrumentation.prometheus_listen_addr": `tcp://127.0.0.1:${metrics}`,
    "consensus.timeout_commit": "50ms",
    ...over,
  };
  return ["--set", ...Object.entries(all).map(([key, value]) => `${key}=${value}`)];
}

async function startNode(root: string, ...args: readonly string[]) {
  const child = spawn(process.execPath, [
    ENTRY,
    ...args,
    "start",
    "--home",
    root,
    ...(await settings()),
  ]);
  const exited = new Promise<number | null>((resolve) => child.once("exit", resolve));
  return { child, exited };
}

/** Runs a node until it has said `count` lines, then stops it. */
async function runNode(root: string, count: number, ...args: readonly string[]) {
  const { child, exited } = await startNode(root, ...args);
  const lines: string[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    lines.push(line);
    if (lines.length === count) child.kill("SIGTERM");
  }
  return { lines, code: await exited };
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "weft-cli-"));
  network = await createTestNetwork({ validators: 1, rollups: ["alpha"] });
  const [first] = network.validators;
  const [alpha] = network.rollups;
  if (first === undefined || alpha === undefined) throw new Error("the network is not there");
  node = first;
  rollup = alpha;
  pristine = join(folder, "pristine");
  used = join(folder, "used");
  await Promise.all([network.startAll(), weft("init", "--home", pristine)]);
  cpSync(pristine, used, { recursive: true });
  await runNode(used, 3);
});
afterAll(async () => {
  await network.close();
  rmSync(folder, { recursive: true, force: true });
});
beforeEach(() => {
  home = join(folder, `home-${Math.random().toString(36).slice(2)}`);
});

const inConfig = (name: string) => join(home, "config", name);
const inData = (name: string) => join(home, "data", name);

describe("usage that is wrong", () => {
  it.each([
    [["stat"], /unknown command 'stat'.*\n.*did you mean start/is],
    [["start", "--hoem", "x"], /unknown option '--hoem'/],
    [["tx", "transfer"], /required option '--from <key file>' not specified/],
    [["tx", "transfer", "--from", "x"], /missing required argument 'to'/],
    [["tx", "transfer", "nobody", "5", "--from", "x"], /nobody/],
    [["tx", "rollup-data", "alpha", "abc", "--from", "x"], /hex/],
    [["testnet", "--validators", "0"], /a whole number from 1 to 100/],
    [["query", "tx", "12"], /32 bytes in hex/],
    [["start", "--set", "nonsense"], /expected key=value, got nonsense/],
    [["status", "--rpc"], /argument missing/],
  ])("%j", async (args, words) => {
    const plain = await weft(...args);
    expect(plain.code).toBe(ExitCode.USAGE);
    expect(plain.stderr).toMatch(words);
    const { code, value } = await json(...args);
    expect([code, value["exitCode"]]).toEqual([ExitCode.USAGE, ExitCode.USAGE]);
    expect(value["error"]).toMatch(/\w/);
  });
});

describe("a home that is wrong", () => {
  type Case = [
    name: string,
    code: keyof typeof ExitCode,
    words: RegExp,
    from: "pristine" | "used",
    damage: () => Readonly<Record<string, string>> | void,
  ];
  const remove = (path: string) => rmSync(path, { recursive: true });
  /** CometBFT mends its log itself. */
  const damagedLog: Case = [
    "a log that is damaged in the middle",
    "FILE",
    /is damaged at byte \d+/,
    "used",
    () => {
      const path = join(inData("cs.wal"), "wal");
      const bytes = readFileSync(path);
      bytes[200] = (bytes[200] ?? 0) ^ 255;
      writeFileSync(path, bytes);
    },
  ];
  it.each<Case>([
    ["no home", "CONFIG", /run "weft init" first or pass --home/, "pristine", () => remove(home)],
    ["no genesis", "CONFIG", /genesis\.json/, "pristine", () => remove(inConfig("genesis.json"))],
    [
      "a genesis that is no JSON",
      "CONFIG",
      /genesis\.json/,
      "pristine",
      () => truncateSync(inConfig("genesis.json"), 100),
    ],
    [
      "a config that is no TOML",
      "CONFIG",
      /not valid TOML \(line \d+/,
      "pristine",
      () => appendFileSync(inConfig("config.toml"), "\n[[[\n"),
    ],
    [
      "a key in the config that is not known",
      "CONFIG",
      /storage.*frobnicate|frobnicate.*unknown key/,
      "pristine",
      () => appendFileSync(inConfig("config.toml"), "\nfrobnicate = 1\n"),
    ],
    [
      "a value out of range",
      "CONFIG",
      /consensus\.timeout_commit: expected a duration/,
      "pristine",
      () => ({ "consensus.timeout_commit": "soon" }),
    ],
    [
      "no validator key",
      "KEY",
      /priv_validator_key\.json/,
      "pristine",
      () => remove(inConfig("priv_validator_key.json")),
    ],
    [
      "a key that others may read",
      "KEY",
      /chmod 600/,
      "pristine",
      () => chmodSync(inConfig("priv_validator_key.json"), 0o644),
    ],
    [
      "a node key that others may read",
      "KEY",
      /chmod 600/,
      "pristine",
      () => chmodSync(inConfig("node_key.json"), 0o640),
    ],
    [
      "a damaged key",
      "KEY",
      /not a key file/,
      "pristine",
      () => writeFileSync(inConfig("application_key.json"), "{}", { mode: 0o600 }),
    ],
    [
      "a damaged node key",
      "KEY",
      /node_key\.json/,
      "pristine",
      () => writeFileSync(inConfig("node_key.json"), "{}", { mode: 0o600 }),
    ],
    [
      "another application key than the chain knows",
      "KEY",
      /restore .*config\/application_key\.json/,
      "pristine",
      () => cpSync(inConfig("priv_validator_key.json"), inConfig("application_key.json")),
    ],
    [
      "no signer's state on a home with blocks",
      "KEY",
      /never one from a backup/,
      "used",
      () => remove(inData("priv_validator_state.json")),
    ],
    [
      "a damaged signer's state",
      "KEY",
      /Do not delete it/,
      "used",
      () => truncateSync(inData("priv_validator_state.json"), 10),
    ],
    ...(isEmbedded ? [damagedLog] : []),
    [
      "another genesis than the data belongs to",
      "FILE",
      /belongs to chain weft-local .* use the genesis of that chain, or another home/,
      "used",
      () => {
        const path = inConfig("genesis.json");
        writeFileSync(path, readFileSync(path, "utf8").replace("weft-local", "weft-elsewhere"));
      },
    ],
  ])("%s", async (_name, code, words, from, damage) => {
    cpSync(from === "used" ? used : pristine, home, { recursive: true });
    const set = await settings(damage() ?? {});
    const { code: got, value, stderr } = await json("start", "--home", home, ...set);
    expect([got, value["exitCode"]], stderr).toEqual([ExitCode[code], ExitCode[code]]);
    expect(String(value["error"])).toMatch(words);
    expect(stderr).toContain(String(value["error"]).split("\n")[0]);
    // No stack, no path of a source file: a message for people.
    expect(stderr).not.toMatch(/\n\s+at /);
  });
});

describe("what is in use already", () => {
  it.each([
    ["p2p", "p2p.laddr", () => node.p2pPort],
    ["RPC", "rpc.laddr", () => node.rpcPort],
    ["gRPC", "grpc.laddr", () => node.grpcPort],
    ["metrics", "instrumentation.prometheus_listen_addr", () => node.metricsPort],
  ])("the %s port", async (_name, key, port) => {
    cpSync(pristine, home, { recursive: true });
    const set = await settings({ [key]: `tcp://127.0.0.1:${port()}` });
    const { code, value } = await json("start", "--home", home, ...set);
    expect([code, value["exitCode"]]).toEqual([ExitCode.PORT, ExitCode.PORT]);
    expect(String(value["error"])).toContain(String(port()));
  });

  it("the home of a running node, and of a running rollup", async () => {
    const second = await json("start", "--home", node.home, ...(await settings()));
    expect(second.code).toBe(ExitCode.FILE);
    expect(String(second.value["error"])).toContain(`in use by process ${network.pid(node.name)}`);
    const shown = await json("engine", "show", "--home", node.home);
    expect(shown.value).toMatchObject({
      engine: ENGINE,
      inUse: true,
      process: network.pid(node.name),
    });
    const other = await json("rollup", "start", "--home", rollup.home);
    expect(other.code).toBe(ExitCode.FILE);
    expect(String(other.value["error"])).toMatch(/another process/);
    expect(network.isRunning(node.name) && network.isRunning(rollup.process)).toBe(true);
  });

  it("the port of a rollup", async () => {
    cpSync(join(rollup.home, "config"), join(home, "config"), { recursive: true });
    const { code, value } = await json("rollup", "start", "--home", home);
    expect(code).toBe(ExitCode.PORT);
    expect(String(value["error"])).toContain(String(rollup.rpcPort));
  });
});

describe("a rollup's home that is wrong", () => {
  it.each<readonly [string, keyof typeof ExitCode, RegExp, () => void]>([
    ["no home", "CONFIG", /weft rollup init/, () => rmSync(home, { recursive: true })],
    [
      "a config that is no JSON",
      "CONFIG",
      /rollup\.json/,
      () => truncateSync(inConfig("rollup.json"), 50),
    ],
    ["no gateway key", "KEY", /gateway_key\.json/, () => rmSync(inConfig("gateway_key.json"))],
    [
      "a gateway key that others may read",
      "KEY",
      /chmod 600/,
      () => chmodSync(inConfig("gateway_key.json"), 0o604),
    ],
  ])("%s", async (_name, code, words, damage) => {
    cpSync(join(rollup.home, "config"), join(home, "config"), { recursive: true });
    damage();
    const { code: got, value } = await json("rollup", "start", "--home", home);
    expect([got, value["exitCode"]]).toEqual([ExitCode[code], ExitCode[code]]);
    expect(String(value["error"])).toMatch(words);
  });
});

describe("a network that says no", () => {
  it("nobody answers", async () => {
    const [port] = await freePorts(1);
    for (const args of [
      ["status", "--rpc", `http://127.0.0.1:${port}`],
      ["query", "chain", "--node", `127.0.0.1:${port}`],
      [
        "tx",
        "transfer",
        "ab".repeat(32),
        "1",
        "--from",
        network.ownerKeyFile,
        "--node",
        `127.0.0.1:${port}`,
      ],
    ]) {
      const { code, value } = await json(...args);
      expect([code, value["exitCode"]], args[0]).toEqual([
        ExitCode.UNREACHABLE,
        ExitCode.UNREACHABLE,
      ]);
      expect(String(value["error"])).toContain(String(port));
    }
  });

  it("a key that is missing, a transfer that cannot be paid, a thing that is not there", async () => {
    const at = ["--node", node.grpc];
    const cases = [
      ["KEY", ["tx", "transfer", "ab".repeat(32), "1", "--from", "/nowhere.json", ...at]],
      [
        "REJECTED",
        [
          "tx",
          "transfer",
          "ab".repeat(32),
          "9000000000000000000",
          "--from",
          network.ownerKeyFile,
          ...at,
        ],
      ],
      ["REJECTED", ["tx", "rollup-data", "nobody", "aa", "--from", network.ownerKeyFile, ...at]],
      ["NOT_FOUND", ["query", "rollup", "nobody", ...at]],
      ["NOT_FOUND", ["query", "block", "1000000", "--rpc", node.rpc]],
      ["NOT_FOUND", ["query", "tx", "ab".repeat(32), ...at]],
      ["NOT_FOUND", ["query", "state", "nothing", "--rpc", node.rpc]],
      ["USAGE", ["tx", "transfer", "ab".repeat(32), "0", "--from", network.ownerKeyFile, ...at]],
    ] as const;
    for (const [name, args] of cases) {
      const { code, value } = await json(...args);
      expect([code, value["exitCode"]], args.join(" ")).toEqual([ExitCode[name], ExitCode[name]]);
      expect(String(value["error"])).toMatch(/\w{4}/);
    }
  });
});

describe("--json", () => {
  it("gives one object for every result", async () => {
    const at = ["--node", node.grpc];
    const over = ["--rpc", node.rpc];
    const keys = join(folder, "keys-home");
    const seedFile = join(folder, "seed");
    writeFileSync(seedFile, "07".repeat(32), { mode: 0o600 });
    const results: Record<string, unknown>[] = [];
    for (const args of [
      ["version"],
      ["init", "--home", home],
      ["config", "check", "--home", home],
      ["config", "show", "--home", home],
      ["config", "docs"],
      ["testnet", "--validators", "2", "--output", join(folder, "testnet")],
      ["keys", "new", "one", "--home", keys],
      ["keys", "import", "two", "--seed-file", seedFile, "--home", keys],
      ["keys", "show", join(keys, "keys", "one.json")],
      ["keys", "list", "--home", keys],
      ["status", ...over],
      ["query", "chain", ...at],
      ["query", "account", "ab".repeat(32), ...at],
      ["query", "rollup", "alpha", ...at],
      ["query", "peers", ...over],
      ["query", "block", ...over],
      ["query", "block", "1", ...over],
      ["query", "results", "1", ...over],
      ["query", "validators", ...over],
      ["query", "state", "params", ...over],
      ["query", "state", "/params", ...over],
      ["query", "params", ...over],
      [
        "rollup",
        "init",
        "gamma",
        "--home",
        join(folder, "gamma"),
        "--sequencer-genesis",
        join(node.home, "config", "genesis.json"),
      ],
    ]) {
      const { code, value, stderr } = await json(...args);
      expect(code, `${args.join(" ")}: ${stderr}`).toBe(ExitCode.OK);
      results.push(value);
    }
    expect(results[0]).toMatchObject({ weft: "0.1.0", cometbft: "0.38.25" });
    expect(results).toContainEqual(expect.objectContaining({ engine: ENGINE, peers: "0" }));
  });

  it("carries a transaction and finds it again", async () => {
    const from = ["--from", network.ownerKeyFile, "--node", node.grpc];
    const to = "cd".repeat(32);
    const sent = await json("tx", "transfer", to, "12345", ...from);
    expect(sent.value).toMatchObject({ state: "committed" });
    const found = await json("query", "tx", String(sent.value["id"]), "--node", node.grpc);
    expect(found.value).toMatchObject({ state: "committed", height: sent.value["height"] });
    const account = await json("query", "account", to, "--node", node.grpc);
    expect(account.value["balance"]).toBe("12345");
    const registered = await json("tx", "register-rollup", "delta", ...from);
    expect(registered.value).toMatchObject({ state: "committed" });
    const updated = await json(
      "tx",
      "update-rollup",
      "delta",
      "--revenue-share-bps",
      "5000",
      ...from,
    );
    expect(updated.value).toMatchObject({ state: "committed" });
    const data = await json("tx", "rollup-data", "delta", "aabb", "cc", "--no-wait", ...from);
    expect(data.value).toMatchObject({ state: "pending" });
    await until("the data is in a block", async () => {
      const { value } = await json("query", "tx", String(data.value["id"]), "--node", node.grpc);
      return value["state"] === "committed";
    });
    expect(await follow("delta", 2)).toEqual([
      expect.stringMatching(/^\d+ aabb$/),
      expect.stringMatching(/^\d+ cc$/),
    ]);
  });

  it("puts a bundle into a block, cancels, and keeps escrow", async () => {
    const from = ["--from", network.ownerKeyFile, "--node", node.grpc];
    const over = ["--rpc", node.rpc];
    const account = (await json("keys", "show", network.ownerKeyFile)).value["address"];
    const key = "00112233-4455-6677-8899-aabbccddeeff";
    const legs = ["--leg", "alpha=aa", "--leg-tip", "alpha=1000"];
    const bundle = await json("tx", "bundle", ...legs, "--plain", "--key", key, ...from);
    expect(bundle.value, bundle.stderr).toMatchObject({
      state: "committed",
      bundleId: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
    const found = await json("query", "bundle", String(bundle.value["id"]), "--node", node.grpc);
    expect(found.value).toMatchObject({ state: "INCLUDED", height: bundle.value["height"] });
    const again = await json("tx", "bundle", ...legs, "--plain", "--key", key, ...from);
    expect(again).toMatchObject({ code: ExitCode.REJECTED });
    expect(again.stderr).toMatch(/refused with code 264/);
    const used = await json("query", "bundle-key", String(account), key, ...over);
    expect(used.value).toMatchObject({ key: { isUsed: true }, cancelNonce: "0" });
    const cancelled = await json("tx", "cancel-bundle", "--below", "3", ...from);
    expect(cancelled.value).toMatchObject({ state: "committed" });
    const late = await json("tx", "bundle", ...legs, "--plain", ...from);
    expect(late.stderr).toMatch(/refused with code 265/);

    const deposit = await json("tx", "escrow", "deposit", "900", ...from);
    expect(deposit.value).toMatchObject({ state: "committed" });
    const withdraw = await json("tx", "escrow", "withdraw", "300", ...from);
    expect(withdraw.value).toMatchObject({ state: "committed" });
    const escrow = await json("query", "escrow", String(account), ...over);
    expect(escrow.value).toMatchObject({
      balance: "900",
      free: "600",
      withdrawals: [{ amount: "300" }],
    });
    const revenue = await json("query", "revenue", "alpha", ...over);
    expect(revenue.value).toMatchObject({ tips: "800", auction: "0" });
    const params = await json("query", "mev", "params", ...over);
    expect(params.value).toMatchObject({ listDueBlocks: 4, bundleLegsMax: 8 });
    expect((await json("query", "due", ...over)).value).toHaveProperty("due");
    const auction = await json("query", "auction", "alpha", ...over);
    expect(auction).toMatchObject({ code: ExitCode.NOT_FOUND });
  });

  it("changes of a policy what is named", async () => {
    const from = ["--from", network.ownerKeyFile, "--node", node.grpc];
    const of = ["--ordering", "priority-fee", "--reserve", "5"];
    await json("tx", "register-rollup", "epsilon", ...of, ...from);
    const changed = await json("tx", "update-rollup", "epsilon", "--auction", "on", ...from);
    expect(changed.value, changed.stderr).toMatchObject({ state: "committed" });
    const { value } = await json("query", "rollup", "epsilon", "--node", node.grpc);
    expect(value).toMatchObject({
      policy: { ordering: "priority-fee", reserve: "5", auction: false },
      pending: {
        policy: { ordering: "priority-fee", reserve: "5", auction: true },
        height: changed.value["inForceAt"],
      },
    });
    const second = ["--second-price", "on", "--auction-members", "delta"];
    const refused = await json("tx", "update-rollup", "epsilon", ...second, ...from);
    expect(refused.stderr).toMatch(/refused with code 296/);
  });

  /** The first lines of the example in docs/rollups.md, over all of a rollup's data. */
  async function follow(name: string, count: number): Promise<string[]> {
    const example = fileURLToPath(
      new URL("../../docs/examples/follow-rollup.mjs", import.meta.url),
    );
    const genesis = join(node.home, "config", "genesis.json");
    const child = spawn(process.execPath, [example, name, node.grpc, genesis], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const lines: string[] = [];
    for await (const line of createInterface({ input: child.stdout })) {
      lines.push(line);
      if (lines.length === count) break;
    }
    child.kill("SIGKILL");
    return lines;
  }

  it("gives one object for every block of a node, which ends with 0 when it is told to", async () => {
    cpSync(pristine, home, { recursive: true });
    const { lines, code } = await runNode(home, 3, "--json");
    expect(code).toBe(ExitCode.OK);
    const heights = lines.map((line) => (JSON.parse(line) as { height: number }).height);
    expect(heights.slice(0, 3)).toEqual([1, 2, 3]);
  });

  it("stops in order while it still starts, and leaves a home without blocks to either engine", async () => {
    cpSync(pristine, home, { recursive: true });
    const genesis = JSON.parse(readFileSync(inConfig("genesis.json"), "utf8")) as object;
    const later = new Date(Date.now() + 3_600_000).toISOString();
    writeFileSync(inConfig("genesis.json"), JSON.stringify({ ...genesis, genesis_time: later }));
    const { child, exited } = await startNode(home);
    const lines: string[] = [];
    for await (const line of createInterface({ input: child.stderr })) {
      lines.push(line);
      if (/genesis time is in the future/i.test(line)) child.kill("SIGTERM");
    }
    expect(await exited, lines.join("\n")).toBe(ExitCode.OK);
    expect(lines.at(-1)).toContain("stopped");
    expect(readFileSync(inData("engine"), "utf8")).toBe("none\n");
  });
});
