import { describe, expect, test } from "vitest";
import { Height, Round } from "../brands.ts";
import { EMPTY_BYTES, toHex } from "../bytes.ts";
import { headerHash } from "../hashes.ts";
import { commitSigSignBytes, voteExtensionSignBytes } from "../sign-bytes.ts";
import { addMs } from "../time.ts";
import {
  BlockIdFlag,
  NIL_BLOCK_ID,
  ZERO_TIME,
  type BlockId,
  type Commit,
  type CommitSig,
  type ExtendedCommit,
  type Header,
  type SignedHeader,
  type ValidatorSet,
} from "../types.ts";
import { createValidatorSet, validatorSetHash } from "../validator-set.ts";
import {
  ONE_THIRD,
  verifyCommit,
  verifyCommitAsync,
  verifyCommitLight,
  verifyCommitLightAllSignatures,
  verifyCommitLightTrusting,
  verifyExtendedCommitAsync,
  type CommitVerdict,
} from "./commit.ts";
import {
  createEd25519Verifier,
  ed25519Address,
  ed25519KeyPairFromSeed,
  signEd25519,
  verifyEd25519Sync,
  type Ed25519KeyPair,
} from "./ed25519.ts";
import { verifyBackwards, verifyLightBlock, type TrustedState } from "./light/step.ts";

const CHAIN = "test-chain";
const TIME = { seconds: 1_704_067_200n, nanos: 1 };
const keys = Array.from({ length: 5 }, (_, i) =>
  ed25519KeyPairFromSeed(new Uint8Array(32).fill(i + 1)),
);
const keyOf = new Map(keys.map((key) => [toHex(ed25519Address(key.publicKey)), key]));

const setOf = (members: readonly (readonly [Ed25519KeyPair | undefined, bigint])[]): ValidatorSet =>
  createValidatorSet(
    members.map(([key, votingPower]) => ({
      publicKey: { type: "ed25519", bytes: key?.publicKey ?? EMPTY_BYTES },
      votingPower,
    })),
  );

const four = setOf(keys.slice(0, 4).map((key) => [key, 10n]));
const blockId: BlockId = {
  hash: new Uint8Array(32).fill(1),
  partSetHeader: { total: 1, hash: new Uint8Array(32).fill(2) },
};

const ABSENT: CommitSig = {
  blockIdFlag: BlockIdFlag.ABSENT,
  validatorAddress: EMPTY_BYTES,
  timestamp: ZERO_TIME,
  signature: EMPTY_BYTES,
};

/** A commit of `set` in which each validator does what `flags` says. */
function commitOf(
  set: ValidatorSet,
  flags: readonly BlockIdFlag[],
  id = blockId,
  height = Height(5),
): Commit {
  const frame = { height, round: Round(1), blockId: id };
  const signatures = set.validators.map((validator, i): CommitSig => {
    const blockIdFlag = flags[i] ?? BlockIdFlag.ABSENT;
    const key = keyOf.get(toHex(validator.address));
    if (blockIdFlag === BlockIdFlag.ABSENT || key === undefined) return ABSENT;
    const timestamp = addMs(TIME, i);
    const sig = { blockIdFlag, validatorAddress: validator.address, timestamp };
    const message = commitSigSignBytes(CHAIN, frame, { ...sig, signature: EMPTY_BYTES });
    return { ...sig, signature: signEd25519(key, message) };
  });
  return { ...frame, signatures };
}

const { ABSENT: A, COMMIT: C, NIL: N } = BlockIdFlag;
const context = { chainId: CHAIN, validators: four, blockId, height: 5 };
const verify = (commit: Commit) => verifyCommit(context, commit, verifyEd25519Sync);

/** The commit with one entry changed. */
function withEntry(commit: Commit, index: number, change: Partial<CommitSig>): Commit {
  const signatures = commit.signatures.map((sig, i) => (i === index ? { ...sig, ...change } : sig));
  return { ...commit, signatures };
}

const faultOf = (verdict: CommitVerdict): string => (verdict.isValid ? "valid" : verdict.fault);
const badSignature = { signature: new Uint8Array(64) };

