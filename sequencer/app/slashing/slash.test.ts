/** Hand-computed examples; amounts are nweft, 1,000,000 of them one unit of power. */
import { beforeEach, describe, expect, test } from "vitest";
import { StakeWorld, testAccount, type TestValidator } from "../../../test/support/stake-world.ts";
import { UNBONDINGS, VALIDATORS } from "../state/tables.ts";
import { type Slash, slash, type SlashOutcome } from "./slash.ts";

const DELEGATOR = testAccount("delegator");
const OTHER = testAccount("other");

let world: StakeWorld;
let alice: TestValidator;
let bob: TestValidator;

beforeEach(() => {
  world = new StakeWorld({ params: { epochLength: 100, unbondingSeconds: 1_000 } });
  alice = world.addValidator("alice", 1_000_000n);
  bob = world.addValidator("bob", 1_000_000n);
});

describe("a slash", () => {
  test("takes the fraction of the power's tokens from all delegations alike, and burns it", () => {
    world.delegate(alice, DELEGATOR, 3_000_000n);
    world.start();
    const outcome = slashNow(alice, { power: 4n, fractionBps: 500 });
    expect(outcome).toEqual({ burned: 200_000n, reward: 0n });
    expect(world.worth(alice, alice.operator)).toBe(950_000n);
    expect(world.worth(alice, DELEGATOR)).toBe(2_850_000n);
    expect(world.ctx.burned).toBe(200_000n);
    expect(world.ctx.pool("bonded")).toBe(4_800_000n);
    world.ctx.checkSupply();
  });

  test("counts the power at the infraction, not the tokens of today", () => {
    world.start();
    world.delegate(alice, DELEGATOR, 9_000_000n);
    expect(slashNow(alice, { power: 1n, fractionBps: 5_000 }).burned).toBe(500_000n);
    // 10,000,000 less 500,000: who joined since loses with the others (spec staking C1).
    expect(world.worth(alice, DELEGATOR)).toBe(8_550_000n);
  });

  test("takes no more than there is", () => {
    world.start();
    const { burned } = slashNow(alice, { power: 5n, fractionBps: 10_000 });
    expect(burned).toBe(1_000_000n);
    expect(world.ctx.records.get(VALIDATORS, alice.address)?.tokens).toBe(0n);
    world.ctx.checkSupply();
  });

  test("reaches what unbonds since, and takes the rest from the validator", () => {
    world.delegate(alice, DELEGATOR, 1_000_000n);
    world.start();
    world.undelegate(alice, DELEGATOR, 400_000n);
    expect(slashNow(alice, { power: 2n, fractionBps: 1_000 }).burned).toBe(200_000n);
    expect(balances(alice)).toEqual([360_000n]);
    // 1,600,000 less the other 160,000.
    expect(world.worth(alice, DELEGATOR)).toBe(540_000n);
    expect(world.worth(alice, alice.operator)).toBe(900_000n);
    world.ctx.checkSupply();
  });

  test("reaches an entry only up to the last height that its tokens voted on", () => {
    world.delegate(alice, DELEGATOR, 1_000_000n);
    world.start();
    world.undelegate(alice, DELEGATOR, 400_000n);
    const entries = world.ctx.records.get(UNBONDINGS, `${alice.address}/${DELEGATOR}`)?.entries;
    const through = entries?.[0]?.slashableThrough ?? 0;
    expect(through, "the power of the epoch under way holds the tokens").toBeGreaterThan(100);
    slashNow(alice, { power: 1n, fractionBps: 1_000, infractionHeight: through + 1 });
    expect(balances(alice)).toEqual([400_000n]);
    slashNow(alice, { power: 2n, fractionBps: 1_000, infractionHeight: through });
    expect(balances(alice)).toEqual([360_000n]);
  });

  test("leaves entries that have waited long enough", () => {
    world.delegate(alice, DELEGATOR, 1_000_000n);
    world.start();
    world.undelegate(alice, DELEGATOR, 400_000n);
    world.ctx.advance({ seconds: 1_000 });
    slashNow(alice, { power: 2n, fractionBps: 1_000, infractionHeight: 3 });
    expect(balances(alice)).toEqual([400_000n]);
    expect(world.ctx.burned, "all of it from the validator").toBe(200_000n);
  });

  test("cuts entries by their part when together they would give more than is owed", () => {
    world.start();
    // 3,000,000 that never had power leave within the epoch, as does all that had.
    world.delegate(alice, DELEGATOR, 3_000_000n);
    world.undelegate(alice, DELEGATOR, 3_000_000n);
    world.undelegate(alice, alice.operator, 1_000_000n);
    expect(slashNow(alice, { power: 1n, fractionBps: 5_000 }).burned).toBe(500_000n);
    expect(balances(alice)).toEqual([2_625_000n]);
    expect(balances(alice, alice.operator)).toEqual([875_000n]);
  });

  test("shares rounding out to the first entries, so that all that is owed is paid", () => {
    world.start();
    const accounts = ["a", "b", "c"].map(testAccount).sort();
    for (const account of accounts) {
      world.delegate(alice, account, 1_000_000n);
      world.undelegate(alice, account, 1_000_000n);
    }
    // 100 owed, and each of the three owes 100.
    expect(slashNow(alice, { power: 1n, fractionBps: 1 }).burned).toBe(100n);
    const left = accounts.flatMap((account) => balances(alice, account));
    expect(left).toEqual([999_966n, 999_967n, 999_967n]);
  });
});

