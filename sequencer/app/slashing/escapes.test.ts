/**
 * Ways out of a punishment, or to have others pay it, that somebody may try: each with what comes of it. Amounts
 * are nweft, 1,000,000 of them one unit of power.
 */
import { beforeEach, describe, expect, test } from "vitest";
import { StakeWorld, testAccount, type TestValidator } from "../../../test/support/stake-world.ts";
import { Height } from "../../../proto/brands.ts";
import { fromHex } from "../../../proto/bytes.ts";
import { BondStatus, type ValidatorState } from "../../../proto/codec/staking-state.ts";
import type { CreateValidator } from "../../../proto/codec/staking-tx.ts";
import { BlockIdFlag } from "../../../proto/types.ts";
import { placeForCandidate } from "../staking/candidates.ts";
import { cancelUnbonding, cancelUnbondingFault, redelegateFault } from "../staking/delegations.ts";
import {
  createValidatorFault,
  retireValidator,
  rotateApplicationKey,
} from "../staking/validators.ts";
import { SIGNING, UNBONDINGS, VALIDATORS } from "../state/tables.ts";
import { handleMisbehavior } from "./evidence.ts";
import { jail, unjail, unjailFault } from "./jail.ts";
import { recordSignatures } from "./liveness.ts";
import { punish } from "./penalty.ts";

const DELEGATOR = testAccount("delegator");
const SECOND = testAccount("second");
const EPOCH_BLOCKS = 20;
const UNBONDING_SECONDS = 5_000;

let world: StakeWorld;
let alice: TestValidator;
let bob: TestValidator;

beforeEach(() => {
  world = new StakeWorld({
    params: {
      epochLength: EPOCH_BLOCKS,
      unbondingSeconds: UNBONDING_SECONDS,
      doubleSignSlashBps: 1_000,
      signedWindow: 10,
      downtimeJailSeconds: 100,
      downtimeJailMaxSeconds: 20_000,
      candidatesMax: 3,
      validatorsMax: 3,
    },
  });
  alice = world.addValidator("alice", 5_000_000n, 5_000_000n);
  bob = world.addValidator("bob", 10_000_000n);
  world.delegate(alice, DELEGATOR, 5_000_000n);
  world.start();
});

