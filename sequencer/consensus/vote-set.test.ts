import { describe, expect, test } from "vitest";
import { Height, Round } from "../../proto/brands.ts";
import { BlockIdFlag, NIL_BLOCK_ID, SignedMsgType } from "../../proto/types.ts";
import { fakeValidatorSet, makeBlock, makeVote } from "../../test/support/consensus-fixtures.ts";
import { createElectorate } from "./electorate.ts";
import { MAJORITY_CLAIMS_MAX } from "./limits.ts";
import { commitToVoteSet, VoteSet } from "./vote-set.ts";

const VALIDATORS = fakeValidatorSet([1n, 1n, 1n, 1n, 1n, 1n, 1n]);
const ELECTORATE = createElectorate(VALIDATORS);
const A = makeBlock(5, "A").blockId;
const B = makeBlock(5, "B").blockId;
/** The block A in other parts: another encoding of one header. */
const A_OTHER_PARTS = { hash: A.hash, partSetHeader: { total: 2, hash: A.hash } };

type Options = { readonly type?: 1 | 2; readonly isExtended?: boolean };

function createSet({ type = SignedMsgType.PRECOMMIT, isExtended = false }: Options = {}): VoteSet {
  return new VoteSet({
    height: Height(5),
    round: Round(2),
    type,
    electorate: ELECTORATE,
    isExtended,
  });
}

function vote(index: number, blockId: typeof A, isExtended = false) {
  const fields = { height: 5, round: 2, type: SignedMsgType.PRECOMMIT, blockId, isExtended };
  return makeVote(VALIDATORS, index, fields);
}

describe("quorum", () => {
  test("behavior: 4 of 7 are not more than two thirds, 5 are", () => {
    const set = createSet();
    for (const index of [0, 1, 2, 3]) set.add(vote(index, A));
    expect(set.majority()).toBeUndefined();
    expect(set.hasTwoThirdsAny()).toBe(false);
    set.add(vote(4, A));
    expect(set.majority()).toBe(A);
    expect(set.sum).toBe(5n);
    expect(set.hasAll()).toBe(false);
  });

  test("behavior: five votes for different things are +2/3 for anything, not for one", () => {
    const set = createSet();
    for (const index of [0, 1, 2]) set.add(vote(index, A));
    for (const index of [3, 4]) set.add(vote(index, NIL_BLOCK_ID));
    expect(set.hasTwoThirdsAny()).toBe(true);
    expect(set.majority()).toBeUndefined();
  });

  test("behavior: one hash in two part sets is two blocks", () => {
    const set = createSet();
    for (const index of [0, 1, 2]) set.add(vote(index, A));
    for (const index of [3, 4, 5, 6]) set.add(vote(index, A_OTHER_PARTS));
    expect(set.majority()).toBeUndefined();
    expect(set.hasAll()).toBe(true);
  });

  test("behavior: nil can have the majority", () => {
    const set = createSet();
    for (const index of [0, 1, 2, 3, 4]) set.add(vote(index, NIL_BLOCK_ID));
    expect(set.majority()).toEqual(NIL_BLOCK_ID);
  });

  test("behavior: total * 2 / 3 is exact far above 2^53", () => {
    const power = (1n << 60n) / 3n - 1n;
    const electorate = createElectorate(fakeValidatorSet([power, power, power - 1n]));
    expect(electorate.quorum).toBe(((3n * power - 1n) * 2n) / 3n + 1n);
    expect(electorate.quorum <= 2n * power).toBe(true);
    expect(electorate.quorum <= 2n * power - 1n).toBe(false);
  });
});

describe("refusals", () => {
  test("behavior: the same vote twice is a duplicate, another signature is not", () => {
    const set = createSet();
    set.add(vote(0, A));
    expect(set.add(vote(0, A))).toMatchObject({ isAdded: false, code: "VOTE_DUPLICATE" });
    const other = { ...vote(0, A), signature: new Uint8Array(64) };
    expect(set.add(other)).toMatchObject({ isAdded: false, code: "VOTE_OTHER_SIGNATURE" });
  });

  test("behavior: index and address must name one validator", () => {
    const set = createSet();
    const wrong = [
      { ...vote(0, A), validatorIndex: 1 },
      { ...vote(0, A), validatorIndex: 7 },
    ];
    for (const one of wrong) {
      expect(set.add(one)).toMatchObject({ isAdded: false, code: "VOTE_UNKNOWN_VALIDATOR" });
    }
  });

  test("behavior: a vote of another round is a bug of the caller", () => {
    expect(() => createSet().add({ ...vote(0, A), round: Round(3) })).toThrow("is expected");
  });

  test("behavior: an extension signature is due for blocks only, and only when extended", () => {
    const code = "VOTE_BAD_EXTENSION";
    expect(createSet({ isExtended: true }).add(vote(0, A))).toMatchObject({ code });
    expect(createSet({ isExtended: true }).add(vote(0, A, true)).isAdded).toBe(true);
    expect(createSet({ isExtended: true }).add(vote(0, NIL_BLOCK_ID)).isAdded).toBe(true);
    expect(createSet().add(vote(0, A, true))).toMatchObject({ code });
    const strange = { ...vote(0, NIL_BLOCK_ID), extension: A.hash };
    expect(createSet({ isExtended: true }).add(strange)).toMatchObject({ code });
  });
});

