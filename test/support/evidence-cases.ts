/** Evidence against a chain of eight blocks: real offences of every kind, and pieces that prove nothing. */
import { secp256k1 } from "@noble/curves/secp256k1.js";
import * as fc from "fast-check";
import { Height, Round } from "../../proto/brands.ts";
import { EMPTY_BYTES, fromHex, toHex, utf8ToBytes } from "../../proto/bytes.ts";
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
  type LightBlock,
  type LightClientAttackEvidence,
  type Vote,
} from "../../proto/types.ts";
import { blockIdKey, validateEvidence } from "../../proto/validate-basic.ts";
import { validatorAddress } from "../../proto/validator-set.ts";
import { createEd25519Verifier } from "../../proto/verify/ed25519.ts";
import { makeLightClientAttackEvidence } from "../../proto/verify/light-client-attack.ts";
import {
  judgeEvidence,
  type EvidenceJudgeDeps,
} from "../../sequencer/engine/evidence/verify-evidence.ts";
import type { ValidatorKey } from "../../sequencer/engine/privval/key-file.ts";
import { buildChain, TEST_CHAIN_ID, testGenesis, testKeys } from "./chain-builder.ts";
import { forge, lightBlockOf, setOf } from "./forks.ts";

const KEYS = testKeys(12);
/** Keys that no validator of ours may have, but a forged set. */
const SECP_KEYS = [1, 2, 3, 4].map((i) => secpKey(sha256(utf8ToBytes(`secp ${i}`))));
const MEMBERS = KEYS.slice(0, 6);
const PHANTOMS = KEYS.slice(6);
const FORGED = { appHash: sha256(utf8ToBytes("forged")) };
const FILLED = new Uint8Array(64).fill(7);
const VERIFIER = createEd25519Verifier();

/** Six validators of equal power; eight blocks, the last without a commit in a block above it. */
export const EVIDENCE_CHAIN = buildChain(MEMBERS, 8, testGenesis(MEMBERS));
const LAST = EVIDENCE_CHAIN.length;

const DEPS: EvidenceJudgeDeps = {
  blockStore: {
    meta: async (height) => {
      const built = EVIDENCE_CHAIN[height - 1];
      if (built === undefined) return undefined;
      return { blockId: built.blockId, blockSizeBytes: 0, header: built.block.header, txCount: 0 };
    },
    commit: async (height) => EVIDENCE_CHAIN[height]?.block.lastCommit,
  },
  stateStore: { validators: async (height) => EVIDENCE_CHAIN[height - 1]?.stateBefore.validators },
};

/** A piece, and whether it proves an offence that a block may hold. */
export interface EvidenceCase {
  readonly name: string;
  readonly piece: Evidence;
  readonly isProof: boolean;
}

/** Whether the piece, as it comes off the wire, would stand in a valid block after the chain. */
export async function isAccepted(piece: Evidence): Promise<boolean> {
  let received: Evidence;
  try {
    received = decodeEvidence(encodeEvidence(piece));
    validateEvidence(received);
  } catch (error) {
    // A verdict about the piece; anything else is a bug.
    if (isWeftError(error)) return false;
    throw error;
  }
  const state = builtAt(LAST).stateAfter;
  return (await judgeEvidence(state, received, DEPS, VERIFIER)).kind === "valid";
}

const subset = fc.subarray([0, 1, 2, 3, 4, 5]);

/** Phantoms and members commit a forged block: a proof by who of whom signed. */
export const lunaticCases: fc.Arbitrary<EvidenceCase> = fc
  .record({
    common: fc.integer({ min: 1, max: 5 }),
    distance: fc.integer({ min: 1, max: 2 }),
    members: fc.subarray([0, 1, 2, 3, 4, 5], { minLength: 1 }),
    phantoms: subset,
    absent: fc.nat(3),
  })
  .map(({ common, distance, members, phantoms, absent }) => {
    const set = [...pick(MEMBERS, members), ...pick(PHANTOMS, phantoms)];
    const signers = set.slice(0, Math.max(0, set.length - absent));
    const traitors = signers.filter((key) => MEMBERS.includes(key)).length;
    const trusted = blockAt(common + distance);
    const conflicting = forge(trusted, { signers, validators: setOf(set), header: FORGED });
    return {
      name: `lunatic: ${traitors} of 6 and ${signers.length} of ${set.length} signed`,
      piece: makeLightClientAttackEvidence(conflicting, trusted, blockAt(common)),
      isProof: traitors * 10 > 20 && signers.length * 10 > Math.floor((set.length * 20) / 3),
    };
  });

