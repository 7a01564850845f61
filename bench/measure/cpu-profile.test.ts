import { describe, expect, it } from "vitest";
import { summarizeProfiles } from "./cpu-profile.ts";

interface Node {
  readonly name: string;
  readonly url?: string;
  readonly children?: readonly number[];
}

/** A profile from `startTime` on, one sample per entry: which node, for how many ms. */
function profile(nodes: readonly Node[], samples: readonly (readonly [number, number])[]): string {
  return JSON.stringify({
    nodes: nodes.map(({ name, url = "", children = [] }, id) => ({
      id,
      callFrame: { functionName: name, url, lineNumber: 4 },
      children,
    })),
    startTime: 1_000_000,
    samples: samples.map(([node]) => node),
    timeDeltas: samples.map(([, ms]) => ms * 1_000),
  });
}

const ALWAYS = [{ fromMicros: 0, toMicros: Number.POSITIVE_INFINITY }];
const NODES: readonly Node[] = [
  { name: "(root)", children: [1, 4] },
  { name: "checkTx", url: "file:///srv/weft/dist/sequencer/app/a.js", children: [2] },
  { name: "inflate", url: "file:///srv/weft/node_modules/lib/b.js", children: [3] },
  { name: "hash", url: "node:internal/crypto/hash" },
  { name: "(idle)" },
];

describe("summarizeProfiles", () => {
  it("sums over processes, by function and by the nearest one of ours, without idle time", () => {
    const summary = summarizeProfiles(
      [
        profile(NODES, [
          [1, 20],
          [3, 60],
          [4, 900],
        ]),
        profile(NODES, [[2, 20]]),
      ],
      ALWAYS,
      9,
    );
    expect(summary.busyMs).toBe(100);
    expect(summary.self).toEqual([
      { where: "hash node:internal/crypto/hash:5", ms: 60, share: 0.6 },
      { where: "checkTx sequencer/app/a.js:5", ms: 20, share: 0.2 },
      { where: "inflate lib/b.js:5", ms: 20, share: 0.2 },
    ]);
    expect(summary.own).toEqual([{ where: "checkTx sequencer/app/a.js:5", ms: 100, share: 1 }]);
  });

  it("leaves out what lies outside of the windows", () => {
    const text = profile(NODES, [
      [1, 10],
      [3, 10],
      [1, 10],
    ]);
    const window = { fromMicros: 1_015_000, toMicros: 1_025_000 };
    expect(summarizeProfiles([text], [window], 9).self).toEqual([
      { where: "hash node:internal/crypto/hash:5", ms: 10, share: 1 },
    ]);
  });

  it("finds nothing in nothing", () => {
    expect(summarizeProfiles([], ALWAYS, 5)).toEqual({ busyMs: 0, self: [], own: [] });
  });
});
