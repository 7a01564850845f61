/** The commands that look at and mend the data of a stopped node. */
import { execFile } from "node:child_process";
import { readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { homeAt } from "../../sequencer/node/home.ts";
import {
  createTestNetwork,
  ENTRY,
  type TestNetwork,
  type TestValidator,
  until,
  untilHeight,
} from "../support/local-network.ts";

interface Answer {
  readonly code: number;
  readonly lines: readonly Record<string, unknown>[];
}

const SNAPSHOT_INTERVAL = 3;

let network: TestNetwork;
let node: TestValidator;

beforeAll(async () => {
  network = await createTestNetwork({
    validators: 1,
    config: { "storage.snapshot_interval": SNAPSHOT_INTERVAL },
  });
  const [first] = network.validators;
  if (first === undefined) throw new Error("there is no validator");
  node = first;
  // Evidence expires at once, so that blocks may go.
  const { genesisFile } = homeAt(node.home);
  const genesis = JSON.parse(readFileSync(genesisFile, "utf8")) as {
    consensus_params: { evidence: Record<string, string> };
  };
  genesis.consensus_params.evidence["max_age_num_blocks"] = "1";
  genesis.consensus_params.evidence["max_age_duration"] = "1";
  writeFileSync(genesisFile, JSON.stringify(genesis));
  await network.startAll();
  await untilHeight([node], 8);
});
afterAll(() => network.close());

/** Runs a command on the node's home; its JSON lines and exit code. */
async function weft(...args: readonly string[]): Promise<Answer> {
  const run = promisify(execFile);
  const all = [ENTRY, "--json", ...args, "--home", node.home];
  const options = { maxBuffer: 64 << 20 };
  const { code, stdout } = await run(process.execPath, all, options).then(
    (result) => ({ code: 0, stdout: result.stdout }),
    (error: unknown) => error as { code: number; stdout: string },
  );
  const lines = stdout
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  return { code, lines };
}

/** The one object that a command prints. */
async function result(...args: readonly string[]): Promise<Record<string, unknown>> {
  const { code, lines } = await weft(...args);
  expect({ code, count: lines.length }).toEqual({ code: 0, count: 1 });
  return lines[0] ?? {};
}

describe("a node's data", () => {
  it("is left alone while the node runs", async () => {
    for (const command of [["wal", "verify"], ["db", "check"], ["rollback"]]) {
      const { code, lines } = await weft(...command);
      expect(code, command.join(" ")).toBe(6);
      expect(lines[0]?.["error"]).toMatch(/is in use by process \d+/);
    }
  });

  it("is whole after a kill: log, blocks, states, application", async () => {
    await network.end(node.name, "SIGKILL");
    const log = await result("wal", "verify");
    expect((log["faults"] as { isHarmless: boolean }[]).every((fault) => fault.isHarmless)).toBe(
      true,
    );
    const check = await result("db", "check");
    expect(check).toMatchObject({ base: 1, faults: [] });
    expect(Number(check["blocks"])).toBeGreaterThanOrEqual(8);

    const { lines } = await weft("wal", "dump", "--height", "3");
    expect(new Set(lines.map(({ deciding }) => deciding))).toEqual(new Set([3]));
    const kinds = lines.map(({ kind }) => kind);
    expect(kinds[0]).toBe("heightStarted");
    expect(kinds).toContain("proposalSigned");
    expect(kinds.at(-1)).toBe("endHeight");

    const replay = await weft("wal", "replay");
    expect(replay.code).toBe(0);
    expect(replay.lines[0]).toMatchObject({ input: { kind: "heightStarted" } });
    const end = replay.lines.at(-1);
    expect([Number(check["height"]), Number(check["height"]) + 1]).toContain(end?.["height"]);
    expect(end?.["inputs"]).toBe(replay.lines.length - 1);
  });

  it("goes one height back and on again", async () => {
    const { height, applicationHeight: killedAt } = await result("db", "check");
    const back = await result("rollback");
    expect(Number(back["height"])).toBeLessThan(Number(height) + 1);
    const applicationHeight = Number(back["applicationHeight"]);
    expect(applicationHeight).toBeGreaterThan(0);
    // To its newest snapshot, and the blocks above are executed again; unless the kill came before its commit.
    const wasBelow = Number(killedAt) <= Number(back["height"]);
    const snapshot = applicationHeight - (applicationHeight % SNAPSHOT_INTERVAL);
    expect(applicationHeight).toBe(wasBelow ? killedAt : snapshot);
    expect(await result("db", "check")).toMatchObject({ applicationHeight, faults: [] });
    network.start();
    await untilHeight([node], Number(height));
    await network.end(node.name, "SIGTERM");
    expect(await result("db", "check")).toMatchObject({ faults: [] });
  });

  it("loses its last block when told so, and stays whole", async () => {
    const before = await result("db", "check");
    const { removedBlock } = await result("rollback", "--hard");
    expect(removedBlock).toBe(before["height"]);
    const after = await result("db", "check");
    const height = Number(before["height"]) - 1;
    expect(after).toMatchObject({ height, stateHeight: height, faults: [] });
  });

  it("damaged in the middle of the log: refused, with the byte and the command that mends it", async () => {
    const path = join(homeAt(node.home).walDir, "wal");
    // The log of before the rollback is set aside; a start makes a new one.
    network.start();
    await until("the node logs", async () => statSync(path).size > 100);
    await network.end(node.name, "SIGKILL");
    const bytes = readFileSync(path);
    // The second record; the first one, the end of height 0, takes ten bytes.
    bytes[20] = (bytes[20] ?? 0) ^ 1;
    writeFileSync(path, bytes);
    const { code, lines } = await weft("wal", "verify");
    expect(code).toBe(11);
    expect(lines[0]).toMatchObject({ faults: [{ offset: 10, kind: "corrupted" }] });
    expect(lines[1]?.["error"]).toMatch(/weft wal verify --cut/);
    expect(await result("wal", "verify", "--cut")).toMatchObject({ faults: [] });
  });

  it("is pruned as far as nobody needs the blocks, and then goes back no further", async () => {
    const { height } = await result("db", "check");
    const tooHigh = await weft("db", "prune", "--retain-height", String(height));
    expect(tooHigh.code).toBe(8);
    expect(tooHigh.lines[0]?.["error"]).toMatch(/may still be named by evidence/);
    expect(await result("db", "prune", "--retain-height", "5")).toMatchObject({
      pruned: 4,
      base: 5,
    });
    const check = await result("db", "check");
    expect(check).toMatchObject({ base: 5, height, stateHeight: height, faults: [] });
    rmSync(homeAt(node.home).snapshotsDir, { recursive: true });
    const back = await weft("rollback");
    expect(back.code).toBe(6);
    expect(back.lines[0]?.["error"]).toMatch(/no snapshot of its state .* below 5 are pruned/);
    // Opening rewrites files of the databases; what they hold is as it was.
    expect({ ...(await result("db", "check")), bytes: check["bytes"] }).toEqual(check);
  });
});
