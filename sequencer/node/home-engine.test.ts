import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { claimHome, engineOfHome, setEngineOfHome } from "./home-engine.ts";
import { type Home, homeAt } from "./home.ts";

let home: Home;
beforeEach(() => {
  home = homeAt(mkdtempSync(join(tmpdir(), "weft-home-engine-")));
  mkdirSync(home.dataDir);
});
afterEach(() => rmSync(home.root, { recursive: true, force: true }));

describe("the engine of a home", () => {
  it("behavior: a new home is whose starts first, and stays that engine's", async () => {
    expect(await engineOfHome(home)).toBeUndefined();
    await claimHome(home, "cometbft");
    expect(await engineOfHome(home)).toBe("cometbft");
    await claimHome(home, "cometbft");
    await expect(claimHome(home, "embedded")).rejects.toMatchObject({
      code: "CONFIG_OTHER_ENGINE",
      message: expect.stringContaining("weft engine switch --to embedded"),
    });
    expect(readFileSync(home.engineFile, "utf8")).toBe("cometbft\n");
  });

  it("behavior: blocks of before there was a choice are the embedded engine's", async () => {
    mkdirSync(join(home.dataDir, "blockstore.db"));
    expect(await engineOfHome(home)).toBe("embedded");
    await expect(claimHome(home, "cometbft")).rejects.toMatchObject({
      code: "CONFIG_OTHER_ENGINE",
    });
  });

  it("behavior: who converts the data says whose it is", async () => {
    await claimHome(home, "cometbft");
    await setEngineOfHome(home, "embedded");
    await expect(claimHome(home, "embedded")).resolves.toBeUndefined();
  });

  it("error: a file that names no engine is not taken for none", async () => {
    writeFileSync(home.engineFile, "comet\n");
    await expect(claimHome(home, "embedded")).rejects.toMatchObject({ code: "CONFIG_ENGINE_FILE" });
  });
});
