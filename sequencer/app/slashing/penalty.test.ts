import { beforeEach, expect, test } from "vitest";
import { StakeWorld, type TestValidator } from "../../../test/support/stake-world.ts";
import { SLASHED, VALIDATORS } from "../state/tables.ts";
import { type Penalty, punish } from "./penalty.ts";
import type { SlashOutcome } from "./slash.ts";

let world: StakeWorld;
let alice: TestValidator;

beforeEach(() => {
  world = new StakeWorld({ params: { epochLength: 1_000, unbondingSeconds: 5_000 } });
  alice = world.addValidator("alice", 10_000_000n);
  world.start();
});

test("faults that come to light in one jail cost as much as the worst of them", () => {
  expect(punished(jail(100)).burned).toBe(100_000n);
  expect(punished(jail(100)).burned).toBe(0n);
  expect(punished(jail(300)).burned).toBe(200_000n);
  expect(punished(jail(200)).burned).toBe(0n);
  expect(world.ctx.burned).toBe(300_000n);
});

test("faults of two jails add up", () => {
  punished(jail(100));
  world.ctx.advance({ seconds: 60 });
  expect(punished(jail(100)).burned).toBe(100_000n);
});

test("signing twice costs its part whatever else was punished", () => {
  punished(jail(100));
  expect(punished({ kind: "tombstone", fractionBps: 500 }).burned).toBe(500_000n);
});

test("a fine costs each time, within the same bound, and leaves the validator where it is", () => {
  const fine: Penalty = { kind: "fine", fractionBps: 100 };
  expect([punished(fine).burned, punished(fine).burned]).toEqual([100_000n, 100_000n]);
  expect(world.ctx.records.get(VALIDATORS, alice.address)?.jailed).toBe(false);
  punished(jail(9_700));
  expect(punished(fine).burned, "the hundredth part that is left").toBe(100_000n);
  expect(punished(fine).burned).toBe(0n);
});

test("within an unbonding time a validator loses at most what its power stood for", () => {
  expect(punished(jail(6_000)).burned).toBe(6_000_000n);
  world.ctx.advance({ seconds: 60 });
  world.delegate(alice, alice.operator, 20_000_000n);
  expect(punished(jail(6_000)).burned).toBe(4_000_000n);
  world.ctx.advance({ seconds: 60 });
  expect(punished(jail(6_000)).burned).toBe(0n);
  expect(world.ctx.records.get(VALIDATORS, alice.address)?.jailed).toBe(true);
  world.ctx.advance({ seconds: 5_000 - 120 });
  expect(punished(jail(6_000)).burned).toBe(6_000_000n);
  expect(world.ctx.records.get(SLASHED, alice.address)?.entries).toHaveLength(2);
});

/** For a minute. */
function jail(fractionBps: number): Penalty {
  return { kind: "jail", fractionBps, jailSeconds: 60 };
}

function punished(penalty: Penalty): SlashOutcome {
  const { ctx } = world;
  const offence = { validator: alice.address, height: ctx.height - 1, power: 10n, reason: "test" };
  const outcome = punish(ctx, offence, penalty);
  ctx.checkSupply();
  return outcome;
}
