/** The hashes of blocks (spec/cometbft-v0.38.md §5). An absent hash is the empty array. */
import { encodeEvidenceInner, writeVersion } from "./codec/block.ts";
import { writeBlockId, writeSimpleValidator, writeTimestamp } from "./codec/types.ts";
import { writeCommitSig } from "./codec/votes.ts";
import { encode, Writer } from "./codec/writer.ts";
import { EMPTY_BYTES } from "./bytes.ts";
import { sha256, sha256Latin1 } from "./hash.ts";
import { merkleRoot, merkleRootOfDigests } from "./merkle.ts";
import type { CommitSig, ConsensusParams, Evidence, Header, Validator } from "./types.ts";

/** Hash of a transaction, which is its key too. */
export function txHash(tx: Uint8Array): Uint8Array {
  return sha256(tx);
}

/** data_hash: a tree over the hashes of the transactions. */
export function dataHash(txs: readonly Uint8Array[]): Uint8Array {
  return merkleRootOfDigests(txHashes(txs));
}

const hashesByList = new WeakMap<readonly Uint8Array[], readonly string[]>();

/**
 * SHA-256 of each transaction as a latin1 string. A block's list is hashed once, however many ask:
 * proposal, validation, execution, pool, indexes. It must not change afterwards, and cannot: it is frozen.
 */
export function txHashes(txs: readonly Uint8Array[]): readonly string[] {
  const known = hashesByList.get(txs);
  if (known !== undefined) return known;
  const hashes = Object.freeze(txs.map(sha256Latin1));
  hashesByList.set(Object.freeze(txs), hashes);
  return hashes;
}

/** Hash of a header, which is the hash of its block; empty when validatorsHash is (spec §5.1). */
export function headerHash(header: Header): Uint8Array {
  if (header.validatorsHash.length === 0) return EMPTY_BYTES;
  return merkleRoot([
    encode(writeVersion, header.version, 16),
    wrapped((writer) => writer.string(1, header.chainId)),
    wrapped((writer) => writer.int(1, header.height)),
    encode(writeTimestamp, header.time, 24),
    encode(writeBlockId, header.lastBlockId, 80),
    wrappedBytes(header.lastCommitHash),
    wrappedBytes(header.dataHash),
    wrappedBytes(header.validatorsHash),
    wrappedBytes(header.nextValidatorsHash),
    wrappedBytes(header.consensusHash),
    wrappedBytes(header.appHash),
    wrappedBytes(header.lastResultsHash),
    wrappedBytes(header.evidenceHash),
    wrappedBytes(header.proposerAddress),
  ]);
}

/** last_commit_hash: only the signatures of a commit are covered. */
export function commitHash(commit: { readonly signatures: readonly CommitSig[] }): Uint8Array {
  return merkleRoot(commit.signatures.map((sig) => encode(writeCommitSig, sig, 112)));
}

/** validators_hash and next_validators_hash; the validators must be in set order. */
export function validatorsHash(validators: readonly Validator[]): Uint8Array {
  return merkleRoot(validators.map((validator) => encode(writeSimpleValidator, validator, 48)));
}

/** consensus_hash: a plain hash that covers the size and gas of blocks only. */
export function consensusParamsHash(params: ConsensusParams): Uint8Array {
  return sha256(
    wrapped((writer) => {
      writer.int64(1, params.block.maxBytes);
      writer.int64(2, params.block.maxGas);
    }),
  );
}

/** The part of an ExecTxResult that last_results_hash covers. */
export interface HashedTxResult {
  readonly code: number;
  readonly data: Uint8Array;
  readonly gasWanted: bigint;
  readonly gasUsed: bigint;
}

/** last_results_hash of the next block. */
export function resultsHash(results: readonly HashedTxResult[]): Uint8Array {
  /** Most results of a block succeed without data and differ in their gas alone, if at all. */
  const plain = new Map<bigint, Uint8Array>();
  return merkleRoot(
    results.map((result) => {
      const { code, data, gasWanted, gasUsed } = result;
      if (code !== 0 || data.length > 0 || gasWanted !== gasUsed) return encodeResult(result);
      const known = plain.get(gasUsed);
      if (known !== undefined) return known;
      const encoded = encodeResult(result);
      plain.set(gasUsed, encoded);
      return encoded;
    }),
  );
}

function encodeResult(result: HashedTxResult): Uint8Array {
  return wrapped((writer) => {
    writer.uint32(1, result.code);
    writer.bytes(2, result.data);
    writer.int64(5, result.gasWanted);
    writer.int64(6, result.gasUsed);
  });
}

/** evidence_hash: a tree over the inner messages, without their oneof. */
export function evidenceListHash(evidence: readonly Evidence[]): Uint8Array {
  return merkleRoot(evidence.map(encodeEvidenceInner));
}

/**
 * The id of one piece of evidence (spec §11.2). For a light client attack it keeps a quirk of
 * CometBFT: byte 31 of the header hash is lost, and the height is a zigzag varint.
 */
export function evidenceId(evidence: Evidence): Uint8Array {
  if (evidence.kind === "duplicateVote") return sha256(encodeEvidenceInner(evidence));
  const writer = new Writer(48);
  writer.raw(headerHash(evidence.conflictingBlock.signedHeader.header).subarray(0, 31));
  writer.raw(new Uint8Array(32 - writer.length));
  writer.varint(evidence.commonHeight * 2);
  return sha256(writer.finish());
}

function wrapped(write: (writer: Writer) => void): Uint8Array {
  return encode(write, undefined);
}

function wrappedBytes(value: Uint8Array): Uint8Array {
  return wrapped((writer) => writer.bytes(1, value));
}
