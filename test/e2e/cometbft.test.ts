/** A node whose engine is CometBFT, beside this process: what happens when either of the two ends, and what is refused. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { ExitCode } from "../../sequencer/cli/exit-codes.ts";
import { isCometBftAway } from "../support/cometbft.ts";
import { BOTH_ENGINES, COMETBFT_SLICE, ONE_ENGINE } from "../support/engine-suites.ts";
import { LONGEST, RUNS_ALONE } from "../support/file-groups.ts";
import {
  createTestNetwork,
  ENTRY,
  height,
  metric,
  type TestNetwork,
  type TestValidator,
  until,
  untilHeight,
} from "../support/local-network.ts";

it("every end-to-end file runs on both engines, or a reason stands why it does not", () => {
  const names = readdirSync(new URL(".", import.meta.url))
    .filter((file) => file.endsWith(".test.ts"))
    .map((file) => file.replace(/\.test\.ts$/, ""));
  expect([...BOTH_ENGINES, ...Object.keys(ONE_ENGINE)].toSorted()).toEqual(names.toSorted());
  expect(BOTH_ENGINES).toEqual(expect.arrayContaining([...COMETBFT_SLICE]));
});

it("files that run alone or first are there", () => {
  const places = [...LONGEST, ...Object.keys(RUNS_ALONE)];
  const isThere = (place: string): boolean =>
    existsSync(new URL(`../${place}.test.ts`, import.meta.url));
  expect(places.filter((place) => !isThere(place))).toEqual([]);
  expect(new Set(places).size).toBe(places.length);
});

describe.skipIf(isCometBftAway)("a node on CometBFT", () => {
  let network: TestNetwork;
  let node: TestValidator;

  beforeAll(async () => {
    network = await createTestNetwork({ validators: 1, config: { engine: "cometbft" } });
    const [first] = network.validators;
    if (first === undefined) throw new Error("there is no validator");
    node = first;
    await network.startAll();
  });
  afterEach(async ({ task }) => {
    if (task.result?.state === "fail") process.stderr.write(await network.report());
  });
  afterAll(() => network.close());

  /** Process id of its CometBFT. */
  const cometBftPid = (): number =>
    Number(readFileSync(join(node.home, "cometbft", "cometbft.pid"), "utf8"));

  async function untilGone(pid: number): Promise<void> {
    await until(`process ${pid} has ended`, async () => !isAlive(pid));
  }

  interface Ended {
    readonly code: number;
    readonly output: string;
    readonly error: string;
  }

  /** Runs a command to its end. */
  async function weft(
    args: readonly string[],
    environment: Readonly<Record<string, string>> = {},
  ): Promise<Ended> {
    const child = spawn(process.execPath, [ENTRY, ...args], {
      env: { ...process.env, ...environment },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let output = "";
    let error = "";
    child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString("utf8")));
    child.stderr.on("data", (chunk: Buffer) => (error += chunk.toString("utf8")));
    const [code] = (await once(child, "close")) as [number];
    return { code, output, error };
  }

  const startToEnd = (
    args: readonly string[],
    environment?: Readonly<Record<string, string>>,
  ): Promise<Ended> => weft(["start", "--home", node.home, ...args], environment);

  /** A listener that holds a port of loopback. */
  async function holdPort(port: number): Promise<{ readonly port: number; free(): void }> {
    const listener = createServer();
    listener.listen(port, "127.0.0.1");
    await once(listener, "listening");
    const address = listener.address();
    if (address === null || typeof address === "string") throw new Error("expected a port");
    return { port: address.port, free: () => listener.close() };
  }

  it("is ready, and shows CometBFT's metrics beside its own, each once", async () => {
    await untilHeight([node], 2);
    const ready = node.metrics.replace("/metrics", "/readyz");
    await until("it is ready", async () => (await fetch(ready)).ok);
    expect(await metric(node.metrics, "cometbft_consensus_height")).toBeGreaterThan(0);
    expect(await metric(node.metrics, "weft_cometbft_up")).toBe(1);
    expect(await metric(node.metrics, "weft_abci_connections")).toBe(4);
    const page = await (await fetch(node.metrics)).text();
    const families = [...page.matchAll(/^# TYPE (\S+)/gm)].map((match) => match[1]);
    expect(families).toContain("process_cpu_seconds_total");
    expect(families).toContain("cometbft_process_cpu_seconds_total");
    expect(families).toHaveLength(new Set(families).size);
  });

  it("starts a CometBFT again that was killed, and goes on", async () => {
    const before = await height(node);
    const pid = cometBftPid();
    process.kill(pid, "SIGKILL");
    await untilHeight([node], before + 3);
    expect(cometBftPid()).not.toBe(pid);
    expect(await metric(node.metrics, "weft_cometbft_restarts_total")).toBe(1);
  });

  it("leaves no CometBFT behind when it is killed itself, and goes on when it is started again", async () => {
    const before = await height(node);
    const pid = cometBftPid();
    await network.end(node.name, "SIGKILL");
    // At once, as a supervisor would: the other one is waited for.
    network.start(node.name);
    await untilGone(pid);
    await untilHeight([node], before + 3);
    expect(cometBftPid()).not.toBe(pid);
  });

  it("ends CometBFT when it is told to end", async () => {
    const pid = cometBftPid();
    expect(await network.end(node.name, "SIGTERM")).toBe("ended with exit code 0");
    expect(isAlive(pid)).toBe(false);
  });

  it("error: a home of the other engine's blocks, a port that is taken, a program that is not there", async () => {
    const other = await startToEnd(["--engine", "embedded"]);
    expect(other.error).toContain(`weft engine switch --to embedded --home ${node.home}`);
    expect(other.code).toBe(ExitCode.CONFIG);
    const taken = new URL(node.rpc).host;
    const held = await holdPort(node.rpcPort);
    const busy = await startToEnd([]);
    held.free();
    expect(busy.error).toContain(`the JSON-RPC cannot listen at tcp://${taken} (rpc.laddr)`);
    expect(busy.code).toBe(ExitCode.PORT);
    const nowhere = await startToEnd([], { WEFT_COMETBFT: join(node.home, "nothing") });
    expect(nowhere.error).toContain("there is no program of that name");
    expect(nowhere.code).toBe(ExitCode.FILE);
  });

  it("error: a signer's state from before what CometBFT's log says was signed", async () => {
    const path = join(node.home, "data", "priv_validator_state.json");
    const newest = readFileSync(path, "utf8");
    writeFileSync(path, newest.replace(/"height": *"\d+"/, '"height": "1"'));
    const ended = await startToEnd([]);
    writeFileSync(path, newest);
    expect(ended.error).toMatch(/state.json is at height 1, .* this validator voted at height \d+/);
    expect(ended.code).toBe(ExitCode.KEY);
  });

  it("error: an application that has blocks whose CometBFT is elsewhere", async () => {
    const blocks = join(node.home, "cometbft", "data", "blockstore.db");
    renameSync(blocks, `${blocks}.away`);
    const ended = await startToEnd([]);
    renameSync(`${blocks}.away`, blocks);
    expect(ended.error).toMatch(/is at height \d+ and CometBFT has no blocks in .*cometbft\/data/);
    expect(ended.code).toBe(ExitCode.FILE);
  });

  it("error: a first start that fails binds the home to no engine", async () => {
    const home = join(network.root, "failed-first");
    expect((await weft(["init", "--home", home])).code).toBe(0);
    const held = await holdPort(0);
    const start = ["start", "--home", home, "--set", `rpc.laddr=tcp://127.0.0.1:${held.port}`];
    for (const key of ["p2p.laddr", "grpc.laddr", "instrumentation.prometheus_listen_addr"]) {
      start.push(`${key}=tcp://127.0.0.1:0`);
    }
    // The engine's databases are made, and its application has the genesis, when the port is refused.
    const failed = await weft([...start, "--engine", "cometbft"]);
    expect([failed.code, failed.error]).toEqual([
      ExitCode.PORT,
      expect.stringContaining("rpc.laddr"),
    ]);
    const shown = await weft(["engine", "show", "--home", home, "--json"]);
    expect(JSON.parse(shown.output)).toMatchObject({ engine: null });
    const other = await weft([...start, "--engine", "embedded"]);
    expect(other.error).not.toContain("engine switch");
    expect(other.code).toBe(ExitCode.PORT);
    held.free();
  });
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    // No such process.
    return false;
  }
}
