/**
 * Hex facts of CometBFT v0.38.25's own unit tests (Apache-2.0): consensus/msgs_test.go,
 * blocksync/msgs_test.go, statesync/messages_test.go, mempool/reactor_test.go,
 * evidence/reactor_test.go, p2p/conn/connection_test.go, types/vote_test.go, types/block_test.go.
 */
import { describe, expect, test } from "vitest";
import { Height, Round } from "../../proto/brands.ts";
import { EMPTY_BYTES, fromHex, toHex, utf8ToBytes } from "../../proto/bytes.ts";
import {
  decodeEvidenceList,
  encodeEvidenceList,
  writeHeader,
  writeTxs,
} from "../../proto/codec/block.ts";
import {
  decodeConsensusMessage,
  encodeConsensusMessage,
} from "../../proto/codec/consensus-messages.ts";
import { decodePacket, encodePacket, encodePexMessage } from "../../proto/codec/p2p-messages.ts";
import {
  decodeBlockSyncMessage,
  decodeStateSyncMessage,
  decodeTxsMessage,
  encodeBlockSyncMessage,
  encodeStateSyncMessage,
  encodeTxsMessage,
} from "../../proto/codec/sync-messages.ts";
import { Writer } from "../../proto/codec/writer.ts";
import { sha256 } from "../../proto/hash.ts";
import { commitHash, dataHash, headerHash } from "../../proto/hashes.ts";
import type { BlockSyncMessage, ConsensusMessage, StateSyncMessage } from "../../proto/messages.ts";
import { voteSignBytes } from "../../proto/sign-bytes.ts";
import { parseTime } from "../../proto/time.ts";
import {
  NIL_BLOCK_ID,
  SignedMsgType,
  ZERO_TIME,
  type BlockId,
  type Header,
  type Vote,
} from "../../proto/types.ts";

const TEXT = utf8ToBytes("add_more_exclamation_marks_code-");
const TEXT_HEX = toHex(TEXT);
const ADDRESS = utf8ToBytes("add_more_exclamation");
const ADDRESS_HEX = toHex(ADDRESS);
const partSetHeader = { total: 1, hash: TEXT };
const blockId: BlockId = { hash: TEXT, partSetHeader };
const BLOCK_ID_HEX = `0a20${TEXT_HEX}122408011220${TEXT_HEX}`;
const date = parseTime("2018-08-30T12:00:00Z");
const at = { height: Height(1), round: Round(1) };
const oneBit = { bits: 1, elems: [0n] };
const INT32_MAX = 0x7fff_ffff;

const vote: Vote = {
  type: SignedMsgType.PRECOMMIT,
  height: Height(1),
  round: Round(0),
  blockId,
  timestamp: date,
  validatorAddress: ADDRESS,
  validatorIndex: 1,
  signature: EMPTY_BYTES,
  extension: EMPTY_BYTES,
  extensionSignature: EMPTY_BYTES,
};

const VOTE_HEX = `0802100122480a20${TEXT_HEX}122408011220${TEXT_HEX}2a0608c0b89fdc053214${ADDRESS_HEX}3801`;

