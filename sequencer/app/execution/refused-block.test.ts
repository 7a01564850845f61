import { expect, test } from "vitest";
import { type CodeName, CODES } from "../codes.ts";
import { type BlockCheck, checkOfFault, refusalText, refused } from "./refused-block.ts";

test.each<[CodeName, boolean, BlockCheck]>([
  ["NONCE_USED", false, "P9"],
  ["UNORDERED_SEEN", false, "P9"],
  ["UNORDERED_FULL", true, "P9"],
  ["BUNDLE_EARLY", true, "P8"],
  ["BUNDLE_NONCE", true, "P8"],
  ["ATOMIC_ROLLUP", true, "P8"],
  ["EXECUTOR_DONE", true, "P8"],
  ["BID_TOO_MANY", true, "P11"],
  ["SEAL_FULL", false, "P11"],
  ["TX_PROOF", false, "P11"],
  ["SEAL_KEY_OLD", true, "P11"],
  ["SEAL_DEAL_BAD", false, "TX"],
  ["TX_SIGNATURE", false, "TX"],
  ["FEE_TOO_LOW", true, "TX"],
])("behavior: %s belongs to a check (strict: %s): %s", (code, isStrict, check) => {
  expect(CODES[code]).toBeDefined();
  expect(checkOfFault(code, isStrict)).toBe(check);
});

test("behavior: a refusal says check, code and reason in one line", () => {
  expect(refusalText(refused("P9", "LANE_ORDER", "item 3"))).toBe("P9 LANE_ORDER: item 3");
});
