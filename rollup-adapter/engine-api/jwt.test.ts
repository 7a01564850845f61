import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { readSecret } from "./jwt.ts";

const folder = mkdtempSync(join(tmpdir(), "weft-jwt-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function secretOf(text: string): Uint8Array {
  const file = join(folder, "jwt.hex");
  writeFileSync(file, text);
  return readSecret(file);
}

test("a secret is 32 bytes in hex, with or without 0x and an end of line", () => {
  const expected = new Uint8Array(32).fill(0xab);
  const hex = "aB".repeat(32);
  for (const text of [hex, `0x${hex}`, `${hex}\n`]) expect(secretOf(text)).toEqual(expected);
});

test("anything else is refused, and not repeated in the words", () => {
  for (const text of ["", "ab".repeat(31), "ab".repeat(33), `${"ab".repeat(31)}zz`]) {
    expect(() => secretOf(text)).toThrow(/is not a JWT secret: expected 32 bytes/);
  }
  expect(() => readSecret(join(folder, "none"))).toThrow(/cannot read the JWT secret/);
});