describe("after signing twice, before anybody knows", () => {
  test("undelegating pays the same, and nobody else pays more", () => {
    const height = world.ctx.height;
    world.undelegate(alice, DELEGATOR, 5_000_000n);
    expect(signedTwice(alice, height)).toBe(1_000_000n);
    expect(entryBalances(alice, DELEGATOR)).toEqual([4_500_000n]);
    expect(world.worth(alice, alice.operator)).toBe(4_500_000n);
  });

  test("a new epoch hides nothing: neither what left in the old one, nor its last votes after it", () => {
    const height = world.ctx.height;
    world.undelegate(alice, DELEGATOR, 5_000_000n);
    const through = entries(alice, DELEGATOR)[0]?.slashableThrough ?? 0;
    // Told with the last block of the epoch, in force two heights later.
    while (state(alice).power === 10n) world.nextBlock();
    expect(through).toBe(world.ctx.height);
    world.nextBlock();
    expect(signedTwice(alice, height)).toBe(1_000_000n);
    expect(entryBalances(alice, DELEGATOR)).toEqual([4_500_000n]);
  });

  test("votes of the next epoch are not paid by who left in the one before", () => {
    world.undelegate(alice, DELEGATOR, 5_000_000n);
    while (state(alice).power === 10n) world.nextBlock();
    world.nextBlock();
    expect(signedTwice(alice, world.ctx.height, 5n)).toBe(500_000n);
    expect(entryBalances(alice, DELEGATOR)).toEqual([5_000_000n]);
  });

  test("moving stake on, and taking it out of there, pays once and the same", () => {
    const height = world.ctx.height;
    world.redelegate(alice, bob, DELEGATOR, 5_000_000n);
    world.nextBlock();
    world.undelegate(bob, DELEGATOR, 4_900_000n);
    expect(signedTwice(alice, height)).toBe(1_000_000n);
    expect(entryBalances(bob, DELEGATOR)).toEqual([4_400_000n]);
    expect(world.worth(bob, DELEGATOR)).toBe(100_000n);
    expect(world.worth(bob, bob.operator)).toBe(10_000_000n);
  });

  test("a second move is refused, also of stake that was there before", () => {
    const carol = world.addValidator("carol", 1_000_000n);
    world.delegate(bob, DELEGATOR, 1_000_000n);
    world.redelegate(alice, bob, DELEGATOR, 1_000_000n);
    const [validator, destination] = [fromHex(bob.address), fromHex(carol.address)];
    const move = { kind: "redelegate", validator, destination, amount: 1n } as const;
    expect(redelegateFault(world.ctx, DELEGATOR, move)?.code).toBe("REDELEGATION_TRANSITIVE");
  });

  test("cancelling an entry brings it back to where it pays with the rest", () => {
    const height = world.ctx.height;
    world.undelegate(alice, DELEGATOR, 5_000_000n);
    const validator = fromHex(alice.address);
    const action = { kind: "cancelUnbonding", validator, entry: 1, amount: 5_000_000n } as const;
    expect(cancelUnbondingFault(world.ctx, DELEGATOR, action)).toBeUndefined();
    cancelUnbonding(world.ctx, DELEGATOR, action);
    expect(signedTwice(alice, height)).toBe(1_000_000n);
    expect(world.worth(alice, DELEGATOR)).toBe(4_500_000n);
  });

  test("retiring: out of the set, its stake waits and answers for its last vote", () => {
    retire(alice);
    while (state(alice).power > 0n) world.nextBlock();
    const lastVote = world.ctx.height;
    world.undelegate(alice, DELEGATOR, 5_000_000n);
    world.nextBlock(UNBONDING_SECONDS - 2);
    expect(signedTwice(alice, lastVote)).toBe(1_000_000n);
    expect(entryBalances(alice, DELEGATOR)).toEqual([4_500_000n]);
  });

  test("a jail first: stake that leaves the jailed validator answers for its last vote", () => {
    jail(world.ctx, alice.address, world.ctx.nowSeconds + 100);
    world.nextBlock();
    const lastVote = world.ctx.height;
    world.undelegate(alice, DELEGATOR, 5_000_000n);
    world.nextBlock();
    expect(signedTwice(alice, lastVote)).toBe(1_000_000n);
    expect(entryBalances(alice, DELEGATOR)).toEqual([4_500_000n]);
  });

  test("another application key: the address of the validator stays", () => {
    const height = world.ctx.height;
    const action = {
      kind: "rotateApplicationKey",
      validator: fromHex(alice.address),
      applicationKey: new Uint8Array(32).fill(9),
      applicationKeyProof: new Uint8Array(64),
    } as const;
    rotateApplicationKey(world.ctx, alice.operator, action);
    world.nextBlock();
    expect(signedTwice(alice, height)).toBe(1_000_000n);
  });

  test("taking out all own stake: jailed and out of the set, and it pays all the same", () => {
    const height = world.ctx.height;
    world.undelegate(alice, alice.operator, 5_000_000n);
    expect(state(alice).jailed).toBe(true);
    world.nextBlock();
    expect(state(alice).power).toBe(0n);
    expect(signedTwice(alice, height)).toBe(1_000_000n);
    expect(entryBalances(alice, alice.operator)).toEqual([4_500_000n]);
  });
});

describe("two offences in one block", () => {
  test("of one validator cost once", () => {
    const height = world.ctx.height;
    handleMisbehavior(world.ctx, [misbehavior(alice, height), misbehavior(alice, height + 1)]);
    expect(world.ctx.burned).toBe(1_000_000n);
  });

  test("of two, between which stake was moved, cost each its own part", () => {
    const height = world.ctx.height;
    world.redelegate(alice, bob, DELEGATOR, 5_000_000n);
    handleMisbehavior(world.ctx, [misbehavior(alice, height), misbehavior(bob, height)]);
    expect(world.ctx.burned).toBe(2_000_000n);
    expect(state(alice).tokens).toBe(4_500_000n);
    // 500,000 of what was moved, then 1,000,000 of 14,500,000.
    expect(state(bob).tokens).toBe(13_500_000n);
    world.ctx.checkSupply();
  });
});

