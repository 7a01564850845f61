/** The simulator finds faults that were put into the rules on purpose (`test/sim/mutations.ts`). */
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { MUTATIONS } from "../sim/mutations.ts";

const BUILT = new URL("../../dist/", import.meta.url);
const run = promisify(execFile);

/** Found within a few seeds; `npm run sim:mutations` runs all of them. */
const QUICK: readonly (readonly [name: string, failure: RegExp])[] = [
  ["quorum-of-half", /commit: node \d keeps one .* that does not hold/],
  ["send-before-log", /log before send: node \d sends a vote/],
  ["sign-state-not-synced", /signer before send: node \d sends a vote/],
  ["send-before-remembered", /signer before send: node \d sends a vote/],
];

test.each(MUTATIONS)("mutation $name changes the code that it means", async ({ patches }) => {
  expect(patches.length).toBeGreaterThan(0);
  for (const { file, find } of patches) {
    const text = await readFile(new URL(file, BUILT), "utf8");
    expect(text.split(find).length - 1, `${file}: ${find}`).toBe(1);
  }
});

test.each(QUICK)("mutation %s is found by the simulator", async (name, failure) => {
  const program = new URL("test/sim/mutations-main.js", BUILT).pathname;
  const { stdout } = await run(process.execPath, [program, "--seeds", "5", "--only", name]);
  expect(stdout).toMatch(failure);
  expect(stdout).toMatch(/1 of 1 mutations found/);
});
