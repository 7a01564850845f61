/**
 * Requests off the ABCI socket (spec/cometbft-v0.38.md §12): bytes to the arguments of `Application`.
 * Reads as Go does: absent numbers are zero, an absent time is Go's zero time, unknown fields are
 * skipped. Byte fields are views into the request: hand over a buffer that nobody reuses.
 *
 * What somebody far away may choose (a query's height, the number of a chunk, the items of a proposal)
 * never fails here: an exception would end the engine, so such a request is answered with a refusal.
 * A block's hash is held to its length here, before the application makes anything of it.
 */
import { Height, Round } from "../../proto/brands.ts";
import { EMPTY_BYTES } from "../../proto/bytes.ts";
import { codecError } from "../../proto/codec/errors.ts";
import { assertNever } from "../../proto/errors.ts";
import { decode, type Reader } from "../../proto/codec/reader.ts";
import {
  readConsensusParams,
  readHeight,
  readRound,
  readTimestamp,
} from "../../proto/codec/types.ts";
import { blockIdFlagOf } from "../../proto/codec/votes.ts";
import { BLOCK_TXS_MAX, HASH_BYTES, VOTES_MAX } from "../../proto/limits.ts";
import { BlockIdFlag, ZERO_TIME, type ConsensusParams, type Timestamp } from "../../proto/types.ts";
import type {
  AbciValidator,
  ApplySnapshotChunkRequest,
  CheckTxRequest,
  CommitInfo,
  ExtendedCommitInfo,
  ExtendedVoteInfo,
  ExtendVoteRequest,
  FinalizeBlockRequest,
  InfoRequest,
  InitChainRequest,
  LoadSnapshotChunkRequest,
  Misbehavior,
  OfferSnapshotRequest,
  PrepareProposalRequest,
  ProcessProposalRequest,
  QueryRequest,
  Snapshot,
  ValidatorUpdate,
  VerifyVoteExtensionRequest,
  VoteInfo,
} from "./application.ts";
import { MISBEHAVIOR_MAX, REQUEST_BYTES_MAX } from "./limits.ts";
import { readValidatorUpdate } from "./result-codec.ts";

/** A request; its `kind` names the call. */
export type AbciRequest =
  | { readonly kind: "echo"; readonly message: string }
  | { readonly kind: "flush" }
  | { readonly kind: "info"; readonly request: InfoRequest }
  | { readonly kind: "initChain"; readonly request: InitChainRequest }
  | { readonly kind: "query"; readonly request: QueryRequest }
  | { readonly kind: "checkTx"; readonly request: CheckTxRequest }
  | { readonly kind: "commit" }
  | { readonly kind: "listSnapshots" }
  | { readonly kind: "offerSnapshot"; readonly request: OfferSnapshotRequest }
  | { readonly kind: "loadSnapshotChunk"; readonly request: LoadSnapshotChunkRequest }
  | { readonly kind: "applySnapshotChunk"; readonly request: ApplySnapshotChunkRequest }
  | { readonly kind: "prepareProposal"; readonly request: PrepareProposalRequest }
  | { readonly kind: "processProposal"; readonly request: ProcessProposalRequest }
  | { readonly kind: "extendVote"; readonly request: ExtendVoteRequest }
  | { readonly kind: "verifyVoteExtension"; readonly request: VerifyVoteExtensionRequest }
  | { readonly kind: "finalizeBlock"; readonly request: FinalizeBlockRequest }
  /** Refused without the application, in the way of the call; `reason` is for people. */
  | { readonly kind: "refused"; readonly call: RefusableCall; readonly reason: string };

export type AbciCall = Exclude<AbciRequest["kind"], "refused">;
export type RefusableCall =
  | "query"
  | "offerSnapshot"
  | "loadSnapshotChunk"
  | "processProposal"
  | "verifyVoteExtension";

/**
 * Reads one request without its length. Bytes in requests are views into `bytes`.
 * @throws CodecError when the bytes are no request of ABCI 2.0
 */
export function decodeAbciRequest(bytes: Uint8Array): AbciRequest {
  return decode(readAbciRequest, bytes, "lenient");
}

function readAbciRequest(reader: Reader): AbciRequest {
  let request: AbciRequest | undefined;
  while (reader.next()) {
    const read = CALLS[reader.field];
    if (read === undefined) reader.unknown();
    else request = reader.oneofMessage(read);
  }
  if (request === undefined) throw reader.missing("a request of a kind that ABCI 2.0 has");
  return request;
}

