/**
 * ABCI 2.0 as a TypeScript interface (spec/cometbft-v0.38.md §12). The embedded engine calls it in
 * process; a CometBFT process will call it through a socket. Names and fields are CometBFT's.
 */
import type { Height, Round } from "../../proto/brands.ts";
import type { BlockIdFlag, ConsensusParams, PublicKey, Timestamp } from "../../proto/types.ts";

export interface InfoRequest {
  readonly version: string;
  readonly blockVersion: bigint;
  readonly p2pVersion: bigint;
  readonly abciVersion: string;
}

export interface InfoResponse {
  readonly data: string;
  readonly version: string;
  readonly appVersion: bigint;
  readonly lastBlockHeight: Height;
  readonly lastBlockAppHash: Uint8Array;
}

export interface ValidatorUpdate {
  readonly publicKey: PublicKey;
  /** 0 removes the validator. */
  readonly power: bigint;
}

export interface InitChainRequest {
  readonly time: Timestamp;
  readonly chainId: string;
  readonly consensusParams: ConsensusParams;
  readonly validators: readonly ValidatorUpdate[];
  /** `app_state` of genesis.json, verbatim. */
  readonly appStateBytes: Uint8Array;
  readonly initialHeight: Height;
}

export interface InitChainResponse {
  readonly consensusParams: ConsensusParams | undefined;
  readonly validators: readonly ValidatorUpdate[];
  readonly appHash: Uint8Array;
}

export interface QueryRequest {
  readonly path: string;
  readonly data: Uint8Array;
  /** 0 means the last committed height. */
  readonly height: Height;
  readonly prove: boolean;
}

export interface ProofOp {
  readonly type: string;
  readonly key: Uint8Array;
  readonly data: Uint8Array;
}

export interface QueryResponse {
  readonly code: number;
  readonly log: string;
  readonly info: string;
  readonly index: bigint;
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  readonly proofOps: readonly ProofOp[];
  readonly height: Height;
  readonly codespace: string;
}

export interface EventAttribute {
  readonly key: string;
  readonly value: string;
  readonly index: boolean;
}

export interface AbciEvent {
  readonly type: string;
  readonly attributes: readonly EventAttribute[];
}

/** Result of one item; only code, data, gasWanted and gasUsed are hashed (spec §5.2). */
export interface ExecTxResult {
  readonly code: number;
  readonly data: Uint8Array;
  readonly log: string;
  readonly info: string;
  readonly gasWanted: bigint;
  readonly gasUsed: bigint;
  readonly events: readonly AbciEvent[];
  readonly codespace: string;
}

export type CheckTxResponse = ExecTxResult;

export interface CheckTxRequest {
  /** Must not change afterwards: the application may keep it. */
  readonly tx: Uint8Array;
  readonly type: "new" | "recheck";
}

export interface AbciValidator {
  readonly address: Uint8Array;
  readonly power: bigint;
}

export interface VoteInfo {
  readonly validator: AbciValidator;
  readonly blockIdFlag: BlockIdFlag;
}

/** One entry per validator of H-1 in set order, absent ones included; empty at the first height. */
export interface CommitInfo {
  readonly round: Round;
  readonly votes: readonly VoteInfo[];
}

export interface ExtendedVoteInfo extends VoteInfo {
  readonly voteExtension: Uint8Array;
  readonly extensionSignature: Uint8Array;
}

export interface ExtendedCommitInfo {
  readonly round: Round;
  readonly votes: readonly ExtendedVoteInfo[];
}

export interface Misbehavior {
  readonly type: "duplicateVote" | "lightClientAttack";
  readonly validator: AbciValidator;
  readonly height: Height;
  readonly time: Timestamp;
  readonly totalVotingPower: bigint;
}

interface BlockContext {
  readonly misbehavior: readonly Misbehavior[];
  readonly height: Height;
  readonly time: Timestamp;
  readonly nextValidatorsHash: Uint8Array;
  readonly proposerAddress: Uint8Array;
}

export interface PrepareProposalRequest extends BlockContext {
  /** Bytes the returned items may take together, each with its protobuf overhead (spec §10.1). */
  readonly maxTxBytes: number;
  readonly txs: readonly Uint8Array[];
  readonly localLastCommit: ExtendedCommitInfo;
}

export interface ProcessProposalRequest extends BlockContext {
  readonly txs: readonly Uint8Array[];
  readonly proposedLastCommit: CommitInfo;
  readonly hash: Uint8Array;
}

export interface ExtendVoteRequest extends BlockContext {
  readonly hash: Uint8Array;
  readonly txs: readonly Uint8Array[];
  readonly proposedLastCommit: CommitInfo;
}

export interface VerifyVoteExtensionRequest {
  readonly hash: Uint8Array;
  readonly validatorAddress: Uint8Array;
  readonly height: Height;
  readonly voteExtension: Uint8Array;
}

