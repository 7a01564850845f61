/**
 * Validity that needs no state: Go's ValidateBasic of v0.38.25 (spec/cometbft-v0.38.md §7, §9.2,
 * §9.3, §10.4, §17.2). Every function throws an `InvalidError` with the first breach; a peer that
 * sent the value is to be dropped.
 */
import { bytesEqual, compareBytes, concatBytes, utf8ToBytes } from "./bytes.ts";
import { isNilBlockId } from "./codec/canonical.ts";
import { writePartSetHeader } from "./codec/types.ts";
import { encode } from "./codec/writer.ts";
import { assertNever, WeftError } from "./errors.ts";
import { commitHash, dataHash, evidenceListHash, headerHash } from "./hashes.ts";
import {
  ADDRESS_BYTES,
  BLOCK_PARTS_MAX,
  BLOCK_PART_SIZE_BYTES,
  BLOCK_SIZE_BYTES_MAX,
  CHAIN_ID_BYTES_MAX,
  HASH_BYTES,
  SIGNATURE_BYTES_MAX,
  TOTAL_VOTING_POWER_MAX,
  VOTES_MAX,
  VOTE_EXTENSION_BYTES_MAX,
} from "./limits.ts";
import { isMerkleProofWellFormed } from "./merkle.ts";
import type { ConsensusMessage, NewRoundStepMessage } from "./messages.ts";
import { isPartSizeValid } from "./part-set.ts";
import { isZeroTime } from "./time.ts";
import {
  BlockIdFlag,
  SignedMsgType,
  type BitArray,
  type Block,
  type BlockId,
  type Commit,
  type CommitSig,
  type Evidence,
  type ExtendedCommit,
  type ExtendedCommitSig,
  type Header,
  type LightBlock,
  type Part,
  type PartSetHeader,
  type Proposal,
  type SignedHeader,
  type Validator,
  type ValidatorSet,
  type Vote,
} from "./types.ts";
import { validatorAddress, validatorSetHash } from "./validator-set.ts";

/** Block protocol version of v0.38 (spec §0). */
export const BLOCK_PROTOCOL = 11n;

/** What is not valid. */
export type InvalidCode =
  | "INVALID_BLOCK_ID"
  | "INVALID_HEADER"
  | "INVALID_COMMIT"
  | "INVALID_EXTENDED_COMMIT"
  | "INVALID_VOTE"
  | "INVALID_PROPOSAL"
  | "INVALID_PART"
  | "INVALID_EVIDENCE"
  | "INVALID_BLOCK"
  | "INVALID_VALIDATOR"
  | "INVALID_VALIDATOR_SET"
  | "INVALID_SIGNED_HEADER"
  | "INVALID_LIGHT_BLOCK"
  | "INVALID_MESSAGE";

export type InvalidError = WeftError<{ readonly code: InvalidCode }>;

/** Whether the id names a block in full: both hashes of 32 bytes and at least one part. */
export function isCompleteBlockId(blockId: BlockId): boolean {
  const { hash, partSetHeader } = blockId;
  return (
    hash.length === HASH_BYTES &&
    partSetHeader.total > 0 &&
    partSetHeader.hash.length === HASH_BYTES
  );
}

export function blockIdsEqual(a: BlockId, b: BlockId): boolean {
  return (
    bytesEqual(a.hash, b.hash) &&
    a.partSetHeader.total === b.partSetHeader.total &&
    bytesEqual(a.partSetHeader.hash, b.partSetHeader.hash)
  );
}

/** hash ‖ proto(part set header): tells blocks apart in a vote set, and orders evidence. */
export function blockIdKey(blockId: BlockId): Uint8Array {
  return concatBytes(blockId.hash, encode(writePartSetHeader, blockId.partSetHeader, 48));
}

export function validatePartSetHeader(header: PartSetHeader): void {
  requireHash(header.hash, "INVALID_BLOCK_ID", "hash of the part set");
}

export function validateBlockId(blockId: BlockId): void {
  requireHash(blockId.hash, "INVALID_BLOCK_ID", "hash of the block");
  validatePartSetHeader(blockId.partSetHeader);
}