/** Readers by the number of the oneof's member. */
const CALLS: readonly (((reader: Reader) => AbciRequest) | undefined)[] = [
  undefined,
  (r) => ({ kind: "echo", message: readEcho(r) }),
  (r) => empty(r, { kind: "flush" }),
  (r) => ({ kind: "info", request: readInfo(r) }),
  undefined,
  (r) => ({ kind: "initChain", request: readInitChain(r) }),
  readQuery,
  undefined,
  (r) => ({ kind: "checkTx", request: readCheckTx(r) }),
  undefined,
  undefined,
  (r) => empty(r, { kind: "commit" }),
  (r) => empty(r, { kind: "listSnapshots" }),
  readOfferSnapshot,
  readLoadSnapshotChunk,
  (r) => ({ kind: "applySnapshotChunk", request: readApplySnapshotChunk(r) }),
  (r) => ({ kind: "prepareProposal", request: readPrepareProposal(r) }),
  readProcessProposal,
  (r) => ({ kind: "extendVote", request: readExtendVote(r) }),
  readVerifyVoteExtension,
  (r) => ({ kind: "finalizeBlock", request: readFinalizeBlock(r) }),
];

const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });

/** Go neither writes nor reads strings as strictly as we do: what is not UTF-8 shows as U+FFFD. */
function readText(reader: Reader): string {
  return utf8.decode(reader.bytes(REQUEST_BYTES_MAX));
}

function readBytes(reader: Reader): Uint8Array {
  return reader.bytes(REQUEST_BYTES_MAX);
}

function empty(reader: Reader, request: AbciRequest): AbciRequest {
  while (reader.next()) reader.unknown();
  return request;
}

function readEcho(reader: Reader): string {
  let message = "";
  while (reader.next()) {
    if (reader.field === 1) message = readText(reader);
    else reader.unknown();
  }
  return message;
}

function readInfo(reader: Reader): InfoRequest {
  let [version, abciVersion] = ["", ""];
  let [blockVersion, p2pVersion] = [0n, 0n];
  while (reader.next()) {
    if (reader.field === 1) version = readText(reader);
    else if (reader.field === 2) blockVersion = reader.uint64();
    else if (reader.field === 3) p2pVersion = reader.uint64();
    else if (reader.field === 4) abciVersion = readText(reader);
    else reader.unknown();
  }
  return { version, blockVersion, p2pVersion, abciVersion };
}

function readInitChain(reader: Reader): InitChainRequest {
  let time = ZERO_TIME;
  let chainId = "";
  let consensusParams: ConsensusParams | undefined;
  const validators: ValidatorUpdate[] = [];
  let appStateBytes = EMPTY_BYTES;
  let initialHeight = Height(0);
  while (reader.next()) {
    switch (reader.field) {
      case 1:
        time = reader.messageLast(readTimestamp);
        break;
      case 2:
        chainId = readText(reader);
        break;
      case 3:
        consensusParams = reader.message(readConsensusParams);
        break;
      case 4:
        push(validators, VOTES_MAX, reader.repeatedMessage(readValidatorUpdate));
        break;
      case 5:
        appStateBytes = readBytes(reader);
        break;
      case 6:
        initialHeight = readHeight(reader);
        break;
      default:
        reader.unknown();
    }
  }
  if (consensusParams === undefined) throw reader.missing("consensus_params of InitChain");
  return { time, chainId, consensusParams, validators, appStateBytes, initialHeight };
}

function readQuery(reader: Reader): AbciRequest {
  let data = EMPTY_BYTES;
  let path = "";
  let height = 0n;
  let prove = false;
  while (reader.next()) {
    if (reader.field === 1) data = readBytes(reader);
    else if (reader.field === 2) path = readText(reader);
    else if (reader.field === 3) height = reader.int64();
    else if (reader.field === 4) prove = reader.bool();
    else reader.unknown();
  }
  const known = heightOf(height);
  // CometBFT's RPC hands on whatever height it is asked for.
  if (known === undefined) return refused("query", `expected a height, got ${height}`);
  return { kind: "query", request: { path, data, height: known, prove } };
}

function readCheckTx(reader: Reader): CheckTxRequest {
  let tx = EMPTY_BYTES;
  let type = 0;
  while (reader.next()) {
    if (reader.field === 1) tx = readBytes(reader);
    else if (reader.field === 2) type = reader.int32();
    else reader.unknown();
  }
  if (type !== 0 && type !== 1) throw outOfRange("type of CheckTx", "0 or 1", type);
  return { tx, type: type === 0 ? "new" : "recheck" };
}

