import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  checkHomeEngine,
  claimHome,
  engineOfHome,
  type EngineName,
  type HomeClaim,
  setEngineOfHome,
} from "./home-engine.ts";
import { openSignStateFile, SignStep } from "../engine/privval/sign-state.ts";
import { NODE_FILE_SYSTEM } from "../ports/node-file-system.ts";
import { type Home, homeAt } from "./home.ts";

let home: Home;
beforeEach(() => {
  home = homeAt(mkdtempSync(join(tmpdir(), "weft-home-engine-")));
  mkdirSync(home.dataDir);
});
afterEach(() => rmSync(home.root, { recursive: true, force: true }));

async function claim(engine: EngineName): Promise<HomeClaim> {
  return await claimHome(home, await checkHomeEngine(home, engine), engine);
}

const UNUSED = { hasBlocks: false, isSignedElsewhere: false };

/** As either engine writes it with its first vote. */
async function signSomething(): Promise<void> {
  const file = await openSignStateFile(home.validatorStateFile, true, NODE_FILE_SYSTEM);
  const signed = { signature: new Uint8Array(64), signBytes: Uint8Array.of(1) };
  await file.save({ height: 1, round: 0, step: SignStep.PREVOTE, signed });
  await file.close();
}

describe("the engine of a home", () => {
  it("behavior: a home that ran under weft abci is told where its blocks have to come from", async () => {
    await setEngineOfHome(home, "cometbft");
    const blocks = join(home.root, "cometbft", "data");
    const refusal = async () => checkHomeEngine(home, "embedded");
    await expect(refusal()).rejects.toThrow(
      `goes on there, by "weft abci --home ${home.root}"; to change its engine, stop both, bring the data folder of its CometBFT to ${blocks}, then: weft engine switch --to embedded --home ${home.root}`,
    );
    mkdirSync(join(blocks, "blockstore.db"), { recursive: true });
    await expect(refusal()).rejects.toThrow(
      `by "weft start --home ${home.root} --engine cometbft"`,
    );
  });

  it("behavior: a new home is whose runs first, and stays that engine's", async () => {
    expect(await engineOfHome(home)).toBeUndefined();
    const first = await claim("cometbft");
    // A start that fails before its engine runs leaves no mark.
    expect(await engineOfHome(home)).toBeUndefined();
    await first.take();
    expect(await engineOfHome(home)).toBe("cometbft");
    await (await claim("cometbft")).take();
    await expect(claim("embedded")).rejects.toMatchObject({
      code: "CONFIG_OTHER_ENGINE",
      message: expect.stringContaining("weft engine switch --to embedded"),
    });
    expect(readFileSync(home.engineFile, "utf8")).toBe("cometbft\n");
  });

  it("behavior: databases that a failed first start has made bind the home to nobody", async () => {
    const owner = await checkHomeEngine(home, "embedded");
    mkdirSync(join(home.dataDir, "blockstore.db"));
    const first = await claimHome(home, owner, "embedded");
    expect(await engineOfHome(home)).toBeUndefined();
    await first.take();
    expect(await engineOfHome(home)).toBe("embedded");
    await first.giveBack(UNUSED);
    await (await claim("cometbft")).take();
    expect(await engineOfHome(home)).toBe("cometbft");
  });

  it("behavior: it is given back by who took it, while nothing is signed or decided", async () => {
    for (const traces of [
      { ...UNUSED, hasBlocks: true },
      { ...UNUSED, isSignedElsewhere: true },
    ]) {
      const kept = await claim("cometbft");
      await kept.take();
      await kept.giveBack(traces);
      expect(await engineOfHome(home)).toBe("cometbft");
      rmSync(home.engineFile);
    }
    const voted = await claim("cometbft");
    await voted.take();
    await signSomething();
    await voted.giveBack(UNUSED);
    expect(await engineOfHome(home)).toBe("cometbft");
    // Not this one's to give back.
    rmSync(home.validatorStateFile);
    const later = await claim("cometbft");
    await later.take();
    await later.giveBack(UNUSED);
    expect(await engineOfHome(home)).toBe("cometbft");
    await voted.giveBack(UNUSED);
    expect(await engineOfHome(home)).toBeUndefined();
  });

  it("behavior: blocks of before there was a choice are the embedded engine's", async () => {
    mkdirSync(join(home.dataDir, "blockstore.db"));
    expect(await engineOfHome(home)).toBe("embedded");
    const old = await claim("embedded");
    await old.take();
    await old.giveBack(UNUSED);
    expect(await engineOfHome(home)).toBe("embedded");
    await expect(claim("cometbft")).rejects.toMatchObject({
      code: "CONFIG_OTHER_ENGINE",
    });
  });

  it("behavior: who converts the data says whose it is", async () => {
    await (await claim("cometbft")).take();
    await setEngineOfHome(home, "embedded");
    await expect(claim("embedded")).resolves.toBeDefined();
  });

  it("error: a file that names no engine is not taken for none", async () => {
    writeFileSync(home.engineFile, "comet\n");
    await expect(claim("embedded")).rejects.toMatchObject({ code: "CONFIG_ENGINE_FILE" });
  });
});