describe("a slash after a redelegation", () => {
  test.each([
    { moved: 100n, left: 20n, fractionBps: 5_000, owed: 50n },
    { moved: 1_000n, left: 30n, fractionBps: 500, owed: 50n },
  ])(
    "takes $owed of $moved, $left of which unbond from the destination (spec staking C2)",
    ({ moved, left, fractionBps, owed }) => {
      world.delegate(alice, DELEGATOR, moved);
      world.start();
      world.redelegate(alice, bob, DELEGATOR, moved);
      world.undelegate(bob, DELEGATOR, left);
      const before = moved;
      slashNow(alice, { power: 1n, fractionBps });
      const [unbonding = 0n] = balances(bob);
      expect(before - unbonding - world.worth(bob, DELEGATOR)).toBe(owed);
      expect(unbonding, "of what is on its way out first").toBe(left > owed ? left - owed : 0n);
      expect(world.worth(bob, bob.operator), "nobody else at the destination loses").toBe(
        1_000_000n,
      );
      expect(world.ctx.burned).toBe((1_000_000n * BigInt(fractionBps)) / 10_000n);
      world.ctx.checkSupply();
    },
  );

  test("takes what was redelegated and all of which unbonds (GHSA-86h5-xcpx-cfqc)", () => {
    world.delegate(alice, DELEGATOR, 1_000_000n);
    world.start();
    world.redelegate(alice, bob, DELEGATOR, 1_000_000n);
    world.undelegate(bob, DELEGATOR, 1_000_000n);
    slashNow(alice, { power: 2n, fractionBps: 5_000 });
    expect(balances(bob)).toEqual([500_000n]);
    expect(world.worth(alice, alice.operator)).toBe(500_000n);
  });

  test("leaves what had begun to unbond from the destination before", () => {
    world.delegate(alice, DELEGATOR, 1_000_000n);
    world.delegate(bob, DELEGATOR, 500_000n);
    world.start();
    world.undelegate(bob, DELEGATOR, 500_000n);
    world.nextBlock();
    world.redelegate(alice, bob, DELEGATOR, 1_000_000n);
    slashNow(alice, { power: 2n, fractionBps: 5_000 });
    expect(balances(bob)).toEqual([500_000n]);
    expect(world.worth(bob, DELEGATOR)).toBe(500_000n);
  });

  test("does not take the same stake for two redelegations", () => {
    world.delegate(alice, DELEGATOR, 1_000_000n);
    world.start();
    world.redelegate(alice, bob, DELEGATOR, 600_000n);
    world.redelegate(alice, bob, DELEGATOR, 400_000n);
    world.undelegate(bob, DELEGATOR, 1_000_000n);
    // At the destination the entry loses half to a slash of its own: 500,000 are left of 1,000,000.
    slashNow(bob, { power: 2n, fractionBps: 5_000 });
    expect(balances(bob)).toEqual([500_000n]);
    const { burned } = slashNow(alice, { power: 2n, fractionBps: 10_000 });
    expect(balances(bob)).toEqual([0n]);
    expect(burned).toBe(1_500_000n);
    expect(world.worth(bob, bob.operator)).toBe(500_000n);
    world.ctx.checkSupply();
  });

  test("jails a destination whose operator is left with less than its minimum", () => {
    world = new StakeWorld({ params: { epochLength: 100 } });
    alice = world.addValidator("alice", 1_000_000n);
    bob = world.addValidator("bob", 1_000_000n, 1_000_000n);
    world.delegate(alice, bob.operator, 1_000_000n);
    world.start();
    world.redelegate(alice, bob, bob.operator, 1_000_000n);
    slashNow(bob, { power: 2n, fractionBps: 5_000 });
    expect(world.ctx.records.get(VALIDATORS, bob.address)?.jailed).toBe(false);
    slashNow(alice, { power: 2n, fractionBps: 5_000 });
    expect(world.worth(bob, bob.operator)).toBe(500_000n);
    expect(world.ctx.records.get(VALIDATORS, bob.address)?.jailed).toBe(true);
    world.ctx.checkSupply();
  });
});