/** Snapshots are announced by any peer. */
function readOfferSnapshot(reader: Reader): AbciRequest {
  let snapshot: Snapshot | undefined;
  let appHash = EMPTY_BYTES;
  let isHeight = true;
  while (reader.next()) {
    if (reader.field === 1) {
      const read = reader.message(readSnapshot);
      snapshot = read;
      isHeight = read.isHeight;
    } else if (reader.field === 2) {
      appHash = readBytes(reader);
    } else {
      reader.unknown();
    }
  }
  if (snapshot === undefined) throw reader.missing("snapshot of OfferSnapshot");
  if (!isHeight) return refused("offerSnapshot", "no block can have the snapshot's height");
  const { height, format, chunks, hash, metadata } = snapshot;
  const offered = { height, format, chunks, hash, metadata };
  return { kind: "offerSnapshot", request: { snapshot: offered, appHash } };
}

function readSnapshot(reader: Reader): Snapshot & { readonly isHeight: boolean } {
  let wide = 0n;
  let [format, chunks] = [0, 0];
  let [hash, metadata] = [EMPTY_BYTES, EMPTY_BYTES];
  while (reader.next()) {
    if (reader.field === 1) wide = reader.uint64();
    else if (reader.field === 2) format = reader.uint32();
    else if (reader.field === 3) chunks = reader.uint32();
    else if (reader.field === 4) hash = readBytes(reader);
    else if (reader.field === 5) metadata = readBytes(reader);
    else reader.unknown();
  }
  const height = heightOf(wide);
  return {
    height: height ?? Height(0),
    format,
    chunks,
    hash,
    metadata,
    isHeight: height !== undefined,
  };
}

/** Chunks are asked for by any peer. */
function readLoadSnapshotChunk(reader: Reader): AbciRequest {
  let wide = 0n;
  let [format, chunk] = [0, 0];
  while (reader.next()) {
    if (reader.field === 1) wide = reader.uint64();
    else if (reader.field === 2) format = reader.uint32();
    else if (reader.field === 3) chunk = reader.uint32();
    else reader.unknown();
  }
  const height = heightOf(wide);
  if (height === undefined) return refused("loadSnapshotChunk", `no block has height ${wide}`);
  return { kind: "loadSnapshotChunk", request: { height, format, chunk } };
}

function readApplySnapshotChunk(reader: Reader): ApplySnapshotChunkRequest {
  let index = 0;
  let chunk = EMPTY_BYTES;
  let sender = "";
  while (reader.next()) {
    if (reader.field === 1) index = reader.uint32();
    else if (reader.field === 2) chunk = readBytes(reader);
    else if (reader.field === 3) sender = readText(reader);
    else reader.unknown();
  }
  return { index, chunk, sender };
}

/** What the requests about a block have in common, gathered while their fields are read. */
interface BlockFields {
  readonly txs: Uint8Array[];
  /** More items than a block of this chain may have, of which some are left out. */
  hasTooManyTxs: boolean;
  readonly misbehavior: Misbehavior[];
  hash: Uint8Array;
  height: Height;
  time: Timestamp;
  nextValidatorsHash: Uint8Array;
  proposerAddress: Uint8Array;
}

function blockFields(): BlockFields {
  return {
    txs: [],
    hasTooManyTxs: false,
    misbehavior: [],
    hash: EMPTY_BYTES,
    height: Height(0),
    time: ZERO_TIME,
    nextValidatorsHash: EMPTY_BYTES,
    proposerAddress: EMPTY_BYTES,
  };
}

type BlockField = "txs" | "misbehavior" | "hash" | "height" | "time" | "next" | "proposer";

function readBlockField(reader: Reader, field: BlockField, into: BlockFields): void {
  switch (field) {
    case "txs": {
      const tx = reader.repeatedBytes(REQUEST_BYTES_MAX);
      if (into.txs.length < BLOCK_TXS_MAX) into.txs.push(tx);
      else into.hasTooManyTxs = true;
      return;
    }
    case "misbehavior":
      push(into.misbehavior, MISBEHAVIOR_MAX, reader.repeatedMessage(readMisbehavior));
      return;
    case "hash":
      into.hash = readBytes(reader);
      return;
    case "height":
      into.height = readHeight(reader);
      return;
    case "time":
      into.time = reader.messageLast(readTimestamp);
      return;
    case "next":
      into.nextValidatorsHash = readBytes(reader);
      return;
    case "proposer":
      into.proposerAddress = readBytes(reader);
      return;
    default:
      assertNever(field, "field of a block");
  }
}

