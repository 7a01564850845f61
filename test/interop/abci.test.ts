/** CometBFT and its abci-cli at our application's socket. */
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, describe, expect, test } from "vitest";
import { toHex } from "../../proto/bytes.ts";
import type { Replay } from "../../proto/codec/weft-tx.ts";
import { createAbciServer } from "../../sequencer/abci/abci-server.ts";
import type { SocketApplication } from "../../sequencer/abci/answer-call.ts";
import type { ExtendVoteRequest } from "../../sequencer/abci/application.ts";
import { NULL_ABCI_METRICS } from "../../sequencer/abci/metrics.ts";
import { NULL_APP_METRICS } from "../../sequencer/app/metrics.ts";
import { freePorts } from "../../sequencer/cli/free-ports.ts";
import { validatorPlaces } from "../../sequencer/cli/network-layout.ts";
import { createTestnet } from "../../sequencer/cli/testnet-files.ts";
import { builtProgram } from "../../sequencer/cometbft/binary.ts";
import { writeCometBftConfig } from "../../sequencer/cometbft/config-file.ts";
import { openSignStateFile } from "../../sequencer/engine/privval/sign-state.ts";
import { loadConfig } from "../../sequencer/node/config.ts";
import { homeAt } from "../../sequencer/node/home.ts";
import { openApplication, openSignatureLanes } from "../../sequencer/node/open-application.ts";
import { openSealCompute } from "../../sequencer/node/seal-workers/open-seal-compute.ts";
import { NULL_LOGGER } from "../../sequencer/ports/logger.ts";
import { NODE_FILE_SYSTEM } from "../../sequencer/ports/node-file-system.ts";
import { createSystemClock } from "../../sequencer/ports/system-clock.ts";
import { type CallWatch, isInGrammar, watchCalls } from "../support/call-grammar.ts";
import { type RunningChild, startChild } from "../support/child-process.ts";
import { cometBft, isCometBftAway } from "../support/cometbft.ts";
import { nonce, signedItem, transferTo, unordered, wallet } from "../support/weft-app.ts";

const CHAIN_ID = "weft-abci";
/** Blocks of each run. */
const BLOCKS = 6;
const WAIT = { timeout: 60_000, interval: 50 };

const closers: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

interface Bench {
  readonly socket: string;
  readonly rpc: string;
  /** Starts CometBFT; it is killed at the end at the latest. */
  startEngine(): RunningChild;
  /** Opens the application on its home and serves it; `stop` closes both. */
  serve(
    wrap?: (application: SocketApplication) => SocketApplication,
  ): Promise<{ readonly height: () => number; readonly stop: () => Promise<void> }>;
}

