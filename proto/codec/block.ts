/** Codecs of headers, blocks, evidence and light blocks (spec/cometbft-v0.38.md §3.1). */
import { Height } from "../brands.ts";
import { bytesEqual, EMPTY_BYTES } from "../bytes.ts";
import { assertNever } from "../errors.ts";
import {
  BLOCK_EVIDENCE_MAX,
  BLOCK_SIZE_BYTES_MAX,
  BLOCK_TXS_MAX,
  SHORT_BYTES_MAX,
  SHORT_TEXT_BYTES_MAX,
  VOTES_MAX,
} from "../limits.ts";
import {
  NIL_BLOCK_ID,
  ZERO_TIME,
  type Block,
  type BlockMeta,
  type Commit,
  type ConsensusVersion,
  type DuplicateVoteEvidence,
  type Evidence,
  type Header,
  type LightBlock,
  type LightClientAttackEvidence,
  type SignedHeader,
  type Validator,
  type ValidatorSet,
  type Vote,
} from "../types.ts";
import { codecError } from "./errors.ts";
import { decode, type Reader } from "./reader.ts";
import {
  readBlockId,
  readCount,
  readHeight,
  readTimestamp,
  readValidator,
  readValidatorSet,
  writeBlockId,
  writeTimestamp,
  writeValidator,
  writeValidatorSet,
} from "./types.ts";
import { readCommit, readVote, writeCommit, writeVote } from "./votes.ts";
import { encode, varintSize, Writer } from "./writer.ts";

export function writeVersion(writer: Writer, version: ConsensusVersion): void {
  writer.uint64(1, version.block);
  writer.uint64(2, version.app);
}

export function readVersion(reader: Reader): ConsensusVersion {
  let [block, app] = [0n, 0n];
  while (reader.next()) {
    if (reader.field === 1) block = reader.uint64();
    else if (reader.field === 2) app = reader.uint64();
    else reader.unknown();
  }
  return { block, app };
}

export function writeHeader(writer: Writer, header: Header): void {
  writer.message(1, header.version, writeVersion);
  writer.string(2, header.chainId);
  writer.int(3, header.height);
  writer.message(4, header.time, writeTimestamp);
  writer.message(5, header.lastBlockId, writeBlockId);
  writer.bytes(6, header.lastCommitHash);
  writer.bytes(7, header.dataHash);
  writer.bytes(8, header.validatorsHash);
  writer.bytes(9, header.nextValidatorsHash);
  writer.bytes(10, header.consensusHash);
  writer.bytes(11, header.appHash);
  writer.bytes(12, header.lastResultsHash);
  writer.bytes(13, header.evidenceHash);
  writer.bytes(14, header.proposerAddress);
}

export function readHeader(reader: Reader): Header {
  let version: ConsensusVersion = { block: 0n, app: 0n };
  let chainId = "";
  let height = Height(0);
  let time = ZERO_TIME;
  let lastBlockId = NIL_BLOCK_ID;
  // Fields 6 to 14, in order.
  const hashes: Uint8Array[] = [];
  while (reader.next()) {
    switch (reader.field) {
      case 1:
        version = reader.message(readVersion);
        break;
      case 2:
        chainId = reader.string(SHORT_TEXT_BYTES_MAX);
        break;
      case 3:
        height = readHeight(reader);
        break;
      case 4:
        time = reader.messageLast(readTimestamp);
        break;
      case 5:
        lastBlockId = reader.message(readBlockId);
        break;
      default:
        if (reader.field >= 6 && reader.field <= 14) {
          hashes[reader.field] = reader.bytesCopy(SHORT_BYTES_MAX);
        } else {
          reader.unknown();
        }
    }
  }
  return {
    version,
    chainId,
    height,
    time,
    lastBlockId,
    lastCommitHash: hashes[6] ?? EMPTY_BYTES,
    dataHash: hashes[7] ?? EMPTY_BYTES,
    validatorsHash: hashes[8] ?? EMPTY_BYTES,
    nextValidatorsHash: hashes[9] ?? EMPTY_BYTES,
    consensusHash: hashes[10] ?? EMPTY_BYTES,
    appHash: hashes[11] ?? EMPTY_BYTES,
    lastResultsHash: hashes[12] ?? EMPTY_BYTES,
    evidenceHash: hashes[13] ?? EMPTY_BYTES,
    proposerAddress: hashes[14] ?? EMPTY_BYTES,
  };
}

