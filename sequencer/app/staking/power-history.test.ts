import { expect, test } from "vitest";
import {
  addValidator,
  createStakingChain,
  nextEpoch,
} from "../../../test/support/staking-fixtures.ts";
import { jail } from "../slashing/jail.ts";
import { POWERS } from "../state/tables.ts";
import { POWER_CHANGES_KEPT } from "./limits.ts";
import { powerAt, recordPower, slashableThrough } from "./power-history.ts";

test("behavior: what is too far back counts with the larger of its powers", () => {
  const ctx = createStakingChain();
  const { validator } = addValidator(ctx, 1);
  for (let n = 1; n <= POWER_CHANGES_KEPT; n++) {
    recordPower(ctx, validator, n === 1 ? 500n : BigInt(n));
    ctx.advance();
  }
  expect(powerAt(ctx, validator, 4)).toBe(2n);
  recordPower(ctx, validator, 7n);
  expect(ctx.records.get(POWERS, validator)?.changes).toHaveLength(POWER_CHANGES_KEPT);
  expect(powerAt(ctx, validator, 4), "not less than it had").toBe(500n);
  expect(powerAt(ctx, validator, 5)).toBe(3n);
  expect(powerAt(ctx, validator, ctx.height + 2)).toBe(7n);
});

test("behavior: stake answers for as long as the power that it gave votes", () => {
  const ctx = createStakingChain({ params: { epochLength: 10 } });
  const one = addValidator(ctx, 1);
  addValidator(ctx, 2);
  expect(slashableThrough(ctx, one.validator), "it never voted").toBe(0);
  nextEpoch(ctx);
  // Heights 2 to 11; what block 11 returns is in force at 13.
  expect(slashableThrough(ctx, one.validator)).toBe(12);
  ctx.advance({ blocks: 3 });
  expect(slashableThrough(ctx, one.validator)).toBe(12);
  jail(ctx, one.validator, 0);
  nextEpoch(ctx);
  ctx.advance({ blocks: 50 });
  // It left with block 5: its last vote is on height 6.
  expect(slashableThrough(ctx, one.validator)).toBe(6);
});