describe("commits", () => {
  test("more than two thirds must have signed the block; exactly two thirds is too little", () => {
    expect(verify(commitOf(four, [C, C, C, A]))).toEqual({ isValid: true });
    expect(faultOf(verify(commitOf(four, [C, C, N, N])))).toBe("COMMIT_NOT_ENOUGH_POWER");
    const three = setOf(keys.slice(0, 3).map((key) => [key, 1n]));
    const commit = commitOf(three, [C, C, A]);
    const verdict = verifyCommit({ ...context, validators: three }, commit, verifyEd25519Sync);
    expect(faultOf(verdict)).toBe("COMMIT_NOT_ENOUGH_POWER");
  });

  test("the full check reads nil signatures too, the light one does not", async () => {
    const commit = withEntry(commitOf(four, [C, C, C, N]), 3, badSignature);
    expect(faultOf(verify(commit))).toBe("COMMIT_WRONG_SIGNATURE");
    expect(verifyCommitLight(context, commit, verifyEd25519Sync)).toEqual({ isValid: true });
    const verifier = createEd25519Verifier();
    expect(faultOf(await verifyCommitAsync(context, commit, verifier))).toBe(
      "COMMIT_WRONG_SIGNATURE",
    );
    const good = commitOf(four, [C, C, C, N]);
    expect(await verifyCommitAsync(context, good, verifier)).toEqual({ isValid: true });
  });

  test("the light check stops at its quorum, the all-signatures one goes on", () => {
    const commit = withEntry(commitOf(four, [C, C, C, C]), 3, badSignature);
    expect(verifyCommitLight(context, commit, verifyEd25519Sync)).toEqual({ isValid: true });
    expect(faultOf(verifyCommitLightAllSignatures(context, commit, verifyEd25519Sync))).toBe(
      "COMMIT_WRONG_SIGNATURE",
    );
  });

  test("what does not fit its context is refused by name", () => {
    const commit = commitOf(four, [C, C, C, C]);
    const [first, second] = four.validators;
    const swapped = withEntry(commit, 0, { validatorAddress: second?.address ?? EMPTY_BYTES });
    const other = { ...blockId, partSetHeader: { ...blockId.partSetHeader, total: 2 } };
    for (const [bad, code] of [
      [{ ...commit, signatures: commit.signatures.slice(1) }, "COMMIT_WRONG_SIZE"],
      [{ ...commit, height: Height(6) }, "COMMIT_WRONG_HEIGHT"],
      [{ ...commit, blockId: other }, "COMMIT_WRONG_BLOCK"],
      [{ ...commit, blockId: NIL_BLOCK_ID }, "COMMIT_WRONG_BLOCK"],
      [{ ...commit, round: Round(2) }, "COMMIT_WRONG_SIGNATURE"],
      [withEntry(commit, 2, { timestamp: TIME }), "COMMIT_WRONG_SIGNATURE"],
      [withEntry(commit, 2, { signature: EMPTY_BYTES }), "COMMIT_MALFORMED"],
      [withEntry(commit, 2, { blockIdFlag: BlockIdFlag.UNKNOWN }), "COMMIT_MALFORMED"],
      [swapped, "COMMIT_WRONG_ADDRESS"],
    ] as const) {
      expect(faultOf(verify(bad))).toBe(code);
    }
    expect(first).toBeDefined();
  });

  test("a trusted set is found by address, and nobody counts twice", () => {
    const later = setOf(keys.slice(1, 5).map((key) => [key, 10n]));
    const commit = commitOf(later, [C, C, C, C]);
    const trusting = (set: ValidatorSet, c: Commit, level = ONE_THIRD) =>
      faultOf(verifyCommitLightTrusting(CHAIN, set, c, level, verifyEd25519Sync));
    expect(trusting(four, commit)).toBe("valid");
    const stranger = setOf([
      [keys[0], 20n],
      [keys[4], 10n],
    ]);
    // 10 of 30 is a third, not more.
    expect(trusting(stranger, commit)).toBe("COMMIT_NOT_ENOUGH_POWER");
    const [entry] = commit.signatures;
    const doubled = { ...commit, signatures: entry === undefined ? [] : [entry, entry] };
    expect(trusting(four, doubled, { numerator: 1n, denominator: 1n })).toBe(
      "COMMIT_DOUBLE_SIGNER",
    );
    for (const level of [
      { numerator: 1n, denominator: 4n },
      { numerator: 4n, denominator: 3n },
      { numerator: 0n, denominator: 0n },
      { numerator: 1n << 60n, denominator: 1n << 60n },
    ]) {
      expect(trusting(four, commit, level)).toBe("COMMIT_TRUST_LEVEL");
    }
  });

  test("extended commits: every extension is signed, and signed right", async () => {
    const verifier = createEd25519Verifier();
    const commit = commitOf(four, [C, C, C, N]);
    const extension = new Uint8Array([7]);
    const extended: ExtendedCommit = {
      ...commit,
      extendedSignatures: commit.signatures.map((sig) => {
        const key = keyOf.get(toHex(sig.validatorAddress));
        if (sig.blockIdFlag !== C || key === undefined) {
          return { ...sig, extension: EMPTY_BYTES, extensionSignature: EMPTY_BYTES };
        }
        const message = voteExtensionSignBytes(CHAIN, { ...commit, extension });
        return { ...sig, extension, extensionSignature: signEd25519(key, message) };
      }),
    };
    expect(await verifyExtendedCommitAsync(context, extended, verifier)).toEqual({ isValid: true });
    const changed = (change: Partial<ExtendedCommit["extendedSignatures"][number]>) => ({
      ...extended,
      extendedSignatures: extended.extendedSignatures.map((sig, i) =>
        i === 0 ? { ...sig, ...change } : sig,
      ),
    });
    const fault = async (bad: ExtendedCommit) =>
      faultOf(await verifyExtendedCommitAsync(context, bad, verifier));
    expect(await fault(changed({ extension: EMPTY_BYTES }))).toBe("COMMIT_WRONG_SIGNATURE");
    expect(await fault(changed({ extensionSignature: EMPTY_BYTES }))).toBe("COMMIT_MALFORMED");
  });
});