export function encodeHeader(header: Header): Uint8Array {
  return encode(writeHeader, header, 640);
}

export function decodeHeader(bytes: Uint8Array): Header {
  return decode(readHeader, bytes, "lenient");
}

export function writeDuplicateVoteEvidence(writer: Writer, evidence: DuplicateVoteEvidence): void {
  writer.message(1, evidence.voteA, writeVote);
  writer.message(2, evidence.voteB, writeVote);
  writer.int64(3, evidence.totalVotingPower);
  writer.int64(4, evidence.validatorPower);
  writer.message(5, evidence.timestamp, writeTimestamp);
}

function readDuplicateVoteEvidence(reader: Reader): DuplicateVoteEvidence {
  let voteA: Vote | undefined;
  let voteB: Vote | undefined;
  let [totalVotingPower, validatorPower] = [0n, 0n];
  let timestamp = ZERO_TIME;
  while (reader.next()) {
    switch (reader.field) {
      case 1:
        voteA = reader.message(readVote);
        break;
      case 2:
        voteB = reader.message(readVote);
        break;
      case 3:
        totalVotingPower = reader.int64();
        break;
      case 4:
        validatorPower = reader.int64();
        break;
      case 5:
        timestamp = reader.messageLast(readTimestamp);
        break;
      default:
        reader.unknown();
    }
  }
  return {
    kind: "duplicateVote",
    voteA: reader.required(voteA, "vote of duplicate votes"),
    voteB: reader.required(voteB, "vote of duplicate votes"),
    totalVotingPower,
    validatorPower,
    timestamp,
  };
}

export function writeLightClientAttackEvidence(
  writer: Writer,
  evidence: LightClientAttackEvidence,
): void {
  writer.message(1, evidence.conflictingBlock, writeLightBlock);
  writer.int(2, evidence.commonHeight);
  for (const validator of evidence.byzantineValidators) {
    writer.message(3, validator, writeValidator);
  }
  writer.int64(4, evidence.totalVotingPower);
  writer.message(5, evidence.timestamp, writeTimestamp);
}

function readLightClientAttackEvidence(reader: Reader): LightClientAttackEvidence {
  let conflictingBlock: LightBlock | undefined;
  let commonHeight = Height(0);
  const byzantineValidators: Validator[] = [];
  let totalVotingPower = 0n;
  let timestamp = ZERO_TIME;
  while (reader.next()) {
    switch (reader.field) {
      case 1:
        conflictingBlock = reader.message(readLightBlock);
        break;
      case 2:
        commonHeight = readHeight(reader);
        break;
      case 3:
        if (byzantineValidators.length >= VOTES_MAX) {
          throw codecError("CODEC_TOO_MANY", `more than ${VOTES_MAX} validators`);
        }
        byzantineValidators.push(reader.repeatedMessage(readValidator));
        break;
      case 4:
        totalVotingPower = reader.int64();
        break;
      case 5:
        timestamp = reader.messageLast(readTimestamp);
        break;
      default:
        reader.unknown();
    }
  }
  return {
    kind: "lightClientAttack",
    conflictingBlock: reader.required(conflictingBlock, "conflicting block of evidence"),
    commonHeight,
    byzantineValidators,
    totalVotingPower,
    timestamp,
  };
}

/** The oneof around one piece of evidence. */
export function writeEvidence(writer: Writer, evidence: Evidence): void {
  switch (evidence.kind) {
    case "duplicateVote":
      writer.message(1, evidence, writeDuplicateVoteEvidence);
      return;
    case "lightClientAttack":
      writer.message(2, evidence, writeLightClientAttackEvidence);
      return;
    default:
      assertNever(evidence, "evidence");
  }
}

export function readEvidence(reader: Reader): Evidence {
  let evidence: Evidence | undefined;
  while (reader.next()) {
    if (reader.field === 1) evidence = reader.oneofMessage(readDuplicateVoteEvidence, 2);
    else if (reader.field === 2) evidence = reader.oneofMessage(readLightClientAttackEvidence, 2);
    else reader.unknown();
  }
  if (evidence === undefined) throw reader.missing("evidence of a known kind");
  return evidence;
}

export function writeEvidenceList(writer: Writer, evidence: readonly Evidence[]): void {
  for (const item of evidence) writer.message(1, item, writeEvidence);
}