/** A chain of one validator, whose home both processes share; the pool takes so many transactions. */
async function prepare({ poolCountMax = 5_000 } = {}): Promise<Bench> {
  const { path: program } = await cometBft();
  const root = mkdtempSync(join(tmpdir(), "weft-abci-"));
  closers.push(() => rmSync(root, { recursive: true, force: true }));
  const [rpcPort = 0] = await freePorts(1);
  const noPorts = { p2p: 1, rpc: 1, grpc: 1, metrics: 1, rollupRpc: 1 };
  const places = validatorPlaces(root, 1, noPorts);
  const clock = createSystemClock();
  await createTestnet({
    chainId: CHAIN_ID,
    genesisTime: clock.now(),
    validators: places,
    accounts: [0, 1, 2, 3].map((i) => ({
      address: wallet(i).address,
      balance: 1_000_000_000_000n,
    })),
    rollups: [],
    config: {},
    host: () => "127.0.0.1",
  });
  const home = homeAt(places[0]?.home ?? "");
  await (await openSignStateFile(home.validatorStateFile, true, NODE_FILE_SYSTEM)).close();
  const config = loadConfig(
    undefined,
    {
      "rpc.laddr": `tcp://127.0.0.1:${rpcPort}`,
      "p2p.laddr": "tcp://127.0.0.1:0",
      "consensus.timeout_commit": "50ms",
      signature_workers: 0,
    },
    {},
  );
  const socket = `unix://${join(root, "abci.sock")}`;
  const files = await writeCometBftConfig(home, config, {
    proxyApp: socket,
    prometheus: undefined,
    logFormat: "json",
  });
  return {
    socket,
    rpc: `http://127.0.0.1:${rpcPort}`,
    startEngine() {
      const logFile = join(root, "cometbft.log");
      const engine = startChild(program, ["start", "--home", files.root], { logFile });
      closers.push(async () => {
        engine.signal("SIGKILL");
        await engine.ended;
      });
      return engine;
    },
    async serve(wrap = (application) => application) {
      const lanes = await openSignatureLanes(config, { logger: NULL_LOGGER });
      const seal = openSealCompute({ logger: NULL_LOGGER });
      const opened = await openApplication(
        {
          home,
          config: { ...config, mempool: { ...config.mempool, size: poolCountMax } },
          genesis: { chainId: CHAIN_ID },
        },
        { lanes, seal, clock, logger: NULL_LOGGER, metrics: NULL_APP_METRICS },
      );
      const server = createAbciServer(
        { address: socket },
        {
          application: wrap(opened.application),
          clock,
          logger: NULL_LOGGER,
          metrics: NULL_ABCI_METRICS,
        },
      );
      await server.start();
      let isStopped = false;
      const stop = async (): Promise<void> => {
        if (isStopped) return;
        isStopped = true;
        await server.stop();
        await opened.close();
        await seal.stop();
        await lanes.stop();
      };
      closers.push(stop);
      return { stop, height: () => opened.application.read.lastBlock()?.height ?? 0 };
    },
  };
}

async function end(engine: RunningChild, signal: NodeJS.Signals): Promise<void> {
  engine.signal(signal);
  await engine.ended;
}

async function rpc(url: string, method: string, params: object = {}): Promise<unknown> {
  const response = await fetch(url, {
    method: "POST",
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }),
  });
  const answer: unknown = await response.json();
  return Object(answer)["result"];
}

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64");

