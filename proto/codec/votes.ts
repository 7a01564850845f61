/** Codecs of votes, proposals and commits (spec/cometbft-v0.38.md §3.1). Byte fields are copies. */
import { Height, Round } from "../brands.ts";
import { EMPTY_BYTES } from "../bytes.ts";
import { SHORT_BYTES_MAX, VOTES_MAX, VOTE_EXTENSION_BYTES_MAX } from "../limits.ts";
import {
  BlockIdFlag,
  NIL_BLOCK_ID,
  SignedMsgType,
  ZERO_TIME,
  type Commit,
  type CommitSig,
  type ExtendedCommit,
  type ExtendedCommitSig,
  type Proposal,
  type Vote,
} from "../types.ts";
import { codecError } from "./errors.ts";
import { decode, type Reader } from "./reader.ts";
import {
  readBlockId,
  readHeight,
  readRound,
  readTimestamp,
  voteTypeAtEnd,
  writeBlockId,
  writeTimestamp,
} from "./types.ts";
import { encode, type Writer } from "./writer.ts";

export function writeVote(writer: Writer, vote: Vote): void {
  writer.int32(1, vote.type);
  writer.int(2, vote.height);
  writer.int32(3, vote.round);
  writer.message(4, vote.blockId, writeBlockId);
  writer.message(5, vote.timestamp, writeTimestamp);
  writer.bytes(6, vote.validatorAddress);
  writer.int32(7, vote.validatorIndex);
  writer.bytes(8, vote.signature);
  writer.bytes(9, vote.extension);
  writer.bytes(10, vote.extensionSignature);
}

export function readVote(reader: Reader): Vote {
  let type = 0;
  let height = Height(0);
  let round = Round(0);
  let blockId = NIL_BLOCK_ID;
  let timestamp = ZERO_TIME;
  let validatorAddress = EMPTY_BYTES;
  let validatorIndex = 0;
  let signature = EMPTY_BYTES;
  let extension = EMPTY_BYTES;
  let extensionSignature = EMPTY_BYTES;
  while (reader.next()) {
    switch (reader.field) {
      case 1:
        type = reader.int32();
        break;
      case 2:
        height = readHeight(reader);
        break;
      case 3:
        round = readRound(reader);
        break;
      case 4:
        blockId = reader.message(readBlockId);
        break;
      case 5:
        timestamp = reader.messageLast(readTimestamp);
        break;
      case 6:
        validatorAddress = reader.bytesCopy(SHORT_BYTES_MAX);
        break;
      case 7:
        validatorIndex = readIndex(reader);
        break;
      case 8:
        signature = reader.bytesCopy(SHORT_BYTES_MAX);
        break;
      case 9:
        extension = reader.bytesCopy(VOTE_EXTENSION_BYTES_MAX);
        break;
      case 10:
        extensionSignature = reader.bytesCopy(SHORT_BYTES_MAX);
        break;
      default:
        reader.unknown();
    }
  }
  return {
    type: voteTypeAtEnd(reader, type),
    height,
    round,
    blockId,
    timestamp,
    validatorAddress,
    validatorIndex,
    signature,
    extension,
    extensionSignature,
  };
}

export function encodeVote(vote: Vote): Uint8Array {
  return encode(writeVote, vote, 256 + vote.extension.length);
}

export function decodeVote(bytes: Uint8Array): Vote {
  return decode(readVote, bytes, "lenient");
}

export function writeProposal(writer: Writer, proposal: Proposal): void {
  writer.int32(1, SignedMsgType.PROPOSAL);
  writer.int(2, proposal.height);
  writer.int32(3, proposal.round);
  writer.int32(4, proposal.polRound);
  writer.message(5, proposal.blockId, writeBlockId);
  writer.message(6, proposal.timestamp, writeTimestamp);
  writer.bytes(7, proposal.signature);
}

