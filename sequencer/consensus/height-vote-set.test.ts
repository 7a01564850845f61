import { expect, test } from "vitest";
import { Height } from "../../proto/brands.ts";
import { NIL_BLOCK_ID, SignedMsgType } from "../../proto/types.ts";
import { fakeValidatorSet, makeVote } from "../../test/support/consensus-fixtures.ts";
import { createElectorate } from "./electorate.ts";
import { HeightVoteSet } from "./height-vote-set.ts";
import { CATCHUP_PEERS_MAX, CATCHUP_ROUNDS_MAX } from "./limits.ts";

const VALIDATORS = fakeValidatorSet([30n, 10n, 10n, 10n]);
const { PREVOTE } = SignedMsgType;

function createVotes(): HeightVoteSet {
  return new HeightVoteSet(Height(5), createElectorate(VALIDATORS), false);
}

function prevote(index: number, round: number) {
  return makeVote(VALIDATORS, index, { height: 5, round, type: PREVOTE, blockId: NIL_BLOCK_ID });
}

test("behavior: a peer opens two later rounds and no third", () => {
  const votes = createVotes();
  expect(votes.add(prevote(0, 1), "a").isAdded).toBe(true);
  expect(votes.add(prevote(0, 8), "a").isAdded).toBe(true);
  expect(votes.add(prevote(0, 9), "a").isAdded).toBe(true);
  expect(votes.add(prevote(0, 10), "a")).toMatchObject({ code: "VOTE_UNWANTED_ROUND" });
  expect(votes.add(prevote(0, 10), "b").isAdded).toBe(true);
});

test("behavior: votes of an opened round are kept when it becomes the current one", () => {
  const votes = createVotes();
  votes.add(prevote(1, 4), "a");
  votes.trackUpTo(5);
  expect(votes.prevotes(4).sum).toBe(10n);
  expect(votes.prevotes(5).sum).toBe(0n);
  expect(votes.votes(6, PREVOTE)).toBeUndefined();
});

test("behavior: when too many rounds are open, the one with the least power makes room", () => {
  const votes = createVotes();
  votes.add(prevote(1, 50), "honest");
  votes.add(prevote(0, 50), "honest");
  for (let i = 0; i < CATCHUP_ROUNDS_MAX; i++) {
    expect(votes.add(prevote(2, 100 + i), `sybil ${i}`).isAdded).toBe(true);
  }
  expect(votes.prevotes(50).sum).toBe(40n);
  expect(votes.votes(100, PREVOTE)).toBeUndefined();
  expect(votes.votes(101, PREVOTE)).toBeDefined();
});

test("behavior: peers that open rounds are counted up to a limit", () => {
  const votes = createVotes();
  for (let i = 0; i < CATCHUP_PEERS_MAX; i++) votes.add(prevote(2, 10 + i), `peer ${i}`);
  expect(votes.add(prevote(2, 9999), "one more")).toMatchObject({ code: "VOTE_UNWANTED_ROUND" });
  expect(votes.add(prevote(2, 9999), "peer 0").isAdded).toBe(true);
});

test("behavior: a claim about an unknown round is not kept", () => {
  const votes = createVotes();
  expect(votes.claimMajority(7, PREVOTE, "a", NIL_BLOCK_ID)).toBe("untracked");
  expect(votes.claimMajority(1, PREVOTE, "a", NIL_BLOCK_ID)).toBe("accepted");
});