describe("conflicts", () => {
  test("behavior: the first vote counts, the conflict is reported once", () => {
    const set = createSet();
    const first = vote(0, A);
    set.add(first);
    expect(set.add(vote(0, B))).toEqual({ isAdded: false, first, code: "VOTE_CONFLICTING" });
    expect(set.add(vote(0, B))).toMatchObject({ isAdded: false, first: undefined });
    expect(set.voteAt(0)).toBe(first);
    expect(set.sum).toBe(1n);
  });

  test("behavior: a second vote counts for a block that a peer says has the majority", () => {
    const set = createSet();
    set.add(vote(0, A));
    expect(set.claimMajority("peer", B)).toBe("accepted");
    expect(set.add(vote(0, B))).toMatchObject({ isAdded: true });
    expect(set.voteAt(0)?.blockId).toBe(A);
    expect(set.bitArrayFor(B).elems).toEqual([1n]);
    for (const index of [1, 2, 3, 4]) set.add(vote(index, B));
    expect(set.majority()).toBe(B);
    expect(set.voteAt(0)?.blockId).toBe(B);
    expect(set.sum).toBe(5n);
  });

  test("attack: what a claim puts beside an empty hash does not become nil's block id", () => {
    const set = createSet();
    const odd = { hash: NIL_BLOCK_ID.hash, partSetHeader: A.partSetHeader };
    set.claimMajority("peer", odd);
    for (const index of [0, 1, 2, 3, 4]) set.add(vote(index, NIL_BLOCK_ID));
    expect(set.majority()).toEqual(NIL_BLOCK_ID);
  });

  test("behavior: only the first majority counts", () => {
    const set = createSet();
    set.claimMajority("peer", B);
    for (const index of [0, 1, 2, 3, 4]) set.add(vote(index, A));
    for (const index of [0, 1, 2, 3, 4]) set.add(vote(index, B));
    expect(set.majority()).toBe(A);
    expect(set.voteAt(0)?.blockId).toBe(A);
  });

  test("behavior: a peer claims one majority, and claims are bounded", () => {
    const set = createSet();
    expect(set.claimMajority("peer 0", A)).toBe("accepted");
    expect(set.claimMajority("peer 0", A)).toBe("accepted");
    expect(set.claimMajority("peer 0", B)).toBe("conflict");
    for (let peer = 1; peer < MAJORITY_CLAIMS_MAX; peer++) set.claimMajority(`peer ${peer}`, A);
    expect(set.claimMajority("one more", A)).toBe("full");
  });
});

describe("commit", () => {
  test("behavior: block, nil, absent; a vote for another block counts as absent", () => {
    const set = createSet();
    for (const index of [0, 1, 2, 3, 4]) set.add(vote(index, A));
    set.add(vote(5, B));
    const commit = set.toExtendedCommit();
    const { COMMIT, ABSENT } = BlockIdFlag;
    const flags = commit.extendedSignatures.map((sig) => sig.blockIdFlag);
    expect(flags).toEqual([COMMIT, COMMIT, COMMIT, COMMIT, COMMIT, ABSENT, ABSENT]);
    expect(commit.extendedSignatures[5]?.timestamp.seconds).toBe(-62135596800n);
  });

  test("behavior: a stored commit makes the set that it came from", () => {
    const set = createSet({ isExtended: true });
    for (const index of [0, 1, 2, 3, 4]) set.add(vote(index, A, true));
    set.add(vote(6, NIL_BLOCK_ID));
    const commit = set.toExtendedCommit();
    const again = commitToVoteSet(commit, ELECTORATE, true);
    expect(again.toExtendedCommit()).toEqual(commit);
    expect(again.sum).toBe(6n);
    expect(again.bitArray()).toEqual(set.bitArray());
  });

  test("behavior: a stored commit without +2/3, or without its extensions, is refused", () => {
    const set = createSet();
    for (const index of [0, 1, 2, 3, 4]) set.add(vote(index, A));
    const commit = set.toExtendedCommit();
    expect(() => commitToVoteSet(commit, ELECTORATE, true)).toThrow("signature 0");
    const [sig] = commit.extendedSignatures;
    const few = { ...commit, extendedSignatures: sig === undefined ? [] : [sig] };
    expect(() => commitToVoteSet(few, ELECTORATE, false)).toThrow("must hold +2/3");
  });

  test("behavior: without a majority there is no commit", () => {
    expect(() => createSet().toExtendedCommit()).toThrow("a commit is made of precommits");
  });
});