describe("consensus messages of Go", () => {
  test.each<[string, ConsensusMessage, string]>([
    [
      "NewRoundStep",
      {
        kind: "newRoundStep",
        ...at,
        step: 1,
        secondsSinceStartTime: 1,
        lastCommitRound: Round(1),
      },
      "0a0a08011001180120012801",
    ],
    [
      "NewValidBlock",
      {
        kind: "newValidBlock",
        ...at,
        blockPartSetHeader: partSetHeader,
        blockParts: oneBit,
        isCommit: false,
      },
      `1231080110011a2408011220${TEXT_HEX}22050801120100`,
    ],
    [
      "Proposal",
      {
        kind: "proposal",
        proposal: { ...at, polRound: Round(1), blockId, timestamp: date, signature: ADDRESS },
      },
      `1a720a7008201001180120012a48${BLOCK_ID_HEX}320608c0b89fdc053a14${ADDRESS_HEX}`,
    ],
    [
      "ProposalPOL",
      {
        kind: "proposalPol",
        height: Height(1),
        proposalPolRound: Round(1),
        proposalPol: { bits: 0, elems: [] },
      },
      "2206080110011a00",
    ],
    [
      "BlockPart",
      {
        kind: "blockPart",
        ...at,
        part: {
          index: 1,
          bytes: utf8ToBytes("test"),
          proof: { total: 1, index: 1, leafHash: TEXT, aunts: [] },
        },
      },
      `2a36080110011a3008011204746573741a26080110011a20${TEXT_HEX}`,
    ],
    ["Vote without extension", { kind: "vote", vote }, `32700a6e${VOTE_HEX}`],
    [
      "Vote with extension",
      { kind: "vote", vote: { ...vote, extension: utf8ToBytes("extension") } },
      `327b0a79${VOTE_HEX}4a09657874656e73696f6e`,
    ],
    [
      "HasVote",
      { kind: "hasVote", ...at, type: SignedMsgType.PREVOTE, index: 1 },
      "3a080801100118012001",
    ],
    [
      "VoteSetMaj23",
      { kind: "voteSetMaj23", ...at, type: SignedMsgType.PREVOTE, blockId },
      `42500801100118012248${BLOCK_ID_HEX}`,
    ],
    [
      "VoteSetBits",
      { kind: "voteSetBits", ...at, type: SignedMsgType.PREVOTE, blockId, votes: oneBit },
      `4a570801100118012248${BLOCK_ID_HEX}2a050801120100`,
    ],
  ])("%s", (_, message, hex) => {
    expect(toHex(encodeConsensusMessage(message))).toBe(hex);
    expect(decodeConsensusMessage(fromHex(hex))).toEqual(message);
  });

  test("the largest int32 round and index", () => {
    const message: ConsensusMessage = {
      kind: "hasVote",
      height: Height(Number.MAX_SAFE_INTEGER),
      round: Round(INT32_MAX),
      type: SignedMsgType.PREVOTE,
      index: INT32_MAX,
    };
    // Go's vector has the height 2^63 - 1, which no chain reaches and which is refused here.
    const go = "3a1808ffffffffffffffff7f10ffffffff07180120ffffffff07";
    const ours = toHex(encodeConsensusMessage(message));
    expect(ours).toBe("3a1708ffffffffffffff0f10ffffffff07180120ffffffff07");
    expect(() => decodeConsensusMessage(fromHex(go))).toThrow(/safe integer/);
  });
});

