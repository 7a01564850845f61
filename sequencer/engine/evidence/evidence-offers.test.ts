/** What peers and clients offer to the pool: kept once, in one form, within limits, over a restart. */
import { beforeEach, describe, expect, test } from "vitest";
import { Height, Round } from "../../../proto/brands.ts";
import { EMPTY_BYTES, utf8ToBytes } from "../../../proto/bytes.ts";
import { sha256 } from "../../../proto/hash.ts";
import { evidenceId } from "../../../proto/hashes.ts";
import { addMs } from "../../../proto/time.ts";
import {
  SignedMsgType,
  type BlockId,
  type DuplicateVoteEvidence,
  type LightBlock,
  type Vote,
} from "../../../proto/types.ts";
import { makeLightClientAttackEvidence } from "../../../proto/verify/light-client-attack.ts";
import {
  buildChain,
  signedVote,
  testGenesis,
  testKeys,
} from "../../../test/support/chain-builder.ts";
import { openEvidencePool, storeChain } from "../../../test/support/evidence-pool.ts";
import { forge, lightBlockOf, setOf } from "../../../test/support/forks.ts";
import { memoryStore } from "../../../test/support/memory-store.ts";
import type { ChainState } from "../../store/chain-state.ts";
import type { KeyValueStore } from "../../store/key-value-store.ts";
import type { EvidencePool } from "./evidence-pool.ts";
import { EVIDENCE_EXTENSION_BYTES_MAX, EVIDENCE_PENDING_PER_VALIDATOR_MAX } from "./limits.ts";

const KEYS = testKeys(4);
const PHANTOMS = testKeys(8).slice(4);
const CHAIN = buildChain(KEYS, 8, testGenesis(KEYS));
const BYTES_MAX = 1 << 20;

