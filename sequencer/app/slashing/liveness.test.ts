import { beforeEach, describe, expect, test } from "vitest";
import { BlockIdFlag } from "../../../proto/types.ts";
import { fromHex } from "../../../proto/bytes.ts";
import { StakeWorld, type TestValidator } from "../../../test/support/stake-world.ts";
import type { VoteInfo } from "../../abci/application.ts";
import { MISSED, missedKey, SIGNING, VALIDATORS } from "../state/tables.ts";
import { unjail, unjailFault } from "./jail.ts";
import { recordSignatures } from "./liveness.ts";

const WINDOW = 20;
const UNJAIL = (validator: TestValidator) =>
  ({ kind: "unjail", validator: fromHex(validator.address) }) as const;

let world: StakeWorld;
let alice: TestValidator;
let bob: TestValidator;

beforeEach(() => {
  world = new StakeWorld({
    params: {
      epochLength: 5,
      signedWindow: WINDOW,
      minSignedBps: 5_000,
      downtimeJailSeconds: 600,
      downtimeJailMaxSeconds: 2_000,
    },
  });
  alice = world.addValidator("alice", 5_000_000n);
  bob = world.addValidator("bob", 5_000_000n);
  world.start();
});

describe("the window of signatures", () => {
  test("counts what was missed within it, and forgets what was before", () => {
    block({ absent: [alice] });
    const first = world.ctx.height - 2;
    expect(missed(alice)).toBe(1);
    expect(missed(bob)).toBe(0);
    for (let i = 1; i < WINDOW; i++) block({});
    expect(missed(alice)).toBe(1);
    expect(first % WINDOW, "the same place of the window").toBe((world.ctx.height - 1) % WINDOW);
    block({});
    expect(missed(alice)).toBe(0);
    checkBits(alice);
  });

  test("counts votes for nil as present", () => {
    block({ nil: [alice] });
    expect(missed(alice)).toBe(0);
  });

  test("writes nothing for validators whose bit stays as it is", () => {
    block({ absent: [alice] });
    const changes = (): readonly string[] => [...world.ctx.records.changes().keys()];
    const before = world.ctx.records.get(SIGNING, bob.address);
    const bits = world.ctx.records.get(MISSED, missedKey(alice.address, 0));
    block({});
    expect(world.ctx.records.get(SIGNING, bob.address), "the very same value").toBe(before);
    expect(world.ctx.records.get(MISSED, missedKey(alice.address, 0))).toBe(bits);
    expect(changes().some((key) => key.startsWith(`missed/${bob.address}`))).toBe(false);
  });

  test("counts as many as bits are set, over chunks, whatever is missed", () => {
    world.ctx.setParams({ signedWindow: 3_000, minSignedBps: 0 });
    for (let i = 0; i < 5_000; i++) block({ absent: (i * i) % 7 < 3 ? [alice] : [] }, 0);
    expect(missed(alice)).toBeGreaterThan(1_000);
    checkBits(alice);
  });

  test("starts anew when its length changes, and leaves no bits behind", () => {
    world.ctx.setParams({ signedWindow: 3_000, minSignedBps: 0 });
    for (let i = 0; i < 2_500; i++) block({ absent: [alice] }, 0);
    expect(missed(alice)).toBe(2_500);
    world.ctx.setParams({ signedWindow: 1_000 });
    block({});
    expect(world.ctx.records.get(SIGNING, alice.address)).toEqual({
      startHeight: world.ctx.height - 2,
      missed: 0,
      window: 1_000,
    });
    expect(chunks(alice)).toEqual([]);
    block({ absent: [alice] });
    expect(missed(alice)).toBe(1);
    checkBits(alice);
  });

  test("starts where a validator joins", () => {
    for (let i = 0; i < 10; i++) block({});
    const carol = world.addValidator("carol", 5_000_000n);
    until(
      () => power(carol) > 0n,
      () => block({}),
    );
    const told = world.ctx.height - 1;
    block({});
    block({});
    block({ absent: [carol] }, 1, [alice, bob, carol]);
    expect(world.ctx.records.get(SIGNING, carol.address)).toEqual({
      startHeight: told + 2,
      missed: 1,
      window: WINDOW,
    });
  });
});

describe("a validator that is down", () => {
  test("is judged after a whole window, jailed, and not slashed by default", () => {
    const before = world.worth(alice, alice.operator);
    const blocks = untilJailed(alice);
    // Its first height is the start; the window has to lie behind it.
    expect(blocks).toBe(WINDOW + 2);
    expect(validator(alice).jailedUntilSeconds).toBe(world.ctx.nowSeconds - 1 + 600);
    expect(power(alice), "told to the engine with the same block").toBe(0n);
    expect(world.worth(alice, alice.operator)).toBe(before);
    expect(world.ctx.records.get(SIGNING, alice.address)).toBeUndefined();
    expect(chunks(alice)).toEqual([]);
    expect(isJailed(bob)).toBe(false);
  });

  test("is jailed for more than the share that may be missed, not for just that share", () => {
    for (let i = 0; i < WINDOW; i++) block({});
    for (let i = 0; i < WINDOW / 2; i++) block({ absent: [alice] });
    block({});
    expect([missed(alice), isJailed(alice)]).toEqual([WINDOW / 2, false]);
    block({ absent: [alice] });
    expect(isJailed(alice)).toBe(true);
  });

  test("is jailed alike for votes without the shares that they owed", () => {
    const blocks = until(
      () => isJailed(alice),
      () => block(world.ctx.height % 2 === 0 ? { withoutShares: [alice] } : { absent: [alice] }),
    );
    expect(blocks).toBe(WINDOW + 2);
    expect(validator(alice).downtimeJails).toBe(1);
    expect(missed(bob)).toBe(0);
  });

  test("loses what the parameter says", () => {
    world.ctx.setParams({ downtimeSlashBps: 1 });
    untilJailed(alice);
    expect(world.worth(alice, alice.operator)).toBe(4_999_500n);
    expect(world.ctx.burned).toBe(500n);
    world.ctx.checkSupply();
  });

  test("is not counted while it votes on after its jail", () => {
    untilJailed(alice);
    block({ absent: [alice] });
    block({ absent: [alice] });
    expect(world.ctx.records.get(SIGNING, alice.address)).toBeUndefined();
  });

  test("waits twice as long each time that it does not hold out, up to a limit", () => {
    const jails: number[] = [];
    for (let i = 0; i < 4; i++) {
      untilJailed(alice);
      jails.push(validator(alice).jailedUntilSeconds - (world.ctx.nowSeconds - 1));
      comeBack(alice);
    }
    expect(jails).toEqual([600, 1_200, 2_000, 2_000]);
    for (let i = 0; i < 2 * WINDOW; i++) block({});
    untilJailed(alice);
    expect(validator(alice).jailedUntilSeconds - (world.ctx.nowSeconds - 1)).toBe(600);
    expect(validator(alice).downtimeJails).toBe(1);
  });
});