export function readProposal(reader: Reader): Proposal {
  let type = 0;
  let height = Height(0);
  let [round, polRound] = [Round(0), Round(0)];
  let blockId = NIL_BLOCK_ID;
  let timestamp = ZERO_TIME;
  let signature = EMPTY_BYTES;
  while (reader.next()) {
    switch (reader.field) {
      case 1:
        type = reader.int32();
        break;
      case 2:
        height = readHeight(reader);
        break;
      case 3:
        round = readRound(reader);
        break;
      case 4:
        polRound = readRound(reader);
        break;
      case 5:
        blockId = reader.message(readBlockId);
        break;
      case 6:
        timestamp = reader.messageLast(readTimestamp);
        break;
      case 7:
        signature = reader.bytesCopy(SHORT_BYTES_MAX);
        break;
      default:
        reader.unknown();
    }
  }
  if (type !== SignedMsgType.PROPOSAL) {
    throw codecError("CODEC_OUT_OF_RANGE", `expected a proposal's type 32, got ${type}`);
  }
  return { height, round, polRound, blockId, timestamp, signature };
}

export function encodeProposal(proposal: Proposal): Uint8Array {
  return encode(writeProposal, proposal, 256);
}

export function decodeProposal(bytes: Uint8Array): Proposal {
  return decode(readProposal, bytes, "lenient");
}

export function writeCommitSig(writer: Writer, sig: CommitSig): void {
  writer.int32(1, sig.blockIdFlag);
  writer.bytes(2, sig.validatorAddress);
  writer.message(3, sig.timestamp, writeTimestamp);
  writer.bytes(4, sig.signature);
}

export function readCommitSig(reader: Reader): CommitSig {
  let flag = 0;
  let validatorAddress = EMPTY_BYTES;
  let timestamp = ZERO_TIME;
  let signature = EMPTY_BYTES;
  while (reader.next()) {
    switch (reader.field) {
      case 1:
        flag = reader.int32();
        break;
      case 2:
        validatorAddress = reader.bytesCopy(SHORT_BYTES_MAX);
        break;
      case 3:
        timestamp = reader.messageLast(readTimestamp);
        break;
      case 4:
        signature = reader.bytesCopy(SHORT_BYTES_MAX);
        break;
      default:
        reader.unknown();
    }
  }
  return { blockIdFlag: flagAtEnd(reader, flag), validatorAddress, timestamp, signature };
}

export function writeCommit(writer: Writer, commit: Commit): void {
  writer.int(1, commit.height);
  writer.int32(2, commit.round);
  writer.message(3, commit.blockId, writeBlockId);
  for (const sig of commit.signatures) writer.message(4, sig, writeCommitSig);
}

export function readCommit(reader: Reader): Commit {
  let height = Height(0);
  let round = Round(0);
  let blockId = NIL_BLOCK_ID;
  const signatures: CommitSig[] = [];
  while (reader.next()) {
    switch (reader.field) {
      case 1:
        height = readHeight(reader);
        break;
      case 2:
        round = readRound(reader);
        break;
      case 3:
        blockId = reader.message(readBlockId);
        break;
      case 4:
        checkVoteCount(signatures.length);
        signatures.push(reader.repeatedMessage(readCommitSig));
        break;
      default:
        reader.unknown();
    }
  }
  return { height, round, blockId, signatures };
}

export function encodeCommit(commit: Commit): Uint8Array {
  return encode(writeCommit, commit, 128 + 112 * commit.signatures.length);
}

export function decodeCommit(bytes: Uint8Array): Commit {
  return decode(readCommit, bytes, "lenient");
}

export function writeExtendedCommit(writer: Writer, commit: ExtendedCommit): void {
  writer.int(1, commit.height);
  writer.int32(2, commit.round);
  writer.message(3, commit.blockId, writeBlockId);
  for (const sig of commit.extendedSignatures) writer.message(4, sig, writeExtendedCommitSig);
}