const NO_COMMIT: CommitInfo & ExtendedCommitInfo = { round: Round(0), votes: [] };

const PREPARE_FIELDS: readonly (BlockField | undefined)[] = [
  undefined,
  undefined,
  "txs",
  undefined,
  "misbehavior",
  "height",
  "time",
  "next",
  "proposer",
];

function readPrepareProposal(reader: Reader): PrepareProposalRequest {
  const block = blockFields();
  let maxTxBytes = 0;
  let localLastCommit: ExtendedCommitInfo = NO_COMMIT;
  while (reader.next()) {
    const field = PREPARE_FIELDS[reader.field];
    if (field !== undefined) readBlockField(reader, field, block);
    else if (reader.field === 1) maxTxBytes = reader.int();
    else if (reader.field === 3) localLastCommit = reader.message(readExtendedCommitInfo);
    else reader.unknown();
  }
  const { txs, misbehavior, height, time, nextValidatorsHash, proposerAddress } = checked(block);
  return {
    maxTxBytes,
    txs,
    localLastCommit,
    misbehavior,
    height,
    time,
    nextValidatorsHash,
    proposerAddress,
  };
}

/** ProcessProposal and FinalizeBlock have the same fields. */
const PROCESS_FIELDS: readonly (BlockField | undefined)[] = [
  undefined,
  "txs",
  undefined,
  "misbehavior",
  "hash",
  "height",
  "time",
  "next",
  "proposer",
];

function readBlockRequest(reader: Reader): { block: BlockFields; commit: CommitInfo } {
  const block = blockFields();
  let commit: CommitInfo = NO_COMMIT;
  while (reader.next()) {
    const field = PROCESS_FIELDS[reader.field];
    if (field !== undefined) readBlockField(reader, field, block);
    else if (reader.field === 2) commit = reader.message(readCommitInfo);
    else reader.unknown();
  }
  return { block, commit };
}

function readProcessProposal(reader: Reader): AbciRequest {
  const { block, commit } = readBlockRequest(reader);
  const { hasTooManyTxs, ...rest } = block;
  if (hasTooManyTxs) {
    return refused("processProposal", `a block of more than ${BLOCK_TXS_MAX} items`);
  }
  if (rest.hash.length !== HASH_BYTES) return refused("processProposal", wrongHash(rest.hash));
  return { kind: "processProposal", request: { ...rest, proposedLastCommit: commit } };
}

function readFinalizeBlock(reader: Reader): FinalizeBlockRequest {
  const { block, commit } = readBlockRequest(reader);
  const { hasTooManyTxs: _, ...rest } = checkedHash(checked(block));
  return { ...rest, decidedLastCommit: commit };
}

const EXTEND_FIELDS: readonly (BlockField | undefined)[] = [
  undefined,
  "hash",
  "height",
  "time",
  "txs",
  undefined,
  "misbehavior",
  "next",
  "proposer",
];

function readExtendVote(reader: Reader): ExtendVoteRequest {
  const block = blockFields();
  let proposedLastCommit: CommitInfo = NO_COMMIT;
  while (reader.next()) {
    const field = EXTEND_FIELDS[reader.field];
    if (field !== undefined) readBlockField(reader, field, block);
    else if (reader.field === 5) proposedLastCommit = reader.message(readCommitInfo);
    else reader.unknown();
  }
  const { hasTooManyTxs: _, ...rest } = checkedHash(checked(block));
  return { ...rest, proposedLastCommit };
}

function checked(block: BlockFields): BlockFields {
  if (!block.hasTooManyTxs) return block;
  throw codecError("CODEC_TOO_MANY", `more than ${BLOCK_TXS_MAX} items`);
}

function checkedHash(block: BlockFields): BlockFields {
  if (block.hash.length === HASH_BYTES) return block;
  throw codecError("CODEC_LENGTH", wrongHash(block.hash));
}

function readVerifyVoteExtension(reader: Reader): AbciRequest {
  let [hash, validatorAddress, voteExtension] = [EMPTY_BYTES, EMPTY_BYTES, EMPTY_BYTES];
  let height = Height(0);
  while (reader.next()) {
    if (reader.field === 1) hash = readBytes(reader);
    else if (reader.field === 2) validatorAddress = readBytes(reader);
    else if (reader.field === 3) height = readHeight(reader);
    else if (reader.field === 4) voteExtension = readBytes(reader);
    else reader.unknown();
  }
  if (hash.length !== HASH_BYTES) return refused("verifyVoteExtension", wrongHash(hash));
  const request = { hash, validatorAddress, height, voteExtension };
  return { kind: "verifyVoteExtension", request };
}

