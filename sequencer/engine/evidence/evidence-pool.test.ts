import { beforeEach, describe, expect, test } from "vitest";
import { Height, Round } from "../../../proto/brands.ts";
import { utf8ToBytes } from "../../../proto/bytes.ts";
import { sha256 } from "../../../proto/hash.ts";
import {
  NIL_BLOCK_ID,
  SignedMsgType,
  type DuplicateVoteEvidence,
  type Vote,
} from "../../../proto/types.ts";
import {
  buildChain,
  signedVote,
  testGenesis,
  testKeys,
} from "../../../test/support/chain-builder.ts";
import { openEvidencePool, storeChain } from "../../../test/support/evidence-pool.ts";
import type { ChainState } from "../../store/chain-state.ts";
import { DEFAULT_CONSENSUS_PARAMS } from "../consensus-params.ts";
import type { EvidencePool } from "./evidence-pool.ts";

const KEYS = testKeys(4);
const GENESIS = testGenesis(KEYS, {
  consensusParams: {
    ...DEFAULT_CONSENSUS_PARAMS,
    evidence: { maxAgeBlocks: 2n, maxAgeDurationNanos: 2_500_000_000n, maxBytes: 10_000n },
  },
});
const CHAIN = buildChain(KEYS, 8, GENESIS);
const BYTES_MAX = 10_000;

describe("evidence pool", () => {
  let pool: EvidencePool;

  beforeEach(async () => {
    pool = await openEvidencePool(await storeChain(CHAIN));
  });

  function votes(height: number): readonly [Vote, Vote] {
    const [key] = KEYS;
    const built = CHAIN[height - 1];
    if (key === undefined || built === undefined) throw new Error("there is no block");
    const { validators } = built.stateBefore;
    const common = {
      type: SignedMsgType.PREVOTE,
      height: Height(height),
      round: Round(0),
      timestamp: built.block.header.time,
    };
    return [
      signedVote(key, validators, { ...common, blockId: built.blockId }),
      signedVote(key, validators, { ...common, blockId: NIL_BLOCK_ID }),
    ];
  }

  function stateAfter(height: number): ChainState {
    const built = CHAIN[height - 1];
    if (built === undefined) throw new Error("there is no block");
    return built.stateAfter;
  }

  async function evidenceOf(height: number): Promise<DuplicateVoteEvidence> {
    pool.reportConflict(...votes(height));
    await pool.update(stateAfter(height), []);
    const [piece] = pool.pending(BYTES_MAX);
    if (piece?.kind !== "duplicateVote") throw new Error("there is no evidence");
    return piece;
  }

  test("a conflict becomes evidence once its height is decided, with that height's facts", async () => {
    const [forBlock, forNil] = votes(4);
    pool.reportConflict(forBlock, forNil);
    await pool.update(stateAfter(3), []);
    expect(pool.pending(BYTES_MAX)).toEqual([]);
    await pool.update(stateAfter(4), []);
    expect(pool.pending(BYTES_MAX)).toEqual([
      {
        kind: "duplicateVote",
        // Nil sorts before any block.
        voteA: forNil,
        voteB: forBlock,
        totalVotingPower: 40n,
        validatorPower: 10n,
        timestamp: CHAIN[3]?.block.header.time,
      },
    ]);
  });

  test("the same conflict twice is one piece; one that is too large for the block waits", async () => {
    pool.reportConflict(...votes(4));
    const [first, second] = votes(4);
    pool.reportConflict(second, first);
    await pool.update(stateAfter(4), []);
    expect(pool.pending(BYTES_MAX).length).toBe(1);
    expect(pool.pending(100)).toEqual([]);
  });

  test("what a block held is not offered again and not accepted again", async () => {
    const piece = await evidenceOf(4);
    expect(await pool.check(stateAfter(4), [piece])).toBeUndefined();
    await pool.update(stateAfter(5), [piece]);
    expect(pool.pending(BYTES_MAX)).toEqual([]);
    expect((await pool.check(stateAfter(5), [piece]))?.message).toMatch(/is in an earlier block/);
    pool.reportConflict(...votes(4));
    await pool.update(stateAfter(5), []);
    expect(pool.pending(BYTES_MAX)).toEqual([]);
  });

  test("evidence that is too old, in blocks and in time, is forgotten and refused", async () => {
    const piece = await evidenceOf(4);
    await pool.update(stateAfter(6), []);
    expect(pool.pending(BYTES_MAX).length).toBe(1);
    await pool.update(stateAfter(8), []);
    expect(pool.pending(BYTES_MAX)).toEqual([]);
    expect((await pool.check(stateAfter(8), [piece]))?.message).toMatch(/it is too old/);
  });

  test("evidence that is too old is refused also where it has not been deleted yet", async () => {
    const piece = await evidenceOf(4);
    expect(await pool.check(stateAfter(6), [piece])).toBeUndefined();
    expect((await pool.check(stateAfter(8), [piece]))?.message).toMatch(/it is too old/);
  });

  test("others' evidence is checked in every field", async () => {
    const good = await evidenceOf(4);
    const fresh = async (piece: DuplicateVoteEvidence) =>
      (await pool.check(stateAfter(5), [piece]))?.message;
    const other = sha256(utf8ToBytes("x"));
    const cases: readonly [Partial<DuplicateVoteEvidence>, RegExp][] = [
      [{ timestamp: { seconds: 1n, nanos: 0 } }, /its time is not that of block 4/],
      [{ validatorPower: 11n }, /powers are not those/],
      [{ totalVotingPower: 41n }, /powers are not those/],
      [{ voteB: { ...good.voteB, signature: new Uint8Array(64) } }, /does not verify/],
      [{ voteB: { ...good.voteB, round: Round(1) } }, /not of one height, round/],
      [{ voteB: good.voteA }, /for the same block/],
      [
        { voteA: { ...good.voteA, validatorAddress: other.slice(0, 20) } },
        /signer was not a validator/,
      ],
    ];
    for (const [changes, message] of cases) {
      expect(await fresh({ ...good, ...changes })).toMatch(message);
    }
    expect((await pool.check(stateAfter(5), [good, good]))?.message).toMatch(
      /stands twice in the block/,
    );
  });
});