export function readExtendedCommit(reader: Reader): ExtendedCommit {
  let height = Height(0);
  let round = Round(0);
  let blockId = NIL_BLOCK_ID;
  const extendedSignatures: ExtendedCommitSig[] = [];
  while (reader.next()) {
    switch (reader.field) {
      case 1:
        height = readHeight(reader);
        break;
      case 2:
        round = readRound(reader);
        break;
      case 3:
        blockId = reader.message(readBlockId);
        break;
      case 4:
        checkVoteCount(extendedSignatures.length);
        extendedSignatures.push(reader.repeatedMessage(readExtendedCommitSig));
        break;
      default:
        reader.unknown();
    }
  }
  return { height, round, blockId, extendedSignatures };
}

export function encodeExtendedCommit(commit: ExtendedCommit): Uint8Array {
  return encode(writeExtendedCommit, commit, 128 + 256 * commit.extendedSignatures.length);
}

export function decodeExtendedCommit(bytes: Uint8Array): ExtendedCommit {
  return decode(readExtendedCommit, bytes, "lenient");
}

function writeExtendedCommitSig(writer: Writer, sig: ExtendedCommitSig): void {
  writeCommitSig(writer, sig);
  writer.bytes(5, sig.extension);
  writer.bytes(6, sig.extensionSignature);
}

function readExtendedCommitSig(reader: Reader): ExtendedCommitSig {
  let flag = 0;
  let validatorAddress = EMPTY_BYTES;
  let timestamp = ZERO_TIME;
  let signature = EMPTY_BYTES;
  let extension = EMPTY_BYTES;
  let extensionSignature = EMPTY_BYTES;
  while (reader.next()) {
    switch (reader.field) {
      case 1:
        flag = reader.int32();
        break;
      case 2:
        validatorAddress = reader.bytesCopy(SHORT_BYTES_MAX);
        break;
      case 3:
        timestamp = reader.messageLast(readTimestamp);
        break;
      case 4:
        signature = reader.bytesCopy(SHORT_BYTES_MAX);
        break;
      case 5:
        extension = reader.bytesCopy(VOTE_EXTENSION_BYTES_MAX);
        break;
      case 6:
        extensionSignature = reader.bytesCopy(SHORT_BYTES_MAX);
        break;
      default:
        reader.unknown();
    }
  }
  return {
    blockIdFlag: flagAtEnd(reader, flag),
    validatorAddress,
    timestamp,
    signature,
    extension,
    extensionSignature,
  };
}

/** A validator's or part's index: int32, not negative. */
export function readIndex(reader: Reader): number {
  const value = reader.int32();
  if (value < 0) {
    reader.refuse("CODEC_OUT_OF_RANGE", `field ${reader.field}: index ${value} is negative`);
    return 0;
  }
  return value;
}

/** @throws CodecError CODEC_OUT_OF_RANGE */
export function blockIdFlagOf(value: number): BlockIdFlag {
  if (isBlockIdFlag(value)) return value;
  throw codecError("CODEC_OUT_OF_RANGE", unknownFlag(value));
}

/** Looked at when the entry has been read: earlier occurrences do not count. */
function flagAtEnd(reader: Reader, value: number): BlockIdFlag {
  // Go keeps the low byte of the enum.
  const flag = value & 0xff;
  if (isBlockIdFlag(flag)) return flag;
  reader.refuse("CODEC_OUT_OF_RANGE", unknownFlag(flag));
  return BlockIdFlag.UNKNOWN;
}

function isBlockIdFlag(value: number): value is BlockIdFlag {
  return value >= BlockIdFlag.UNKNOWN && value <= BlockIdFlag.NIL;
}

function unknownFlag(value: number): string {
  return `expected a block id flag (0 to 3), got ${value}`;
}

function checkVoteCount(count: number): void {
  if (count >= VOTES_MAX) throw codecError("CODEC_TOO_MANY", `more than ${VOTES_MAX} signatures`);
}
