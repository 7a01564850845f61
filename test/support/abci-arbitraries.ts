/** Random ABCI requests: as the types of `Application`, and of any shape that the .proto files allow. */
import * as fc from "fast-check";
import type { Arbitrary } from "fast-check";
import { Height, Round } from "../../proto/brands.ts";
import { HASH_BYTES } from "../../proto/limits.ts";
import { BlockIdFlag } from "../../proto/types.ts";
import type {
  AbciEvent,
  ApplySnapshotChunkRequest,
  ApplySnapshotChunkResponse,
  CheckTxRequest,
  CommitInfo,
  CommitResponse,
  ExecTxResult,
  ExtendedCommitInfo,
  ExtendVoteRequest,
  FinalizeBlockRequest,
  FinalizeBlockResponse,
  InfoRequest,
  InfoResponse,
  InitChainRequest,
  InitChainResponse,
  LoadSnapshotChunkRequest,
  Misbehavior,
  OfferSnapshotRequest,
  OfferSnapshotResult,
  PrepareProposalRequest,
  ProcessProposalRequest,
  QueryRequest,
  QueryResponse,
  Snapshot,
  ValidatorUpdate,
  Verdict,
  VerifyVoteExtensionRequest,
} from "../../sequencer/abci/application.ts";
import * as any from "./arbitraries.ts";

const bytes: Arbitrary<Uint8Array> = fc
  .uint8Array({ maxLength: 40 })
  .map((value) => new Uint8Array(value));
const blockHash: Arbitrary<Uint8Array> = fc
  .uint8Array({ minLength: HASH_BYTES, maxLength: HASH_BYTES })
  .map((value) => new Uint8Array(value));
const text = fc.string({ unit: "grapheme", maxLength: 20 });
const height = fc.nat({ max: Number.MAX_SAFE_INTEGER - 3 }).map(Height);
const round = fc.integer({ min: -1, max: 0x7fff_ffff }).map(Round);
const uint32 = fc.integer({ min: 0, max: 0xffff_ffff });
const int64 = fc.bigInt({ min: -(1n << 63n), max: (1n << 63n) - 1n });
const uint64 = fc.bigInt({ min: 0n, max: (1n << 64n) - 1n });
const some = <T>(values: Arbitrary<T>) => fc.array(values, { maxLength: 3 });

const validator = fc.record({ address: bytes, power: int64 });
const blockIdFlag = fc.constantFrom(...Object.values(BlockIdFlag));
const updates: Arbitrary<ValidatorUpdate> = fc.record({ publicKey: any.publicKeys, power: int64 });
const commitInfos: Arbitrary<CommitInfo> = fc.record({
  round,
  votes: some(fc.record({ validator, blockIdFlag })),
});
const extendedCommitInfos: Arbitrary<ExtendedCommitInfo> = fc.record({
  round,
  votes: some(
    fc.record({ validator, blockIdFlag, voteExtension: bytes, extensionSignature: bytes }),
  ),
});
const misbehaviors: Arbitrary<Misbehavior> = fc.record({
  type: fc.constantFrom("duplicateVote", "lightClientAttack"),
  validator,
  height,
  time: any.timestamps,
  totalVotingPower: int64,
});
const context = {
  txs: some(bytes),
  misbehavior: some(misbehaviors),
  height,
  time: any.timestamps,
  nextValidatorsHash: bytes,
  proposerAddress: bytes,
};
const events: Arbitrary<AbciEvent> = fc.record({
  type: text,
  attributes: some(fc.record({ key: text, value: text, index: fc.boolean() })),
});
const results: Arbitrary<ExecTxResult> = fc.record({
  code: uint32,
  data: bytes,
  log: text,
  info: text,
  gasWanted: int64,
  gasUsed: int64,
  events: some(events),
  codespace: text,
});
const snapshots: Arbitrary<Snapshot> = fc.record({
  height,
  format: uint32,
  chunks: uint32,
  hash: bytes,
  metadata: bytes,
});
const verdicts: Arbitrary<Verdict> = fc
  .boolean()
  .map((accept) => (accept ? { accept } : { accept, reason: "refused over the socket" }));

