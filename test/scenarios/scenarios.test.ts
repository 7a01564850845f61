import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import { runScenario } from "./scenario-driver.ts";

/** `UPDATE_SCENARIOS=1` writes what the core does now; read the difference before you commit it. */
const IS_UPDATE = process.env["UPDATE_SCENARIOS"] === "1";
const FOLDER = new URL(".", import.meta.url);

const files = readdirSync(FOLDER).filter((name) => name.endsWith(".txt"));

test("scenarios are there", () => {
  expect(files.length).toBeGreaterThan(20);
});

test.each(files)("behavior: %s", (name) => {
  const file = new URL(name, FOLDER);
  const expected = readFileSync(file, "utf8");
  const actual = runScenario(expected);
  if (IS_UPDATE) writeFileSync(file, actual);
  expect(actual).toBe(IS_UPDATE ? actual : expected);
});
