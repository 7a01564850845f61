import * as fc from "fast-check";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { checkHomeEngine, setEngineOfHome } from "../node/home-engine.ts";
import { homeAt } from "../node/home.ts";
import { readKeyFile } from "./key-file.ts";
import { shellWord } from "./shell-word.ts";

test("a word that a shell takes as it is stays as it is, any other is quoted", () => {
  expect(shellWord("/srv/weft-1/home_2.old")).toBe("/srv/weft-1/home_2.old");
  expect(shellWord("/x/test net/validator-0")).toBe("'/x/test net/validator-0'");
  expect(shellWord("it's")).toBe(`'it'\\''s'`);
  expect(shellWord("[::1]:9090")).toBe("'[::1]:9090'");
  expect(shellWord("")).toBe("''");
});

test("property: a shell reads the words that were written", () => {
  const word = fc.string({
    unit: fc.constantFrom(..."a /'\"\\$`~*?[]{}();&|<>#!-\n\té".split("")),
  });
  const words = fc.array(word, { minLength: 1, maxLength: 20 });
  fc.assert(
    fc.property(words, (expected) => {
      const script = `printf '%s\\0' ${expected.map(shellWord).join(" ")}`;
      const read = execFileSync("sh", ["-c", script], { encoding: "utf8" });
      expect(read.split("\0").slice(0, -1)).toEqual(expected);
    }),
    { numRuns: 20 },
  );
});

test("commands of refusals can be copied for a home with a space", async () => {
  const folder = mkdtempSync(join(tmpdir(), "weft test net-"));
  const home = homeAt(join(folder, "validator 0"));
  const key = join(folder, "key.json");
  writeFileSync(key, "{}", { mode: 0o644 });
  expect(() => readKeyFile(key)).toThrow(`run: chmod 600 '${key}'`);
  execFileSync("mkdir", ["-p", home.dataDir, home.configDir]);
  await setEngineOfHome(home, "embedded");
  await expect(checkHomeEngine(home, "cometbft")).rejects.toThrow(
    `weft engine switch --to cometbft --home '${home.root}'`,
  );
  rmSync(folder, { recursive: true });
});