describe("evidence that is offered", () => {
  let store: KeyValueStore;
  let open: () => Promise<EvidencePool>;
  let pool: EvidencePool;

  beforeEach(async () => {
    const chain = await storeChain(CHAIN);
    store = memoryStore();
    open = () => openEvidencePool(chain, store);
    pool = await open();
  });

  test("is verified, kept, told of once, and still there after a restart", async () => {
    let told = 0;
    pool.onAdded(() => told++);
    const piece = doubleVote(4);
    expect(await pool.add(stateAfter(8), piece)).toEqual({ kind: "added" });
    expect(await pool.add(stateAfter(8), piece)).toEqual({ kind: "known" });
    expect(told).toBe(1);
    expect((await open()).pending(BYTES_MAX)).toEqual(pool.pending(BYTES_MAX));
  });

  test("what no signature covers makes no second piece, and is not kept", async () => {
    const piece = doubleVote(4);
    const altered: readonly DuplicateVoteEvidence[] = [
      { ...piece, voteA: { ...piece.voteA, validatorIndex: 3 } },
      {
        ...piece,
        voteB: { ...piece.voteB, extension: EMPTY_BYTES, extensionSignature: bytes(64) },
      },
      {
        ...piece,
        voteB: { ...piece.voteB, extension: bytes(500_000), extensionSignature: bytes(64) },
      },
    ];
    const ids = new Set(
      [piece, ...altered].map((one) => Buffer.from(evidenceId(one)).toString("hex")),
    );
    expect(ids.size, "CometBFT knows each by another id").toBe(4);
    for (const variant of altered) {
      // In a block each of them is valid, as it is for CometBFT.
      const fresh = await freshPool();
      expect(await fresh.check(stateAfter(8), [variant])).toBeUndefined();
      expect(fresh.pending(BYTES_MAX)).toEqual([piece]);
    }
    const [, , large] = altered;
    if (large === undefined) throw new Error("there is no variant");
    expect((await pool.add(stateAfter(8), large)).kind).toBe("added");
    expect(pool.pending(1_000)).toEqual([piece]);
    for (const variant of [piece, ...altered]) {
      expect((await pool.add(stateAfter(8), variant)).kind).toBe("known");
    }
  });

  test("an offence that a block held in any form is not offered again, also after a restart", async () => {
    const piece = doubleVote(4);
    const variant = { ...piece, voteA: { ...piece.voteA, validatorIndex: 2 } };
    await pool.add(stateAfter(8), piece);
    await pool.update(stateAfter(8), [variant]);
    expect(pool.pending(BYTES_MAX)).toEqual([]);
    for (const one of [pool, await open()]) {
      expect((await one.add(stateAfter(8), piece)).kind).toBe("known");
      // A block of another node with the first form stays as valid as CometBFT finds it.
      expect(await one.check(stateAfter(8), [piece])).toBeUndefined();
      expect((await one.check(stateAfter(8), [variant]))?.message).toMatch(/in an earlier block/);
    }
  });

  test("attacks on light clients: lunatic and equivocation are taken, in blocks too", async () => {
    for (const piece of [lunatic(6, 2), equivocation(5)]) {
      expect((await pool.add(stateAfter(8), piece)).kind).toBe("added");
      expect(await (await freshPool()).check(stateAfter(8), [piece])).toBeUndefined();
    }
    // One forged header is one offence, whatever height it is said to branch off at.
    expect((await pool.add(stateAfter(8), lunatic(6, 3))).kind).toBe("known");
    expect(pool.waiting().map(({ judgeableFrom }) => judgeableFrom)).toEqual([7, 6]);
  });

  test("an attack is verified again in a block although its id is known", async () => {
    const piece = lunatic(6, 2);
    await pool.add(stateAfter(8), piece);
    const less = { ...piece, byzantineValidators: piece.byzantineValidators.slice(1) };
    expect(await pool.check(stateAfter(8), [piece])).toBeUndefined();
    expect((await pool.check(stateAfter(8), [less]))?.message).toMatch(
      /expected 2 byzantine validators, got 1/,
    );
    expect((await pool.check(stateAfter(8), [piece, piece]))?.message).toMatch(/stands twice/);
  });

  test("what CometBFT refuses in a block: amnesia, and a conflict with a height without a commit", async () => {
    const cases = [
      [attack(5, 5, { round: 1, signers: KEYS }), /blames nobody/],
      // Block 8 is the last: the commit for it stands in block 9.
      [equivocation(8), /block 8 has no commit yet/],
      [forwardLunatic(), /block 12 has no commit yet/],
    ] as const;
    for (const [piece, message] of cases) {
      expect((await pool.check(stateAfter(8), [piece]))?.message).toMatch(message);
      const answer = await pool.add(stateAfter(8), piece);
      expect(answer).toMatchObject({ kind: "unjudgeable" });
    }
  });

  test("a block that is being stored is not looked at: nodes that lack it would judge otherwise", async () => {
    expect(await pool.check(stateAfter(6), [equivocation(5)])).toBeUndefined();
    expect((await pool.check(stateAfter(5), [equivocation(5)]))?.message).toMatch(
      /block 5 has no commit yet/,
    );
    expect((await pool.check(stateAfter(4), [doubleVote(5)]))?.message).toMatch(
      /block 5 is not in our store/,
    );
  });

  test("malformed and forged pieces are invalid; unknown heights are not", async () => {
    const piece = doubleVote(4);
    const swapped = { ...piece, voteA: piece.voteB, voteB: piece.voteA };
    expect(await pool.add(stateAfter(8), swapped)).toMatchObject({ kind: "malformed" });
    const forged = { ...piece, voteA: { ...piece.voteA, signature: bytes(64) } };
    expect(await pool.add(stateAfter(8), forged)).toMatchObject({ kind: "invalid" });
    const early = doubleVote(8);
    expect(await pool.add(stateAfter(7), early)).toMatchObject({ kind: "unjudgeable" });
    expect(pool.waiting()).toEqual([]);
  });

  test("a stranger's large forgery is refused before anything in it is hashed", async () => {
    const good = lunatic(6, 2);
    const strangers = testKeys(300).slice(4);
    const forged = attack(6, 2, { signers: strangers, validators: setOf(strangers) });
    expect(await pool.add(stateAfter(8), forged)).toEqual({
      kind: "invalid",
      message: expect.stringMatching(
        /the common validators did not sign it: expected more than 13/,
      ),
    });
    // The same set by name, but not by signature: the third of power that is ours cannot be forged.
    const { conflictingBlock } = good;
    const { signedHeader } = conflictingBlock;
    const signatures = signedHeader.commit.signatures.map((sig) => ({
      ...sig,
      signature: new Uint8Array(64).fill(1),
    }));
    const commit = { ...signedHeader.commit, signatures };
    const block = { ...conflictingBlock, signedHeader: { ...signedHeader, commit } };
    expect(await pool.add(stateAfter(8), { ...good, conflictingBlock: block })).toMatchObject({
      kind: "invalid",
      message: expect.stringMatching(/does not verify/),
    });
    const otherSet = attack(5, 5, { signers: strangers, validators: setOf(strangers) });
    expect(await pool.add(stateAfter(8), otherSet)).toMatchObject({
      message: "the conflicting block names other validators than its height has",
    });
  });

  test("one validator's contradictions do not crowd out evidence against others", async () => {
    for (let round = 0; round < EVIDENCE_PENDING_PER_VALIDATOR_MAX; round++) {
      expect((await pool.add(stateAfter(8), doubleVote(4, 0, round))).kind).toBe("added");
    }
    expect((await pool.add(stateAfter(8), doubleVote(4, 0, 99))).kind).toBe("full");
    expect((await pool.add(stateAfter(8), doubleVote(4, 1))).kind).toBe("added");
  });

  test("conflicts keep no large extension; a large piece keeps smaller ones out of no block", async () => {
    const piece = doubleVote(4);
    const withExtension = (vote: Vote): Vote => ({
      ...vote,
      extension: bytes(1 << 20),
      extensionSignature: bytes(64),
    });
    pool.reportConflict(withExtension(piece.voteA), withExtension(piece.voteB));
    await pool.add(stateAfter(8), lunatic(6, 2));
    await pool.update(stateAfter(8), []);
    expect(pool.pending(1_000)).toEqual([piece]);
    expect(pool.pending(BYTES_MAX).map(({ kind }) => kind)).toEqual([
      "lightClientAttack",
      "duplicateVote",
    ]);
  });

  test("a precommit keeps the small extension that its validator signed: Go makes the same piece", async () => {
    const extension = bytes(100);
    const signed = doubleVote(4, 0, 0, extension);
    expect(signed.voteB.extensionSignature.length).toBe(64);
    // As consensus counted it.
    pool.reportConflict(signed.voteA, signed.voteB);
    await pool.update(stateAfter(8), []);
    expect(pool.pending(BYTES_MAX)).toEqual([signed]);
    // As others send it, and as they put it into a block.
    const offered = await freshPool();
    expect((await offered.add(stateAfter(8), signed)).kind).toBe("added");
    expect(offered.pending(BYTES_MAX)).toEqual([signed]);
    const proposed = await freshPool();
    expect(await proposed.check(stateAfter(8), [signed])).toBeUndefined();
    expect(proposed.pending(BYTES_MAX)).toEqual([signed]);
  });

  test("an extension that is not the validator's, or too long, is left out", async () => {
    const bare = doubleVote(4);
    const { voteB } = doubleVote(4, 0, 0, bytes(100));
    const long = doubleVote(4, 0, 0, bytes(EVIDENCE_EXTENSION_BYTES_MAX + 1));
    for (const piece of [{ ...bare, voteB: { ...voteB, extension: bytes(99) } }, long]) {
      const fresh = await freshPool();
      expect((await fresh.add(stateAfter(8), piece)).kind).toBe("added");
      expect(fresh.pending(BYTES_MAX)).toEqual([bare]);
    }
  });

  async function freshPool(): Promise<EvidencePool> {
    store = memoryStore();
    return open();
  }
});

