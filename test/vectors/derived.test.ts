/**
 * Bytes and hashes worked out by hand-written scratch code when the specification was written
 * (spec/cometbft-v0.38.md §22.2), and hex facts of CometBFT's own unit tests (§6, §22.1).
 */
import { describe, expect, test } from "vitest";
import { Height, Round } from "../../proto/brands.ts";
import { EMPTY_BYTES, fromHex, toHex } from "../../proto/bytes.ts";
import { encodeBlock, encodeHeader, decodeBlock } from "../../proto/codec/block.ts";
import { writeCommitSig } from "../../proto/codec/votes.ts";
import { encode } from "../../proto/codec/writer.ts";
import {
  commitHash,
  consensusParamsHash,
  dataHash,
  evidenceListHash,
  headerHash,
  resultsHash,
} from "../../proto/hashes.ts";
import { splitIntoParts } from "../../proto/part-set.ts";
import {
  proposalSignBytes,
  voteExtensionSignBytes,
  voteSignBytes,
} from "../../proto/sign-bytes.ts";
import {
  BlockIdFlag,
  NIL_BLOCK_ID,
  SignedMsgType,
  ZERO_TIME,
  type Block,
  type BlockId,
  type Commit,
  type CommitSig,
  type Header,
  type PublicKey,
} from "../../proto/types.ts";
import { createValidatorSet, validatorSetHash } from "../../proto/validator-set.ts";

const CHAIN = "test-chain";
const TIME = { seconds: 1_704_067_200n, nanos: 1 };
const repeat = (byte: string, count = 32): Uint8Array => fromHex(byte.repeat(count));
const BLOCK_ID: BlockId = {
  hash: repeat("01"),
  partSetHeader: { total: 1, hash: repeat("02") },
};
const EMPTY_ROOT = fromHex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");

/** Public keys of the ed25519 seeds 01×32, 02×32, 03×32. */
const KEYS = [
  "8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c",
  "8139770ea87d175f56a35466c34c7ecccb8d8a91b4ee37a25df60f5b8fc9b394",
  "ed4928c628d1c2c6eae90338905995612959273a5c63f93636c14614ac8737d1",
].map((hex): PublicKey => ({ type: "ed25519", bytes: fromHex(hex) }));

const set = createValidatorSet(
  KEYS.map((publicKey, i) => ({ publicKey, votingPower: i < 2 ? 10n : 5n })),
);

const header: Header = {
  version: { block: 11n, app: 1n },
  chainId: CHAIN,
  height: Height(1),
  time: TIME,
  lastBlockId: NIL_BLOCK_ID,
  lastCommitHash: EMPTY_ROOT,
  dataHash: EMPTY_ROOT,
  validatorsHash: validatorSetHash(set),
  nextValidatorsHash: validatorSetHash(set),
  consensusHash: fromHex("048091BC7DDC283F77BFBF91D73C44DA58C3DF8A9CBC867405D8B7F3DAADA22F"),
  appHash: EMPTY_BYTES,
  lastResultsHash: EMPTY_ROOT,
  evidenceHash: EMPTY_ROOT,
  proposerAddress: set.validators[0]?.address ?? EMPTY_BYTES,
};

const emptyCommit: Commit = {
  height: Height(0),
  round: Round(0),
  blockId: NIL_BLOCK_ID,
  signatures: [],
};

const absent: CommitSig = {
  blockIdFlag: BlockIdFlag.ABSENT,
  validatorAddress: EMPTY_BYTES,
  timestamp: ZERO_TIME,
  signature: EMPTY_BYTES,
};

