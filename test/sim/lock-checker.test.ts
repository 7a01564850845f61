import { describe, expect, test } from "vitest";
import { Height, Round } from "../../proto/brands.ts";
import { EMPTY_BYTES, toHex } from "../../proto/bytes.ts";
import { sha256 } from "../../proto/hash.ts";
import {
  NIL_BLOCK_ID,
  SignedMsgType,
  ZERO_TIME,
  type Proposal,
  type Vote,
  type VoteType,
} from "../../proto/types.ts";
import { NO_CHANGES, PlannedValidators } from "./chain-plan.ts";
import { LockChecker } from "./lock-checker.ts";
import { simKeys } from "./sim-keys.ts";

const { PREVOTE, PRECOMMIT } = SignedMsgType;
const NIL = 0;
const VALIDATORS = new PlannedValidators(NO_CHANGES, [10, 10, 10, 10]);

/** Four validators of one power, of whom the last `byzantine` are not honest. */
function checkerWith(byzantine: number) {
  const honest = [0, 1, 2, 3].slice(0, 4 - byzantine);
  const checker = new LockChecker(
    VALIDATORS,
    new Set(honest.map((index) => toHex(simKeys(index).validator.address))),
  );
  for (const round of [0, 1, 2]) {
    const proposer = VALIDATORS.proposers(1, round).at(-1) ?? EMPTY_BYTES;
    for (const block of [1, 2]) checker.proposed(proposer, proposalOf(round, block));
  }
  return (index: number, type: VoteType, round: number, block: number): void =>
    checker.signed(vote(index, type, round, block));
}

function proposalOf(round: number, block: number): Proposal {
  const { height, blockId, timestamp, signature } = vote(0, PREVOTE, round, block);
  return { height, round: Round(round), polRound: Round(-1), blockId, timestamp, signature };
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

  test("a prevote that was lost unsent may be another one after the crash", () => {
    const signed = checkerWith(1);
    signed(0, PREVOTE, 0, 1);
    signed(1, PREVOTE, 0, 2);
    expect(() => signed(1, PRECOMMIT, 0, 2)).toThrow(/polka: .* without \+2\/3/);
    signed(0, PREVOTE, 0, 2);
    expect(() => signed(0, PRECOMMIT, 0, 2)).not.toThrow();
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

  test("a vote for a block of one whose turn it was not", () => {
    const checker = new LockChecker(VALIDATORS, new Set());
    const [proposer] = VALIDATORS.proposers(1, 0);
    const other = [0, 1, 2, 3]
      .map((index) => simKeys(index).validator.address)
      .find((address) => proposer !== undefined && toHex(address) !== toHex(proposer));
    checker.proposed(other ?? EMPTY_BYTES, proposalOf(0, 1));
    expect(() => checker.signed(vote(0, PREVOTE, 0, 1))).toThrow(/whose turn it was/);
  });

  test("the same vote after a crash counts once", () => {
    const signed = checkerWith(0);
    for (let i = 0; i < 3; i++) signed(0, PREVOTE, 0, 1);
    expect(() => signed(0, PRECOMMIT, 0, 1)).toThrow(/polka/);
  });
});