function builtAt(height: number) {
  const built = CHAIN[height - 1];
  if (built === undefined) throw new Error(`there is no block ${height}`);
  return built;
}

function stateAfter(height: number): ChainState {
  return builtAt(height).stateAfter;
}

/** Two precommits of one validator, in the form that the pool keeps. */
function doubleVote(
  height: number,
  keyIndex = 0,
  round = 0,
  extension?: Uint8Array,
): DuplicateVoteEvidence {
  const key = KEYS[keyIndex];
  if (key === undefined) throw new Error("there is no key");
  const { blockId, block, stateBefore } = builtAt(height);
  const other: BlockId = { ...blockId, hash: sha256(utf8ToBytes("other")) };
  const [voteA, voteB] = [blockId, other]
    .toSorted((a, b) => Buffer.compare(a.hash, b.hash))
    .map((id) =>
      signedVote(key, stateBefore.validators, {
        type: SignedMsgType.PRECOMMIT,
        height: Height(height),
        round: Round(round),
        blockId: id,
        timestamp: block.header.time,
        ...(extension === undefined ? {} : { extension }),
      }),
    );
  if (voteA === undefined || voteB === undefined) throw new Error("there are no votes");
  return {
    kind: "duplicateVote",
    voteA,
    voteB,
    totalVotingPower: 40n,
    validatorPower: 10n,
    timestamp: block.header.time,
  };
}

function blockAt(height: number): LightBlock {
  return lightBlockOf(builtAt(height));
}

function attack(
  height: number,
  commonHeight: number,
  options: Partial<Parameters<typeof forge>[1]>,
) {
  const trusted = blockAt(height);
  const validators = trusted.validatorSet;
  const conflicting = forge(trusted, { signers: KEYS, validators, ...options });
  return makeLightClientAttackEvidence(conflicting, trusted, blockAt(commonHeight));
}

function equivocation(height: number) {
  return attack(height, height, { signers: KEYS.slice(1) });
}

function lunatic(height: number, commonHeight: number) {
  const signers = [...KEYS.slice(0, 2), ...PHANTOMS.slice(0, 2)];
  const header = { appHash: sha256(utf8ToBytes("never executed")) };
  return attack(height, commonHeight, { signers, validators: setOf(signers), header });
}

function forwardLunatic() {
  const signers = KEYS;
  const time = addMs(blockAt(8).signedHeader.header.time, -1);
  const header = { appHash: sha256(utf8ToBytes("never executed")), height: Height(12), time };
  return attack(8, 4, { signers, header });
}

function bytes(count: number): Uint8Array {
  return new Uint8Array(count).fill(7);
}
