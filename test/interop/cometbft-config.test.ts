/** CometBFT itself reads the file that we write for it. */
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createTestnet } from "../../sequencer/cli/testnet-files.ts";
import { validatorPlaces } from "../../sequencer/cli/network-layout.ts";
import { writeCometBftConfig } from "../../sequencer/cometbft/config-file.ts";
import { openSignStateFile } from "../../sequencer/engine/privval/sign-state.ts";
import { loadConfig } from "../../sequencer/node/config.ts";
import { homeAt } from "../../sequencer/node/home.ts";
import { loadOrCreateNodeKey } from "../../sequencer/p2p/node-key.ts";
import { NODE_FILE_SYSTEM } from "../../sequencer/ports/node-file-system.ts";
import { readKeyFile } from "../../sequencer/ports/key-file.ts";
import { createSystemClock } from "../../sequencer/ports/system-clock.ts";
import { cometBft, isCometBftAway } from "../support/cometbft.ts";

describe.skipIf(isCometBftAway)("a home of ours", () => {
  let root = "";
  beforeAll(() => {
    root = mkdtempSync(join(tmpdir(), "weft-comet-config-"));
  });
  afterAll(() => rmSync(root, { recursive: true, force: true }));

  test("starts CometBFT, with our keys, genesis and settings", async () => {
    const { path: program } = await cometBft();
    const noPorts = { p2p: 1, rpc: 1, grpc: 1, metrics: 1, rollupRpc: 1 };
    const places = validatorPlaces(root, 1, noPorts);
    await createTestnet({
      chainId: "weft-config",
      genesisTime: createSystemClock().now(),
      validators: places,
      accounts: [],
      rollups: [],
      config: {},
      host: () => "127.0.0.1",
    });
    const home = homeAt(places[0]?.home ?? "");
    // CometBFT refuses a key whose state is missing; ours does the same on a home with blocks.
    await (await openSignStateFile(home.validatorStateFile, true, NODE_FILE_SYSTEM)).close();
    const config = loadConfig(
      undefined,
      {
        moniker: "judged",
        "rpc.laddr": "tcp://127.0.0.1:0",
        "p2p.laddr": "tcp://127.0.0.1:0",
        "consensus.timeout_commit": "10ms",
        log_level: "info",
      },
      {},
    );
    // The application that CometBFT has built in: it must run without anything of ours.
    const files = await writeCometBftConfig(home, config, {
      proxyApp: "kvstore",
      prometheus: undefined,
      logFormat: "json",
    });
    const told = execFileSync(program, ["show-node-id", "--home", files.root], {
      encoding: "utf8",
    });
    const nodeKey = loadOrCreateNodeKey(home.nodeKeyFile);
    expect(told.trim()).toBe(nodeKey.id);
    const validator = execFileSync(program, ["show-validator", "--home", files.root], {
      encoding: "utf8",
    });
    const { publicKey } = readKeyFile(home.validatorKeyFile);
    expect(validator).toContain(Buffer.from(publicKey).toString("base64"));

    const child = spawn(program, ["start", "--home", files.root]);
    let log = "";
    const committed = new Promise<void>((resolve, reject) => {
      child.stdout.on("data", (chunk: Buffer) => {
        log += chunk.toString();
        if (/"committed state".*"height":3\b/.test(log)) resolve();
      });
      child.stderr.on("data", (chunk: Buffer) => (log += chunk.toString()));
      child.once("close", (code) => reject(new Error(`ended with ${code}: ${log.slice(-4_000)}`)));
    });
    try {
      await committed;
    } finally {
      const ended = new Promise((resolve) => child.once("close", resolve));
      child.kill("SIGTERM");
      if (child.exitCode === null) await ended;
    }
  });
});