export interface AbciCase<Request, Response> {
  readonly requests: Arbitrary<Request>;
  readonly responses: Arbitrary<Response>;
}

const pair = <Request, Response>(
  requests: Arbitrary<Request>,
  responses: Arbitrary<Response>,
): AbciCase<Request, Response> => ({ requests, responses });

/** Requests and answers of every call that reaches the application. */
export const abciCases = {
  info: pair<InfoRequest, InfoResponse>(
    fc.record({ version: text, blockVersion: uint64, p2pVersion: uint64, abciVersion: text }),
    fc.record({
      data: text,
      version: text,
      appVersion: uint64,
      lastBlockHeight: height,
      lastBlockAppHash: bytes,
    }),
  ),
  initChain: pair<InitChainRequest, InitChainResponse>(
    fc.record({
      time: any.timestamps,
      chainId: text,
      consensusParams: any.consensusParams,
      validators: some(updates),
      appStateBytes: bytes,
      initialHeight: height,
    }),
    fc.record({
      consensusParams: fc.option(any.consensusParams, { nil: undefined }),
      validators: some(updates),
      appHash: bytes,
    }),
  ),
  query: pair<QueryRequest, QueryResponse>(
    fc.record({ path: text, data: bytes, height, prove: fc.boolean() }),
    fc.record({
      code: uint32,
      log: text,
      info: text,
      index: int64,
      key: bytes,
      value: bytes,
      proofOps: some(fc.record({ type: text, key: bytes, data: bytes })),
      height,
      codespace: text,
    }),
  ),
  checkTx: pair<CheckTxRequest, ExecTxResult>(
    fc.record({ tx: bytes, type: fc.constantFrom("new", "recheck") }),
    results,
  ),
  prepareProposal: pair<PrepareProposalRequest, readonly Uint8Array[]>(
    fc.record({ ...context, maxTxBytes: fc.maxSafeNat(), localLastCommit: extendedCommitInfos }),
    some(bytes),
  ),
  processProposal: pair<ProcessProposalRequest, Verdict>(
    fc.record({ ...context, hash: blockHash, proposedLastCommit: commitInfos }),
    verdicts,
  ),
  extendVote: pair<ExtendVoteRequest, Uint8Array>(
    fc.record({ ...context, hash: blockHash, proposedLastCommit: commitInfos }),
    bytes,
  ),
  verifyVoteExtension: pair<VerifyVoteExtensionRequest, Verdict>(
    fc.record({ hash: blockHash, validatorAddress: bytes, height, voteExtension: bytes }),
    verdicts,
  ),
  finalizeBlock: pair<FinalizeBlockRequest, FinalizeBlockResponse>(
    fc.record({ ...context, hash: blockHash, decidedLastCommit: commitInfos }),
    fc.record({
      events: some(events),
      txResults: some(results),
      validatorUpdates: some(updates),
      consensusParamUpdates: fc.option(any.consensusParams, { nil: undefined }),
      appHash: bytes,
    }),
  ),
  commit: pair<undefined, CommitResponse>(
    fc.constant(undefined),
    fc.record({ retainHeight: height }),
  ),
  listSnapshots: pair<undefined, readonly Snapshot[]>(fc.constant(undefined), some(snapshots)),
  offerSnapshot: pair<OfferSnapshotRequest, OfferSnapshotResult>(
    fc.record({ snapshot: snapshots, appHash: bytes }),
    fc.constantFrom("accept", "abort", "reject", "rejectFormat", "rejectSender"),
  ),
  loadSnapshotChunk: pair<LoadSnapshotChunkRequest, Uint8Array>(
    fc.record({ height, format: uint32, chunk: uint32 }),
    bytes,
  ),
  applySnapshotChunk: pair<ApplySnapshotChunkRequest, ApplySnapshotChunkResponse>(
    fc.record({ index: uint32, chunk: bytes, sender: text }),
    fc.record({
      result: fc.constantFrom("accept", "abort", "retry", "retrySnapshot", "rejectSnapshot"),
      refetchChunks: some(uint32),
      rejectSenders: some(text),
    }),
  ),
};