export function readEvidenceList(reader: Reader): readonly Evidence[] {
  const evidence: Evidence[] = [];
  while (reader.next()) {
    if (reader.field !== 1) {
      reader.unknown();
      continue;
    }
    if (evidence.length >= BLOCK_EVIDENCE_MAX) {
      throw codecError("CODEC_TOO_MANY", `more than ${BLOCK_EVIDENCE_MAX} pieces of evidence`);
    }
    evidence.push(reader.repeatedMessage(readEvidence));
  }
  return evidence;
}

export function encodeEvidence(evidence: Evidence): Uint8Array {
  return encode(writeEvidence, evidence, 512);
}

export function decodeEvidence(bytes: Uint8Array): Evidence {
  return decode(readEvidence, bytes, "lenient");
}

/** The message of channel 0x38. */
export function encodeEvidenceList(evidence: readonly Evidence[]): Uint8Array {
  return encode(writeEvidenceList, evidence, 512);
}

export function decodeEvidenceList(bytes: Uint8Array): readonly Evidence[] {
  return decode(readEvidenceList, bytes, "lenient");
}

/** The inner message of one piece of evidence: what evidence_hash covers (spec §11.2). */
export function encodeEvidenceInner(evidence: Evidence): Uint8Array {
  return evidence.kind === "duplicateVote"
    ? encode(writeDuplicateVoteEvidence, evidence, 512)
    : encode(writeLightClientAttackEvidence, evidence, 4096);
}

export function writeTxs(writer: Writer, txs: readonly Uint8Array[]): void {
  for (const tx of txs) writer.bytesElement(1, tx);
}

/** Views into the input. */
export function readTxs(reader: Reader): readonly Uint8Array[] {
  const txs: Uint8Array[] = [];
  while (reader.next()) {
    if (reader.field !== 1) {
      reader.unknown();
      continue;
    }
    if (txs.length >= BLOCK_TXS_MAX) throw codecError("CODEC_TOO_MANY", "too many transactions");
    txs.push(reader.repeatedBytes(BLOCK_SIZE_BYTES_MAX));
  }
  return txs;
}

export function writeBlock(writer: Writer, block: Block): void {
  writer.message(1, block.header, writeHeader);
  writer.message(2, block.txs, writeTxs);
  writer.message(3, block.evidence, writeEvidenceList);
  writer.message(4, block.lastCommit, writeCommit);
}

/** The transactions are views into the input: hand over a buffer that nobody reuses. */
export function readBlock(reader: Reader): Block {
  let header: Header | undefined;
  let txs: readonly Uint8Array[] = [];
  let evidence: readonly Evidence[] = [];
  let lastCommit: Commit | undefined;
  while (reader.next()) {
    switch (reader.field) {
      case 1:
        header = reader.message(readHeader);
        break;
      case 2:
        txs = reader.message(readTxs);
        break;
      case 3:
        evidence = reader.message(readEvidenceList);
        break;
      case 4:
        lastCommit = reader.message(readCommit);
        break;
      default:
        reader.unknown();
    }
  }
  if (header === undefined) throw reader.missing("header of a block");
  if (lastCommit === undefined) throw reader.missing("last commit of a block");
  return { header, txs, evidence, lastCommit };
}

/** The bytes that are cut into parts; a valid block encodes to what Go makes (spec §2). */
export function encodeBlock(block: Block): Uint8Array {
  return encode(writeBlock, block, blockSizeHint(block));
}

/** Bytes of transactions inside a block, each with its tag and length. */
export function txsBytes(txs: readonly Uint8Array[]): number {
  let total = 0;
  for (const tx of txs) total += 1 + varintSize(tx.length) + tx.length;
  return total;
}

/** What `encodeBlock(block)` begins with: all before the tag of the first transaction. */
export function bytesBeforeTxs(block: Block): Uint8Array {
  const head = new Writer(1_024);
  head.message(1, block.header, writeHeader);
  head.varint((2 << 3) | 2);
  head.varint(txsBytes(block.txs));
  return head.finish();
}

/**
 * Whether `encodeBlock(block)` gives exactly `bytes`, for a block that was decoded from them; told
 * without building them again, since nearly all of it are transactions that lie there as they are.
 */
