import type { Command } from "commander";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import type { Server } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { describe, expect, test, vi } from "vitest";
import { WeftError } from "../../proto/errors.ts";
import { listenAnywhere } from "../../test/support/loopback.ts";
import { loadConfig } from "../node/config.ts";
import { homeAt } from "../node/home.ts";
import { exitCodeOf } from "./cli-error.ts";
import { removeNetwork } from "./commands/dev.ts";
import { ExitCode } from "./exit-codes.ts";
import { PORT_OFFSET_MAX } from "./limits.ts";
import { describeTimeout } from "./send-tx.ts";
import { createProgram, withoutHelpOfNothing } from "./main.ts";
import { portsFrom } from "./network-layout.ts";
import { parseRpcUrl } from "./options.ts";

const program = (args?: readonly string[]) =>
  createProgram({ entry: "/nowhere/main.js", environment: {} }, args);

function leaves(command: Command): Command[] {
  return command.commands.length === 0 ? [command] : command.commands.flatMap(leaves);
}

describe("command line", () => {
  test("every command has help that says what it does and shows every default", async () => {
    const commands = leaves(await program());
    expect(commands.length).toBeGreaterThan(20);
    for (const command of commands) {
      expect(command.description(), command.name()).not.toBe("");
      expect(command.helpInformation(), command.name()).toContain("Options:");
      expect(command.helpInformation(), command.name()).toContain("--json");
      for (const option of command.options) expect(option.description, option.flags).not.toBe("");
    }
  });

  test("error: an unknown command or option is refused with a suggestion", async () => {
    const refusal = async (args: string[]) =>
      (await program(args))
        .configureOutput({ writeErr: () => {} })
        .parseAsync(args, { from: "user" });
    await expect(refusal(["stat"])).rejects.toThrow(/unknown command 'stat'/);
    await expect(refusal(["testnet", "--validator", "4"])).rejects.toThrow(/unknown option/);
  });
});

test("a command is there alone when it is asked for, and all of them for help and for what is none", async () => {
  const names = async (...args: string[]) =>
    (await program(args)).commands.map((one) => one.name());
  expect(await names("--json", "status")).toEqual(["status"]);
  for (const args of [[], ["--help"], ["--help", "status"], ["help", "status"], ["stat"]]) {
    expect((await names(...args)).length, args.join(" ")).toBeGreaterThan(15);
  }
  expect(await names("constructor")).toContain("status");
});

