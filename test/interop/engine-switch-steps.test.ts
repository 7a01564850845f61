/** `weft engine switch` on a home that a real CometBFT left, interrupted before every step. */
import { spawn } from "node:child_process";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
} from "node:fs";
import { readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { showEngine, switchEngine } from "../../sequencer/cli/engine-switch.ts";
import { cometBlockRange } from "../../sequencer/cometbft/stores/blocks.ts";
import { openEngineHome } from "../../sequencer/engine/engine-home.ts";
import { type Home, homeAt } from "../../sequencer/node/home.ts";
import {
  checkHomeEngine,
  type EngineName,
  engineOfHome,
  setEngineOfHome,
} from "../../sequencer/node/home-engine.ts";
import { lockHome } from "../../sequencer/store/home-lock.ts";
import { openLevelKeyValueStore } from "../../sequencer/store/level-key-value-store.ts";

const CAPTURED = fileURLToPath(new URL("cometbft-home/", import.meta.url));
/** The last block of the captured home. */
const LAST = 8;
/** More than the steps that a change has. */
const STEPS_MAX = 20;

let home: Home;
let printed: string[];
beforeEach(async () => {
  home = homeAt(mkdtempSync(join(tmpdir(), "weft-switch-")));
  mkdirSync(home.configDir);
  mkdirSync(home.dataDir);
  mkdirSync(home.cometbftDir);
  cpSync(join(CAPTURED, "data"), join(home.cometbftDir, "data"), { recursive: true });
  cpSync(join(CAPTURED, "data", "priv_validator_state.json"), home.validatorStateFile);
  cpSync(join(CAPTURED, "genesis.json"), home.genesisFile);
  cpSync(join(CAPTURED, "priv_validator_key.json"), home.validatorKeyFile);
  chmodSync(home.validatorKeyFile, 0o600);
  writeFileSync(home.configFile, "");
  await setEngineOfHome(home, "cometbft");
  printed = [];
  vi.spyOn(process.stdout, "write").mockImplementation((text) => {
    printed.push(String(text));
    return true;
  });
});
afterEach(() => {
  vi.restoreAllMocks();
  rmSync(home.root, { recursive: true, force: true });
});

async function change(to: EngineName, more: { prune?: boolean; onStep?: () => void } = {}) {
  await switchEngine(home.root, { to, prune: false, isJson: true, ...more }, {});
  return JSON.parse(printed.at(-1) ?? "") as Record<string, unknown>;
}

/** The height that an engine would go on from. */
async function heightOf(engine: EngineName): Promise<number> {
  if (engine === "cometbft") {
    const path = join(home.cometbftDir, "data", "blockstore.db");
    const blocks = await openLevelKeyValueStore(path);
    const { height } = await cometBlockRange(blocks);
    await blocks.close();
    return height;
  }
  const stores = await openEngineHome({
    dataDirectory: home.dataDir,
    privValidatorKeyPath: home.validatorKeyFile,
  });
  const height = stores.blockStore.height();
  await stores.close();
  return height;
}

/** Throws at the step of that number, from 1. */
function crashAt(step: number): () => void {
  let count = 0;
  return () => {
    count += 1;
    if (count === step) throw new Error("crash");
  };
}

const OTHER = { embedded: "cometbft", cometbft: "embedded" } as const;

describe("weft engine switch", () => {
  it("behavior: the data changes hands, and the old engine's is kept where nothing opens it", async () => {
    expect(await change("embedded")).toMatchObject({
      engine: "embedded",
      converted: true,
      base: 1,
      height: LAST,
      retired: [{ engine: "cometbft", path: join(home.cometbftDir, "retired", "cometbft-8") }],
    });
    expect(await engineOfHome(home)).toBe("embedded");
    expect(await heightOf("embedded")).toBe(LAST);
    expect(readdirSync(home.cometbftDir)).toEqual(["retired"]);
    await expect(checkHomeEngine(home, "cometbft")).rejects.toMatchObject({
      code: "CONFIG_OTHER_ENGINE",
    });

    expect(await change("embedded")).toMatchObject({ engine: "embedded", converted: false });

    expect(await change("cometbft", { prune: true })).toMatchObject({
      engine: "cometbft",
      converted: true,
      height: LAST,
      retired: [],
      pruned: [expect.stringContaining("embedded-8"), expect.stringContaining("cometbft-8")],
    });
    expect(await heightOf("cometbft")).toBe(LAST);
    expect(readdirSync(home.dataDir).filter((name) => name.endsWith(".db"))).toEqual([]);
  });

  it.each(["embedded", "cometbft"] as const)(
    "behavior: interrupted anywhere on the way to %s, it is finished by the next run",
    { timeout: 120_000 },
    async (to) => {
      if (to === "cometbft") await change("embedded");
      const from = OTHER[to];
      const begin = join(tmpdir(), `weft-switch-begin-${process.pid}-${to}`);
      cpSync(home.root, begin, { recursive: true });
      let interrupted = 0;
      for (let step = 1; step <= STEPS_MAX; step++) {
        rmSync(home.root, { recursive: true });
        cpSync(begin, home.root, { recursive: true });
        const isOver = await change(to, { onStep: crashAt(step) }).then(
          () => true,
          (error: unknown) => {
            expect(String(error)).toContain("crash");
            return false;
          },
        );
        if (isOver) break;
        interrupted += 1;
        // Until the new data is whole the old engine starts; from then on none does.
        const isUsable = step > 1 || (await heightOf(from)) === LAST;
        expect(isUsable).toBe(true);
        const codes = await Promise.all(
          (["embedded", "cometbft"] as const).map((engine) =>
            checkHomeEngine(home, engine).then(
              () => engine,
              (error: { code: string }) => error.code,
            ),
          ),
        );
        const expected = step === 1 ? [from, "CONFIG_OTHER_ENGINE"] : ["CONFIG_SWITCH_UNFINISHED"];
        expect([...new Set(codes)].sort(), `step ${step}`).toEqual([...expected].sort());

        await change(to);
        expect(await engineOfHome(home), `step ${step}`).toBe(to);
        expect(await heightOf(to), `step ${step}`).toBe(LAST);
        const report = await change(to);
        expect(report["retired"], `step ${step}`).toHaveLength(to === "cometbft" ? 2 : 1);
      }
      expect(interrupted).toBeGreaterThan(5);
      rmSync(begin, { recursive: true });
    },
  );

  it("behavior: a change that was interrupted may be taken back", async () => {
    await expect(change("embedded", { onStep: crashAt(4) })).rejects.toThrow("crash");
    await showEngine(home.root, true);
    expect(JSON.parse(printed.at(-1) ?? "")).toMatchObject({
      engine: null,
      unfinishedSwitchTo: "embedded",
    });
    expect(await change("cometbft")).toMatchObject({
      engine: "cometbft",
      converted: true,
      finishedSwitchTo: "embedded",
    });
    expect(await heightOf("cometbft")).toBe(LAST);
  });

  it("behavior: a home that no engine has begun needs no conversion", async () => {
    rmSync(join(home.cometbftDir, "data"), { recursive: true });
    rmSync(home.engineFile);
    expect(await change("cometbft")).toEqual({
      engine: "cometbft",
      converted: false,
      retired: [],
      pruned: [],
      next: expect.stringContaining(`weft start --home ${home.root} --engine cometbft;`),
    });
    expect(readFileSync(home.engineFile, "utf8")).toBe("cometbft\n");
  });

  it("error: refused while a node has the home", async () => {
    const lock = await lockHome(home.dataDir);
    await expect(change("embedded")).rejects.toMatchObject({ code: "STORE_LOCKED" });
    await lock.release();
  });

  it("error: a signer's state that cannot be read leaves everything as it was", async () => {
    writeFileSync(home.validatorStateFile, "{");
    const before = readdirSync(home.dataDir).filter((name) => name !== "lock");
    await expect(change("embedded")).rejects.toMatchObject({ code: "PRIVVAL_STATE_FILE" });
    expect(readdirSync(home.dataDir).filter((name) => name !== "lock")).toEqual(before);
    expect(await engineOfHome(home)).toBe("cometbft");
    expect(await heightOf("cometbft")).toBe(LAST);
  });

  it.runIf(process.platform === "linux" && existsSync("/usr/bin/flock"))(
    "error: refused while a CometBFT that lost its node still has the databases",
    async () => {
      const lock = join(home.cometbftDir, "data", "state.db", "LOCK");
      const holder = spawn("/usr/bin/flock", [lock, "cat"], { stdio: ["pipe", "pipe", "ignore"] });
      const isHeld = new Promise((resolve) => holder.stdout.once("data", resolve));
      holder.stdin.write("held");
      await isHeld;
      await expect(change("embedded")).rejects.toMatchObject({ code: "STORE_COMETBFT_IN_USE" });
      const exited = new Promise((resolve) => holder.on("exit", resolve));
      holder.stdin.end();
      await exited;
      expect(await change("embedded")).toMatchObject({ converted: true });
    },
  );
});