describe("block sync, state sync, mempool, evidence and transport messages of Go", () => {
  test.each<[BlockSyncMessage, string]>([
    [{ kind: "blockRequest", height: Height(1) }, "0a020801"],
    [{ kind: "noBlockResponse", height: Height(1) }, "12020801"],
    [{ kind: "statusRequest" }, "2200"],
    [{ kind: "statusResponse", height: Height(1), base: Height(2) }, "2a0408011002"],
  ])("block sync %o", (message, hex) => {
    expect(toHex(encodeBlockSyncMessage(message))).toBe(hex);
    expect(decodeBlockSyncMessage(fromHex(hex))).toEqual(message);
  });

  test("the block of Go's BlockResponse: its header, its data, and no last commit", () => {
    const hello = utf8ToBytes("Hello World");
    const header: Header = {
      version: { block: 11n, app: 0n },
      chainId: "",
      height: Height(3),
      time: ZERO_TIME,
      lastBlockId: NIL_BLOCK_ID,
      lastCommitHash: EMPTY_BYTES,
      dataHash: dataHash([hello]),
      validatorsHash: EMPTY_BYTES,
      nextValidatorsHash: EMPTY_BYTES,
      consensusHash: EMPTY_BYTES,
      appHash: EMPTY_BYTES,
      lastResultsHash: EMPTY_BYTES,
      evidenceHash: commitHash({ signatures: [] }),
      proposerAddress: EMPTY_BYTES,
    };
    const writer = new Writer();
    writer.message(3, undefined, (response) => {
      response.message(1, undefined, (block) => {
        block.message(1, header, writeHeader);
        block.message(2, [hello], writeTxs);
        block.emptyMessage(3);
      });
    });
    const hex =
      "1a700a6e0a5b0a02080b1803220b088092b8c398feffffff012a0212003a20c4da88e876062aa1543400d50d0eaa0d" +
      "ac88096057949cfb7bca7f3a48c04bf96a20e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b78" +
      "52b855120d0a0b48656c6c6f20576f726c641a00";
    expect(toHex(writer.finish())).toBe(hex);
    // Go's ValidateBasic refuses a block without last commit; so does our decoder.
    expect(() => decodeBlockSyncMessage(fromHex(hex))).toThrow(/last commit/);
  });

  test.each<[StateSyncMessage, string]>([
    [{ kind: "snapshotsRequest" }, "0a00"],
    [
      {
        kind: "snapshotsResponse",
        height: Height(1),
        format: 2,
        chunks: 3,
        hash: utf8ToBytes("chuck hash"),
        metadata: utf8ToBytes("snapshot metadata"),
      },
      "1225080110021803220a636875636b20686173682a11736e617073686f74206d65746164617461",
    ],
    [{ kind: "chunkRequest", height: Height(1), format: 2, index: 3 }, "1a06080110021803"],
    [
      {
        kind: "chunkResponse",
        height: Height(1),
        format: 2,
        index: 3,
        chunk: utf8ToBytes("it's a chunk"),
        missing: false,
      },
      "2214080110021803220c697427732061206368756e6b",
    ],
  ])("state sync %o", (message, hex) => {
    expect(toHex(encodeStateSyncMessage(message))).toBe(hex);
    expect(decodeStateSyncMessage(fromHex(hex))).toEqual(message);
  });

  test.each([
    ["7b", "0a030a017b"],
    [
      "70726f746f20656e636f64696e6720696e206d656d706f6f6c",
      "0a1b0a1970726f746f20656e636f64696e6720696e206d656d706f6f6c",
    ],
  ])("mempool %s", (tx, hex) => {
    const message = { kind: "txs" as const, txs: [fromHex(tx)] };
    expect(toHex(encodeTxsMessage(message))).toBe(hex);
    expect(decodeTxsMessage(fromHex(hex))).toEqual(message);
  });

  test("evidence list, decoded and encoded again", () => {
    const voteHex = (type: string): string =>
      `08${type}10031802224a0a208b01023386c371778ecb6368573e539afc3cc860ec3a2f614e54fe5652f4fc80` +
      "122608c0843d122072db3d959635dff1bb567bedaa70573392c5159666a3f8caf11e413aac52207a" +
      "2a0b08b1d381d20510809dca6f32146af1f4111082efb388211bc72c55bcd61e9ac3d538d5bb03";
    const hex = `0a85020a82020a79${voteHex("02")}1279${voteHex("01")}180a200a2a060880dbaae105`;
    const [evidence] = decodeEvidenceList(fromHex(hex));
    expect(evidence).toMatchObject({ totalVotingPower: 10n, validatorPower: 10n });
    expect(toHex(encodeEvidenceList(evidence === undefined ? [] : [evidence]))).toBe(hex);
  });

  test("packets", () => {
    const data = utf8ToBytes("data transmitted over the wire");
    const packet = { kind: "message" as const, channelId: 1, isLast: false, data };
    const hex = `1a2208011a1e${toHex(data)}`;
    expect(toHex(encodePacket(packet))).toBe(`24${hex}`);
    expect(decodePacket(fromHex(hex), 1024)).toEqual(packet);
    expect(() => decodePacket(fromHex(hex), 16)).toThrow(/at most 16/);
    expect(toHex(encodePacket({ kind: "ping" }))).toBe("020a00");
    expect(toHex(encodePacket({ kind: "pong" }))).toBe("021200");
    expect(toHex(encodePexMessage({ kind: "pexRequest" }))).toBe("0a00");
  });
});

describe("hashes and sign bytes of Go", () => {
  const digest = (text: string): Uint8Array => sha256(utf8ToBytes(text));

  test("TestHeaderHash", () => {
    const header: Header = {
      version: { block: 1n, app: 2n },
      chainId: "chainId",
      height: Height(3),
      time: parseTime("2019-10-13T16:14:44Z"),
      lastBlockId: {
        hash: new Uint8Array(32),
        partSetHeader: { total: 6, hash: new Uint8Array(32) },
      },
      lastCommitHash: digest("last_commit_hash"),
      dataHash: digest("data_hash"),
      validatorsHash: digest("validators_hash"),
      nextValidatorsHash: digest("next_validators_hash"),
      consensusHash: digest("consensus_hash"),
      appHash: digest("app_hash"),
      lastResultsHash: digest("last_results_hash"),
      evidenceHash: digest("evidence_hash"),
      proposerAddress: digest("proposer_address").slice(0, 20),
    };
    expect(toHex(headerHash(header)).toUpperCase()).toBe(
      "F740121F553B5418C3EFBD343C2DBFE9E007BB67B0D020A0741374BAB65242A4",
    );
  });

  test("TestVoteSignBytesTestVectors: prevote at height and round 1", () => {
    const bytes = voteSignBytes("", {
      type: SignedMsgType.PREVOTE,
      height: Height(1),
      round: Round(1),
      blockId: NIL_BLOCK_ID,
      timestamp: ZERO_TIME,
    });
    expect(toHex(bytes)).toBe(
      "2108011101000000000000001901000000000000002a0b088092b8c398feffffff01",
    );
  });
});
