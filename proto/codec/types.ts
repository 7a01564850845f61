/**
 * Codecs of CometBFT's building blocks (spec/cometbft-v0.38.md §3.1). `writeX` writes the body of a
 * message, `readX` reads one. Decoders check what the types demand (ranges, presence), not the rules
 * of validity: those are in `validate-basic.ts`. Byte fields are private copies unless stated.
 */
import { Height, Round } from "../brands.ts";
import { EMPTY_BYTES } from "../bytes.ts";
import {
  BLOCK_PARTS_MAX,
  BLOCK_PART_SIZE_BYTES,
  MERKLE_AUNTS_MAX,
  SHORT_BYTES_MAX,
  SHORT_TEXT_BYTES_MAX,
  VOTES_MAX,
} from "../limits.ts";
import {
  NIL_BLOCK_ID,
  SignedMsgType,
  type BitArray,
  type BlockId,
  type ConsensusParams,
  type MerkleProof,
  type Part,
  type PartSetHeader,
  type PublicKey,
  type Timestamp,
  type Validator,
  type ValidatorSet,
  type VoteType,
} from "../types.ts";
import { codecError } from "./errors.ts";
import { decode, type Reader } from "./reader.ts";
import { encode, type Writer } from "./writer.ts";

const EPOCH: Timestamp = { seconds: 0n, nanos: 0 };
/** Go's limits of a Timestamp: years 1 to 9999. */
export const SECONDS_MIN = -62_135_596_800n;
export const SECONDS_MAX = 253_402_300_799n;
const ANY_LENGTH = Number.MAX_SAFE_INTEGER;
const NANOS_PER_SECOND = 1_000_000_000n;
/** Words of the longest bit array, one bit for each vote. */
const BIT_ARRAY_WORDS_MAX = Math.ceil(VOTES_MAX / 64);

export const EMPTY_BIT_ARRAY: BitArray = { bits: 0, elems: [] };
const EMPTY_PART_SET_HEADER: PartSetHeader = NIL_BLOCK_ID.partSetHeader;

/** A height off the wire. */
export function readHeight(reader: Reader): Height {
  const value = reader.int();
  if (value < 0) {
    reader.refuse("CODEC_OUT_OF_RANGE", `field ${reader.field}: height ${value} is negative`);
    return Height(0);
  }
  return Height(value);
}

/** A round off the wire; -1 is "none". */
export function readRound(reader: Reader): Round {
  const value = reader.int32();
  if (value < -1) {
    reader.refuse("CODEC_OUT_OF_RANGE", `field ${reader.field}: round ${value} is below -1`);
    return Round(0);
  }
  return Round(value);
}

/** An index or count in an int32 or int64 field. */
export function readCount(reader: Reader): number {
  const value = reader.int();
  if (value < 0) {
    reader.refuse("CODEC_OUT_OF_RANGE", `field ${reader.field}: ${value} is negative`);
    return 0;
  }
  return value;
}

export function voteType(value: number): VoteType {
  if (isVoteType(value)) return value;
  throw codecError("CODEC_OUT_OF_RANGE", unknownVoteType(value));
}

/** As `voteType`, of a message that has been read: earlier occurrences of the field do not count. */
export function voteTypeAtEnd(reader: Reader, value: number): VoteType {
  if (isVoteType(value)) return value;
  reader.refuse("CODEC_OUT_OF_RANGE", unknownVoteType(value));
  return SignedMsgType.PREVOTE;
}

function isVoteType(value: number): value is VoteType {
  return value === SignedMsgType.PREVOTE || value === SignedMsgType.PRECOMMIT;
}

function unknownVoteType(value: number): string {
  return `expected a vote type (1 or 2), got ${value}`;
}

export function writeTimestamp(writer: Writer, time: Timestamp): void {
  assertTimestamp(time);
  writer.int64(1, time.seconds);
  writer.int32(2, time.nanos);
}

export function readTimestamp(reader: Reader): Timestamp {
  let { seconds, nanos } = EPOCH;
  while (reader.next()) {
    if (reader.field === 1) seconds = reader.int64();
    else if (reader.field === 2) nanos = reader.int32();
    else reader.unknown();
  }
  const time = { seconds, nanos };
  assertTimestamp(time);
  return time;
}