export function validateHeader(header: Header): void {
  const code = "INVALID_HEADER";
  const { block } = header.version;
  ensure(block === BLOCK_PROTOCOL, code, `expected block protocol 11, got ${block}`);
  const chainIdBytes = utf8ToBytes(header.chainId).length;
  ensure(chainIdBytes <= CHAIN_ID_BYTES_MAX, code, `chain id of ${chainIdBytes} bytes, at most 50`);
  ensure(header.height > 0, code, "height is 0");
  validateBlockId(header.lastBlockId);
  requireHash(header.lastCommitHash, code, "last_commit_hash");
  requireHash(header.dataHash, code, "data_hash");
  requireHash(header.evidenceHash, code, "evidence_hash");
  requireAddress(header.proposerAddress, code);
  requireHash(header.validatorsHash, code, "validators_hash");
  requireHash(header.nextValidatorsHash, code, "next_validators_hash");
  requireHash(header.consensusHash, code, "consensus_hash");
  requireHash(header.lastResultsHash, code, "last_results_hash");
}

export function validateCommitSig(sig: CommitSig): void {
  const code = "INVALID_COMMIT";
  switch (sig.blockIdFlag) {
    case BlockIdFlag.ABSENT:
      ensure(sig.validatorAddress.length === 0, code, "an absent entry has an address");
      ensure(isZeroTime(sig.timestamp), code, "an absent entry has a time");
      ensure(sig.signature.length === 0, code, "an absent entry has a signature");
      return;
    case BlockIdFlag.COMMIT:
    case BlockIdFlag.NIL:
      requireAddress(sig.validatorAddress, code);
      requireSignature(sig.signature, code);
      return;
    case BlockIdFlag.UNKNOWN:
      throw new WeftError({ code }, "an entry without a block id flag");
    default:
      assertNever(sig.blockIdFlag, "block id flag");
  }
}

export function validateCommit(commit: Commit): void {
  validateCommitFrame(commit, commit.signatures.length, "INVALID_COMMIT");
  for (const sig of commit.signatures) validateCommitSig(sig);
}

export function validateExtendedCommit(commit: ExtendedCommit): void {
  const code = "INVALID_EXTENDED_COMMIT";
  validateCommitFrame(commit, commit.extendedSignatures.length, code);
  for (const sig of commit.extendedSignatures) validateExtendedCommitSig(sig);
}

/**
 * Whether entries carry extensions exactly as they must: with extensions enabled, every COMMIT entry
 * is signed and no other entry has anything; without, nobody has (Go's EnsureExtensions).
 */
export function validateExtensions(commit: ExtendedCommit, isEnabled: boolean): void {
  const code = "INVALID_EXTENDED_COMMIT";
  commit.extendedSignatures.forEach((sig, i) => {
    const isCommit = sig.blockIdFlag === BlockIdFlag.COMMIT;
    const hasSignature = sig.extensionSignature.length > 0;
    if (isEnabled && isCommit) {
      ensure(hasSignature, code, `entry ${i} lacks the signature of its extension`);
    } else {
      const isEmpty = !hasSignature && sig.extension.length === 0;
      ensure(isEmpty, code, `entry ${i} has an extension that must not be there`);
    }
  });
}

export function validateVote(vote: Vote): void {
  const code = "INVALID_VOTE";
  ensure(vote.height > 0, code, "height is 0");
  ensure(vote.round >= 0, code, "round is negative");
  validateBlockId(vote.blockId);
  const isNil = isNilBlockId(vote.blockId);
  ensure(isNil || isCompleteBlockId(vote.blockId), code, "block id is neither empty nor complete");
  requireAddress(vote.validatorAddress, code);
  ensure(vote.validatorIndex >= 0, code, "validator index is negative");
  requireSignature(vote.signature, code);
  const { extension, extensionSignature } = vote;
  if (vote.type !== SignedMsgType.PRECOMMIT || isNil) {
    ensure(extension.length === 0, code, "only a precommit for a block may have an extension");
    ensure(extensionSignature.length === 0, code, "a signature of no extension");
    return;
  }
  ensure(extensionSignature.length <= SIGNATURE_BYTES_MAX, code, "extension signature is too long");
  const isSigned = extensionSignature.length > 0 || extension.length === 0;
  ensure(isSigned, code, "the extension is not signed");
}

export function validateProposal(proposal: Proposal): void {
  const code = "INVALID_PROPOSAL";
  ensure(proposal.round >= 0, code, "round is negative");
  validateBlockId(proposal.blockId);
  ensure(isCompleteBlockId(proposal.blockId), code, "block id is not complete");
  requireSignature(proposal.signature, code);
}

