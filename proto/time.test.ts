import { describe, expect, test } from "vitest";
import {
  addMs,
  addNanos,
  compareTime,
  formatTime,
  parseTime,
  timeFromMs,
  timeFromNanos,
  timeToMs,
  timeToNanos,
  weightedMedian,
} from "./time.ts";
import { ZERO_TIME } from "./types.ts";

describe("times", () => {
  test.each([
    ["0001-01-01T00:00:00Z", -62_135_596_800n, 0],
    ["1970-01-01T00:00:00Z", 0n, 0],
    ["1969-12-31T23:59:59.999999999Z", -1n, 999_999_999],
    ["2000-02-29T12:00:00.5Z", 951_825_600n, 500_000_000],
    ["2024-01-01T00:00:00.000000001Z", 1_704_067_200n, 1],
    ["9999-12-31T23:59:59.99999999Z", 253_402_300_799n, 999_999_990],
  ])("%s there and back, to the nanosecond", (text, seconds, nanos) => {
    expect(parseTime(text)).toEqual({ seconds, nanos });
    expect(formatTime({ seconds, nanos })).toBe(text);
  });

  test.each([
    ["2024-01-01T00:00:00.1234567899Z", "2024-01-01T00:00:00.123456789Z"],
    [`2024-01-01T00:00:00.${"0".repeat(9)}9Z`, "2024-01-01T00:00:00Z"],
    ["2024-01-01T00:00:00,5Z", "2024-01-01T00:00:00.5Z"],
    ["2024-01-01T1:02:03Z", "2024-01-01T01:02:03Z"],
  ])("%s is read as Go reads it", (text, written) => {
    expect(formatTime(parseTime(text))).toBe(written);
  });

  test("agrees with Date on days spread over four centuries", () => {
    for (let day = -80_000; day < 80_000; day += 17) {
      const ms = day * 86_400_000 + 43_200_123;
      const expected = new Date(ms).toISOString();
      expect(formatTime(timeFromMs(ms))).toBe(expected);
      expect(timeToMs(parseTime(expected))).toBe(ms);
    }
  });

  test("offsets are taken into account and trailing zeros trimmed", () => {
    const time = parseTime("2024-01-01T01:30:00.120+01:30");
    expect(formatTime(time)).toBe("2024-01-01T00:00:00.12Z");
    expect(formatTime(parseTime("2023-12-31T23:00:00-01:00"))).toBe("2024-01-01T00:00:00Z");
  });

  test.each([
    "",
    "2024-01-01",
    "2024-02-30T00:00:00Z",
    "2023-02-29T00:00:00Z",
    "2024-13-01T00:00:00Z",
    "2024-00-01T00:00:00Z",
    "2024-01-01T24:00:00Z",
    "2024-01-01T00:00:60Z",
    "2024-01-01T00:00:00",
    "2024-01-01T00:00:00.Z",
    "2024-01-01T00:00:00,Z",
    "2024-01-01T00:00:00.1,2Z",
    "2024-01-01T00:0:00Z",
    "2024-1-01T00:00:00Z",
    "2024-01-01T:00:00Z",
    "2024-01-01 00:00:00Z",
  ])("%j is refused", (text) => {
    expect(() => parseTime(text)).toThrow(/RFC 3339/);
  });

  test("arithmetic across the epoch", () => {
    const time = timeFromNanos(-1n);
    expect(time).toEqual({ seconds: -1n, nanos: 999_999_999 });
    expect(timeToNanos(addNanos(time, 2n))).toBe(1n);
    expect(addMs(ZERO_TIME, 1)).toEqual({ seconds: ZERO_TIME.seconds, nanos: 1_000_000 });
    expect(compareTime(ZERO_TIME, time)).toBeLessThan(0);
  });
});

describe("weighted median, against CometBFT's types/time/time_test.go", () => {
  const at = (seconds: number, weight: bigint) => ({
    time: { seconds: BigInt(seconds), nanos: 0 },
    weight,
  });
  test.each([
    [[at(5, 40n), at(10, 27n), at(0, 33n)], 5n],
    [[at(10, 33n), at(0, 40n), at(5, 27n)], 5n],
    [[at(15, 20n), at(5, 10n), at(0, 10n), at(10, 23n), at(5, 10n), at(60, 10n)], 10n],
  ])("case %#", (entries, seconds) => {
    expect(weightedMedian(entries).seconds).toBe(seconds);
    expect(weightedMedian(entries.toReversed()).seconds).toBe(seconds);
  });

  test("no entries give Go's zero time", () => {
    expect(weightedMedian([])).toEqual(ZERO_TIME);
  });
});
