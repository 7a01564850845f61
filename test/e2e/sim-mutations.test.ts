/** The simulator finds faults that were put into the rules on purpose (`test/sim/mutations.ts`). */
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { MUTATIONS } from "../sim/mutations.ts";

const BUILT = new URL("../../dist/", import.meta.url);
const run = promisify(execFile);

/** Found within a few seeds; `npm run sim:mutations` runs all of them. */
const QUICK: readonly { readonly name: string; readonly failure: RegExp; readonly from: number }[] =
  [
    { name: "quorum-of-half", failure: /commit: node \d keeps one .* that does not hold/, from: 1 },
    { name: "send-before-log", failure: /log before send: node \d sends a vote/, from: 1 },
    { name: "sign-state-not-synced", failure: /signer before send: node \d sends a vote/, from: 1 },
    {
      name: "send-before-remembered",
      failure: /signer before send: node \d sends a vote/,
      from: 1,
    },
    // From the first seed with sealed transactions of four validators on.
    {
      name: "shares-too-early",
      failure: /front-running: votes of height \d+ open \w+, which is in no decided block/,
      from: 23,
    },
  ];

test.each(MUTATIONS)("mutation $name changes the code that it means", async ({ patches }) => {
  expect(patches.length).toBeGreaterThan(0);
  for (const { file, find } of patches) {
    const text = await readFile(new URL(file, BUILT), "utf8");
    expect(text.split(find).length - 1, `${file}: ${find}`).toBe(1);
  }
});

test.each(QUICK)("mutation $name is found by the simulator", async ({ name, failure, from }) => {
  const program = new URL("test/sim/mutations-main.js", BUILT).pathname;
  const { stdout } = await run(process.execPath, [
    program,
    "--seeds",
    "5",
    "--from",
    `${from}`,
    "--only",
    name,
  ]);
  expect(stdout).toMatch(failure);
  expect(stdout).toMatch(/1 of 1 mutations found/);
});
