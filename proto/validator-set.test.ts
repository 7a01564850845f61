import { describe, expect, test } from "vitest";
import { toHex, utf8ToBytes } from "./bytes.ts";
import { decodeValidatorSet, encodeValidatorSet } from "./codec/types.ts";
import { TOTAL_VOTING_POWER_MAX as MAX } from "./limits.ts";
import type { Validator, ValidatorSet } from "./types.ts";
import {
  compareValidators,
  createValidatorSet,
  incrementProposerPriority,
  updateValidatorSet,
  validatorAddress,
  validatorSetFromValidators,
  type ValidatorChange,
} from "./validator-set.ts";

function validator(address: Uint8Array, votingPower: bigint, proposerPriority = 0n): Validator {
  const publicKey = { type: "ed25519" as const, bytes: new Uint8Array(32) };
  return { address, publicKey, votingPower, proposerPriority };
}

/** A new set of validators with made-up addresses: all priorities start at 0. */
function newSet(...members: readonly (readonly [string | number, bigint])[]): ValidatorSet {
  const validators = members.map(([name, power]) => {
    const address = typeof name === "string" ? utf8ToBytes(name) : new Uint8Array(20).fill(name);
    return validator(address, power);
  });
  validators.sort(compareValidators);
  return incrementProposerPriority(validatorSetFromValidators(validators), 1);
}

const change = (name: string, votingPower: bigint): ValidatorChange => ({
  publicKey: { type: "ed25519", bytes: utf8ToBytes(name.padEnd(32, "-")) },
  votingPower,
});

/** Powers by the names of `change`, in set order. */
function members(set: ValidatorSet): readonly (readonly [string, bigint])[] {
  return set.validators.map((v) => [
    new TextDecoder().decode(v.publicKey.bytes).replace(/-+$/, ""),
    v.votingPower,
  ]);
}

function proposers(start: ValidatorSet, count: number): Uint8Array[] {
  const found: Uint8Array[] = [];
  for (let set = start; found.length < count; set = incrementProposerPriority(set, 1)) {
    found.push(set.proposer.address);
  }
  return found;
}

describe("rotation, against the tables of CometBFT's types/validator_set_test.go", () => {
  test("TestProposerSelection1: 99 steps", () => {
    const set = newSet(["foo", 1000n], ["bar", 300n], ["baz", 330n]);
    const names = proposers(set, 99).map((address) => new TextDecoder().decode(address));
    expect(names.join(" ")).toBe(
      "foo baz foo bar foo foo baz foo bar foo foo baz foo foo bar foo baz foo foo bar" +
        " foo foo baz foo bar foo foo baz foo bar foo foo baz foo foo bar foo baz foo foo bar" +
        " foo baz foo foo bar foo baz foo foo bar foo baz foo foo foo baz bar foo foo foo baz" +
        " foo bar foo foo baz foo bar foo foo baz foo bar foo foo baz foo bar foo foo baz foo" +
        " foo bar foo baz foo foo bar foo baz foo foo bar foo baz foo foo",
    );
  });

  test("TestProposerSelection2: equal powers go by address, others by share", () => {
    const order = (set: ValidatorSet, count: number) => proposers(set, count).map((a) => a[0]);
    const equal = newSet([0, 100n], [1, 100n], [2, 100n]);
    expect(order(equal, 15)).toEqual([0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2]);
    expect(order(newSet([0, 100n], [1, 100n], [2, 400n]), 2)).toEqual([2, 0]);
    expect(order(newSet([0, 100n], [1, 100n], [2, 401n]), 3)).toEqual([2, 2, 0]);
    const shares = order(newSet([0, 4n], [1, 5n], [2, 3n]), 120);
    expect([0, 1, 2].map((i) => shares.filter((a) => a === i).length)).toEqual([40, 50, 30]);
  });

  test("TestAveragingInIncrementProposerPriority: the average rounds down", () => {
    for (const [priorities, times, average] of [
      [[1n, 2n, 3n], 1, 2n],
      [[10n, -10n, 1n], 11, 0n],
      [[100n, -10n, 1n], 1, 30n],
      [[-1n, -1n, 0n], 1, -1n],
    ] as const) {
      const set = validatorSetFromValidators(
        priorities.map((priority, i) => validator(new Uint8Array([i]), 0n, priority)),
      );
      const after = incrementProposerPriority(set, times).validators;
      const expected = priorities.map((priority) => priority - average);
      expect(after.map((v) => v.proposerPriority)).toEqual(expected);
    }
  });

  test("TestAveragingInIncrementProposerPriorityWithVotingPower", () => {
    const set = validatorSetFromValidators([
      validator(new Uint8Array([0]), 10n),
      validator(new Uint8Array([1]), 1n),
      validator(new Uint8Array([2]), 1n),
    ]);
    // Times, proposer, and how often each validator has paid the total of 12 by then.
    for (const [times, proposer, paid] of [
      [1, 0, [1, 0, 0]],
      [2, 0, [2, 0, 0]],
      [3, 0, [3, 0, 0]],
      [4, 0, [4, 0, 0]],
      [5, 1, [4, 1, 0]],
      [6, 0, [5, 1, 0]],
      [7, 0, [6, 1, 0]],
      [8, 0, [7, 1, 0]],
      [9, 2, [7, 1, 1]],
      [10, 0, [8, 1, 1]],
      [11, 0, [9, 1, 1]],
    ] as const) {
      const after = incrementProposerPriority(set, times);
      expect(after.proposer.address[0], `after ${times}`).toBe(proposer);
      const expected = [10, 1, 1].map((power, i) => BigInt(times * power - 12 * (paid[i] ?? 0)));
      expect(
        after.validators.map((v) => v.proposerPriority),
        `after ${times}`,
      ).toEqual(expected);
    }
  });
});