function assertTimestamp({ seconds, nanos }: Timestamp): void {
  if (seconds < SECONDS_MIN || seconds > SECONDS_MAX || nanos < 0 || nanos > 999_999_999) {
    throw codecError(
      "CODEC_OUT_OF_RANGE",
      `expected a time from year 1 to 9999, got ${seconds} s + ${nanos} ns`,
    );
  }
}

/** google.protobuf.Duration. */
export function writeDuration(writer: Writer, nanoseconds: bigint): void {
  writer.int64(1, nanoseconds / NANOS_PER_SECOND);
  writer.int32(2, Number(nanoseconds % NANOS_PER_SECOND));
}

export function readDuration(reader: Reader): bigint {
  let [seconds, nanos] = [0n, 0];
  while (reader.next()) {
    if (reader.field === 1) seconds = reader.int64();
    else if (reader.field === 2) nanos = reader.int32();
    else reader.unknown();
  }
  return seconds * NANOS_PER_SECOND + BigInt(nanos);
}

export function writePartSetHeader(writer: Writer, header: PartSetHeader): void {
  writer.uint32(1, header.total);
  writer.bytes(2, header.hash);
}

export function readPartSetHeader(reader: Reader): PartSetHeader {
  let { total, hash } = EMPTY_PART_SET_HEADER;
  while (reader.next()) {
    if (reader.field === 1) total = reader.uint32();
    else if (reader.field === 2) hash = reader.bytesCopy(SHORT_BYTES_MAX);
    else reader.unknown();
  }
  return { total, hash };
}

/** BlockID; CanonicalBlockID has the same bytes. */
export function writeBlockId(writer: Writer, blockId: BlockId): void {
  writer.bytes(1, blockId.hash);
  writer.message(2, blockId.partSetHeader, writePartSetHeader);
}

export function readBlockId(reader: Reader): BlockId {
  let { hash, partSetHeader } = NIL_BLOCK_ID;
  while (reader.next()) {
    if (reader.field === 1) hash = reader.bytesCopy(SHORT_BYTES_MAX);
    else if (reader.field === 2) partSetHeader = reader.message(readPartSetHeader);
    else reader.unknown();
  }
  return { hash, partSetHeader };
}

export function writeMerkleProof(writer: Writer, proof: MerkleProof): void {
  writer.int(1, proof.total);
  writer.int(2, proof.index);
  writer.bytes(3, proof.leafHash);
  for (const aunt of proof.aunts) writer.bytesElement(4, aunt);
}

export function readMerkleProof(reader: Reader): MerkleProof {
  let [total, index, leafHash] = [0, 0, EMPTY_BYTES];
  const aunts: Uint8Array[] = [];
  while (reader.next()) {
    switch (reader.field) {
      case 1:
        total = readCount(reader);
        break;
      case 2:
        index = readCount(reader);
        break;
      case 3:
        leafHash = reader.bytesCopy(SHORT_BYTES_MAX);
        break;
      case 4:
        if (aunts.length >= MERKLE_AUNTS_MAX) {
          throw codecError("CODEC_TOO_MANY", `more than ${MERKLE_AUNTS_MAX} aunts`);
        }
        aunts.push(reader.repeatedBytesCopy(SHORT_BYTES_MAX));
        break;
      default:
        reader.unknown();
    }
  }
  return { total, index, leafHash, aunts };
}

export function writePart(writer: Writer, part: Part): void {
  writer.uint32(1, part.index);
  writer.bytes(2, part.bytes);
  writer.message(3, part.proof, writeMerkleProof);
}

/** `bytes` of the part alias the input: hand over a buffer that nobody reuses. */
export function readPart(reader: Reader): Part {
  let [index, bytes] = [0, EMPTY_BYTES];
  let proof: MerkleProof = { total: 0, index: 0, leafHash: EMPTY_BYTES, aunts: [] };
  while (reader.next()) {
    if (reader.field === 1) index = reader.uint32();
    else if (reader.field === 2) bytes = reader.bytes(BLOCK_PART_SIZE_BYTES);
    else if (reader.field === 3) proof = reader.message(readMerkleProof);
    else reader.unknown();
  }
  if (index >= BLOCK_PARTS_MAX) {
    throw codecError("CODEC_OUT_OF_RANGE", `part ${index} of at most ${BLOCK_PARTS_MAX}`);
  }
  return { index, bytes, proof };
}