const NO_VALIDATOR: AbciValidator = { address: EMPTY_BYTES, power: 0n };

function readValidator(reader: Reader): AbciValidator {
  let { address, power } = NO_VALIDATOR;
  while (reader.next()) {
    if (reader.field === 1) address = readBytes(reader);
    else if (reader.field === 3) power = reader.int64();
    else reader.unknown();
  }
  return { address, power };
}

function readCommitInfo(reader: Reader): CommitInfo {
  let { round } = NO_COMMIT;
  const votes: VoteInfo[] = [];
  while (reader.next()) {
    if (reader.field === 1) round = readRound(reader);
    else if (reader.field === 2) push(votes, VOTES_MAX, reader.repeatedMessage(readVoteInfo));
    else reader.unknown();
  }
  return { round, votes };
}

function readVoteInfo(reader: Reader): VoteInfo {
  let validator = NO_VALIDATOR;
  let flag: BlockIdFlag = BlockIdFlag.UNKNOWN;
  while (reader.next()) {
    if (reader.field === 1) validator = reader.message(readValidator);
    else if (reader.field === 3) flag = blockIdFlagOf(reader.int32());
    else reader.unknown();
  }
  return { validator, blockIdFlag: flag };
}

function readExtendedCommitInfo(reader: Reader): ExtendedCommitInfo {
  let { round } = NO_COMMIT;
  const votes: ExtendedVoteInfo[] = [];
  while (reader.next()) {
    if (reader.field === 1) round = readRound(reader);
    else if (reader.field === 2)
      push(votes, VOTES_MAX, reader.repeatedMessage(readExtendedVoteInfo));
    else reader.unknown();
  }
  return { round, votes };
}

function readExtendedVoteInfo(reader: Reader): ExtendedVoteInfo {
  let validator = NO_VALIDATOR;
  let [voteExtension, extensionSignature] = [EMPTY_BYTES, EMPTY_BYTES];
  let flag: BlockIdFlag = BlockIdFlag.UNKNOWN;
  while (reader.next()) {
    if (reader.field === 1) validator = reader.message(readValidator);
    else if (reader.field === 3) voteExtension = readBytes(reader);
    else if (reader.field === 4) extensionSignature = readBytes(reader);
    else if (reader.field === 5) flag = blockIdFlagOf(reader.int32());
    else reader.unknown();
  }
  return { validator, voteExtension, extensionSignature, blockIdFlag: flag };
}

function readMisbehavior(reader: Reader): Misbehavior {
  let type = 0;
  let validator = NO_VALIDATOR;
  let height = Height(0);
  let time = ZERO_TIME;
  let totalVotingPower = 0n;
  while (reader.next()) {
    if (reader.field === 1) type = reader.int32();
    else if (reader.field === 2) validator = reader.message(readValidator);
    else if (reader.field === 3) height = readHeight(reader);
    else if (reader.field === 4) time = reader.messageLast(readTimestamp);
    else if (reader.field === 5) totalVotingPower = reader.int64();
    else reader.unknown();
  }
  if (type !== 1 && type !== 2) throw outOfRange("type of misbehavior", "1 or 2", type);
  return {
    type: type === 1 ? "duplicateVote" : "lightClientAttack",
    validator,
    height,
    time,
    totalVotingPower,
  };
}

function heightOf(value: bigint): Height | undefined {
  const isHeight = value >= 0n && value <= BigInt(Number.MAX_SAFE_INTEGER);
  return isHeight ? Height(Number(value)) : undefined;
}

function push<T>(into: T[], countMax: number, value: T): void {
  if (into.length >= countMax) throw codecError("CODEC_TOO_MANY", `more than ${countMax} elements`);
  into.push(value);
}

function refused(call: RefusableCall, reason: string): AbciRequest {
  return { kind: "refused", call, reason };
}

function wrongHash(hash: Uint8Array): string {
  return `hash of a block: expected ${HASH_BYTES} bytes, got ${hash.length}`;
}

function outOfRange(what: string, expected: string, got: number): Error {
  return codecError("CODEC_OUT_OF_RANGE", `${what}: expected ${expected}, got ${got}`);
}