describe("changes of a validator set", () => {
  const start = createValidatorSet([change("v1", 10n), change("v2", 20n), change("v3", 30n)]);

  test.each<[string, readonly ValidatorChange[], string]>([
    ["a duplicate", [change("v1", 1n), change("v1", 2n)], "VALIDATOR_SET_DUPLICATE"],
    ["a negative power", [change("v1", -123n)], "VALIDATOR_SET_POWER"],
    ["a power above the limit", [change("v1", MAX + 1n)], "VALIDATOR_SET_POWER"],
    ["removal of a stranger", [change("v4", 0n)], "VALIDATOR_SET_UNKNOWN"],
    [
      "removal of everybody",
      [change("v1", 0n), change("v2", 0n), change("v3", 0n)],
      "VALIDATOR_SET_EMPTY",
    ],
    ["a total above the limit", [change("v4", MAX)], "VALIDATOR_SET_TOTAL_POWER"],
  ])("%s is refused", (_, changes, code) => {
    expect(() => updateValidatorSet(start, changes)).toThrow(
      expect.objectContaining({ info: { code } }),
    );
  });

  test("power 0 cannot start a set", () => {
    expect(() => createValidatorSet([change("v1", 0n), change("v2", 1n)])).toThrow(/power 0/);
    expect(() => createValidatorSet([])).toThrow(/no validator/);
  });

  test("TestValSetUpdateOverflowRelated: only the result counts against the limit", () => {
    const swap = createValidatorSet([change("v2", MAX - 1n), change("v1", 1n)]);
    expect(members(updateValidatorSet(swap, [change("v1", MAX - 1n), change("v2", 1n)]))).toEqual([
      ["v1", MAX - 1n],
      ["v2", 1n],
    ]);
    const replaced = updateValidatorSet(
      createValidatorSet([change("v1", MAX - 2n), change("v2", 1n), change("v3", 1n)]),
      [change("v1", 0n), change("v4", MAX - 2n)],
    );
    expect(members(replaced)[0]).toEqual(["v4", MAX - 2n]);
  });

  test("a newcomer starts at -1.125 times the total before removals, then all are centred", () => {
    const before = validatorSetFromValidators(
      start.validators.map((v) => ({ ...v, proposerPriority: 0n })),
    );
    const after = updateValidatorSet(before, [change("v1", 0n), change("v4", 40n)]);
    // Total before removals: 10 + 20 + 30 + 40 = 100; -112; average floor(-112 / 3) = -38.
    const priorities = new Map(members(after).map(([n], i) => [n, after.validators[i]]));
    expect(priorities.get("v4")?.proposerPriority).toBe(-112n + 38n);
    expect(priorities.get("v2")?.proposerPriority).toBe(38n);
    expect(after.totalVotingPower).toBe(90n);
  });

  test("sets that were built are never changed", () => {
    const bytes = toHex(encodeValidatorSet(start));
    incrementProposerPriority(start, 5);
    updateValidatorSet(start, [change("v1", 99n)]);
    expect(toHex(encodeValidatorSet(start))).toBe(bytes);
    expect(decodeValidatorSet(encodeValidatorSet(start))).toEqual(start);
  });

  test("addresses: ed25519 by SHA-256, secp256k1 by RIPEMD-160", () => {
    const bytes = new Uint8Array(33).fill(2);
    expect(validatorAddress({ type: "secp256k1", bytes }).length).toBe(20);
    expect(validatorAddress({ type: "ed25519", bytes: bytes.subarray(1) }).length).toBe(20);
  });
});