describe("sign bytes", () => {
  const vote = { height: Height(1), round: Round(0), timestamp: TIME };

  test("prevote for a block", () => {
    const bytes = voteSignBytes(CHAIN, { ...vote, type: SignedMsgType.PREVOTE, blockId: BLOCK_ID });
    expect(toHex(bytes)).toBe(
      `6b080111010000000000000022480a20${"01".repeat(32)}122408011220${"02".repeat(32)}` +
        "2a08088081c8ac061001320a746573742d636861696e",
    );
  });

  test("precommit for nil leaves the block id out", () => {
    const bytes = voteSignBytes(CHAIN, {
      ...vote,
      type: SignedMsgType.PRECOMMIT,
      blockId: NIL_BLOCK_ID,
    });
    expect(toHex(bytes)).toBe(
      "2108021101000000000000002a08088081c8ac061001320a746573742d636861696e",
    );
  });

  test("precommit at round 1 with Go's zero time, from CometBFT's vote tests", () => {
    const bytes = voteSignBytes("", {
      type: SignedMsgType.PRECOMMIT,
      height: Height(1),
      round: Round(1),
      blockId: NIL_BLOCK_ID,
      timestamp: ZERO_TIME,
    });
    expect(toHex(bytes)).toBe(
      "2108021101000000000000001901000000000000002a0b088092b8c398feffffff01",
    );
  });

  test("proposal without a proof of lock", () => {
    const bytes = proposalSignBytes(CHAIN, {
      height: Height(1),
      round: Round(0),
      polRound: Round(-1),
      blockId: BLOCK_ID,
      timestamp: TIME,
    });
    expect(toHex(bytes)).toBe(
      `76082011010000000000000020ffffffffffffffffff012a480a20${"01".repeat(32)}122408011220` +
        `${"02".repeat(32)}3208088081c8ac0610013a0a746573742d636861696e`,
    );
  });

  test("vote extensions, empty and not", () => {
    const empty = voteExtensionSignBytes(CHAIN, {
      height: Height(1),
      round: Round(0),
      extension: EMPTY_BYTES,
    });
    expect(toHex(empty)).toBe("15110100000000000000220a746573742d636861696e");
    const some = voteExtensionSignBytes(CHAIN, {
      height: Height(1),
      round: Round(2),
      extension: fromHex("aaaaaa"),
    });
    expect(toHex(some)).toBe(
      "230a03aaaaaa110100000000000000190200000000000000220a746573742d636861696e",
    );
  });
});

describe("hashes of a first block", () => {
  test("set order and validators hash", () => {
    expect(set.validators.map((v) => toHex(v.address).slice(0, 8))).toEqual([
      "34750f98",
      "6a3803d5",
      "b62e867f",
    ]);
    expect(toHex(validatorSetHash(set))).toBe(
      "3917af9bbf71c9a0b491fcd912134ca2aa0245609b58199d64e939cb9139afe3",
    );
  });

  test("default consensus parameters", () => {
    const hash = consensusParamsHash({
      block: { maxBytes: 22_020_096n, maxGas: -1n },
      evidence: { maxAgeBlocks: 1n, maxAgeDurationNanos: 1n, maxBytes: 1n },
      validator: { publicKeyTypes: [] },
      version: { app: 0n },
      abci: { voteExtensionsEnableHeight: Height(0) },
    });
    expect(toHex(hash)).toBe(toHex(header.consensusHash));
  });

  test("header hash and length", () => {
    expect(toHex(headerHash(header))).toBe(
      "1504aacd7537b6cf090049410dd9dfa68389fba84c25b9db212137e3297dfe33",
    );
    expect(encodeHeader(header).length).toBe(294);
    expect(headerHash({ ...header, validatorsHash: EMPTY_BYTES })).toEqual(EMPTY_BYTES);
  });

  test("block bytes and part set", () => {
    const block: Block = { header, txs: [], evidence: [], lastCommit: emptyCommit };
    const bytes = encodeBlock(block);
    expect(bytes.length).toBe(307);
    expect(toHex(bytes).endsWith("12001a0022041a021200")).toBe(true);
    const parts = splitIntoParts(bytes);
    expect(parts.header.total).toBe(1);
    expect(toHex(parts.header.hash)).toBe(
      "4d476704b12fbe04b4a646eb44f28ca2d12993e9cf4f6a16bc3bbce424aec4a1",
    );
    expect(decodeBlock(bytes)).toEqual(block);
  });

  test("empty lists share the empty root", () => {
    for (const hash of [
      dataHash([]),
      resultsHash([]),
      evidenceListHash([]),
      commitHash(emptyCommit),
    ]) {
      expect(toHex(hash)).toBe(toHex(EMPTY_ROOT));
    }
  });

  test("a commit with an absent entry", () => {
    expect(toHex(encode(writeCommitSig, absent))).toBe("08011a0b088092b8c398feffffff01");
    const signed: CommitSig = {
      blockIdFlag: BlockIdFlag.COMMIT,
      validatorAddress: set.validators[1]?.address ?? EMPTY_BYTES,
      timestamp: TIME,
      signature: repeat("07", 64),
    };
    expect(toHex(commitHash({ signatures: [absent, signed] }))).toBe(
      "7df34f475dc449d22c7f0b04ba4d9998322286fc0afbce768bbf95461f5243ce",
    );
  });
});
