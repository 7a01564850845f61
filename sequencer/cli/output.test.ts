import { afterEach, expect, test, vi } from "vitest";
import { printResult } from "./output.ts";

afterEach(() => vi.restoreAllMocks());

function printed(value: Readonly<Record<string, unknown>>, asJson: boolean): string {
  const write = vi.spyOn(process.stdout, "write").mockReturnValue(true);
  printResult(value, asJson);
  return String(write.mock.lastCall?.[0]);
}

test("people read moments as dates and durations as they are, programs seconds", () => {
  const value = {
    jailedUntilSeconds: 1_795_212_777,
    unbondingSeconds: 1_209_600,
    changedSeconds: 0,
  };
  const text = printed(value, false);
  expect(text).toContain("jailedUntilSeconds  1795212777  (2026-11-20T22:12:57Z)\n");
  expect(text).toMatch(/unbondingSeconds +1209600\n/);
  expect(text).toMatch(/changedSeconds +0\n/);
  expect(JSON.parse(printed(value, true))).toEqual(value);
});

test("what is empty is a dash", () => {
  expect(printed({ a: "", b: new Uint8Array(), c: null }, false)).toBe("a  -\nb  -\nc  -\n");
});