describe("what is not quite right", () => {
  const refusal = async (...args: string[]): Promise<string> => {
    let said = "";
    const tested = await program(args);
    const listenTo = (command: Command): void => {
      command.configureOutput({ writeErr: (text) => (said += text) });
      for (const inner of command.commands) listenTo(inner);
    };
    listenTo(tested);
    await expect(
      tested.parseAsync(withoutHelpOfNothing(tested, args), { from: "user" }),
    ).rejects.toThrow(/\w/);
    return said;
  };

  test("help of a command that there is not is refused, help of one that there is is not", async () => {
    expect(await refusal("keys", "add", "--help")).toMatch(/unknown command 'add'/);
    const args = ["keys", "new", "--help"];
    expect(withoutHelpOfNothing(await program(args), args)).toEqual(args);
    expect(withoutHelpOfNothing(await program(), ["--json", "dev", "-h"])).toContain("-h");
  });

  test("an option that is far from all is answered with those that there are", async () => {
    expect(await refusal("start", "--frob")).toMatch(
      /takes --home, --engine, --resume-after-halt, --set; --help explains/,
    );
  });

  test("the wrong port's option is answered with the right one", async () => {
    expect(await refusal("status", "--node", "127.0.0.1:9090")).toMatch(/use --rpc http:/);
    expect(await refusal("query", "chain", "--rpc", "http://x")).toMatch(/use --node host:9090/);
  });

  test("values that only fail at the start are refused at once", async () => {
    expect(await refusal("dev", "--rollups", "A B")).toMatch(/"A B" is no rollup's name/);
    expect(await refusal("dev", "--rollups", "a", "a")).toMatch(/a is named twice/);
    expect(await refusal("init", "--chain-id", "x".repeat(51))).toMatch(/1 to 50 .*, got 51/);
    expect(await refusal("init", "--genesis", "x", "--peers", "10.0.0.1:26656")).toMatch(
      /--peers .*expected id@host:port/,
    );
    const proposal = ["tx", "gov", "submit", "--title", "x", "--deposit", "1", "--from", "x"];
    expect(await refusal(...proposal, "--param", "epochLenght=7")).toMatch(
      /no epochLenght, did you mean epochLength\?/,
    );
    const rollup = ["rollup", "init", "ok", "--home", "x", "--sequencer-genesis", "x"];
    expect(await refusal(...rollup, "--fund", "nonsense")).toMatch(/0x and 40 hex digits/);
    expect(await refusal(...rollup, "--chain-id", "0")).toMatch(/from 1 to 2\^52/);
    const register = ["tx", "register-rollup", "Bad_Name", "--from", "x"];
    expect(await refusal(...register)).toMatch(/Bad_Name.* is no rollup's name/);
    const parameter = (...pairs: string[]) => refusal("testnet", "--param", ...pairs);
    expect(await parameter("epoch=7")).toMatch(/one of these names: .*epochLength/);
    expect(await parameter("epoch_length=7")).toMatch(
      /no epoch_length, did you mean epochLength\?/,
    );
    expect(await parameter("epochLength=0")).toMatch(/epochLength: expected 1 to \d+ \(Blocks of/);
    expect(await parameter("epochLength=7", "epochLength=8")).toMatch(/epochLength is named twice/);
  });

  test("base ports that meet are refused before anything is written", async () => {
    const output = join(tmpdir(), "weft-testnet-nowhere");
    const testnet = async (...ports: string[]) =>
      (await program(["testnet"])).parseAsync(["testnet", "--output", output, ...ports], {
        from: "user",
      });
    await expect(testnet("--base-rpc-port", "9090")).rejects.toThrow(
      /^validator-0's rpc and validator-0's grpc would both have port 9090; /,
    );
    await expect(testnet("--base-metrics-port", "26667")).rejects.toThrow(
      /validator-0's metrics and validator-1's rpc would both have port 26667/,
    );
    expect(existsSync(output)).toBe(false);
  });

  test("hosts that peers cannot dial are refused by name before anything is written", async () => {
    const output = mkdtempSync(join(tmpdir(), "weft-hosts-"));
    const network = join(output, "network");
    const testnet = async (...hosts: string[]) =>
      (await program(["testnet"])).parseAsync(
        ["testnet", "--output", network, "--validators", "2", "--hosts", ...hosts],
        { from: "user" },
      );
    await expect(testnet("[::1]", "::1")).rejects.toThrow(/^--hosts: "::1" .*such as \[::1\]/);
    await expect(testnet("10.0.0.1", "a,b")).rejects.toThrow(/^--hosts: "a,b"/);
    expect(existsSync(network)).toBe(false);
    vi.spyOn(process.stdout, "write").mockReturnValue(true);
    await testnet("[::1]", "[2001:db8::1]").finally(() => vi.restoreAllMocks());
    const p2p = (name: string) => loadConfig(homeAt(join(network, name)).configFile, {}, {}).p2p;
    expect(p2p("validator-0").laddr).toBe("tcp://[::1]:26656");
    expect(p2p("validator-1").laddr).toBe("tcp://[::]:26656");
    expect(p2p("validator-0").persistent_peers).toMatch(/@\[2001:db8::1\]:26656$/);
    // A home that is gone is named, and its address is not missed among the peers of the other.
    rmSync(join(network, "validator-1"), { recursive: true });
    await expect(testnet("[::1]", "[2001:db8::1]")).rejects.toThrow(
      /asked for:\n  no home of validator-1\n/,
    );
    rmSync(output, { recursive: true });
  });

  test("an amount with a point or a unit, and an address with a typing error, are told what they are", async () => {
    const delegate = (amount: string) =>
      refusal("tx", "staking", "delegate", "ab".repeat(20), amount, "--from", "x");
    expect(await delegate("1.5")).toMatch(/expected whole nweft, digits only/);
    expect(await delegate("9".repeat(20))).toMatch(/from 0 to 2\^63 - 1/);
    expect(await delegate("5WEFT")).toMatch(/1 WEFT is 1000000000 nweft/);
    const mistyped = "weft1qqqsyqcyq5rqwzqfpg9scrgwpugpzysn0zlgt8";
    expect(await refusal("query", "rewards", mistyped)).toMatch(/mistyped or cut off/);
  });

  test("options that mean nothing without another are not left out in silence", async () => {
    const submit = ["tx", "gov", "submit", "--title", "x", "--deposit", "1", "--from", "x"];
    const propose = async (...args: string[]) =>
      (await program(submit)).parseAsync([...submit, ...args], { from: "user" });
    await expect(propose("--pay", "5")).rejects.toThrow(/--pay goes with --pay-to/);
    await expect(propose("--height", "5")).rejects.toThrow(/--height goes with --upgrade/);
    await expect(propose("--info", "x")).rejects.toThrow(/--info goes with --upgrade/);
    const edit = ["tx", "staking", "edit-validator", "ab".repeat(20), "--from", "x"];
    const change = async (...args: string[]) =>
      (await program(edit)).parseAsync([...edit, ...args], { from: "user" });
    await expect(change()).rejects.toThrow(/give --moniker, --rate-bps/);
    await expect(change("--website", "x")).rejects.toThrow(/go with --moniker/);
  });

  test("an RPC address may be written as CometBFT's tools write it", () => {
    expect(parseRpcUrl("127.0.0.1:26657")).toBe("http://127.0.0.1:26657");
    expect(parseRpcUrl("tcp://127.0.0.1:26657")).toBe("http://127.0.0.1:26657");
    expect(parseRpcUrl("https://node.example/rpc")).toBe("https://node.example/rpc");
    expect(() => parseRpcUrl("ftp://x")).toThrow(/expected http:/);
  });

  test("a transaction that is in no block in time: why, and whether the chain moves", () => {
    expect(describeTimeout("ab", "waiting for the account's nonce 0", 5, 9)).toMatch(
      /\(waiting for the account's nonce 0\); the chain moved on from height 5 to 9/,
    );
    expect(describeTimeout("ab", "", 5, 5)).toMatch(/the head did not move from height 5/);
  });
});

describe("exit codes", () => {
  const weft = (code: string) => exitCodeOf(new WeftError({ code }, "what was wrong"));

  test("what an operator can mend has a code of its own", () => {
    expect(weft("P2P_ADDRESS_INVALID")).toBe(ExitCode.CONFIG);
    expect(weft("APP_GENESIS_INVALID")).toBe(ExitCode.CONFIG);
    expect(weft("EXECUTION_GENESIS_MISMATCH")).toBe(ExitCode.CONFIG);
    expect(weft("DRIVER_TRUST_AHEAD")).toBe(ExitCode.CONFIG);
    expect(weft("P2P_NODE_KEY_INVALID")).toBe(ExitCode.KEY);
    expect(weft("KEY_APPLICATION_MISMATCH")).toBe(ExitCode.KEY);
    expect(weft("GRPC_LISTEN_FAILED")).toBe(ExitCode.PORT);
    expect(weft("STORE_LOCKED")).toBe(ExitCode.FILE);
    expect(weft("TRUST_STORE_INVALID")).toBe(ExitCode.FILE);
  });

  test("a block is no lock, and a port that may not be bound no file", () => {
    expect(weft("ENGINE_BLOCK_INVALID")).toBe(ExitCode.UNEXPECTED);
    const error = Object.assign(new Error("no"), { code: "EACCES", syscall: "listen" });
    expect(exitCodeOf(error)).toBe(ExitCode.PORT);
  });
});

test("homes are written for the engine and the ports that were asked for", async () => {
  const folder = mkdtempSync(join(tmpdir(), "weft-homes-"));
  const one = join(folder, "one");
  const network = join(folder, "network");
  vi.spyOn(process.stdout, "write").mockReturnValue(true);
  try {
    const init = ["init", "--home", one, "--engine", "cometbft"];
    await (await program()).parseAsync(["node", "weft", ...init]);
    const testnet = ["testnet", "--output", network, "--validators", "2", "--port-offset", "500"];
    await (await program()).parseAsync(["node", "weft", ...testnet]);
    const joining = ["--genesis", join(one, "config", "genesis.json"), "--engine", "cometbft"];
    const joined = ["init", "--home", join(folder, "joined"), ...joining];
    await (await program()).parseAsync(["node", "weft", ...joined]);
  } finally {
    vi.restoreAllMocks();
  }
  const configOf = (home: string) => loadConfig(homeAt(home).configFile, {}, {});
  expect(configOf(one).engine).toBe("cometbft");
  expect(configOf(join(folder, "joined")).engine).toBe("cometbft");
  const second = configOf(join(network, "validator-1"));
  expect(second.rpc.laddr).toBe("tcp://127.0.0.1:27167");
  expect(second.p2p.laddr).toBe("tcp://127.0.0.1:27166");
  expect(second.p2p.persistent_peers).toMatch(/@127\.0\.0\.1:27156$/);
  rmSync(folder, { recursive: true });
});

test("a second network keeps the distances of the first, and any free port stays any", () => {
  expect(portsFrom(1_000)).toMatchObject({ p2p: 27_656, rpc: 27_657, grpc: 10_090 });
  const base = { p2p: 40_000, rpc: 0, grpc: 0, metrics: 0, rollupRpc: 8_545 };
  expect(portsFrom(7, base)).toMatchObject({ p2p: 40_007, rpc: 0, rollupRpc: 8_552 });
});

test("a reset removes the network and nothing else", () => {
  const root = mkdtempSync(join(tmpdir(), "weft-reset-"));
  const put = (path: string): void => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), "{}");
  };
  // A validator's own home: its keys are not the network's.
  for (const path of ["keys/mine.json", "config/priv_validator_key.json"]) put(path);
  removeNetwork(root);
  expect(readdirSync(root)).toEqual(["config", "keys"]);
  for (const path of ["validator-0/config/genesis.json", "rollup-alpha/x", "notes.txt"]) put(path);
  removeNetwork(root);
  expect(readdirSync(root)).toEqual(["config", "notes.txt"]);
  removeNetwork(join(root, "nowhere"));
});

test("weft dev that meets a taken port has written nothing, and with --reset removed nothing", async () => {
  const root = mkdtempSync(join(tmpdir(), "weft-dev-"));
  const { server: taken, port } = await takenPort(portsFrom(PORT_OFFSET_MAX).rpc);
  const dev = async (home: string, ...more: string[]) =>
    (await program()).parseAsync(
      ["dev", "--home", home, "--port-offset", String(port - portsFrom(0).rpc), ...more],
      { from: "user" },
    );
  await expect(dev(join(root, "new"))).rejects.toThrow(/ports are taken: .*validator-0/);
  const genesis = join(root, "old", "validator-0", "config", "genesis.json");
  mkdirSync(dirname(genesis), { recursive: true });
  writeFileSync(genesis, "");
  await expect(dev(join(root, "old"), "--reset")).rejects.toThrow(/ports are taken/);
  expect([readdirSync(root), existsSync(genesis)]).toEqual([["old"], true]);
  taken.close();
  rmSync(root, { recursive: true });
});

/** A port of this machine up to `most` that somebody listens at. */
async function takenPort(
  most: number,
): Promise<{ readonly server: Server; readonly port: number }> {
  const taken = await listenAnywhere();
  if (taken.port <= most) return taken;
  taken.server.close();
  return takenPort(most);
}