describe("unjail", () => {
  test("needs the operator, a jail that is over, and enough own stake", () => {
    const { ctx } = world;
    const fault = (sender: string): string | undefined =>
      unjailFault(ctx, sender, UNJAIL(alice))?.code;
    expect(fault(alice.operator)).toBe("UNJAIL_NOT_JAILED");
    untilJailed(alice);
    expect(fault(bob.operator)).toBe("VALIDATOR_NOT_OPERATOR");
    expect(fault(alice.operator)).toBe("UNJAIL_TOO_EARLY");
    ctx.advance({ seconds: validator(alice).jailedUntilSeconds - ctx.nowSeconds - 1 });
    expect(fault(alice.operator)).toBe("UNJAIL_TOO_EARLY");
    ctx.advance({ seconds: 1 });
    expect(fault(alice.operator)).toBeUndefined();
    world.undelegate(alice, alice.operator, 5_000_000n);
    expect(fault(alice.operator)).toBe("SELF_DELEGATION_LOW");
    const unknown = { kind: "unjail", validator: fromHex("00".repeat(20)) } as const;
    expect(unjailFault(ctx, alice.operator, unknown)?.code).toBe("VALIDATOR_UNKNOWN");
  });

  test("lets the validator back into the set when the epoch ends", () => {
    untilJailed(alice);
    expect(power(alice)).toBe(0n);
    comeBack(alice);
    expect(power(alice)).toBe(5n);
  });
});

/** One block whose last commit lacks some, or votes for nil, or holds votes without the shares they owe. */
function block(
  {
    absent = [],
    nil = [],
    withoutShares = [],
  }: { absent?: TestValidator[]; nil?: TestValidator[]; withoutShares?: TestValidator[] },
  seconds = 1,
  set = [alice, bob],
): void {
  recordSignatures(
    world.ctx,
    set.map(
      (one): VoteInfo => ({
        validator: { address: fromHex(one.address), power: 5n },
        blockIdFlag: absent.includes(one)
          ? BlockIdFlag.ABSENT
          : nil.includes(one)
            ? BlockIdFlag.NIL
            : BlockIdFlag.COMMIT,
      }),
    ),
    new Set(withoutShares.map(({ address }) => address)),
  );
  world.nextBlock(seconds);
}

/** Waits for the end of the jail, unjails, and goes on until the validator is in the set again. */
function comeBack(who: TestValidator): void {
  const { ctx } = world;
  ctx.advance({ seconds: validator(who).jailedUntilSeconds - ctx.nowSeconds });
  expect(unjailFault(ctx, who.operator, UNJAIL(who))).toBeUndefined();
  unjail(ctx, who.operator, UNJAIL(who));
  until(
    () => power(who) > 0n,
    () => block({}, 1, [bob]),
  );
  block({}, 1, [bob]);
}

/** Blocks without its vote until it is jailed; returns how many. */
function untilJailed(who: TestValidator): number {
  return until(
    () => isJailed(who),
    () => block({ absent: [who] }),
  );
}

function until(isDone: () => boolean, step: () => void): number {
  let steps = 0;
  for (; !isDone(); steps++) {
    if (steps === 1_000) throw new Error("this does not come about");
    step();
  }
  return steps;
}

function validator({ address }: TestValidator) {
  const state = world.ctx.records.get(VALIDATORS, address);
  if (state === undefined) throw new Error("there is no such validator");
  return state;
}

function isJailed(who: TestValidator): boolean {
  return validator(who).jailed;
}

function power(who: TestValidator): bigint {
  return validator(who).power;
}

function missed({ address }: TestValidator): number | undefined {
  return world.ctx.records.get(SIGNING, address)?.missed;
}

function chunks({ address }: TestValidator): readonly Uint8Array[] {
  const found: Uint8Array[] = [];
  for (let chunk = 0; chunk < 100; chunk++) {
    const record = world.ctx.records.get(MISSED, missedKey(address, chunk));
    if (record !== undefined) found.push(record.bits);
  }
  return found;
}

/** The counter is the number of bits, and no chunk is there without one (staking invariant S11). */
function checkBits(who: TestValidator): void {
  let count = 0;
  for (const bits of chunks(who)) {
    let ofChunk = 0;
    for (const byte of bits) for (let bit = 0; bit < 8; bit++) ofChunk += (byte >> bit) & 1;
    expect(ofChunk).toBeGreaterThan(0);
    count += ofChunk;
  }
  expect(count).toBe(missed(who));
}