describe.skipIf(isCometBftAway)("CometBFT with our application", () => {
  test("calls in the grammar's order, over kills and restarts of either, and extensions repeat", async () => {
    const bench = await prepare();
    const violations: string[] = [];
    const sessions: string[] = [];
    const extensions = new Map<string, string>();
    /** Remembers each extension; the same block must get the same one, whichever process is asked. */
    const remember = (application: SocketApplication): SocketApplication => {
      const extendVote = application.extendVote.bind(application);
      return Object.assign(Object.create(application) as SocketApplication, {
        extendVote: async (request: ExtendVoteRequest) => {
          const bytes = await extendVote(request);
          const key = `${request.height}/${toHex(request.hash)}`;
          const before = extensions.get(key);
          if (before !== undefined && before !== toHex(bytes))
            violations.push(`another for ${key}`);
          extensions.set(key, toHex(bytes));
          return bytes;
        },
      });
    };
    let height = 0;
    for (const signal of ["SIGKILL", "SIGKILL", "SIGINT"] as const) {
      const watches: CallWatch[] = [];
      const application = await bench.serve((inner) => {
        const watched = watchCalls(inner, {
          onViolation: ({ message }) => violations.push(message),
        });
        watches.push(watched.watch);
        return remember(watched.application);
      });
      const engine = bench.startEngine();
      const until = height + BLOCKS;
      await expect
        .poll(() => (engine.isRunning() ? application.height() : engine.tail()), WAIT)
        .toBeGreaterThanOrEqual(until);
      await end(engine, signal);
      await application.stop();
      height = application.height();
      for (const watch of watches) sessions.push(watch.letters());
    }
    expect(violations).toEqual([]);
    for (const letters of sessions) expect(isInGrammar(letters), letters).toBe(true);
    const [first = "", ...later] = sessions;
    expect(first).toMatch(/^i+N/);
    for (const letters of later) expect(letters).toMatch(/^i[^N]*$/);
    // Our server asks for Info between, to know the height.
    expect(first.replaceAll("i", "")).toMatch(/^NPQEFC/);
  });

  test("comes back to a server that stayed, with a new set of connections", async () => {
    const bench = await prepare();
    const application = await bench.serve();
    for (let run = 1; run <= 2; run++) {
      const before = application.height();
      const engine = bench.startEngine();
      await expect
        .poll(() => (engine.isRunning() ? application.height() : engine.tail()), WAIT)
        .toBeGreaterThan(before + 2);
      await end(engine, "SIGKILL");
    }
  });

  test("its mempool drops what the application's pool dropped, at the next recheck", async () => {
    const bench = await prepare({ poolCountMax: 3 });
    const application = await bench.serve();
    bench.startEngine();
    await expect.poll(() => application.height(), WAIT).toBeGreaterThan(0);
    const send = (sender: number, replay: Replay): Promise<unknown> => {
      const action = transferTo(wallet(3).address, 1n);
      const tx = signedItem(wallet(sender), replay, action, { chainId: CHAIN_ID });
      return rpc(bench.rpc, "broadcast_tx_sync", { tx: base64(tx) });
    };
    const pending = async (): Promise<string> =>
      String(Object(await rpc(bench.rpc, "num_unconfirmed_txs"))["n_txs"]);
    // Each waits for a nonce that never comes, so that it stays; then one that pays at once comes.
    for (const sender of [0, 1, 2]) expect(await send(sender, nonce(1))).toMatchObject({ code: 0 });
    expect(await pending()).toBe("3");
    const ready = unordered(application.height() + 100);
    expect(await send(3, ready)).toMatchObject({ code: 0 });
    await expect.poll(pending, WAIT).toBe("2");
  });

  test("a transaction goes through CometBFT's mempool into a block", async () => {
    const bench = await prepare();
    const application = await bench.serve();
    bench.startEngine();
    await expect.poll(() => application.height(), WAIT).toBeGreaterThan(0);
    const tx = signedItem(
      wallet(0),
      unordered(application.height() + 100),
      transferTo(wallet(5).address, 7n),
      { chainId: CHAIN_ID },
    );
    const answer = await rpc(bench.rpc, "broadcast_tx_commit", { tx: base64(tx) });
    expect(answer).toMatchObject({ check_tx: { code: 0 }, tx_result: { code: 0 } });
    const remaining = await rpc(bench.rpc, "num_unconfirmed_txs");
    expect(remaining).toMatchObject({ n_txs: "0" });
    // What CometBFT's RPC hands on unread must not end it.
    for (const height of ["-1", "9223372036854775807"]) {
      const query = await rpc(bench.rpc, "abci_query", { path: "/supply", height });
      expect(Object(Object(query)["response"])["code"], height).not.toBe(0);
    }
    expect(await rpc(bench.rpc, "abci_query", { path: "/supply" })).toMatchObject({
      response: { code: 0 },
    });
  });

  test("abci-cli speaks with it", async () => {
    const program = builtProgram("abci-cli");
    if (program === undefined) throw new Error("abci-cli is missing; run: npm run cometbft");
    const bench = await prepare();
    const application = await bench.serve();
    bench.startEngine();
    await expect.poll(() => application.height(), WAIT).toBeGreaterThan(0);
    // Not synchronously: the application that answers runs in this process.
    const cli = async (...args: readonly string[]): Promise<string> => {
      const all = ["--address", bench.socket, "--log_level", "error", ...args];
      return (await promisify(execFile)(program, all)).stdout;
    };
    expect(await cli("echo", "hello")).toContain("-> data: hello");
    expect(await cli("info")).toContain("-> data: weft");
    expect(await cli("query", "--path", "/supply", '""')).toContain("-> code: OK");
    expect(await cli("check_tx", '"no transaction"')).toMatch(/-> code: (?!OK)/);
    expect(await cli("echo", "still here")).toContain("-> data: still here");
  });
});
