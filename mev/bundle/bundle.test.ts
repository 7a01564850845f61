import { describe, expect, test } from "vitest";
import { Height } from "../../proto/brands.ts";
import type { BundleKeyState } from "../../proto/codec/mev-state.ts";
import { cancelBelow as belowNonce, cancelKey, version } from "../../test/support/bundles.ts";
import { cancelFault, cancelledKey, keyFault, nonceFault, usedKey } from "./replacement.ts";
import { earlyFault, windowFault } from "./window.ts";

const window = (minHeight: number, maxHeight: number) => ({ minHeight, maxHeight });

describe("windows", () => {
  test.each<[ReturnType<typeof window>, number, string | undefined]>([
    [window(0, 10), 10, undefined],
    [window(0, 10), 11, "BUNDLE_LATE"],
    [window(0, 110), 10, undefined],
    [window(0, 111), 10, "BUNDLE_WINDOW"],
    [window(5, 30), 10, undefined],
    [window(5, 31), 10, "BUNDLE_WINDOW"],
    [window(9, 8), 5, "BUNDLE_WINDOW"],
    [window(9, 9), 9, undefined],
  ])("%o at height %i: %s", (of, height, code) => {
    expect(windowFault(of, height)?.code).toBe(code);
  });

  test("behavior: one that is early has no other fault for it, and is due from its first height on", () => {
    expect(windowFault(window(9, 20), 8)).toBeUndefined();
    expect(earlyFault(window(9, 20), 8)?.code).toBe("BUNDLE_EARLY");
    expect(earlyFault(window(9, 20), 9)).toBeUndefined();
    expect(earlyFault(window(0, 20), 1)).toBeUndefined();
  });
});

describe("keys", () => {
  const record = (sequence: bigint, isUsed: boolean, until: number): BundleKeyState => ({
    sequence,
    isUsed,
    untilHeight: Height(until),
  });

  test("behavior: a used key takes nothing, a cancelled one only higher sequences", () => {
    expect(keyFault(undefined, version("k", 0))).toBeUndefined();
    expect(keyFault(record(5n, true, 9), version("k", 6))?.code).toBe("BUNDLE_SUPERSEDED");
    expect(keyFault(record(5n, false, 9), version("k", 5))?.code).toBe("BUNDLE_CANCELLED");
    expect(keyFault(record(5n, false, 9), version("k", 6))).toBeUndefined();
  });

  test("behavior: cancellations only grow, and a used key stays used, whatever comes in which order", () => {
    const cancels = [cancelKey("k", 3, 40), cancelKey("k", 7, 20)];
    for (const order of [cancels, cancels.toReversed()]) {
      const all = order.reduce<BundleKeyState | undefined>(cancelledKey, undefined);
      expect(all).toEqual(record(7n, false, 40));
    }
    expect(usedKey(undefined, 2n, 10)).toEqual(record(2n, true, 110));
    expect(cancelledKey(usedKey(undefined, 2n, 10), cancelKey("k", 9, 500))).toEqual(
      record(9n, true, 500),
    );
    expect(usedKey(record(1n, false, 500), 2n, 10)).toEqual(record(2n, true, 500));
  });

  test("behavior: a nonce voids what is below it", () => {
    expect(nonceFault(3n, 2n)?.code).toBe("BUNDLE_CANCELLED");
    expect(nonceFault(3n, 3n)).toBeUndefined();
  });

  test.each<[ReturnType<typeof cancelKey>, string | undefined]>([
    [cancelKey("k", 1, 9), "BUNDLE_UNTIL"],
    [cancelKey("k", 1, 10), undefined],
    [cancelKey("k", 1, 610), undefined],
    [cancelKey("k", 1, 611), "BUNDLE_UNTIL"],
    [belowNonce(4n), "BUNDLE_NONCE"],
    [belowNonce(5n), undefined],
  ])("cancellation %# at height 10, nonce 4: %s", (cancel, code) => {
    expect(cancelFault(cancel, 10, 4n)?.code).toBe(code);
  });
});
