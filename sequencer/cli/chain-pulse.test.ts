import { expect, test } from "vitest";
import { describeOldHead, headAgeMs, isHeadOld } from "./chain-pulse.ts";

const NOW = Date.parse("2026-11-20T14:01:15Z");
const status = (over: object = {}) => ({
  sync_info: {
    latest_block_height: "7",
    latest_block_time: "2026-11-20T14:00:00.123456789Z",
    catching_up: false,
    ...over,
  },
});

test("a head of a minute ago is old, one of a moment ago is not, and block sync is no fault", () => {
  expect(isHeadOld(status(), NOW)).toBe(true);
  expect(isHeadOld(status({ latest_block_time: "2026-11-20T14:01:14Z" }), NOW)).toBe(false);
  expect(isHeadOld(status({ catching_up: true }), NOW)).toBe(false);
  expect(headAgeMs(status({ latest_block_height: "0" }), NOW)).toBeUndefined();
});

test("the sentence names the age, and what consensus waits for", () => {
  expect(describeOldHead(status(), "height 8 is in round 1, step prevote", NOW)).toBe(
    "no block for 75 s: the chain stands, this node is cut off from it, or it failed (its /readyz and log say so); height 8 is in round 1, step prevote",
  );
  expect(describeOldHead(status(), undefined, NOW)).toMatch(/\(its \/readyz and log say so\)$/);
});
