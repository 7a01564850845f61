import { beforeEach, describe, expect, test } from "vitest";
import { Height, Round } from "../../../proto/brands.ts";
import { BondStatus } from "../../../proto/codec/staking-state.ts";
import { fromHex, utf8ToBytes } from "../../../proto/bytes.ts";
import type {
  DuplicateProposal,
  SignedProposal,
  SubmitEvidence,
} from "../../../proto/codec/staking-tx.ts";
import { SUBMITTED_EVIDENCE_CODEC } from "../../../proto/codec/staking-tx.ts";
import { sha256 } from "../../../proto/hash.ts";
import { proposalSignBytes } from "../../../proto/sign-bytes.ts";
import { signEd25519, verifyEd25519Sync } from "../../../proto/verify/ed25519.ts";
import { StakeWorld, testAccount, type TestValidator } from "../../../test/support/stake-world.ts";
import type { Misbehavior } from "../../abci/application.ts";
import { updateValidator } from "../staking/validator-records.ts";
import { EVIDENCE, HEIGHT_TIMES, VALIDATORS } from "../state/tables.ts";
import {
  evidenceHash,
  evidenceSignatures,
  handleMisbehavior,
  submitEvidence,
  submitEvidenceFault,
} from "./evidence.ts";
import { DUPLICATE_VOTE } from "./faults/duplicate-vote.ts";

const CHAIN_ID = "weft-test-1";
const REPORTER = testAccount("reporter");
const DELEGATOR = testAccount("delegator");

let world: StakeWorld;
let alice: TestValidator;
let bob: TestValidator;

beforeEach(() => {
  world = new StakeWorld({
    params: { epochLength: 5, unbondingSeconds: 10_000, doubleSignSlashBps: 500 },
    evidenceMaxAgeBlocks: 250,
    evidenceMaxAgeSeconds: 1_000,
  });
  alice = world.addValidator("alice", 1_000_000n);
  bob = world.addValidator("bob", 1_000_000n);
  world.delegate(alice, DELEGATOR, 9_000_000n);
  world.start();
  blocks(2);
});

describe("a fault that consensus proves", () => {
  test.each(["duplicateVote", "lightClientAttack"] as const)(
    "%s costs 5%% of the power's stake, burned, and the place in the set for good",
    (type) => {
      handleMisbehavior(world.ctx, [misbehavior(alice, { type })]);
      expect(world.ctx.burned).toBe(500_000n);
      expect(world.worth(alice, DELEGATOR)).toBe(8_550_000n);
      expect(world.worth(bob, bob.operator)).toBe(1_000_000n);
      expect(state(alice)).toMatchObject({ jailed: true, tombstoned: true });
      const updates = world.nextBlock();
      expect(updates).toEqual([
        { validator: alice.address, consensusKey: alice.key.publicKey, power: 0n },
      ]);
    },
  );

  test("counts once, however often and in however many forms it is brought", () => {
    const twice = misbehavior(alice);
    handleMisbehavior(world.ctx, [twice, twice, misbehavior(alice, { type: "lightClientAttack" })]);
    handleMisbehavior(world.ctx, [misbehavior(alice, { height: Height(4) })]);
    expect(world.ctx.burned).toBe(500_000n);
    const ignored = world.ctx.events.filter(({ type }) => type === "evidence_ignored");
    expect(ignored).toHaveLength(3);
  });

  test("is kept with what it cost", () => {
    handleMisbehavior(world.ctx, [misbehavior(alice)]);
    const fault = { validator: alice.address, height: world.ctx.height - 1, offence: "" };
    expect(world.ctx.records.get(EVIDENCE, evidenceHash(DUPLICATE_VOTE, fault))).toEqual({
      route: "duplicate-vote",
      validator: fromHex(alice.address),
      height: world.ctx.height - 1,
      punishedHeight: world.ctx.height,
      burned: 500_000n,
      reward: 0n,
      reporter: new Uint8Array(0),
    });
  });

  test("is too old when both limits are exceeded, not one of them", () => {
    const height = Height(world.ctx.height);
    const seconds = world.ctx.nowSeconds;
    const old = misbehavior(alice, { height, time: { seconds: BigInt(seconds), nanos: 0 } });
    world.ctx.advance({ blocks: 251, seconds: 1_000 });
    handleMisbehavior(world.ctx, [{ ...old, validator: address(bob, 1n) }]);
    expect(world.ctx.burned, "a second is left").toBe(50_000n);
    world.ctx.advance({ blocks: 0, seconds: 1 });
    handleMisbehavior(world.ctx, [old]);
    expect(world.ctx.burned).toBe(50_000n);
    expect(state(alice).tombstoned).toBe(false);
    handleMisbehavior(world.ctx, [{ ...old, height: Height(height + 1) }]);
    expect(world.ctx.burned, "a block is left").toBe(550_000n);
  });

  test("leaves unknown validators, and those whose stake is free, alone", () => {
    handleMisbehavior(world.ctx, [
      { ...misbehavior(alice), validator: { address: new Uint8Array(20), power: 10n } },
    ]);
    world.ctx.records.set(VALIDATORS, alice.address, {
      ...state(alice),
      status: BondStatus.UNBONDED,
    });
    handleMisbehavior(world.ctx, [misbehavior(alice)]);
    expect(world.ctx.burned).toBe(0n);
    expect(
      world.ctx.events
        .filter(({ type }) => type === "evidence_ignored")
        .map(({ attributes }) => attributes.find(({ key }) => key === "code")?.value),
    ).toEqual(["VALIDATOR_UNKNOWN", "EVIDENCE_UNBONDED"]);
  });
});

