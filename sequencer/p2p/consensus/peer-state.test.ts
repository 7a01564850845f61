import { describe, expect, test } from "vitest";
import { Height, Round } from "../../../proto/brands.ts";
import type { NewRoundStepMessage } from "../../../proto/messages.ts";
import {
  type BitArray,
  BlockIdFlag,
  NIL_BLOCK_ID,
  type PartSetHeader,
  type Proposal,
  SignedMsgType,
  ZERO_TIME,
} from "../../../proto/types.ts";
import { Bits } from "../bits.ts";
import { commitVotes } from "./catch-up.ts";
import { PeerState } from "./peer-state.ts";

const { PREVOTE, PRECOMMIT } = SignedMsgType;
const HEADER: PartSetHeader = { total: 3, hash: new Uint8Array(32).fill(1) };
const OTHER: PartSetHeader = { total: 5, hash: new Uint8Array(32).fill(2) };

function step(height: number, round: number, at: number, lastCommitRound = 0): NewRoundStepMessage {
  return {
    kind: "newRoundStep",
    height: Height(height),
    round: Round(round),
    step: at === 1 ? 1 : at === 3 ? 3 : 6,
    secondsSinceStartTime: 2,
    lastCommitRound: Round(lastCommitRound),
  };
}

function proposal(height: number, round: number, polRound = -1): Proposal {
  return {
    height: Height(height),
    round: Round(round),
    polRound: Round(polRound),
    blockId: { hash: new Uint8Array(32), partSetHeader: HEADER },
    timestamp: ZERO_TIME,
    signature: new Uint8Array(64),
  };
}

function bits(size: number, ...set: readonly number[]): BitArray {
  const elems = Array.from({ length: Math.ceil(size / 64) }, () => 0n);
  for (const i of set) elems[i >> 6] = (elems[i >> 6] ?? 0n) | (1n << BigInt(i & 63));
  return { bits: size, elems };
}

function at(height: number, round: number): PeerState {
  const state = new PeerState();
  state.applyNewRoundStep(step(height, round, 3), 10_000);
  state.ensureVoteBits(Height(height), 4);
  return state;
}

const has = (state: PeerState, height: number, round: number, type: 1 | 2, index: number) =>
  state.votes(Height(height), Round(round), type)?.known.has(index);

