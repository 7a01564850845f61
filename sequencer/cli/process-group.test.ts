import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { exitCodeName } from "./exit-codes.ts";
import { createProcessGroup } from "./process-group.ts";

test("the first child that ends by itself is told with its exit code and its last words; the others stop", async () => {
  const root = mkdtempSync(join(tmpdir(), "weft-group-"));
  const entry = join(root, "child.mjs");
  writeFileSync(
    entry,
    `if (process.argv[2] === "bad") { process.stderr.write("weft: wrong key\\n"); process.exitCode = 4; }
     else { process.on("SIGTERM", () => process.exit(0)); setInterval(() => {}, 1_000); console.log("up"); }`,
  );
  const group = createProcessGroup(entry, () => {});
  const start = (name: string) =>
    new Promise<void>((resolve) => {
      group.start({
        name,
        args: [name],
        logFile: join(root, `${name}.log`),
        onLine: () => resolve(),
      });
    });
  await start("good");
  void start("bad");
  const failure = await group.failed;
  expect(failure).toMatchObject({ name: "bad", exitCode: 4 });
  expect(failure.reason).toMatch(/exit code 4\n.*wrong key/);
  expect(exitCodeName(failure.exitCode)).toBe("KEY");
  await group.stop(10_000);
  rmSync(root, { recursive: true });
});