describe("two proposals that an account brings", () => {
  test("are signed by the key in them, on this chain", () => {
    const { evidence } = doubleProposal(alice);
    expect(signaturesHold(evidence)).toEqual([true, true]);
    expect(signaturesHold(evidence, "other-chain")).toEqual([false, false]);
    const moved = { ...evidence, round: 1 };
    expect(signaturesHold(moved)).toEqual([false, false]);
    const forged = { ...evidence, second: { ...evidence.second, signature: new Uint8Array(64) } };
    expect(signaturesHold(forged)).toEqual([true, false]);
  });

  test("have sign bytes whatever can be decoded", () => {
    const { evidence } = doubleProposal(alice);
    const extremes = { ...evidence, round: 0x7fff_ffff, height: Height(Number.MAX_SAFE_INTEGER) };
    const first = {
      ...evidence.first,
      polRound: 0x7fff_ffff,
      partsTotal: 0xffff_ffff,
      timeSeconds: 253_402_300_799n,
      timeNanos: 999_999_999,
    };
    const bytes = SUBMITTED_EVIDENCE_CODEC.encode({ ...extremes, first });
    const decoded = SUBMITTED_EVIDENCE_CODEC.decode(bytes);
    expect(evidenceSignatures(CHAIN_ID, decoded)).toHaveLength(2);
    const beyond = { ...first, timeSeconds: 253_402_300_800n };
    expect(() => SUBMITTED_EVIDENCE_CODEC.encode({ ...extremes, first: beyond })).toThrow(
      /time_seconds/,
    );
    const later = { ...first, polRound: 0x8000_0000 };
    expect(() => SUBMITTED_EVIDENCE_CODEC.encode({ ...extremes, first: later })).toThrow(
      /pol_round/,
    );
  });

  test("cost as much as two votes, less the reporter's reward", () => {
    const action = doubleProposal(alice);
    expect(submitEvidenceFault(world.ctx, REPORTER, action)).toBeUndefined();
    submitEvidence(world.ctx, REPORTER, action);
    expect(world.ctx.balance(REPORTER)).toBe(50_000n);
    expect(world.ctx.burned).toBe(450_000n);
    expect(state(alice)).toMatchObject({ jailed: true, tombstoned: true });
    expect(submitEvidenceFault(world.ctx, REPORTER, action)?.code).toBe("VALIDATOR_TOMBSTONED");
    world.ctx.checkSupply();
  });

  test("pay the operator nothing", () => {
    submitEvidence(world.ctx, alice.operator, doubleProposal(alice));
    expect(world.ctx.balance(alice.operator)).toBe(0n);
    expect(world.ctx.burned).toBe(500_000n);
  });

  test("prove nothing when they are for one block, whatever time and lock they name", () => {
    const block = { blockHash: sha256(utf8ToBytes("block")) };
    const action = doubleProposal(alice, {
      first: { ...block, polRound: -1 },
      second: { ...block, polRound: 0, timeSeconds: 5n },
    });
    expect(submitEvidenceFault(world.ctx, REPORTER, action)?.code).toBe("EVIDENCE_NO_CONFLICT");
    const parts = doubleProposal(alice, { first: block, second: { ...block, partsTotal: 2 } });
    expect(submitEvidenceFault(world.ctx, REPORTER, parts)).toBeUndefined();
  });

  test("count for a height that the validator voted on", () => {
    const { ctx } = world;
    const carol = world.addValidator("carol", 2_000_000n);
    const before = ctx.height;
    while (state(carol).power === 0n) world.nextBlock();
    // Told by the block before: in force from the one after this.
    const joined = ctx.height + 1;
    blocks(3);
    const codeAt = (height: number): string | undefined =>
      submitEvidenceFault(ctx, REPORTER, doubleProposal(carol, { height }))?.code;
    expect(codeAt(before)).toBe("EVIDENCE_NOT_IN_SET");
    expect(codeAt(joined - 1)).toBe("EVIDENCE_NOT_IN_SET");
    expect(codeAt(joined)).toBeUndefined();
    expect(codeAt(ctx.height)).toBeUndefined();
    expect(codeAt(ctx.height + 1)).toBe("EVIDENCE_HEIGHT");
    // Removed and created again by the block after: what was before is not its fault.
    updateValidator(ctx, carol.address, { createdHeight: Height(joined + 1) });
    expect(codeAt(joined)).toBe("EVIDENCE_NOT_IN_SET");
    expect(codeAt(joined + 1)).toBeUndefined();
    expect(submitEvidenceFault(ctx, REPORTER, doubleProposal(stranger()))?.code).toBe(
      "VALIDATOR_UNKNOWN",
    );
  });

  test("reach a validator that has left the set since, and its delegators on their way out", () => {
    const { ctx } = world;
    const height = ctx.height - 1;
    world.undelegate(alice, DELEGATOR, 9_000_000n);
    ctx.records.set(VALIDATORS, alice.address, { ...state(alice), retired: true });
    while (state(alice).power > 0n) world.nextBlock();
    blocks(10);
    submitEvidence(ctx, REPORTER, doubleProposal(alice, { height }));
    // 5% of 10,000,000; the reward is at most what the operator lost.
    expect(ctx.balance(REPORTER)).toBe(50_000n);
    expect(ctx.burned).toBe(450_000n);
    expect(world.worth(alice, alice.operator)).toBe(950_000n);
    ctx.checkSupply();
  });

  test("are dated by the blocks around their height, whatever time they name", () => {
    const { ctx } = world;
    const height = ctx.height;
    const action = doubleProposal(alice, {
      height,
      first: { timeSeconds: 1n },
      second: { timeSeconds: 253_402_300_799n },
    });
    const code = (): string | undefined => submitEvidenceFault(ctx, REPORTER, action)?.code;
    // 251 blocks of 3 seconds: too many blocks, too few seconds.
    blocks(251, 3);
    expect(code()).toBeUndefined();
    // The block that dates it, number 100, is (100 - height) * 3 seconds later: 1,000 seconds and one more.
    const lastSecond = ctx.nowSeconds - 251 * 3 + (100 - height) * 3 + 1_000;
    ctx.advance({ seconds: lastSecond - ctx.nowSeconds });
    expect(code()).toBeUndefined();
    ctx.advance({ seconds: 1 });
    expect(code()).toBe("EVIDENCE_TOO_OLD");
  });

  test("cannot be dated once nothing of their age counts: times are forgotten", () => {
    const { ctx } = world;
    const action = doubleProposal(alice, { height: ctx.height });
    blocks(1_000, 10);
    const kept: number[] = [];
    for (let n = 0; n < 20; n++) {
      const key = n.toString().padStart(16, "0");
      if (ctx.records.get(HEIGHT_TIMES, key) !== undefined) kept.push(n);
    }
    // Height 1,005 or so: 250 blocks back, and one hundred for the next time taken.
    expect(kept).toEqual([8, 9, 10]);
    expect(submitEvidenceFault(ctx, REPORTER, action)?.code).toBe("EVIDENCE_TOO_OLD");
  });
});

