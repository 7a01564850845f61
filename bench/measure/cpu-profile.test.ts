import { describe, expect, it } from "vitest";
import { hottest } from "./cpu-profile.ts";

function profile(selfMs: Readonly<Record<string, number>>): string {
  const names = Object.keys(selfMs);
  return JSON.stringify({
    nodes: names.map((functionName, id) => ({
      id,
      callFrame: {
        functionName,
        url: functionName.startsWith("(") ? "" : "file:///srv/weft/dist/proto/hash.js",
        lineNumber: 4,
      },
    })),
    samples: names.map((_, id) => id),
    timeDeltas: Object.values(selfMs).map((ms) => ms * 1_000),
  });
}

describe("hottest", () => {
  it("sums self time over processes and leaves idle time out of the shares", () => {
    const texts = [
      profile({ sha256: 20, "(idle)": 900, verify: 30 }),
      profile({ sha256: 40, "(garbage collector)": 10 }),
    ];
    expect(hottest(texts, 2)).toEqual([
      { where: "sha256 proto/hash.js:5", selfMs: 60, share: 0.6 },
      { where: "verify proto/hash.js:5", selfMs: 30, share: 0.3 },
    ]);
  });

  it("finds nothing in nothing", () => {
    expect(hottest([], 5)).toEqual([]);
  });
});