export function writeBitArray(writer: Writer, array: BitArray): void {
  writer.int(1, array.bits);
  writer.packedUint64(2, array.elems);
}

export function readBitArray(reader: Reader): BitArray {
  let bits = 0;
  const elems: bigint[] = [];
  while (reader.next()) {
    if (reader.field === 1) bits = readCount(reader);
    else if (reader.field === 2) reader.repeatedUint64(elems, BIT_ARRAY_WORDS_MAX);
    else reader.unknown();
  }
  if (elems.length !== Math.ceil(bits / 64)) {
    throw codecError("CODEC_OUT_OF_RANGE", `${elems.length} words do not hold ${bits} bits`);
  }
  return { bits, elems };
}

export function writePublicKey(writer: Writer, key: PublicKey): void {
  writer.bytesElement(key.type === "ed25519" ? 1 : 2, key.bytes);
}

export function readPublicKey(reader: Reader): PublicKey {
  let key: PublicKey | undefined;
  while (reader.next()) {
    if (key !== undefined && reader.strict) {
      throw codecError("CODEC_FIELD_ORDER", "a public key of two types");
    }
    // A view of any length: only the last one is looked at.
    if (reader.field === 1) key = { type: "ed25519", bytes: reader.bytesElement(ANY_LENGTH) };
    else if (reader.field === 2)
      key = { type: "secp256k1", bytes: reader.bytesElement(ANY_LENGTH) };
    else reader.unknown();
  }
  if (key === undefined) return reader.required<PublicKey>(key, "a public key of a known type");
  const { type, bytes } = key;
  if (bytes.length !== (type === "ed25519" ? 32 : 33)) {
    reader.refuse("CODEC_OUT_OF_RANGE", `${type} key of ${bytes.length} bytes`);
  }
  return { type, bytes: bytes.slice() };
}

export function writeValidator(writer: Writer, validator: Validator): void {
  writer.bytes(1, validator.address);
  writer.message(2, validator.publicKey, writePublicKey);
  writer.int64(3, validator.votingPower);
  writer.int64(4, validator.proposerPriority);
}

export function readValidator(reader: Reader): Validator {
  let address = EMPTY_BYTES;
  let publicKey: PublicKey | undefined;
  let [votingPower, proposerPriority] = [0n, 0n];
  while (reader.next()) {
    switch (reader.field) {
      case 1:
        address = reader.bytesCopy(SHORT_BYTES_MAX);
        break;
      case 2:
        publicKey = reader.message(readPublicKey);
        break;
      case 3:
        votingPower = reader.int64();
        break;
      case 4:
        proposerPriority = reader.int64();
        break;
      default:
        reader.unknown();
    }
  }
  return {
    address,
    publicKey: reader.required(publicKey, "public key of a validator"),
    votingPower,
    proposerPriority,
  };
}

/** The leaf of validators_hash (spec §5.2): key and power only. */
export function writeSimpleValidator(writer: Writer, validator: Validator): void {
  writer.message(1, validator.publicKey, writePublicKey);
  writer.int64(2, validator.votingPower);
}

/** The total is left out, as Go does: readers compute it. */
export function writeValidatorSet(writer: Writer, set: ValidatorSet): void {
  for (const validator of set.validators) writer.message(1, validator, writeValidator);
  writer.message(2, set.proposer, writeValidator);
}

export function readValidatorSet(reader: Reader): ValidatorSet {
  const validators: Validator[] = [];
  let proposer: Validator | undefined;
  let totalVotingPower = 0n;
  while (reader.next()) {
    switch (reader.field) {
      case 1: {
        if (validators.length >= VOTES_MAX) {
          throw codecError("CODEC_TOO_MANY", `more than ${VOTES_MAX} validators`);
        }
        const validator = reader.repeatedMessage(readValidator);
        validators.push(validator);
        totalVotingPower += validator.votingPower;
        break;
      }
      case 2:
        proposer = reader.message(readValidator);
        break;
      case 3:
        reader.int64Element();
        break;
      default:
        reader.unknown();
    }
  }
  return {
    validators,
    proposer: reader.required(proposer, "proposer of a validator set"),
    totalVotingPower,
  };
}

export function encodeValidatorSet(set: ValidatorSet): Uint8Array {
  return encode(writeValidatorSet, set, 128 * (set.validators.length + 1));
}

