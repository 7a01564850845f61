import { describe, expect, test } from "vitest";
import { isShallowJson, parseJson } from "./json-reader.ts";
import { JSON_DEPTH_MAX } from "./limits.ts";

const nested = (depth: number, open = "[", close = "]"): string =>
  `${open.repeat(depth)}1${close.repeat(depth)}`;

describe("reading JSON from elsewhere", () => {
  test("nesting ends at a limit, in arrays and in objects", () => {
    for (const [open, close] of [
      ["[", "]"],
      ['{"a":', "}"],
    ] as const) {
      expect(isShallowJson(nested(JSON_DEPTH_MAX, open, close))).toBe(true);
      expect(isShallowJson(nested(JSON_DEPTH_MAX + 1, open, close))).toBe(false);
    }
    expect(() => parseJson(nested(JSON_DEPTH_MAX + 1))).toThrow(/at most 100 deep/);
    expect(parseJson(nested(JSON_DEPTH_MAX)).items()).toHaveLength(1);
  });

  test("brackets side by side or inside strings do not nest", () => {
    expect(isShallowJson(`[${"[],".repeat(500)}[]]`)).toBe(true);
    expect(isShallowJson(`"${"[".repeat(500)}"`)).toBe(true);
    expect(isShallowJson(`{"a\\"${"{".repeat(500)}":"\\\\"}`)).toBe(true);
    expect(isShallowJson(`["\\\\",${nested(200)}]`)).toBe(false);
  });

  test("what is wrong is told without repeating all of it", () => {
    const long = JSON.stringify({ a: "x".repeat(5_000) });
    expect(() => parseJson(long).get("a").height()).toThrow(/^.{1,200}$/s);
    expect(() => parseJson("[1,2]").get("a")).toThrow("expected an object, got an array of 2");
  });
});