export interface FinalizeBlockRequest extends BlockContext {
  readonly txs: readonly Uint8Array[];
  readonly decidedLastCommit: CommitInfo;
  readonly hash: Uint8Array;
}

export interface FinalizeBlockResponse {
  readonly events: readonly AbciEvent[];
  readonly txResults: readonly ExecTxResult[];
  readonly validatorUpdates: readonly ValidatorUpdate[];
  readonly consensusParamUpdates: ConsensusParams | undefined;
  readonly appHash: Uint8Array;
}

/** What a block did: all that is told of it to those who read blocks. */
export type BlockOutcome = Pick<FinalizeBlockResponse, "txResults" | "events">;

export interface CommitResponse {
  /** Blocks below may be pruned; 0 keeps all. */
  readonly retainHeight: Height;
}

/** A snapshot of the application's state after `height` (spec §12.3). */
export interface Snapshot {
  readonly height: Height;
  /** The application's own numbering of formats. */
  readonly format: number;
  /** How many chunks it has. */
  readonly chunks: number;
  /** Tells snapshots of one height and format apart; peers that have the same say the same. */
  readonly hash: Uint8Array;
  /** For the application that restores it. */
  readonly metadata: Uint8Array;
}

export interface OfferSnapshotRequest {
  readonly snapshot: Snapshot;
  /** The trusted app hash after the snapshot's height: what the restored state must have. */
  readonly appHash: Uint8Array;
}

export type OfferSnapshotResult = "accept" | "abort" | "reject" | "rejectFormat" | "rejectSender";

export interface LoadSnapshotChunkRequest {
  readonly height: Height;
  readonly format: number;
  readonly chunk: number;
}

export interface ApplySnapshotChunkRequest {
  readonly index: number;
  readonly chunk: Uint8Array;
  /** Id of the peer that sent it. */
  readonly sender: string;
}

export interface ApplySnapshotChunkResponse {
  /** `retry`: this chunk again, once it is fetched anew; `retrySnapshot`: begin again with this one. */
  readonly result: "accept" | "abort" | "retry" | "retrySnapshot" | "rejectSnapshot";
  /** Chunks to fetch anew, whatever the result. */
  readonly refetchChunks: readonly number[];
  /** Peers whose chunks and snapshots are not to be used. */
  readonly rejectSenders: readonly string[];
}

/** A verdict of ProcessProposal and VerifyVoteExtension; `reason` is for logs and metrics only. */
export type Verdict =
  | { readonly accept: true }
  | { readonly accept: false; readonly reason: string };

/**
 * The application behind the engine. InitChain, PrepareProposal, ProcessProposal, ExtendVote,
 * VerifyVoteExtension, FinalizeBlock and Commit are called one at a time by consensus; Info, Query
 * and CheckTx may run between them and never block them. CheckTx is fenced around Commit,
 * unless the application says that it need not be.
 */
export interface Application {
  /**
   * True when CheckTx may run while Commit does: its state changes in one turn of the loop. The
   * engine then puts no fence around Commit, and a flood of checks cannot hold a block up.
   */
  readonly checksDuringCommit?: boolean;
  info(request: InfoRequest): Promise<InfoResponse>;
  initChain(request: InitChainRequest): Promise<InitChainResponse>;
  query(request: QueryRequest): Promise<QueryResponse>;
  checkTx(request: CheckTxRequest): Promise<CheckTxResponse>;
  /**
   * CheckTx of type new for each, answered in order. Not a call of ABCI: an application in the engine's own
   * process may offer it, because a promise for each transaction costs more than to check most of them.
   */
  checkTxs?(txs: readonly Uint8Array[]): Promise<readonly CheckTxResponse[]>;
  prepareProposal(request: PrepareProposalRequest): Promise<readonly Uint8Array[]>;
  processProposal(request: ProcessProposalRequest): Promise<Verdict>;
  extendVote(request: ExtendVoteRequest): Promise<Uint8Array>;
  verifyVoteExtension(request: VerifyVoteExtensionRequest): Promise<Verdict>;
  finalizeBlock(request: FinalizeBlockRequest): Promise<FinalizeBlockResponse>;
  commit(): Promise<CommitResponse>;
}

/**
 * The snapshot connection. ListSnapshots and LoadSnapshotChunk may be called at any time;
 * OfferSnapshot and ApplySnapshotChunk come one at a time, before any consensus call.
 */
export interface SnapshotApplication {
  listSnapshots(): Promise<readonly Snapshot[]>;
  /** Empty when there is no such chunk, or no longer. */
  loadSnapshotChunk(request: LoadSnapshotChunkRequest): Promise<Uint8Array>;
  offerSnapshot(request: OfferSnapshotRequest): Promise<OfferSnapshotResult>;
  applySnapshotChunk(request: ApplySnapshotChunkRequest): Promise<ApplySnapshotChunkResponse>;
}