export function decodeValidatorSet(bytes: Uint8Array): ValidatorSet {
  return decode(readValidatorSet, bytes, "lenient");
}

export function writeConsensusParams(writer: Writer, params: ConsensusParams): void {
  writer.message(1, params.block, (w, block) => {
    w.int64(1, block.maxBytes);
    w.int64(2, block.maxGas);
  });
  writer.message(2, params.evidence, (w, evidence) => {
    w.int64(1, evidence.maxAgeBlocks);
    w.message(2, evidence.maxAgeDurationNanos, writeDuration);
    w.int64(3, evidence.maxBytes);
  });
  writer.message(3, params.validator, (w, validator) => {
    for (const type of validator.publicKeyTypes) w.stringElement(1, type);
  });
  writer.message(4, params.version, (w, version) => w.uint64(1, version.app));
  writer.message(5, params.abci, (w, abci) => w.int(1, abci.voteExtensionsEnableHeight));
}

/** Groups may be absent, as in an application's partial update. */
export type PartialConsensusParams = {
  readonly [Group in keyof ConsensusParams]: ConsensusParams[Group] | undefined;
};

export function readPartialConsensusParams(reader: Reader): PartialConsensusParams {
  let block: ConsensusParams["block"] | undefined;
  let evidence: ConsensusParams["evidence"] | undefined;
  let validator: ConsensusParams["validator"] | undefined;
  let version: ConsensusParams["version"] | undefined;
  let abci: ConsensusParams["abci"] | undefined;
  while (reader.next()) {
    switch (reader.field) {
      case 1:
        block = reader.message(readBlockParams);
        break;
      case 2:
        evidence = reader.message(readEvidenceParams);
        break;
      case 3:
        validator = reader.message(readValidatorParams);
        break;
      case 4:
        version = reader.message((r) => ({ app: readSingle(r, 0n, () => r.uint64()) }));
        break;
      case 5:
        abci = reader.message((r) => ({
          voteExtensionsEnableHeight: readSingle(r, Height(0), () => readHeight(r)),
        }));
        break;
      default:
        reader.unknown();
    }
  }
  return { block, evidence, validator, version, abci };
}

export function readConsensusParams(reader: Reader): ConsensusParams {
  const { block, evidence, validator, version, abci } = readPartialConsensusParams(reader);
  if (!block || !evidence || !validator || !version) throw reader.missing("group of parameters");
  return {
    block,
    evidence,
    validator,
    version,
    abci: abci ?? { voteExtensionsEnableHeight: Height(0) },
  };
}

export function encodeConsensusParams(params: ConsensusParams): Uint8Array {
  return encode(writeConsensusParams, params);
}

export function decodeConsensusParams(bytes: Uint8Array): ConsensusParams {
  return decode(readConsensusParams, bytes, "lenient");
}

function readBlockParams(reader: Reader): ConsensusParams["block"] {
  let [maxBytes, maxGas] = [0n, 0n];
  while (reader.next()) {
    if (reader.field === 1) maxBytes = reader.int64();
    else if (reader.field === 2) maxGas = reader.int64();
    else reader.unknown();
  }
  return { maxBytes, maxGas };
}

function readEvidenceParams(reader: Reader): ConsensusParams["evidence"] {
  let [maxAgeBlocks, maxAgeDurationNanos, maxBytes] = [0n, 0n, 0n];
  while (reader.next()) {
    if (reader.field === 1) maxAgeBlocks = reader.int64();
    else if (reader.field === 2) maxAgeDurationNanos = reader.messageLast(readDuration);
    else if (reader.field === 3) maxBytes = reader.int64();
    else reader.unknown();
  }
  return { maxAgeBlocks, maxAgeDurationNanos, maxBytes };
}

function readValidatorParams(reader: Reader): ConsensusParams["validator"] {
  const publicKeyTypes: string[] = [];
  while (reader.next()) {
    if (reader.field === 1) publicKeyTypes.push(reader.repeatedString(SHORT_TEXT_BYTES_MAX));
    else reader.unknown();
  }
  return { publicKeyTypes };
}

/** A message with field 1 only. */
function readSingle<T>(reader: Reader, fallback: T, read: () => T): T {
  let value = fallback;
  while (reader.next()) {
    if (reader.field === 1) value = read();
    else reader.unknown();
  }
  return value;
}