/** Whether a proposal has no more parts than a block of `blockBytesMax` (-1: 100 MiB) may have. */
export function validateProposalSize(proposal: Proposal, blockBytesMax: bigint): void {
  const bytes = blockBytesMax === -1n ? BigInt(BLOCK_SIZE_BYTES_MAX) : blockBytesMax;
  const partsMax = (bytes - 1n) / BigInt(BLOCK_PART_SIZE_BYTES) + 1n;
  const { total } = proposal.blockId.partSetHeader;
  ensure(BigInt(total) <= partsMax, "INVALID_PROPOSAL", `${total} parts, at most ${partsMax}`);
}

export function validatePart(part: Part): void {
  const code = "INVALID_PART";
  ensure(isPartSizeValid(part), code, `part ${part.index} has ${part.bytes.length} bytes`);
  ensure(part.index === part.proof.index, code, "part and proof have different indexes");
  ensure(isMerkleProofWellFormed(part.proof), code, "proof is malformed");
}

export function validateEvidence(evidence: Evidence): void {
  const code = "INVALID_EVIDENCE";
  switch (evidence.kind) {
    case "duplicateVote": {
      validateVote(evidence.voteA);
      validateVote(evidence.voteB);
      const keyA = blockIdKey(evidence.voteA.blockId);
      const keyB = blockIdKey(evidence.voteB.blockId);
      ensure(compareBytes(keyA, keyB) < 0, code, "duplicate votes are not in order");
      return;
    }
    case "lightClientAttack": {
      const { header } = evidence.conflictingBlock.signedHeader;
      ensure(evidence.totalVotingPower > 0n, code, "total power is not positive");
      ensure(evidence.commonHeight > 0, code, "common height is 0");
      ensure(evidence.commonHeight <= header.height, code, "common height is above the conflict");
      validateLightBlock(evidence.conflictingBlock, header.chainId);
      return;
    }
    default:
      assertNever(evidence, "evidence");
  }
}

/** Every check of a block that needs no state, its three derived hashes included. */
export function validateBlock(block: Block): void {
  const { header } = block;
  validateHeader(header);
  validateCommit(block.lastCommit);
  requireEqual(header.lastCommitHash, commitHash(block.lastCommit), "last_commit_hash");
  requireEqual(header.dataHash, dataHash(block.txs), "data_hash");
  for (const evidence of block.evidence) validateEvidence(evidence);
  requireEqual(header.evidenceHash, evidenceListHash(block.evidence), "evidence_hash");
}

export function validateValidator(validator: Validator): void {
  const code = "INVALID_VALIDATOR";
  ensure(validator.votingPower >= 0n, code, "power is negative");
  const expected = validatorAddress(validator.publicKey);
  ensure(bytesEqual(validator.address, expected), code, "the address is not that of the key");
}

export function validateValidatorSet(set: ValidatorSet): void {
  const code = "INVALID_VALIDATOR_SET";
  ensure(set.validators.length > 0, code, "the set is empty");
  let total = 0n;
  for (const validator of set.validators) {
    validateValidator(validator);
    total += validator.votingPower;
  }
  ensure(total <= TOTAL_VOTING_POWER_MAX, code, `total power ${total} is too high`);
  ensure(total === set.totalVotingPower, code, "total power is not the sum of powers");
  validateValidator(set.proposer);
  const isMember = set.validators.some((v) => bytesEqual(v.address, set.proposer.address));
  ensure(isMember, code, "the proposer is not in the set");
}

export function validateSignedHeader(signed: SignedHeader, chainId: string): void {
  const code = "INVALID_SIGNED_HEADER";
  const { header, commit } = signed;
  validateHeader(header);
  validateCommit(commit);
  ensure(
    header.chainId === chainId,
    code,
    `header of chain ${JSON.stringify(header.chainId)}, expected ${JSON.stringify(chainId)}`,
  );
  ensure(commit.height === header.height, code, "commit and header are of different heights");
  const isForHeader = bytesEqual(commit.blockId.hash, headerHash(header));
  ensure(isForHeader, code, "the commit is for another header");
}

export function validateLightBlock(block: LightBlock, chainId: string): void {
  validateSignedHeader(block.signedHeader, chainId);
  validateValidatorSet(block.validatorSet);
  const hash = validatorSetHash(block.validatorSet);
  const isOfHeader = bytesEqual(block.signedHeader.header.validatorsHash, hash);
  ensure(isOfHeader, "INVALID_LIGHT_BLOCK", "the validator set is not the header's");
}