function misbehavior(validator: TestValidator, changes: Partial<Misbehavior> = {}): Misbehavior {
  const { height, nowSeconds } = world.ctx;
  return {
    type: "duplicateVote",
    validator: address(validator, state(validator).power),
    height: Height(height - 1),
    time: { seconds: BigInt(nowSeconds - 1), nanos: 0 },
    totalVotingPower: 11n,
    ...changes,
  };
}

function address(validator: TestValidator, power: bigint) {
  return { address: fromHex(validator.address), power };
}

interface ProposalChanges {
  readonly height?: number;
  readonly first?: Partial<SignedProposal>;
  readonly second?: Partial<SignedProposal>;
}

/** In force and signed, for two blocks unless it says otherwise. */
function doubleProposal(
  validator: TestValidator,
  changes: ProposalChanges = {},
): SubmitEvidence & { readonly evidence: DuplicateProposal } {
  const height = Height(changes.height ?? world.ctx.height - 1);
  const proposal = (name: string, change: Partial<SignedProposal> = {}): SignedProposal => {
    const body = {
      polRound: -1,
      blockHash: sha256(utf8ToBytes(`block ${name}`)),
      partsTotal: 1,
      partsHash: sha256(utf8ToBytes("parts")),
      timeSeconds: BigInt(world.ctx.nowSeconds),
      timeNanos: 0,
      ...change,
    };
    const message = proposalSignBytes(CHAIN_ID, {
      height,
      round: Round(0),
      polRound: Round(body.polRound),
      blockId: {
        hash: body.blockHash,
        partSetHeader: { total: body.partsTotal, hash: body.partsHash },
      },
      timestamp: { seconds: body.timeSeconds, nanos: body.timeNanos },
    });
    return { ...body, signature: signEd25519(validator.key, message) };
  };
  return {
    kind: "submitEvidence",
    evidence: {
      kind: "duplicateProposal",
      consensusKey: validator.key.publicKey,
      height,
      round: 0,
      first: proposal("a", changes.first),
      second: proposal("b", changes.second),
    },
  };
}

function signaturesHold(evidence: DuplicateProposal, chainId = CHAIN_ID): readonly boolean[] {
  return evidenceSignatures(chainId, evidence).map(({ publicKey, message, signature }) =>
    verifyEd25519Sync(publicKey, message, signature),
  );
}

function stranger(): TestValidator {
  return new StakeWorld().addValidator("nobody", 1n);
}

function state({ address: at }: TestValidator) {
  const found = world.ctx.records.get(VALIDATORS, at);
  if (found === undefined) throw new Error("there is no such validator");
  return found;
}

function blocks(count: number, seconds = 1): void {
  for (let i = 0; i < count; i++) {
    handleMisbehavior(world.ctx, []);
    world.nextBlock(seconds);
  }
}
