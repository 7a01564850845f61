/**
 * CometBFT itself on what our conversions make: the height that it had locked when it was killed goes
 * from its log into ours and back, and must end with the block that was locked.
 */
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Height } from "../../proto/brands.ts";
import { toHex } from "../../proto/bytes.ts";
import { verifyEd25519Sync } from "../../proto/verify/ed25519.ts";
import { decodeCometLogMessage } from "../../sequencer/cometbft/stores/comet-log-message.ts";
import { convertFromComet, convertToComet } from "../../sequencer/cometbft/stores/convert.ts";
import { endInCometLog, recordsAfterEnd } from "../../sequencer/cometbft/stores/log-tail.ts";
import { NODE_FILE_SYSTEM } from "../../sequencer/ports/node-file-system.ts";
import { type RunningChild, startChild } from "../support/child-process.ts";
import { cometBft, isCometBftAway } from "../support/cometbft.ts";
import { conversionOptions } from "../support/conversion.ts";
import { until } from "../support/local-network.ts";

const CAPTURED = fileURLToPath(new URL("cometbft-home/", import.meta.url));
/** The height that was locked. */
const UNDER_WAY = 9;

describe.skipIf(isCometBftAway)("CometBFT on converted data", () => {
  let root: string;
  let child: RunningChild | undefined;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), "weft-resume-"));
  });
  afterEach(async () => {
    child?.signal("SIGKILL");
    await child?.ended;
    rmSync(root, { recursive: true, force: true });
  });

  it("behavior: it decides the block that it had locked, and goes on", async () => {
    const program = (await cometBft()).path;
    const home = join(root, "home");
    execFileSync(program, ["init", "--home", home], { stdio: "ignore" });
    const captured = join(root, "captured");
    cpSync(join(CAPTURED, "data"), captured, { recursive: true });
    await convertThere(captured, join(home, "data"));
    for (const name of ["genesis.json", "priv_validator_key.json"]) {
      cpSync(join(CAPTURED, name), join(home, "config", name));
    }
    const state = "priv_validator_state.json";
    cpSync(join(CAPTURED, "data", state), join(home, "data", state));
    setPlaces(home);

    const logFile = join(root, "log");
    const args = ["node", "--home", home, "--proxy_app", "kvstore"];
    const running = startChild(program, args, { logFile });
    child = running;
    await until(
      "CometBFT decides further heights",
      async () => Number((await ask<Status>(home, "status")).sync_info.latest_block_height) > 10,
      60_000,
    ).catch((cause: unknown) => {
      throw new Error(running.tail(), { cause });
    });
    const { block_id: decided } = await ask<Block>(home, `block?height=${UNDER_WAY}`);
    expect(decided.hash.toLowerCase()).toBe(await lockedHash());
    const { block: old } = await ask<Block>(home, "block?height=3");
    expect(old.header.chain_id).toBe("captured");
    const log = readFileSync(logFile, "utf8");
    expect(log).toContain("Replay: Vote");
    expect(log).not.toMatch(/panic|CONSENSUS FAILURE|corrupt/i);
  }, 120_000);

  /** CometBFT's data as ours, and that as CometBFT's. */
  async function convertThere(from: string, to: string): Promise<void> {
    rmSync(to, { recursive: true });
    const common = conversionOptions();
    const ours = join(root, "ours");
    const deps = { verify: verifyEd25519Sync };
    await convertFromComet({ ...common, from, to: ours }, deps);
    await convertToComet({ ...common, from: ours, to }, deps);
  }
});

interface Status {
  readonly sync_info: { readonly latest_block_height: string };
}
interface Block {
  readonly block_id: { readonly hash: string };
  readonly block: { readonly header: { readonly chain_id: string } };
}

/** The block of the only validator's own precommit. */
async function lockedHash(): Promise<string> {
  const folder = join(CAPTURED, "data", "cs.wal");
  const last = Height(UNDER_WAY - 1);
  const records = await recordsAfterEnd(folder, last, endInCometLog, NODE_FILE_SYSTEM);
  const votes = (records ?? []).map(decodeCometLogMessage).flatMap((logged) => {
    if (logged.kind !== "message" || logged.message.kind !== "vote") return [];
    return [toHex(logged.message.vote.blockId.hash)];
  });
  const [hash] = votes;
  if (hash === undefined || votes.length !== 2)
    throw new Error("expected a prevote and a precommit");
  return hash;
}

function setPlaces(home: string): void {
  const file = join(home, "config", "config.toml");
  const text = readFileSync(file, "utf8")
    .replace('"tcp://127.0.0.1:26657"', `"unix://${join(home, "rpc.sock")}"`)
    .replace('"tcp://0.0.0.0:26656"', '"tcp://127.0.0.1:0"')
    .replace('timeout_commit = "1s"', 'timeout_commit = "50ms"');
  writeFileSync(file, text);
  mkdirSync(join(home, "data"), { recursive: true });
}

function ask<T>(home: string, path: string): Promise<T> {
  return new Promise((resolve, reject) => {
    const options = { socketPath: join(home, "rpc.sock"), path: `/${path}` };
    request(options, (response) => {
      let body = "";
      response.on("data", (chunk: Buffer) => {
        body += chunk.toString();
      });
      response.on("end", () => resolve((JSON.parse(body) as { result: T }).result));
    })
      .on("error", reject)
      .end();
  });
}
