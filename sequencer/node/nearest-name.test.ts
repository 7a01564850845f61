import { expect, test } from "vitest";
import { editDistance, nearestName } from "./nearest-name.ts";

test("the nearest of several names, the first of two that are as near, none that is far", () => {
  const known = ["epochLength", "unbondingBlocks", "validatorsMax", "validatorsMin"];
  expect(nearestName("epoch_length", known)).toBe("epochLength");
  expect(nearestName("validatorsMix", known)).toBe("validatorsMax");
  expect(nearestName("validatorsMxx", known)).toBe("validatorsMax");
  expect(nearestName("gas", known)).toBeUndefined();
  expect(nearestName("", known)).toBeUndefined();
});

test("distance in edits", () => {
  expect(editDistance("kitten", "sitting")).toBe(3);
  expect(editDistance("", "abc")).toBe(3);
  expect(editDistance("abc", "abc")).toBe(0);
});
