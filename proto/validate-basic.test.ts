import { describe, expect, test } from "vitest";
import { Height, Round } from "./brands.ts";
import { EMPTY_BYTES, concatBytes, toHex } from "./bytes.ts";
import { encodeEvidenceInner } from "./codec/block.ts";
import { WeftError } from "./errors.ts";
import { sha256 } from "./hash.ts";
import {
  commitHash,
  dataHash,
  evidenceId,
  evidenceListHash,
  headerHash,
  resultsHash,
} from "./hashes.ts";
import type { ConsensusMessage } from "./messages.ts";
import { timeFromMs } from "./time.ts";
import {
  BlockIdFlag,
  NIL_BLOCK_ID,
  SignedMsgType,
  ZERO_TIME,
  type Block,
  type BlockId,
  type Commit,
  type CommitSig,
  type DuplicateVoteEvidence,
  type ExtendedCommit,
  type Header,
  type LightClientAttackEvidence,
  type Part,
  type Proposal,
  type Vote,
} from "./types.ts";
import {
  validateBlock,
  validateCommit,
  validateCommitSig,
  validateConsensusMessage,
  validateEvidence,
  validateExtendedCommit,
  validateExtensions,
  validateHeader,
  validateLightBlock,
  validateNewRoundStepHeight,
  validatePart,
  validateProposal,
  validateProposalSize,
  validateValidatorSet,
  validateVote,
} from "./validate-basic.ts";
import { createValidatorSet, validatorSetHash } from "./validator-set.ts";

const bytes = (length: number, fill = 1): Uint8Array => new Uint8Array(length).fill(fill);
const blockId: BlockId = { hash: bytes(32), partSetHeader: { total: 2, hash: bytes(32, 2) } };
const time = timeFromMs(1_700_000_000_000);
const set = createValidatorSet([
  { publicKey: { type: "ed25519", bytes: bytes(32, 3) }, votingPower: 5n },
]);
const proposerAddress = set.proposer.address;

const vote: Vote = {
  type: SignedMsgType.PRECOMMIT,
  height: Height(4),
  round: Round(0),
  blockId,
  timestamp: time,
  validatorAddress: proposerAddress,
  validatorIndex: 0,
  signature: bytes(64),
  extension: EMPTY_BYTES,
  extensionSignature: EMPTY_BYTES,
};
const sig: CommitSig = {
  blockIdFlag: BlockIdFlag.COMMIT,
  validatorAddress: proposerAddress,
  timestamp: time,
  signature: bytes(64),
};
const absent: CommitSig = {
  blockIdFlag: BlockIdFlag.ABSENT,
  validatorAddress: EMPTY_BYTES,
  timestamp: ZERO_TIME,
  signature: EMPTY_BYTES,
};
const lastCommit: Commit = {
  height: Height(3),
  round: Round(0),
  blockId,
  signatures: [sig, absent],
};
const header: Header = {
  version: { block: 11n, app: 0n },
  chainId: "chain",
  height: Height(4),
  time,
  lastBlockId: blockId,
  lastCommitHash: commitHash(lastCommit),
  dataHash: dataHash([]),
  validatorsHash: validatorSetHash(set),
  nextValidatorsHash: bytes(32),
  consensusHash: bytes(32),
  appHash: bytes(7),
  lastResultsHash: EMPTY_BYTES,
  evidenceHash: evidenceListHash([]),
  proposerAddress,
};
const block: Block = { header, txs: [], evidence: [], lastCommit };
const duplicate: DuplicateVoteEvidence = {
  kind: "duplicateVote",
  voteA: { ...vote, blockId: NIL_BLOCK_ID },
  voteB: vote,
  totalVotingPower: 5n,
  validatorPower: 5n,
  timestamp: time,
};
const attack: LightClientAttackEvidence = {
  kind: "lightClientAttack",
  conflictingBlock: {
    signedHeader: {
      header,
      commit: {
        height: Height(4),
        round: Round(0),
        blockId: { ...blockId, hash: headerHash(header) },
        signatures: [sig],
      },
    },
    validatorSet: set,
  },
  commonHeight: Height(2),
  byzantineValidators: [],
  totalVotingPower: 5n,
  timestamp: time,
};
const part: Part = {
  index: 1,
  bytes: bytes(5),
  proof: { total: 2, index: 1, leafHash: bytes(32), aunts: [bytes(32)] },
};
const proposal: Proposal = {
  height: Height(4),
  round: Round(0),
  polRound: Round(-1),
  blockId,
  timestamp: time,
  signature: bytes(64),
};