/** Receipt checks of the consensus reactor (spec §17.2). */
export function validateConsensusMessage(message: ConsensusMessage): void {
  const code = "INVALID_MESSAGE";
  switch (message.kind) {
    case "newRoundStep":
      ensure(message.round >= 0, code, "round is negative");
      return;
    case "newValidBlock": {
      ensure(message.round >= 0, code, "round is negative");
      validatePartSetHeader(message.blockPartSetHeader);
      requireBits(message.blockParts, 1, BLOCK_PARTS_MAX);
      const isWhole = message.blockParts.bits === message.blockPartSetHeader.total;
      ensure(isWhole, code, "bits and part set header disagree about the number of parts");
      return;
    }
    case "proposal":
      validateProposal(message.proposal);
      return;
    case "proposalPol":
      ensure(message.proposalPolRound >= 0, code, "round is negative");
      requireBits(message.proposalPol, 1, VOTES_MAX);
      return;
    case "blockPart":
      ensure(message.round >= 0, code, "round is negative");
      validatePart(message.part);
      return;
    case "vote":
      validateVote(message.vote);
      return;
    case "hasVote":
      ensure(message.round >= 0, code, "round is negative");
      return;
    case "voteSetMaj23":
      ensure(message.round >= 0, code, "round is negative");
      validateBlockId(message.blockId);
      return;
    case "voteSetBits":
      validateBlockId(message.blockId);
      requireBits(message.votes, 0, VOTES_MAX);
      return;
    default:
      assertNever(message, "consensus message");
  }
}

/** What a peer may announce about its height, given the chain's first height (spec §17.2). */
export function validateNewRoundStepHeight(
  message: NewRoundStepMessage,
  initialHeight: number,
): void {
  const code = "INVALID_MESSAGE";
  const { height, lastCommitRound } = message;
  ensure(height >= initialHeight, code, `height ${height} is before the first, ${initialHeight}`);
  const isFirst = height === initialHeight;
  ensure(!isFirst || lastCommitRound === -1, code, "a last commit before the first height");
  ensure(isFirst || lastCommitRound >= 0, code, "no last commit after the first height");
}

/** What Go checks while it decodes, at every height, and what it asks of a commit of a block. */
function validateCommitFrame(
  commit: Pick<Commit, "height" | "round" | "blockId">,
  signatureCount: number,
  code: InvalidCode,
): void {
  validateBlockId(commit.blockId);
  ensure(commit.round >= 0, code, "round is negative");
  if (commit.height < 1) return;
  ensure(!isNilBlockId(commit.blockId), code, "a commit cannot be for nil");
  ensure(signatureCount > 0, code, "no signatures");
}

function validateExtendedCommitSig(sig: ExtendedCommitSig): void {
  const code = "INVALID_EXTENDED_COMMIT";
  validateCommitSig(sig);
  const { extension, extensionSignature } = sig;
  if (sig.blockIdFlag === BlockIdFlag.COMMIT) {
    ensure(extension.length <= VOTE_EXTENSION_BYTES_MAX, code, "extension is too long");
    const isShort = extensionSignature.length <= SIGNATURE_BYTES_MAX;
    ensure(isShort, code, "extension signature is too long");
    return;
  }
  const isSigned = extensionSignature.length > 0 || extension.length === 0;
  ensure(isSigned, code, "the extension is not signed");
}

function requireBits(array: BitArray, least: number, most: number): void {
  const code = "INVALID_MESSAGE";
  const { bits, elems } = array;
  ensure(elems.length === Math.ceil(bits / 64), code, "bits and words do not fit");
  ensure(bits >= least && bits <= most, code, `${bits} bits, expected ${least} to ${most}`);
}

function requireHash(hash: Uint8Array, code: InvalidCode, what: string): void {
  const { length } = hash;
  ensure(length === 0 || length === HASH_BYTES, code, `${what} has ${length} bytes, not 32`);
}

function requireAddress(address: Uint8Array, code: InvalidCode): void {
  ensure(address.length === ADDRESS_BYTES, code, `address of ${address.length} bytes, not 20`);
}

function requireSignature(signature: Uint8Array, code: InvalidCode): void {
  const { length } = signature;
  const isRight = length > 0 && length <= SIGNATURE_BYTES_MAX;
  ensure(isRight, code, `signature of ${length} bytes, expected 1 to 64`);
}

function requireEqual(actual: Uint8Array, expected: Uint8Array, what: string): void {
  ensure(bytesEqual(actual, expected), "INVALID_BLOCK", `${what} is not that of the block`);
}

function ensure(condition: boolean, code: InvalidCode, message: string): asserts condition {
  if (!condition) throw new WeftError({ code }, message);
}