/** As above, with phantoms whose keys are secp256k1; or one of their signatures is bad, or not low. */
export const secpCases: fc.Arbitrary<EvidenceCase> = fc
  .record({
    members: fc.subarray([0, 1, 2, 3, 4, 5], { minLength: 3 }),
    phantoms: fc.subarray([0, 1, 2, 3], { minLength: 1 }),
    spoil: fc.constantFrom("nothing", "byte", "high S", "length" as const),
  })
  .map(({ members, phantoms, spoil }) => {
    const secp = phantoms.map((i) => keyAt(SECP_KEYS, i));
    const set = [...pick(MEMBERS, members), ...secp];
    const trusted = blockAt(6);
    const conflicting = forge(trusted, {
      signers: set,
      validators: setOf(set),
      header: FORGED,
    });
    const { signedHeader } = conflicting;
    const { commit } = signedHeader;
    const first = secp[0]?.address ?? new Uint8Array(0);
    const signatures = commit.signatures.map((sig) =>
      Buffer.compare(sig.validatorAddress, first) === 0
        ? { ...sig, signature: spoiled(sig.signature, spoil) }
        : sig,
    );
    const block = {
      ...conflicting,
      signedHeader: { ...signedHeader, commit: { ...commit, signatures } },
    };
    return {
      name: `lunatic with ${phantoms.length} secp256k1 keys of ${set.length}, spoiled: ${spoil}`,
      piece: makeLightClientAttackEvidence(block, trusted, blockAt(3)),
      isProof: spoil === "nothing",
    };
  });

/** Members commit two blocks of one height, in one round or in two. */
export const twoBlockCases: fc.Arbitrary<EvidenceCase> = fc
  .record({ height: fc.integer({ min: 1, max: LAST }), round: fc.nat(1), signers: subset })
  .map(({ height, round, signers }) => {
    const trusted = blockAt(height);
    const validators = trusted.validatorSet;
    const conflicting = forge(trusted, { signers: pick(MEMBERS, signers), validators, round });
    return {
      name: `two blocks of height ${height}, rounds 0 and ${round}, ${signers.length} of 6 signed`,
      piece: makeLightClientAttackEvidence(conflicting, trusted, trusted),
      // Amnesia (another round) and the last height are what CometBFT refuses (ADR 0005).
      isProof: signers.length > 4 && round === 0 && height < LAST,
    };
  });

/** A forged block above the last height, earlier or later than the last block: CometBFT refuses both. */
export const forwardCases: fc.Arbitrary<EvidenceCase> = fc
  .record({ height: fc.integer({ min: LAST + 1, max: 20 }), ms: fc.integer({ min: -5, max: 5 }) })
  .map(({ height, ms }) => {
    const trusted = blockAt(LAST);
    const { time } = trusted.signedHeader.header;
    const header = { ...FORGED, height: Height(height), time: addMs(time, ms) };
    const validators = trusted.validatorSet;
    const conflicting = forge(trusted, { signers: MEMBERS, validators, header });
    return {
      name: `a block of height ${height}, ${ms} ms after the last`,
      piece: makeLightClientAttackEvidence(conflicting, trusted, blockAt(4)),
      isProof: false,
    };
  });

/** A lunatic attack that is a proof. */
export const GOOD_ATTACK: LightClientAttackEvidence = (() => {
  const trusted = blockAt(6);
  const signers = [...MEMBERS.slice(0, 3), ...PHANTOMS.slice(0, 2)];
  const conflicting = forge(trusted, { signers, validators: setOf(signers), header: FORGED });
  return makeLightClientAttackEvidence(conflicting, trusted, blockAt(3));
})();