describe("the last validator of the set", () => {
  test("stays when it is tombstoned, pays once, and leaves for the first who may stand", () => {
    const height = world.ctx.height;
    expect(signedTwice(bob, height)).toBe(1_000_000n);
    world.nextBlock();
    expect(signedTwice(alice, height)).toBe(1_000_000n);
    expect(world.nextBlock()).toEqual([]);
    expect(state(alice)).toMatchObject({ power: 10n, tombstoned: true, status: BondStatus.BONDED });
    const carol = world.addValidator("carol", 1_000_000n);
    while (state(carol).power === 0n) world.nextBlock();
    expect(state(alice).power).toBe(0n);
    expect(world.ctx.burned).toBe(2_000_000n);
  });
});

describe("who misses blocks", () => {
  test("does not have them forgotten by a jail that is over in the same block", () => {
    missed(alice, 4);
    const before = world.ctx.records.get(SIGNING, alice.address);
    expect(before?.missed).toBe(4);
    // Below its own minimum, back, and asked: nothing of it shows in the set.
    world.undelegate(alice, alice.operator, 1n);
    world.delegate(alice, alice.operator, 1n);
    const action = { kind: "unjail", validator: fromHex(alice.address) } as const;
    expect(unjailFault(world.ctx, alice.operator, action)).toBeUndefined();
    unjail(world.ctx, alice.operator, action);
    expect(world.nextBlock()).toEqual([]);
    expect(world.ctx.records.get(SIGNING, alice.address)).toEqual(before);
    missed(alice, 7);
    expect(state(alice), "6 of 10 were missed").toMatchObject({ jailed: true, downtimeJails: 1 });
  });

  test("starts over after a jail that took it out of the set, with nothing left behind", () => {
    missed(alice, 4);
    jail(world.ctx, alice.address, world.ctx.nowSeconds);
    world.nextBlock();
    expect(state(alice).power).toBe(0n);
    expect(world.ctx.records.get(SIGNING, alice.address)).toBeUndefined();
  });

  test("is not judged again for the same blocks when it has to stay", () => {
    jail(world.ctx, bob.address, world.ctx.nowSeconds);
    world.nextBlock();
    missed(alice, 12);
    expect(state(alice)).toMatchObject({ jailed: true, power: 10n, downtimeJails: 1 });
    expect(world.ctx.records.get(SIGNING, alice.address)).toBeUndefined();
  });
});

describe("a jail that is longer than the unbonding time", () => {
  /** Jailed for three unbonding times, out of the set for one, with its own stake alone. */
  function outOfTheSet(): void {
    world.undelegate(alice, DELEGATOR, 5_000_000n);
    jail(world.ctx, alice.address, world.ctx.nowSeconds + 3 * UNBONDING_SECONDS);
    world.nextBlock();
    world.nextBlock(UNBONDING_SECONDS);
    world.nextBlock();
    expect(state(alice).status).toBe(BondStatus.UNBONDED);
  }

  test("is not ended by taking everything out and registering again", () => {
    outOfTheSet();
    world.undelegate(alice, alice.operator, 5_000_000n);
    world.nextBlock();
    const refused = createValidatorFault(world.ctx, alice.operator, registration(alice));
    expect(refused?.code).toBe("VALIDATOR_EXISTS");
    world.nextBlock(2 * UNBONDING_SECONDS);
    world.nextBlock();
    expect(world.ctx.records.get(VALIDATORS, alice.address)).toBeUndefined();
  });

  test("is not ended by giving way to a candidate of one's own", () => {
    outOfTheSet();
    const carol = world.addValidator("carol", 6_000_000n);
    // The smaller one stays, since it has to wait.
    expect(placeForCandidate(world.ctx, 9_000_000n)).toEqual({
      kind: "instead",
      validator: carol.address,
    });
    world.ctx.advance({ seconds: 2 * UNBONDING_SECONDS });
    expect(placeForCandidate(world.ctx, 9_000_000n)).toEqual({
      kind: "instead",
      validator: alice.address,
    });
  });
});