export function isCanonicalBlock(block: Block, bytes: Uint8Array): boolean {
  const before = bytesBeforeTxs(block);
  if (!bytesEqual(before, bytes.subarray(0, before.length))) return false;
  let at = before.length;
  const frame = new Writer(16);
  for (const tx of block.txs) {
    frame.reset();
    frame.varint((1 << 3) | 2);
    frame.varint(tx.length);
    if (!frame.isAt(bytes, at)) return false;
    at += frame.length;
    const isInPlace = tx.buffer === bytes.buffer && tx.byteOffset === bytes.byteOffset + at;
    if (!isInPlace && !bytesEqual(tx, bytes.subarray(at, at + tx.length))) return false;
    at += tx.length;
  }
  const tail = new Writer(1_024 + 128 * block.lastCommit.signatures.length);
  tail.message(3, block.evidence, writeEvidenceList);
  tail.message(4, block.lastCommit, writeCommit);
  return bytesEqual(tail.finish(), bytes.subarray(at));
}

/** `block.txs` are views into `bytes`: hand over a buffer that nobody reuses. */
export function decodeBlock(bytes: Uint8Array): Block {
  return decode(readBlock, bytes, "lenient");
}

function blockSizeHint(block: Block): number {
  let size = 1024 + 128 * block.lastCommit.signatures.length + 1024 * block.evidence.length;
  for (const tx of block.txs) size += tx.length + 6;
  return size;
}

export function writeSignedHeader(writer: Writer, signed: SignedHeader): void {
  writer.message(1, signed.header, writeHeader);
  writer.message(2, signed.commit, writeCommit);
}

export function readSignedHeader(reader: Reader): SignedHeader {
  let header: Header | undefined;
  let commit: Commit | undefined;
  while (reader.next()) {
    if (reader.field === 1) header = reader.message(readHeader);
    else if (reader.field === 2) commit = reader.message(readCommit);
    else reader.unknown();
  }
  return {
    header: reader.required(header, "header of a signed header"),
    commit: reader.required(commit, "commit of a signed header"),
  };
}

export function encodeSignedHeader(signed: SignedHeader): Uint8Array {
  return encode(writeSignedHeader, signed, 1024 + 112 * signed.commit.signatures.length);
}

export function decodeSignedHeader(bytes: Uint8Array): SignedHeader {
  return decode(readSignedHeader, bytes, "lenient");
}

export function writeLightBlock(writer: Writer, block: LightBlock): void {
  writer.message(1, block.signedHeader, writeSignedHeader);
  writer.message(2, block.validatorSet, writeValidatorSet);
}

export function readLightBlock(reader: Reader): LightBlock {
  let signedHeader: SignedHeader | undefined;
  let validatorSet: ValidatorSet | undefined;
  while (reader.next()) {
    if (reader.field === 1) signedHeader = reader.message(readSignedHeader);
    else if (reader.field === 2) validatorSet = reader.message(readValidatorSet);
    else reader.unknown();
  }
  return {
    signedHeader: reader.required(signedHeader, "signed header of a light block"),
    validatorSet: reader.required(validatorSet, "validator set of a light block"),
  };
}

export function encodeLightBlock(block: LightBlock): Uint8Array {
  return encode(writeLightBlock, block, 4096);
}

export function decodeLightBlock(bytes: Uint8Array): LightBlock {
  return decode(readLightBlock, bytes, "lenient");
}

export function writeBlockMeta(writer: Writer, meta: BlockMeta): void {
  writer.message(1, meta.blockId, writeBlockId);
  writer.int(2, meta.blockSizeBytes);
  writer.message(3, meta.header, writeHeader);
  writer.int(4, meta.txCount);
}

export function readBlockMeta(reader: Reader): BlockMeta {
  let blockId = NIL_BLOCK_ID;
  let header: Header | undefined;
  let [blockSizeBytes, txCount] = [0, 0];
  while (reader.next()) {
    switch (reader.field) {
      case 1:
        blockId = reader.message(readBlockId);
        break;
      case 2:
        blockSizeBytes = readCount(reader);
        break;
      case 3:
        header = reader.message(readHeader);
        break;
      case 4:
        txCount = readCount(reader);
        break;
      default:
        reader.unknown();
    }
  }
  if (header === undefined) throw reader.missing("header of a block meta");
  return { blockId, blockSizeBytes, header, txCount };
}

export function encodeBlockMeta(meta: BlockMeta): Uint8Array {
  return encode(writeBlockMeta, meta, 800);
}

export function decodeBlockMeta(bytes: Uint8Array): BlockMeta {
  return decode(readBlockMeta, bytes, "lenient");
}
