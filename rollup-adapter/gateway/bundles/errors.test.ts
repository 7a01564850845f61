import { describe, expect, it } from "vitest";
import { CODES } from "../../../sequencer/app/codes.ts";
import { BUNDLE_ERRORS, errorOfChainCode } from "./errors.ts";

/** Codes of actions that no method of the gateway sends. */
const OF_OTHER_ACTIONS =
  /^(TRANSFER|ROLLUP_EXISTS|ROLLUP_DEPOSIT|ROLLUP_NOT_OWNER|QUERY|ATOMIC_UNKNOWN|ATOMIC_STATE|EXECUTOR_)/;
/** What the pool says of others' transactions, and of escrow, which is no business of a gateway. */
const NOT_ANSWERED = /^(OK|TX_KNOWN|POOL_REPLACED|POOL_ABSENT|POOL_TIMED_OUT|ESCROW_FULL|POLICY_)/;

describe("errors for searchers", () => {
  it("behavior: every code that a sender of bundles and bids may get has a name", () => {
    const unnamed = Object.entries(CODES).filter(
      ([name, { number }]) =>
        (number < 80 || number >= 260) &&
        !OF_OTHER_ACTIONS.test(name) &&
        !NOT_ANSWERED.test(name) &&
        errorOfChainCode(number) === "REFUSED",
    );
    expect(unnamed.map(([name]) => name)).toEqual([]);
    const seal = ["SEAL_LANE_OFF", "SEAL_KEY_OLD", "SEAL_KEY_NOT_YET"] as const;
    for (const name of seal) expect(errorOfChainCode(CODES[name].number)).toBe("KEYSET_EXPIRED");
  });

  it.each([
    ["BUNDLE_LATE", "RANGE_INVALID"],
    ["BUNDLE_SUPERSEDED", "STALE_SEQ"],
    ["BUNDLE_CANCELLED", "CANCELLED"],
    ["BUNDLE_FUNDS", "NOT_FUNDED"],
    ["BID_NOT_FUNDED", "NOT_FUNDED"],
    ["BID_TOO_MANY", "TOO_MANY_BIDS"],
    ["ATOMIC_ROLLUP", "POLICY_DISABLED"],
    ["ATOMIC_FULL", "RATE_LIMITED"],
    ["ATOMIC_FUNDS", "NOT_FUNDED"],
    ["ATOMIC_PARTNER", "POLICY_DISABLED"],
    ["ATOMIC_SENDER", "RATE_LIMITED"],
    ["SEAL_TOO_LATE", "RANGE_INVALID"],
    ["POOL_BUSY", "RATE_LIMITED"],
    ["HALT_NO_POWER", "REFUSED"],
  ] as const)("behavior: %s is %s", (code, name) => {
    expect(errorOfChainCode(CODES[code].number)).toBe(name);
  });

  it("behavior: no two names share a number", () => {
    const numbers = Object.values(BUNDLE_ERRORS);
    expect(new Set(numbers).size).toBe(numbers.length);
  });
});
