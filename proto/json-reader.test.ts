import { describe, expect, test } from "vitest";
import { isShallowJson, JsonNode, parseJson } from "./json-reader.ts";
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

  test("integers are held to what Go's types of them take", () => {
    const node = (value: unknown) => new JsonNode(value);
    for (const value of [-(1n << 63n), (1n << 63n) - 1n]) {
      expect(node(String(value)).bigint()).toBe(value);
    }
    for (const value of [-(1n << 63n) - 1n, 1n << 63n]) {
      expect(() => node(String(value)).bigint(), String(value)).toThrow("-2^63 to 2^63 - 1");
    }
    for (const value of [0n, (1n << 64n) - 1n]) {
      expect(node(String(value)).unsigned()).toBe(value);
    }
    for (const value of ["-1", "-0", String(1n << 64n), -1]) {
      expect(() => node(value).unsigned(), String(value)).toThrow("0 to 2^64 - 1");
    }
    expect(node(undefined).unsigned()).toBe(0n);
    expect(node(7).count(7)).toBe(7);
    expect(() => node(8).count(7)).toThrow("an integer of 7 at most, got 8");
  });

  test("what is wrong is told without repeating all of it", () => {
    const long = JSON.stringify({ a: "x".repeat(5_000) });
    expect(() => parseJson(long).get("a").height()).toThrow(/^.{1,200}$/s);
    expect(() => parseJson("[1,2]").get("a")).toThrow("expected an object, got an array of 2");
  });
});