describe("the reporter's reward", () => {
  test("is a part of what is cut, which is not burned", () => {
    world.start();
    const order = { power: 1n, fractionBps: 500, reporter: OTHER };
    expect(slashNow(alice, order)).toEqual({ burned: 45_000n, reward: 5_000n });
    expect(world.ctx.balance(OTHER)).toBe(5_000n);
    expect(world.ctx.burned).toBe(45_000n);
    world.ctx.checkSupply();
  });

  test("has a cap", () => {
    world.start();
    world.ctx.setParams({ whistleblowerRewardMax: 7n });
    const order = { power: 1n, fractionBps: 500, reporter: OTHER };
    expect(slashNow(alice, order)).toEqual({ burned: 49_993n, reward: 7n });
  });

  test("is nothing for the operator itself", () => {
    world.start();
    const order = { power: 1n, fractionBps: 500, reporter: alice.operator };
    expect(slashNow(alice, order)).toEqual({ burned: 50_000n, reward: 0n });
  });

  test("is at most what the operator lost, whose second account the reporter may be", () => {
    world.delegate(alice, DELEGATOR, 99_000_000n);
    world.start();
    // 5% of 100,000,000; the operator loses 50,000 of it.
    const order = { power: 100n, fractionBps: 500, reporter: OTHER };
    expect(slashNow(alice, order)).toEqual({ burned: 4_950_000n, reward: 50_000n });
  });

  test("counts what the operator lost on its way out", () => {
    world.delegate(alice, DELEGATOR, 9_000_000n);
    world.start();
    world.undelegate(alice, alice.operator, 1_000_000n);
    const order = { power: 10n, fractionBps: 500, reporter: OTHER };
    expect(slashNow(alice, order)).toEqual({ burned: 450_000n, reward: 50_000n });
    expect(balances(alice, alice.operator)).toEqual([950_000n]);
  });
});

/** Of something in the block before, unless it says otherwise. */
function slashNow(
  { address }: TestValidator,
  order: Pick<Slash, "power" | "fractionBps"> & Partial<Slash>,
): SlashOutcome {
  const infractionHeight = world.ctx.height - 1;
  return slash(world.ctx, { validator: address, infractionHeight, reason: "test", ...order });
}

/** What an account's unbonding entries hold. */
function balances({ address }: TestValidator, delegator = DELEGATOR): readonly bigint[] {
  const record = world.ctx.records.get(UNBONDINGS, `${address}/${delegator}`);
  return record?.entries.map(({ balance }) => balance) ?? [];
}
