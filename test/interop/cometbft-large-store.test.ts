/**
 * CometBFT's own reading of databases that a conversion made, large enough that LevelDB wrote tables behind
 * its journal while the journal went on.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Height } from "../../proto/brands.ts";
import { toHex } from "../../proto/bytes.ts";
import { verifyEd25519Sync } from "../../proto/verify/ed25519.ts";
import { convertToComet } from "../../sequencer/cometbft/stores/convert.ts";
import { openEngineHome } from "../../sequencer/engine/engine-home.ts";
import { saveGenesis } from "../../sequencer/engine/genesis.ts";
import { createCometRpcClient } from "../../sequencer/ports/comet-rpc/client.ts";
import { buildChain, testGenesis, testKeys } from "../support/chain-builder.ts";
import { type RunningChild, startChild } from "../support/child-process.ts";
import { cometBft, isCometBftAway } from "../support/cometbft.ts";
import { conversionOptions } from "../support/conversion.ts";
import { until } from "../support/local-network.ts";

const KEYS = testKeys(4);
const GENESIS = testGenesis(KEYS);
const BLOCKS = 1_500;
const TX_BYTES = 8_000;

describe.skipIf(isCometBftAway)("a large store, as CometBFT reads it", () => {
  let root: string;
  let child: RunningChild | undefined;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), "weft-large-"));
  });
  afterEach(async () => {
    child?.signal("SIGKILL");
    await child?.ended;
    rmSync(root, { recursive: true, force: true });
  });

  it("behavior: every block and every answer is there", async () => {
    const chain = buildChain(KEYS, BLOCKS, GENESIS, (height) => [
      new Uint8Array(TX_BYTES).map((_, i) => (height * 31 + i * 7 + (i >> 5)) % 251),
    ]);
    const ours = join(root, "ours");
    const engineHome = await openEngineHome({
      dataDirectory: ours,
      privValidatorKeyPath: undefined,
    });
    for (const record of chain) {
      if (record === chain[0]) await engineHome.stateStore.save(record.stateBefore);
      await engineHome.blockStore.save(record);
      await engineHome.stateStore.save(record.stateAfter, record.response);
    }
    await engineHome.close();
    const program = (await cometBft()).path;
    const home = join(root, "home");
    execFileSync(program, ["init", "--home", home], { stdio: "ignore" });
    rmSync(join(home, "data"), { recursive: true });
    await convertToComet(
      { ...conversionOptions(), from: ours, to: join(home, "data") },
      { verify: verifyEd25519Sync },
    );
    await saveGenesis(join(home, "config", "genesis.json"), GENESIS);

    const socket = join(root, "rpc.sock");
    const args = ["inspect", "--home", home, "--rpc.laddr", `unix://${socket}`];
    const running = startChild(program, args, { logFile: join(root, "log") });
    child = running;
    const client = createCometRpcClient(`unix://${socket}`);
    const answers = async (): Promise<boolean> =>
      client.call("commit", { height: "1" }).then(
        () => true,
        () => false,
      );
    await until("CometBFT answers", answers, 60_000).catch((cause: unknown) => {
      throw new Error(running.tail(), { cause });
    });
    const missing: Height[] = [];
    for (const { block, blockId } of chain) {
      const height = String(block.header.height);
      const [meta, results] = await Promise.all([
        client.call("block", { height }),
        client.call("block_results", { height }),
      ]);
      const hash = meta.get("block_id").get("hash").text().toLowerCase();
      if (hash !== toHex(blockId.hash) || results.get("height").text() !== height) {
        missing.push(block.header.height);
      }
    }
    client.close();
    expect(missing).toEqual([]);
  }, 120_000);
});
