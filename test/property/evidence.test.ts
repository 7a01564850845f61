/**
 * Evidence is accepted exactly when it was built from a real offence: who signs how much decides, and no
 * other value in any field is let through. The duplicate votes are CometBFT's table
 * (`evidence/verify_test.go`, TestVerifyDuplicateVoteEvidence, v0.38.25).
 */
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Height, Round } from "../../proto/brands.ts";
import { utf8ToBytes } from "../../proto/bytes.ts";
import { decodeEvidence, encodeEvidence } from "../../proto/codec/block.ts";
import { isWeftError } from "../../proto/errors.ts";
import { sha256 } from "../../proto/hash.ts";
import { voteSignBytes } from "../../proto/sign-bytes.ts";
import { addMs } from "../../proto/time.ts";
import {
  SignedMsgType,
  type BlockId,
  type DuplicateVoteEvidence,
  type Evidence,
  type Vote,
} from "../../proto/types.ts";
import { blockIdKey, validateEvidence } from "../../proto/validate-basic.ts";
import { createEd25519Verifier } from "../../proto/verify/ed25519.ts";
import { makeLightClientAttackEvidence } from "../../proto/verify/light-client-attack.ts";
import {
  judgeEvidence,
  type EvidenceJudgeDeps,
} from "../../sequencer/engine/evidence/verify-evidence.ts";
import { buildChain, TEST_CHAIN_ID, testGenesis, testKeys } from "../support/chain-builder.ts";
import { forge, lightBlockOf, setOf } from "../support/forks.ts";

const KEYS = testKeys(12);
const MEMBERS = KEYS.slice(0, 6);
const PHANTOMS = KEYS.slice(6);
const CHAIN = buildChain(MEMBERS, 8, testGenesis(MEMBERS));
const VERIFIER = createEd25519Verifier();
const NOBODY = new Uint8Array(20).fill(1);
const DEPS: EvidenceJudgeDeps = {
  blockStore: {
    meta: async (height) => {
      const built = CHAIN[height - 1];
      return (
        built && {
          blockId: built.blockId,
          blockSizeBytes: 0,
          header: built.block.header,
          txCount: 0,
        }
      );
    },
    commit: async (height) => CHAIN[height]?.block.lastCommit,
  },
  stateStore: { validators: async (height) => CHAIN[height - 1]?.stateBefore.validators },
};

/** Whether the piece, as it comes off the wire, would stand in a valid block. */
async function isAccepted(piece: Evidence): Promise<boolean> {
  const last = CHAIN[7];
  if (last === undefined) throw new Error("there is no block");
  let received: Evidence;
  try {
    received = decodeEvidence(encodeEvidence(piece));
    validateEvidence(received);
  } catch (error) {
    if (isWeftError(error)) return false;
    throw error;
  }
  return (await judgeEvidence(last.stateAfter, received, DEPS, VERIFIER)).kind === "valid";
}

function blockAt(height: number) {
  const built = CHAIN[height - 1];
  if (built === undefined) throw new Error(`there is no block ${height}`);
  return lightBlockOf(built);
}

const subset = fc.subarray([0, 1, 2, 3, 4, 5]);