/** That attack with one field altered: no proof any more. */
export const alteredAttacks: fc.Arbitrary<EvidenceCase> = (() => {
  const good = GOOD_ATTACK;
  const { signedHeader, validatorSet } = good.conflictingBlock;
  const { header, commit } = signedHeader;
  const withBlock = (changes: Partial<LightBlock>): Evidence => ({
    ...good,
    conflictingBlock: { ...good.conflictingBlock, ...changes },
  });
  const index = fc.nat(commit.signatures.length - 1);
  const bytes = fc.uint8Array({ minLength: 32, maxLength: 32 });
  const alterations: Readonly<Record<string, fc.Arbitrary<Evidence>>> = {
    "total power": fc
      .bigInt(0n, 1n << 62n)
      .filter((power) => power !== good.totalVotingPower)
      .map((totalVotingPower) => ({ ...good, totalVotingPower })),
    time: fc
      .integer({ min: 1, max: 1_000 })
      .map((ms) => ({ ...good, timestamp: addMs(good.timestamp, ms) })),
    "common height": fc
      .constantFrom(1, 2, 4, 5, 6, 7)
      .map((height) => ({ ...good, commonHeight: Height(height) })),
    "fewer are blamed": fc
      .subarray([...good.byzantineValidators], { maxLength: 2 })
      .map((byzantineValidators) => ({ ...good, byzantineValidators })),
    "power of who is blamed": fc.tuple(fc.nat(2), fc.bigInt(1n, 9n)).map(([at, votingPower]) => ({
      ...good,
      byzantineValidators: good.byzantineValidators.map((validator, i) =>
        i === at ? { ...validator, votingPower } : validator,
      ),
    })),
    "key of who is blamed": fc.tuple(fc.nat(2), fc.nat(5)).map(([at, other]) => ({
      ...good,
      byzantineValidators: good.byzantineValidators.map((validator, i) =>
        i === at ? { ...validator, publicKey: keyAt(PHANTOMS, other).publicKey } : validator,
      ),
    })),
    header: bytes.map((dataHash) =>
      withBlock({ signedHeader: { ...signedHeader, header: { ...header, dataHash } } }),
    ),
    signature: fc
      .tuple(index, fc.nat(63), fc.integer({ min: 1, max: 255 }))
      .map(([at, byte, flip]) => {
        const signatures = commit.signatures.map((sig, i) => {
          if (i !== at) return sig;
          const signature = sig.signature.slice();
          signature[byte] = (signature[byte] ?? 0) ^ flip;
          return { ...sig, signature };
        });
        return withBlock({ signedHeader: { ...signedHeader, commit: { ...commit, signatures } } });
      }),
    "address of a signer": fc.tuple(index, fc.nat(5)).map(([at, other]) => {
      const validatorAddress = keyAt(PHANTOMS.toReversed(), other % 4).address;
      const signatures = commit.signatures.map((sig, i) =>
        i === at ? { ...sig, validatorAddress } : sig,
      );
      return withBlock({ signedHeader: { ...signedHeader, commit: { ...commit, signatures } } });
    }),
    "validator left out": index.map((at) => {
      const validators = validatorSet.validators.filter((_, i) => i !== at);
      return withBlock({ validatorSet: { ...validatorSet, validators } });
    }),
  };
  const cases = Object.entries(alterations).map(([what, pieces]) =>
    pieces.map((piece) => ({ name: `attack with another ${what}`, piece, isProof: false })),
  );
  return fc.oneof(...cases);
})();

