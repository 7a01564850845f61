import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { createProgram } from "./main.ts";
import { makeFolder, whyNoFolder } from "./make-folder.ts";

test("a folder that cannot be made is refused with the reason and the path that gives it", async () => {
  const folder = mkdtempSync(join(tmpdir(), "weft-folder-"));
  const file = join(folder, "file");
  writeFileSync(file, "");
  makeFolder(join(folder, "a", "b"));
  expect(existsSync(join(folder, "a", "b"))).toBe(true);
  for (const args of [["init"], ["keys", "list"], ["testnet"]]) {
    const option = args[0] === "testnet" ? "--output" : "--home";
    const program = await createProgram({ entry: "/nowhere", environment: {} }, args);
    await expect(
      program.parseAsync([...args, option, file], { from: "user" }),
      args[0],
    ).rejects.toThrow(`: ${file} is there and is no folder; choose another folder`);
  }
  const refusing = (code: string) => (): never => {
    throw Object.assign(new Error(`${code}: no`), { code });
  };
  const home = join(folder, "new", "home");
  expect(whyNoFolder(home, refusing("EROFS"))).toMatchObject({
    why: `: the file system of ${folder} is read-only`,
    cause: { code: "EROFS" },
  });
  expect(whyNoFolder(home, refusing("EACCES"))?.why).toBe(`: this user may not write in ${folder}`);
  expect(whyNoFolder(home, () => undefined)).toBeUndefined();
  rmSync(folder, { recursive: true });
});