describe("evidence", () => {
  test("lunatic: accepted exactly when over a third of the old and two thirds of its own set signed", async () => {
    const cases = fc.record({
      common: fc.integer({ min: 1, max: 5 }),
      distance: fc.integer({ min: 1, max: 2 }),
      members: fc.subarray([0, 1, 2, 3, 4, 5], { minLength: 1 }),
      phantoms: subset,
      absent: fc.nat(3),
    });
    await fc.assert(
      fc.asyncProperty(cases, async ({ common, distance, members, phantoms, absent }) => {
        const set = [
          ...members.flatMap((i) => MEMBERS[i] ?? []),
          ...phantoms.flatMap((i) => PHANTOMS[i] ?? []),
        ];
        const signers = set.slice(0, Math.max(0, set.length - absent));
        const traitors = signers.filter((key) => MEMBERS.includes(key)).length;
        const trusted = blockAt(common + distance);
        const header = { appHash: sha256(utf8ToBytes("forged")) };
        const conflicting = forge(trusted, { signers, validators: setOf(set), header });
        const piece = makeLightClientAttackEvidence(conflicting, trusted, blockAt(common));
        const isProof =
          traitors * 10 > 20 && signers.length * 10 > Math.floor((set.length * 20) / 3);
        expect(await isAccepted(piece)).toBe(isProof);
      }),
      { numRuns: 60 },
    );
  }, 30_000);

  test("equivocation: accepted exactly when over two thirds signed again in the same round", async () => {
    const cases = fc.record({
      height: fc.integer({ min: 1, max: 8 }),
      round: fc.nat(1),
      signers: subset,
    });
    await fc.assert(
      fc.asyncProperty(cases, async ({ height, round, signers }) => {
        const trusted = blockAt(height);
        const conflicting = forge(trusted, {
          signers: signers.flatMap((i) => MEMBERS[i] ?? []),
          validators: trusted.validatorSet,
          round,
        });
        const piece = makeLightClientAttackEvidence(conflicting, trusted, trusted);
        // Amnesia (another round) and the last height are what CometBFT refuses.
        const isProof = signers.length > 4 && round === 0 && height < 8;
        expect(await isAccepted(piece)).toBe(isProof);
      }),
      { numRuns: 60 },
    );
  }, 30_000);

  test("no field of an attack can be altered", async () => {
    const trusted = blockAt(6);
    const signers = [...MEMBERS.slice(0, 3), ...PHANTOMS.slice(0, 2)];
    const header = { appHash: sha256(utf8ToBytes("forged")) };
    const conflicting = forge(trusted, { signers, validators: setOf(signers), header });
    const good = makeLightClientAttackEvidence(conflicting, trusted, blockAt(3));
    expect(await isAccepted(good)).toBe(true);
    const { signedHeader, validatorSet } = good.conflictingBlock;
    const withBlock = (changes: Partial<typeof good.conflictingBlock>): Evidence => ({
      ...good,
      conflictingBlock: { ...good.conflictingBlock, ...changes },
    });
    const bytes = fc.uint8Array({ minLength: 32, maxLength: 32 });
    const index = fc.nat(signedHeader.commit.signatures.length - 1);
    const alteration: fc.Arbitrary<Evidence> = fc.oneof(
      fc.bigInt(0n, 1n << 62n).map((totalVotingPower) => ({ ...good, totalVotingPower })),
      fc.integer({ min: 1, max: 1_000 }).map((ms) => ({
        ...good,
        timestamp: addMs(good.timestamp, ms),
      })),
      fc
        .constantFrom(1, 2, 4, 5, 6, 7)
        .map((height) => ({ ...good, commonHeight: Height(height) })),
      fc.subarray([...good.byzantineValidators], { maxLength: 2 }).map((byzantineValidators) => ({
        ...good,
        byzantineValidators,
      })),
      fc.tuple(fc.nat(2), fc.bigInt(1n, 9n)).map(([at, votingPower]) => ({
        ...good,
        byzantineValidators: good.byzantineValidators.map((validator, i) =>
          i === at ? { ...validator, votingPower } : validator,
        ),
      })),
      bytes.map((dataHash) =>
        withBlock({
          signedHeader: { ...signedHeader, header: { ...signedHeader.header, dataHash } },
        }),
      ),
      fc.tuple(index, fc.nat(63), fc.integer({ min: 1, max: 255 })).map(([at, byte, flip]) => {
        const signatures = signedHeader.commit.signatures.map((sig, i) => {
          if (i !== at) return sig;
          const signature = sig.signature.slice();
          signature[byte] = (signature[byte] ?? 0) ^ flip;
          return { ...sig, signature };
        });
        return withBlock({
          signedHeader: { ...signedHeader, commit: { ...signedHeader.commit, signatures } },
        });
      }),
      index.map((at) => {
        const validators = validatorSet.validators.filter((_, i) => i !== at);
        return withBlock({ validatorSet: { ...validatorSet, validators } });
      }),
    );
    await fc.assert(
      fc.asyncProperty(alteration, async (piece) => {
        expect(await isAccepted(piece)).toBe(false);
      }),
      { numRuns: 150 },
    );
  }, 30_000);

  test("duplicate votes: CometBFT's table", async () => {
    const [key, otherKey] = MEMBERS;
    const trusted = CHAIN[3];
    if (key === undefined || otherKey === undefined || trusted === undefined) {
      throw new Error("the chain is too short");
    }
    const { validators } = trusted.stateBefore;
    const time = trusted.block.header.time;
    const id = (hash: string, total: number, parts: string): BlockId => ({
      hash: sha256(utf8ToBytes(hash)),
      partSetHeader: { total, hash: sha256(utf8ToBytes(parts)) },
    });
    const vote = (
      signer: typeof key,
      blockId: BlockId,
      changes: Partial<Vote> = {},
      chainId = TEST_CHAIN_ID,
    ): Vote => {
      const body = {
        type: SignedMsgType.PRECOMMIT,
        height: Height(4),
        round: Round(2),
        blockId,
        timestamp: time,
        validatorAddress: signer.address,
        validatorIndex: 0,
        extension: new Uint8Array(0),
        extensionSignature: new Uint8Array(0),
        ...changes,
      };
      return { ...body, signature: signer.sign(voteSignBytes(chainId, body)) };
    };
    const first = id("blockhash", 1000, "partshash");
    const second = id("blockhash2", 1000, "partshash");
    const vote1 = vote(key, first);
    const cases: readonly [string, Vote, boolean][] = [
      ["different block ids", vote(key, second), true],
      ["different totals", vote(key, id("blockhash", 10_000, "partshash")), true],
      ["different parts", vote(key, id("blockhash", 10_000, "partshash2")), true],
      ["the same block id", vote(key, first), false],
      ["wrong chain id", vote(key, second, {}, "mychain2"), false],
      ["wrong height", vote(key, second, { height: Height(5) }), false],
      ["wrong round", vote(key, second, { round: Round(3) }), false],
      ["wrong step", vote(key, second, { type: SignedMsgType.PREVOTE }), false],
      ["wrong validator", vote(otherKey, second), false],
      ["a different time does not matter", vote(key, second, { timestamp: addMs(time, 9) }), true],
      [
        "signed by the wrong key",
        { ...vote(otherKey, second), validatorAddress: key.address },
        false,
      ],
    ];
    for (const [name, vote2, isValid] of cases) {
      const pieces = [vote1, vote2].toSorted((a, b) =>
        Buffer.compare(blockIdKey(a.blockId), blockIdKey(b.blockId)),
      );
      const [voteA, voteB] = pieces;
      if (voteA === undefined || voteB === undefined) throw new Error("there are no votes");
      const good: DuplicateVoteEvidence = {
        kind: "duplicateVote",
        voteA,
        voteB,
        totalVotingPower: validators.totalVotingPower,
        validatorPower: 10n,
        timestamp: time,
      };
      expect(await isAccepted(good), name).toBe(isValid);
      expect(await isAccepted({ ...good, validatorPower: 9n }), name).toBe(false);
      expect(await isAccepted({ ...good, timestamp: addMs(time, 60_000) }), name).toBe(false);
      expect(await isAccepted({ ...good, voteA: good.voteB, voteB: good.voteA }), name).toBe(false);
      const outsider = { ...good.voteA, validatorAddress: NOBODY };
      expect(await isAccepted({ ...good, voteA: outsider }), name).toBe(false);
    }
  });
});