describe("being down without being jailed", () => {
  test("retiring and returning before the window ends counts on where it left off", () => {
    missed(alice, 5);
    retire(alice);
    while (state(alice).power > 0n) world.nextBlock();
    retire(alice, false);
    while (state(alice).power === 0n) world.nextBlock();
    missed(alice, 5);
    expect(state(alice).jailed).toBe(true);
  });
});

describe("the price of an offence", () => {
  test("is not lowered by reporting oneself: the reward is at most what the operator lost", () => {
    const height = world.ctx.height;
    const offence = { validator: alice.address, height, power: 10n, reason: "test" };
    const penalty = { kind: "tombstone", fractionBps: 1_000 } as const;
    const { burned, reward } = punish(world.ctx, offence, penalty, SECOND);
    expect(burned + reward).toBe(1_000_000n);
    expect(reward).toBe(100_000n);
    expect(world.worth(alice, alice.operator)).toBe(4_500_000n);
  });

  test("is shared by who joined since, and no larger for that", () => {
    const height = world.ctx.height;
    world.delegate(alice, SECOND, 10_000_000n);
    expect(signedTwice(alice, height)).toBe(1_000_000n);
    expect(world.worth(alice, SECOND)).toBe(9_500_000n);
  });
});

function state({ address }: TestValidator): ValidatorState {
  const found = world.ctx.records.get(VALIDATORS, address);
  if (found === undefined) throw new Error(`there is no ${address}`);
  return found;
}

function entries({ address }: TestValidator, delegator: string) {
  return world.ctx.records.get(UNBONDINGS, `${address}/${delegator}`)?.entries ?? [];
}

function entryBalances(validator: TestValidator, delegator: string): readonly bigint[] {
  return entries(validator, delegator).map(({ balance }) => balance);
}

/** Consensus brings the proof; returns what is burned. */
function signedTwice(validator: TestValidator, height: number, power = 10n): bigint {
  const before = world.ctx.burned;
  handleMisbehavior(world.ctx, [misbehavior(validator, height, power)]);
  world.ctx.checkSupply();
  expect(state(validator).tombstoned).toBe(true);
  return world.ctx.burned - before;
}

function misbehavior({ address }: TestValidator, height: number, power = 10n) {
  return {
    type: "duplicateVote",
    validator: { address: fromHex(address), power },
    height: Height(height),
    time: { seconds: BigInt(world.ctx.nowSeconds), nanos: 0 },
    totalVotingPower: 20n,
  } as const;
}

function retire({ address, operator }: TestValidator, retired = true): void {
  const action = { kind: "retireValidator", validator: fromHex(address), retired } as const;
  retireValidator(world.ctx, operator, action);
}

/** So many blocks without its vote. */
function missed({ address }: TestValidator, blocks: number): void {
  for (let i = 0; i < blocks; i++) {
    const validator = { address: fromHex(address), power: 10n };
    recordSignatures(world.ctx, [{ validator, blockIdFlag: BlockIdFlag.ABSENT }]);
    world.nextBlock();
  }
}

function registration({ key }: TestValidator): CreateValidator {
  return {
    kind: "createValidator",
    consensusKey: key.publicKey,
    applicationKey: new Uint8Array(32).fill(8),
    applicationKeyProof: new Uint8Array(64),
    moniker: "again",
    website: "",
    details: "",
    rateBps: 0,
    maxRateBps: 0,
    maxChangeBps: 0,
    minSelfDelegation: 1_000_000n,
    selfDelegation: 5_000_000n,
  };
}
