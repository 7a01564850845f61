import { describe, expect, it } from "vitest";
import { Height } from "../../../proto/brands.ts";
import { createStakingContext } from "../../../test/support/staking-context.ts";
import { numberKey, SEAL_COMMITS, SEALED } from "../state/tables.ts";
import { oldestUnresolved } from "./reader.ts";

describe("the oldest unresolved height", () => {
  it("behavior: is that of sealed items and commits together", () => {
    const { records } = createStakingContext();
    expect(oldestUnresolved({ records })).toBeUndefined();
    records.set(SEALED, numberKey(12), { key: 1, items: [] });
    records.set(SEALED, numberKey(7), { key: 1, items: [] });
    expect(oldestUnresolved({ records })).toBe(7);
    records.set(SEAL_COMMITS, numberKey(5), { revealHeight: Height(20), items: [] });
    expect(oldestUnresolved({ records })).toBe(5);
    records.set(SEAL_COMMITS, numberKey(5), undefined);
    records.set(SEALED, numberKey(7), undefined);
    expect(oldestUnresolved({ records })).toBe(12);
  });
});