/**
 * Tries a value that is valid and changes of it, each with the words of the refusal that is due.
 * Gives what came out otherwise.
 */
function mistakes<T extends object>(
  validate: (value: T) => void,
  good: T,
  cases: readonly (readonly [Partial<T>, RegExp])[],
): readonly string[] {
  const refusal = (value: T): string => {
    try {
      validate(value);
      return "";
    } catch (error) {
      return error instanceof WeftError ? error.message : `not a refusal: ${String(error)}`;
    }
  };
  const found: string[] = [];
  if (refusal(good) !== "") found.push(`valid, but refused: ${refusal(good)}`);
  for (const [change, words] of cases) {
    const message = refusal({ ...good, ...change });
    if (!words.test(message)) found.push(`expected ${String(words)}, got ${message}`);
  }
  return found;
}

describe("validity without state", () => {
  test("headers", () => {
    expect(
      mistakes(validateHeader, header, [
        [{ version: { block: 10n, app: 0n } }, /block protocol 11, got 10/],
        [{ chainId: "ä".repeat(26) }, /52 bytes/],
        [{ height: Height(0) }, /height is 0/],
        [{ proposerAddress: bytes(19) }, /19 bytes/],
        [{ lastResultsHash: bytes(31) }, /last_results_hash has 31/],
        [{ lastBlockId: { ...blockId, hash: bytes(1) } }, /hash of the block has 1/],
      ]),
    ).toEqual([]);
    expect(() => {
      validateHeader({ ...header, chainId: "x".repeat(50), appHash: bytes(99) });
    }).not.toThrow();
  });

  test("commit entries", () => {
    expect(
      mistakes(validateCommitSig, sig, [
        [{ signature: EMPTY_BYTES }, /0 bytes/],
        [{ signature: bytes(65) }, /65 bytes/],
        [{ validatorAddress: EMPTY_BYTES }, /address of 0/],
        [{ blockIdFlag: BlockIdFlag.UNKNOWN }, /without a block id flag/],
      ]),
    ).toEqual([]);
    expect(
      mistakes(validateCommitSig, absent, [
        [{ signature: bytes(1) }, /has a signature/],
        [{ validatorAddress: bytes(20) }, /has an address/],
        [{ timestamp: time }, /has a time/],
      ]),
    ).toEqual([]);
  });

  test("commits, the empty one of the first block included", () => {
    expect(
      mistakes(validateCommit, lastCommit, [
        [{ round: Round(-1) }, /round/],
        [{ blockId: NIL_BLOCK_ID }, /nil/],
        [{ signatures: [] }, /no signatures/],
      ]),
    ).toEqual([]);
    const none: Commit = {
      height: Height(0),
      round: Round(0),
      blockId: NIL_BLOCK_ID,
      signatures: [],
    };
    expect(() => {
      validateCommit(none);
    }).not.toThrow();
    // Go decodes none of these, whatever the height.
    const partSetHeader = { total: 1, hash: bytes(33) };
    expect(
      mistakes(validateCommit, none, [
        [{ blockId: { ...NIL_BLOCK_ID, hash: bytes(33) } }, /33 bytes/],
        [{ signatures: [{ ...absent, blockIdFlag: BlockIdFlag.UNKNOWN }] }, /without a block id/],
        [{ signatures: [{ ...sig, signature: EMPTY_BYTES }] }, /signature of 0 bytes/],
      ]),
    ).toEqual([]);
    expect(
      mistakes(validateCommit, lastCommit, [[{ blockId: { ...blockId, partSetHeader } }, /33/]]),
    ).toEqual([]);
  });

  test("extended commits: extensions exactly where they are enabled", () => {
    const entry = { ...sig, extension: bytes(3), extensionSignature: bytes(64) };
    const bare = { extension: EMPTY_BYTES, extensionSignature: EMPTY_BYTES };
    const extended: ExtendedCommit = {
      ...lastCommit,
      extendedSignatures: [entry, { ...absent, ...bare }],
    };
    expect(
      mistakes(validateExtendedCommit, extended, [
        [{ extendedSignatures: [{ ...entry, extensionSignature: bytes(65) }] }, /too long/],
        [{ extendedSignatures: [{ ...absent, ...bare, extension: bytes(1) }] }, /not signed/],
      ]),
    ).toEqual([]);
    const check = (isEnabled: boolean) => (value: ExtendedCommit) => {
      validateExtensions(value, isEnabled);
    };
    expect(
      mistakes(check(true), extended, [[{ extendedSignatures: [{ ...entry, ...bare }] }, /lacks/]]),
    ).toEqual([]);
    expect(
      mistakes(check(false), { ...extended, extendedSignatures: [{ ...entry, ...bare }] }, [
        [{ extendedSignatures: [entry] }, /must not be there/],
      ]),
    ).toEqual([]);
  });

  test("votes", () => {
    expect(
      mistakes(validateVote, { ...vote, extension: bytes(1), extensionSignature: bytes(64) }, [
        [{ height: Height(0) }, /height/],
        [{ round: Round(-1) }, /round/],
        [{ blockId: { ...NIL_BLOCK_ID, hash: bytes(32) } }, /neither empty nor complete/],
        [{ validatorAddress: bytes(21) }, /21 bytes/],
        [{ signature: EMPTY_BYTES }, /0 bytes/],
        [{ extensionSignature: EMPTY_BYTES }, /not signed/],
        [{ extensionSignature: bytes(65) }, /too long/],
        [{ type: SignedMsgType.PREVOTE }, /only a precommit/],
        [{ blockId: NIL_BLOCK_ID, extension: EMPTY_BYTES }, /signature of no extension/],
      ]),
    ).toEqual([]);
  });

  test("proposals and their size", () => {
    expect(
      mistakes(validateProposal, proposal, [
        [{ blockId: NIL_BLOCK_ID }, /not complete/],
        [{ round: Round(-1) }, /round/],
        [{ signature: bytes(65) }, /65/],
      ]),
    ).toEqual([]);
    const size = (total: number, blockBytesMax: bigint) => () => {
      const id = { ...blockId, partSetHeader: { ...blockId.partSetHeader, total } };
      validateProposalSize({ ...proposal, blockId: id }, blockBytesMax);
    };
    expect(size(2, 131_072n)).not.toThrow();
    expect(size(3, 131_072n)).toThrow(/at most 2/);
    expect(size(1600, -1n)).not.toThrow();
    expect(size(1601, -1n)).toThrow(/at most 1600/);
  });

  test("parts", () => {
    expect(
      mistakes(validatePart, part, [
        [{ bytes: bytes(65_537) }, /65537/],
        [{ index: 0 }, /5 bytes/],
        [{ index: 2 }, /indexes/],
        [{ proof: { ...part.proof, leafHash: bytes(5) } }, /malformed/],
      ]),
    ).toEqual([]);
  });

  test("evidence", () => {
    expect(
      mistakes(validateEvidence, duplicate, [
        [{ voteA: duplicate.voteB, voteB: duplicate.voteA }, /order/],
        [{ voteA: duplicate.voteB }, /order/],
        [{ voteB: { ...vote, signature: EMPTY_BYTES } }, /signature/],
      ]),
    ).toEqual([]);
    expect(
      mistakes(validateEvidence, attack, [
        [{ totalVotingPower: 0n }, /not positive/],
        [{ commonHeight: Height(0) }, /common height/],
        [{ commonHeight: Height(5) }, /above the conflict/],
      ]),
    ).toEqual([]);
  });

  test("blocks: the three hashes of the header are those of the block", () => {
    expect(
      mistakes(validateBlock, block, [
        [{ txs: [bytes(1)] }, /data_hash/],
        [{ evidence: [duplicate] }, /evidence_hash/],
        [{ lastCommit: { ...lastCommit, signatures: [sig] } }, /last_commit_hash/],
      ]),
    ).toEqual([]);
  });

  test("validator sets and light blocks", () => {
    const [member] = set.validators;
    const validators = member === undefined ? [] : [{ ...member, address: bytes(20, 9) }];
    expect(
      mistakes(validateValidatorSet, set, [
        [{ validators: [] }, /empty/],
        [{ validators }, /not that of the key/],
        [{ totalVotingPower: 6n }, /sum of powers/],
      ]),
    ).toEqual([]);
    const check = (value: typeof attack.conflictingBlock) => {
      validateLightBlock(value, "chain");
    };
    const other = createValidatorSet([
      { publicKey: { type: "ed25519", bytes: bytes(32, 4) }, votingPower: 5n },
    ]);
    expect(
      mistakes(check, attack.conflictingBlock, [[{ validatorSet: other }, /not the header's/]]),
    ).toEqual([]);
  });

  test("messages of the consensus reactor", () => {
    const at = { height: Height(4), round: Round(0) };
    const none = { bits: 0, elems: [] };
    const two = { bits: 2, elems: [3n] };
    const type = SignedMsgType.PREVOTE;
    const blockPartSetHeader = blockId.partSetHeader;
    const negative = { round: Round(-1) };
    const tooMany = { bits: 10_001, elems: Array.from({ length: 157 }, () => 0n) };
    const good: readonly (readonly [ConsensusMessage, object])[] = [
      [
        {
          kind: "newRoundStep",
          ...at,
          step: 1,
          secondsSinceStartTime: -1,
          lastCommitRound: Round(-1),
        },
        negative,
      ],
      [
        { kind: "newValidBlock", ...at, blockPartSetHeader, blockParts: two, isCommit: true },
        { blockParts: { bits: 3, elems: [0n] } },
      ],
      [
        { kind: "newValidBlock", ...at, blockPartSetHeader, blockParts: two, isCommit: true },
        { blockParts: none, blockPartSetHeader: { total: 0, hash: EMPTY_BYTES } },
      ],
      [{ kind: "proposal", proposal }, { proposal: { ...proposal, blockId: NIL_BLOCK_ID } }],
      [
        { kind: "proposalPol", height: Height(4), proposalPolRound: Round(0), proposalPol: two },
        { proposalPol: none },
      ],
      [
        { kind: "proposalPol", height: Height(4), proposalPolRound: Round(0), proposalPol: two },
        { proposalPol: tooMany },
      ],
      [{ kind: "blockPart", ...at, part }, { part: { ...part, index: 0 } }],
      [{ kind: "vote", vote }, { vote: { ...vote, height: Height(0) } }],
      [{ kind: "hasVote", ...at, type, index: 0 }, negative],
      [{ kind: "voteSetMaj23", ...at, type, blockId }, { blockId: { ...blockId, hash: bytes(3) } }],
      [{ kind: "voteSetBits", ...at, type, blockId, votes: none }, { votes: tooMany }],
      [
        { kind: "voteSetBits", ...at, type, blockId, votes: none },
        { votes: { ...two, elems: [] } },
      ],
    ];
    for (const [message, change] of good) {
      expect(mistakes(validateConsensusMessage, message, [[change, /./]])).toEqual([]);
    }
  });

  test("a peer announces a last commit exactly after the first height", () => {
    const check = (height: number, lastCommitRound: number) => () => {
      const round = Round(0);
      validateNewRoundStepHeight(
        {
          kind: "newRoundStep",
          height: Height(height),
          round,
          step: 1,
          secondsSinceStartTime: 0,
          lastCommitRound: Round(lastCommitRound),
        },
        5,
      );
    };
    expect(check(5, -1)).not.toThrow();
    expect(check(6, 0)).not.toThrow();
    expect(check(4, -1)).toThrow(/before the first/);
    expect(check(5, 0)).toThrow(/before the first height/);
    expect(check(6, -1)).toThrow(/after the first/);
  });
});

describe("hashes that no fixture covers", () => {
  test("the id of a light client attack keeps CometBFT's quirk", () => {
    const hash = headerHash(header).slice();
    hash[31] = 0;
    // Zigzag of the common height 2.
    expect(toHex(evidenceId(attack))).toBe(toHex(sha256(concatBytes(hash, new Uint8Array([4])))));
    expect(toHex(evidenceId(duplicate))).toBe(toHex(sha256(encodeEvidenceInner(duplicate))));
  });

  test("results: nil and empty data are one, and only four fields count", () => {
    const result = { code: 0, data: EMPTY_BYTES, gasWanted: 0n, gasUsed: 0n };
    const noisy = { ...result, log: "ignored", events: [1] };
    expect(toHex(resultsHash([noisy]))).toBe(toHex(resultsHash([result])));
    const other = { ...result, gasUsed: 1n };
    expect(toHex(resultsHash([other]))).not.toBe(toHex(resultsHash([result])));
    // A leaf without any field: SHA-256(00).
    expect(toHex(resultsHash([result]))).toBe(
      "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    );
  });
});