describe("peer state", () => {
  test("takes later steps only, and the start time by the peer's word", () => {
    const state = at(5, 1);
    expect(state.startMs).toBe(8_000);
    expect(state.applyNewRoundStep(step(5, 1, 3), 0)).toBe(false);
    expect(state.applyNewRoundStep(step(5, 0, 6), 0)).toBe(false);
    expect(state.applyNewRoundStep(step(4, 9, 6), 0)).toBe(false);
    expect(state.applyNewRoundStep(step(5, 1, 6), 0)).toBe(true);
  });

  test("a new round forgets proposal and votes, a new height makes precommits the last commit", () => {
    const state = at(5, 0);
    state.setHasProposal(proposal(5, 0));
    state.setHasVote(Height(5), Round(0), PRECOMMIT, 2, "confirmed");
    expect(state.wantsPartsOf(HEADER)).toBe(true);
    state.applyNewRoundStep(step(6, 0, 1, 0), 0);
    expect(state.hasProposal).toBe(false);
    expect(state.wantsPartsOf(HEADER)).toBe(false);
    expect(has(state, 5, 0, PRECOMMIT, 2)).toBe(true);
    expect(has(state, 5, 0, PREVOTE, 2)).toBeUndefined();
    state.applyNewRoundStep(step(8, 0, 1, 0), 0);
    expect(has(state, 7, 0, PRECOMMIT, 2)).toBeUndefined();
  });

  test("keeps the commit it was sent when it reaches the commit's round", () => {
    const state = at(5, 0);
    state.ensureCatchUpRound(Height(5), Round(3), 4);
    state.setHasVote(Height(5), Round(3), PRECOMMIT, 1, "assumed");
    state.applyNewRoundStep(step(5, 3, 3), 0);
    expect(has(state, 5, 3, PRECOMMIT, 1)).toBe(true);
  });

  test("NewValidBlock counts at the same round, or from any round when it commits", () => {
    const state = at(5, 1);
    const message = {
      kind: "newValidBlock" as const,
      height: Height(5),
      round: Round(0),
      blockPartSetHeader: OTHER,
      blockParts: bits(5, 4),
      isCommit: false,
    };
    expect(state.applyNewValidBlock(message)).toBe(false);
    expect(state.applyNewValidBlock({ ...message, isCommit: true })).toBe(true);
    expect(state.arePartsListed).toBe(true);
    expect(state.parts?.known.isMissing(3)).toBe(true);
    expect(state.parts?.known.isMissing(4)).toBe(false);
    // Its own word is not replaced by a proposal's.
    state.setHasProposal(proposal(5, 1));
    expect(state.wantsPartsOf(OTHER)).toBe(true);
  });

  test("parts on their way are not missing because a peer lists what it has so far", () => {
    const state = at(5, 1);
    state.setHasProposal(proposal(5, 1));
    state.setHasPart(Height(5), Round(1), 1, "assumed");
    const message = {
      kind: "newValidBlock" as const,
      height: Height(5),
      round: Round(1),
      blockPartSetHeader: HEADER,
      blockParts: bits(HEADER.total, 0),
      isCommit: false,
    };
    state.applyNewValidBlock(message);
    const missing = () => [0, 1, 2].filter((index) => state.parts?.known.isMissing(index));
    expect(missing()).toEqual([2]);
    // It makes no progress: they are taken for lost, what it listed is not.
    state.forgetAssumed();
    expect(missing()).toEqual([1, 2]);
    // Parts of another block say nothing about this one.
    state.setHasPart(Height(5), Round(1), 1, "assumed");
    state.applyNewValidBlock({ ...message, blockPartSetHeader: OTHER });
    expect(missing()).toEqual([1, 2]);
  });

  test("looks votes up at the round, the proof-of-lock round and the last commit", () => {
    const state = at(5, 2);
    state.setHasProposal(proposal(5, 2, 1));
    state.ensureVoteBits(Height(5), 4);
    state.setHasVote(Height(5), Round(1), PREVOTE, 3, "confirmed");
    expect(has(state, 5, 1, PREVOTE, 3)).toBe(true);
    expect(has(state, 5, 1, PRECOMMIT, 3)).toBeUndefined();
    expect(has(state, 5, 0, PREVOTE, 3)).toBeUndefined();
    state.applyProposalPol({
      kind: "proposalPol",
      height: Height(5),
      proposalPolRound: Round(1),
      proposalPol: bits(4, 0),
    });
    expect(has(state, 5, 1, PREVOTE, 3)).toBe(false);
    expect(has(state, 5, 1, PREVOTE, 0)).toBe(true);
  });

  test("VoteSetBits replaces what we can judge and keeps the rest", () => {
    const state = at(5, 0);
    for (const index of [0, 1, 2]) {
      state.setHasVote(Height(5), Round(0), PREVOTE, index, "assumed");
    }
    // For this block id we hold 0 and 1; the peer says it holds 1 and 3. 2 is of another block.
    state.applyVoteSetBits(
      {
        kind: "voteSetBits",
        height: Height(5),
        round: Round(0),
        type: PREVOTE,
        blockId: NIL_BLOCK_ID,
        votes: bits(4, 1, 3),
      },
      bits(4, 0, 1),
    );
    const known = [0, 1, 2, 3].map((index) => has(state, 5, 0, PREVOTE, index));
    expect(known).toEqual([false, true, true, true]);
  });

  test("VoteSetBits of another height than ours replaces all that we knew", () => {
    const state = at(5, 0);
    state.setHasVote(Height(5), Round(0), PRECOMMIT, 0, "confirmed");
    state.setHasVote(Height(5), Round(0), PRECOMMIT, 2, "confirmed");
    // It has a precommit of 2, but for another block than the one that was decided.
    state.applyVoteSetBits(
      {
        kind: "voteSetBits",
        height: Height(5),
        round: Round(0),
        type: PRECOMMIT,
        blockId: NIL_BLOCK_ID,
        votes: bits(4, 0),
      },
      undefined,
    );
    const known = [0, 1, 2, 3].map((index) => has(state, 5, 0, PRECOMMIT, index));
    expect(known).toEqual([true, false, false, false]);
  });

  test("forgets what was only assumed, not what the peer said", () => {
    const state = at(5, 0);
    state.setHasProposal(proposal(5, 0));
    state.setHasPart(Height(5), Round(0), 0, "assumed");
    state.setHasPart(Height(5), Round(0), 1, "confirmed");
    state.setHasVote(Height(5), Round(0), PREVOTE, 0, "assumed");
    state.setHasVote(Height(5), Round(0), PREVOTE, 1, "confirmed");
    state.forgetAssumed();
    expect(state.hasProposal).toBe(false);
    expect([0, 1].map((index) => state.parts?.known.has(index))).toEqual([false, true]);
    expect([0, 1].map((index) => has(state, 5, 0, PREVOTE, index))).toEqual([false, true]);
  });

  test("an index that no peer can have changes nothing and is never missing", () => {
    const state = at(5, 0);
    state.setHasVote(Height(5), Round(0), PREVOTE, 2 ** 31 - 1, "confirmed");
    state.setHasVote(Height(5), Round(0), PREVOTE, 4, "confirmed");
    expect(state.prevotes?.known.isMissing(4)).toBe(false);
    expect(state.prevotes?.known.has(4)).toBe(false);
  });
});

describe("bits", () => {
  test.each([1, 31, 32, 33, 64, 65, 200])("read a wire array of %i bits", (size) => {
    const set = Array.from({ length: size }, (_, i) => i).filter((i) => i % 3 === 0);
    const read = Bits.from(bits(size, ...set));
    for (let i = 0; i < size; i++) expect(read.has(i), `bit ${i}`).toBe(i % 3 === 0);
    expect(read.isMissing(size)).toBe(false);
  });
});

describe("votes of a commit", () => {
  test("leave absent entries out, and nil ones vote for nil", () => {
    const entry = (blockIdFlag: 1 | 2 | 3, fill: number) => ({
      blockIdFlag,
      validatorAddress: new Uint8Array(20).fill(fill),
      timestamp: ZERO_TIME,
      signature: new Uint8Array(64).fill(fill),
    });
    const blockId = { hash: new Uint8Array(32).fill(9), partSetHeader: HEADER };
    const votes = commitVotes({
      height: Height(7),
      round: Round(2),
      blockId,
      signatures: [
        entry(BlockIdFlag.COMMIT, 1),
        entry(BlockIdFlag.ABSENT, 2),
        entry(BlockIdFlag.NIL, 3),
      ],
    });
    expect(votes.map(({ validatorIndex }) => validatorIndex)).toEqual([0, 2]);
    expect(votes[0]?.blockId).toBe(blockId);
    expect(votes[1]?.blockId).toEqual(NIL_BLOCK_ID);
    expect(votes.every(({ type, round }) => type === PRECOMMIT && round === 2)).toBe(true);
  });
});