describe("light client step", () => {
  const header = (height: number, set: ValidatorSet, next: ValidatorSet): Header => ({
    version: { block: 11n, app: 1n },
    chainId: CHAIN,
    height: Height(height),
    time: addMs(TIME, height * 1000),
    lastBlockId: NIL_BLOCK_ID,
    lastCommitHash: EMPTY_BYTES,
    dataHash: EMPTY_BYTES,
    validatorsHash: validatorSetHash(set),
    nextValidatorsHash: validatorSetHash(next),
    consensusHash: EMPTY_BYTES,
    appHash: EMPTY_BYTES,
    lastResultsHash: EMPTY_BYTES,
    evidenceHash: EMPTY_BYTES,
    proposerAddress: set.proposer.address,
  });
  const signed = (h: Header, set: ValidatorSet): SignedHeader => {
    const id = { hash: headerHash(h), partSetHeader: blockId.partSetHeader };
    return { header: h, commit: commitOf(set, [C, C, C, A], id, h.height) };
  };
  const options = {
    trustLevel: ONE_THIRD,
    trustingPeriodNanos: 3_600_000_000_000n,
    maxClockDriftNanos: 10_000_000_000n,
  };
  const now = addMs(TIME, 60_000);
  const trusted: TrustedState = { header: header(3, four, four), validators: four };
  const step = (signedHeader: SignedHeader, set = four, at = now) => {
    const untrusted = { signedHeader, validatorSet: set };
    return verifyLightBlock(trusted, untrusted, at, options, createEd25519Verifier());
  };

  test("adjacent and skipping steps over an honest chain", async () => {
    expect(await step(signed(header(4, four, four), four))).toEqual({ kind: "verified" });
    expect(await step(signed(header(9, four, four), four))).toEqual({ kind: "verified" });
  });

  test("each rule that a step can break", async () => {
    const strangers = setOf([
      [keys[4], 30n],
      [keys[3], 1n],
    ]);
    const good = signed(header(4, four, four), four);
    expect(await step(signed(header(9, strangers, strangers), strangers), strangers)).toEqual({
      kind: "notEnoughTrust",
    });
    expect(await step(good, four, addMs(TIME, 3_603_000))).toEqual({ kind: "expired" });
    for (const [verdict, fault] of [
      [await step(signed(header(3, four, four), four)), "LIGHT_WRONG_HEIGHT"],
      [await step(good, strangers), "LIGHT_WRONG_VALIDATORS"],
      [
        await step(signed(header(4, strangers, four), strangers), strangers),
        "LIGHT_WRONG_NEXT_VALIDATORS",
      ],
      [await step(good, four, addMs(TIME, -6000)), "LIGHT_FROM_FUTURE"],
      [await step(signed({ ...good.header, time: TIME }, four)), "LIGHT_WRONG_TIME"],
      [await step({ ...good, header: { ...good.header, chainId: "x" } }), "LIGHT_INVALID_HEADER"],
      [await step(signed({ ...good.header, chainId: "x" }, four)), "LIGHT_INVALID_HEADER"],
      [
        await step({ ...good, commit: withEntry(good.commit, 0, badSignature) }),
        "COMMIT_WRONG_SIGNATURE",
      ],
    ] as const) {
      expect(verdict).toMatchObject({ kind: "invalid", fault });
    }
  });

  test("backwards by the link of the trusted header", () => {
    const earlier = header(2, four, four);
    const lastBlockId = { ...blockId, hash: headerHash(earlier) };
    const later = { ...header(3, four, four), lastBlockId };
    expect(verifyBackwards(earlier, later)).toEqual({ kind: "verified" });
    expect(verifyBackwards({ ...earlier, appHash: new Uint8Array(8) }, later)).toMatchObject({
      fault: "LIGHT_WRONG_LINK",
    });
    expect(verifyBackwards({ ...earlier, time: later.time }, later)).toMatchObject({
      fault: "LIGHT_WRONG_TIME",
    });
  });
});
