import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { builtProgram, COMETBFT_VERSION, findCometBft } from "./binary.ts";

let root = "";
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), "weft-binary-"));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

/** A program in `folder` that answers `version` with `text`. */
function program(folder: string, text: string, mode = 0o755): string {
  const path = join(root, folder, "cometbft");
  mkdirSync(join(root, folder), { recursive: true });
  writeFileSync(path, `#!/bin/sh\necho "${text}"\n`, { mode });
  return path;
}
/** An installation without a built binary, so that the one of this checkout does not count. */
const bare = () => join(root, "bare");

describe("the CometBFT binary", () => {
  test("is the pinned version, here and in the Go module", () => {
    const module = fileURLToPath(new URL("../../ops/cometbft/go.mod", import.meta.url));
    expect(readFileSync(module, "utf8")).toContain(
      `github.com/cometbft/cometbft v${COMETBFT_VERSION}\n`,
    );
  });

  test("is the one that the environment names, before the built one, before the path's", async () => {
    const named = program("named", `${COMETBFT_VERSION}+abc`);
    const built = program("installed/ops/cometbft/bin", COMETBFT_VERSION);
    const onPath = program("path", `v${COMETBFT_VERSION}`);
    const installation = join(root, "installed");
    const environment = { PATH: `${join(root, "nowhere")}:${join(root, "path")}` };
    const version = COMETBFT_VERSION;
    expect(
      await findCometBft({ environment: { ...environment, WEFT_COMETBFT: named }, installation }),
    ).toEqual({ path: named, version });
    expect(await findCometBft({ environment, installation })).toEqual({ path: built, version });
    expect(await findCometBft({ environment, installation: bare() })).toEqual({
      path: onPath,
      version,
    });
    expect(builtProgram("cometbft", installation)).toBe(built);
    expect(builtProgram("abci-cli", installation)).toBeUndefined();
  });

  test("may be another 0.38 only where the environment names it", async () => {
    const other = program("other", "0.38.17");
    expect(
      (await findCometBft({ environment: { WEFT_COMETBFT: other }, installation: bare() })).version,
    ).toBe("0.38.17");
    await expect(
      findCometBft({ environment: { PATH: join(root, "other") }, installation: bare() }),
    ).rejects.toThrow(`is CometBFT 0.38.17, expected ${COMETBFT_VERSION}: "npm run cometbft"`);
    await expect(
      findCometBft({ environment: { WEFT_COMETBFT: program("v1", "1.0.1") } }),
    ).rejects.toMatchObject({ code: "COMETBFT_VERSION_WRONG" });
  });

  test("that is nowhere, is no program or says no version is refused with what to do", async () => {
    await expect(
      findCometBft({ environment: { PATH: bare() }, installation: bare() }),
    ).rejects.toThrow(/no cometbft in WEFT_COMETBFT, ops\/cometbft\/bin or PATH.*npm run cometbft/);
    const plain = program("plain", COMETBFT_VERSION, 0o644);
    await expect(findCometBft({ environment: { WEFT_COMETBFT: plain } })).rejects.toMatchObject({
      code: "COMETBFT_NOT_FOUND",
      message: expect.stringMatching(/this user may not run: .* \(unset WEFT_COMETBFT\)/),
    });
    const folder = join(root, "plain");
    await expect(findCometBft({ environment: { WEFT_COMETBFT: folder } })).rejects.toThrow(
      /which is a folder, not the program in it: .* \(unset WEFT_COMETBFT\)/,
    );
    await expect(
      findCometBft({ environment: { WEFT_COMETBFT: program("silent", "hello") } }),
    ).rejects.toMatchObject({
      code: "COMETBFT_UNUSABLE",
      message: expect.stringMatching(/did not say a version: hello.*unset WEFT_COMETBFT/),
    });
    const mute = findCometBft({ environment: { WEFT_COMETBFT: program("mute", "") } });
    await expect(mute).rejects.toThrow(/did not say a version: it said nothing; expected/);
  });

  test("that hangs is ended, and named", async () => {
    const hanging = program("hanging", "");
    writeFileSync(hanging, "#!/bin/sh\ntrap '' TERM\nwhile :; do sleep 1; done\n", { mode: 0o755 });
    await expect(
      findCometBft({ environment: { WEFT_COMETBFT: hanging }, versionTimeoutMs: 100 }),
    ).rejects.toMatchObject({
      code: "COMETBFT_UNUSABLE",
      message: expect.stringMatching(/did not answer within 0\.1 s and was ended.*unset/),
    });
  });
});