/** CometBFT's table of duplicate votes, and what no signature covers. */
export const doubleVoteCases: readonly EvidenceCase[] = (() => {
  const [key, otherKey] = [keyAt(MEMBERS, 0), keyAt(MEMBERS, 1)];
  const { stateBefore, block } = builtAt(4);
  const { validators } = stateBefore;
  const { time } = block.header;
  const id = (hash: string, total: number, parts: string): BlockId => ({
    hash: sha256(utf8ToBytes(hash)),
    partSetHeader: { total, hash: sha256(utf8ToBytes(parts)) },
  });
  const vote = (
    signer: ValidatorKey,
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
      extension: EMPTY_BYTES,
      extensionSignature: EMPTY_BYTES,
      ...changes,
    };
    return { ...body, signature: signer.sign(voteSignBytes(chainId, body)) };
  };
  const first = vote(key, id("blockhash", 1000, "partshash"));
  const second = id("blockhash2", 1000, "partshash");
  const table: readonly [string, Vote, boolean][] = [
    ["different block ids", vote(key, second), true],
    ["different totals", vote(key, id("blockhash", 10_000, "partshash")), true],
    ["different parts", vote(key, id("blockhash", 10_000, "partshash2")), true],
    ["the same block id", vote(key, first.blockId), false],
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
    ["another index", { ...vote(key, second), validatorIndex: 5 }, true],
    ["an extension", { ...vote(key, second), extension: FILLED, extensionSignature: FILLED }, true],
    ["an extension without signature", { ...vote(key, second), extension: FILLED }, false],
  ];
  return table.flatMap(([name, other, isProof]) => {
    const [voteA, voteB] = [first, other].toSorted((a, b) =>
      Buffer.compare(blockIdKey(a.blockId), blockIdKey(b.blockId)),
    );
    if (voteA === undefined || voteB === undefined) throw new Error("there are no votes");
    const piece: DuplicateVoteEvidence = {
      kind: "duplicateVote",
      voteA,
      voteB,
      totalVotingPower: validators.totalVotingPower,
      validatorPower: 10n,
      timestamp: time,
    };
    const altered: readonly [string, Partial<DuplicateVoteEvidence>][] = [
      ["validator power", { validatorPower: 9n }],
      ["total power", { totalVotingPower: 61n }],
      ["time", { timestamp: addMs(time, 60_000) }],
      ["order", { voteA: voteB, voteB: voteA }],
      ["signer", { voteA: { ...voteA, validatorAddress: new Uint8Array(20).fill(1) } }],
    ];
    return [
      { name: `double vote: ${name}`, piece, isProof },
      ...altered.map(([what, changes]) => ({
        name: `double vote: ${name}, with another ${what}`,
        piece: { ...piece, ...changes },
        isProof: false,
      })),
    ];
  });
})();

function secpKey(secret: Uint8Array): ValidatorKey {
  const publicKey = { type: "secp256k1", bytes: secp256k1.getPublicKey(secret, true) } as const;
  return {
    publicKey,
    address: validatorAddress(publicKey),
    sign: (message) => secp256k1.sign(message, secret, { format: "compact", lowS: true }),
  };
}

function spoiled(signature: Uint8Array, how: string): Uint8Array {
  if (how === "byte") return signature.map((byte, i) => (i === 5 ? byte ^ 1 : byte));
  if (how === "length") return signature.slice(0, 63);
  if (how !== "high S") return signature;
  const order = secp256k1.Point.Fn.ORDER;
  const high = order - BigInt(`0x${toHex(signature.subarray(32))}`);
  return Uint8Array.from([
    ...signature.subarray(0, 32),
    ...fromHex(high.toString(16).padStart(64, "0")),
  ]);
}

function builtAt(height: number) {
  const built = EVIDENCE_CHAIN[height - 1];
  if (built === undefined) throw new Error(`there is no block ${height}`);
  return built;
}

function blockAt(height: number): LightBlock {
  return lightBlockOf(builtAt(height));
}

function keyAt(keys: readonly ValidatorKey[], index: number): ValidatorKey {
  const key = keys[index];
  if (key === undefined) throw new Error(`there is no key ${index}`);
  return key;
}

function pick(keys: readonly ValidatorKey[], indexes: readonly number[]): readonly ValidatorKey[] {
  return indexes.map((index) => keyAt(keys, index));
}
