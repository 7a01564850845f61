/** The model of stake finds faults that were put into the rules on purpose (`test/staking-model/mutations.ts`). */
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { STAKING_MUTATIONS } from "../staking-model/mutations.ts";

const BUILT = new URL("../../dist/", import.meta.url);

/** Found within a few stories; `npm run staking:model -- --mutations` runs all of them. */
const QUICK: readonly (readonly [name: string, failure: RegExp])[] = [
  ["shares-rounded-up", /S4: shares of v\d have lost/],
  ["jailed-vote-on", /S5 updates: expected v\d 0/],
  ["no-token-budget", /S7: \d+ burned, \d+ owed/],
  ["unsettled-power", /S12 (pool|rewards): /],
];

test.each(STAKING_MUTATIONS)("mutation $name changes the code that it means", async (mutation) => {
  for (const { file, find } of mutation.patches) {
    const text = await readFile(new URL(file, BUILT), "utf8");
    expect(text.split(find).length - 1, `${file}: ${find}`).toBe(1);
  }
});

test.each(QUICK)("mutation %s is found by the model and told shortly", async (name, failure) => {
  const program = new URL("test/staking-model/main.js", BUILT).pathname;
  const { code, output } = await new Promise<{ code: unknown; output: string }>((resolve) => {
    execFile(
      process.execPath,
      [program, "--mutant", name, "--commands", "3000", "--seed", "1"],
      (error, output) => {
        resolve({ code: error?.code, output });
      },
    );
  });
  expect(code).toBe(1);
  expect(output).toMatch(failure);
  expect(output).toContain("again: npm run staking:model -- --seed ");
  expect(output.split("\n").length, output).toBeLessThan(25);
});
