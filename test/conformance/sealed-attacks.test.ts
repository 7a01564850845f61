/** docs/sealed-attacks.md names tests that are there. */
import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";

const ROOT = new URL("../../", import.meta.url);
const page = await readFile(new URL("docs/sealed-attacks.md", ROOT), "utf8");
/** A file, and the names that follow it up to the next one. */
const NAMED = /`([\w./-]+\.test\.ts)`: ((?:"[^"]+"(?:; )?)+)/g;
const named = [...page.matchAll(NAMED)].map(([, file = "", names = ""]) => ({
  file,
  names: [...names.matchAll(/"([^"]+)"/g)].map(([, name = ""]) => name),
}));

test("the page names tests", () => {
  expect(named.length).toBeGreaterThan(30);
});

test.each(named)("$file has the tests that the page names", async ({ file, names }) => {
  const text = await readFile(new URL(file, ROOT), "utf8");
  for (const name of names) expect(text, name).toContain(name);
});
