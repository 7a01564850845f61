import { describe, expect, test } from "vitest";
import { Height, Round } from "../../proto/brands.ts";
import { EMPTY_BYTES, toHex } from "../../proto/bytes.ts";
import { sha256 } from "../../proto/hash.ts";
import {
  NIL_BLOCK_ID,
  SignedMsgType,
  ZERO_TIME,
  type Vote,
  type VoteType,
} from "../../proto/types.ts";
import { NO_CHANGES, PlannedValidators } from "./chain-plan.ts";
import { LockChecker } from "./lock-checker.ts";
import { simKeys } from "./sim-keys.ts";

const { PREVOTE, PRECOMMIT } = SignedMsgType;
const NIL = 0;

/** Four validators of one power, of whom the last `byzantine` are not honest. */
function checkerWith(byzantine: number) {
  const honest = [0, 1, 2, 3].slice(0, 4 - byzantine);
  const checker = new LockChecker(
    new PlannedValidators(NO_CHANGES, [10, 10, 10, 10]),
    new Set(honest.map((index) => toHex(simKeys(index).validator.address))),
  );
  return (index: number, type: VoteType, round: number, block: number): void =>
    checker.signed(vote(index, type, round, block));
}

function vote(index: number, type: VoteType, round: number, block: number): Vote {
  const hash = sha256(Uint8Array.of(block));
  return {
    type,
    height: Height(1),
    round: Round(round),
    blockId: block === NIL ? NIL_BLOCK_ID : { hash, partSetHeader: { total: 1, hash } },
    timestamp: ZERO_TIME,
    validatorAddress: simKeys(index).validator.address,
    validatorIndex: index,
    signature: EMPTY_BYTES,
    extension: EMPTY_BYTES,
    extensionSignature: EMPTY_BYTES,
  };
}

describe("lock checker", () => {
  test("a precommit needs a polka", () => {
    const signed = checkerWith(0);
    for (const index of [0, 1]) signed(index, PREVOTE, 0, 1);
    expect(() => signed(0, PRECOMMIT, 0, 1)).toThrow(/polka: .* without \+2\/3/);
    expect(() => signed(1, PRECOMMIT, 0, NIL)).not.toThrow();
  });

  test("byzantine validators may have prevoted anything", () => {
    const signed = checkerWith(1);
    for (const index of [0, 1]) signed(index, PREVOTE, 0, 1);
    expect(() => signed(0, PRECOMMIT, 0, 1)).not.toThrow();
  });

  test("who is locked prevotes nothing else, nil neither", () => {
    const signed = checkerWith(0);
    for (const index of [0, 1, 2]) signed(index, PREVOTE, 0, 1);
    for (const index of [0, 1, 2]) signed(index, PRECOMMIT, 0, 1);
    expect(() => signed(0, PREVOTE, 1, 1)).not.toThrow();
    expect(() => signed(1, PREVOTE, 1, 2)).toThrow(/lock: .* nothing unlocked it/);
    expect(() => signed(2, PREVOTE, 1, NIL)).toThrow(/lock: .* prevotes nil/);
  });

  test("a later polka for something else unlocks", () => {
    const signed = checkerWith(1);
    for (const index of [0, 1]) signed(index, PREVOTE, 0, 1);
    signed(0, PRECOMMIT, 0, 1);
    for (const index of [1, 2]) signed(index, PREVOTE, 1, 2);
    expect(() => signed(0, PREVOTE, 2, 2)).not.toThrow();
  });

  test("the same vote after a crash counts once", () => {
    const signed = checkerWith(0);
    for (let i = 0; i < 3; i++) signed(0, PREVOTE, 0, 1);
    expect(() => signed(0, PRECOMMIT, 0, 1)).toThrow(/polka/);
  });
});
