/** What a rollup needs of a sequencer node, as a port; `grpc-sequencer-client.ts` is the real one. */
import type { Height, RollupId } from "../../proto/brands.ts";
import type { EntryProof } from "../../proto/grpc/block-queries.ts";
import type { GetRollupResponse } from "../../proto/grpc/rollup-service.ts";
import type { GetSealKeyResponse } from "../../proto/grpc/seal-key.ts";
import type { ValidatorSet } from "../../proto/types.ts";
import type { HeaderUpdate } from "./header-follower.ts";
import type { RollupBlock } from "./rollup-block.ts";

/** Facts about the chain that a sender needs. */
export interface ChainInfo {
  readonly chainId: string;
  /** Last committed height; 0 before the first. */
  readonly height: Height;
  readonly initialHeight: Height;
  /** First height the node still has. */
  readonly earliestHeight: Height;
  /** nweft per byte of an item. */
  readonly baseFeePerByte: bigint;
  /** How many heights ahead an unordered transaction may expire. */
  readonly unorderedWindow: number;
  readonly itemBytesMax: number;
  readonly isCatchingUp: boolean;
}

/** The node's answer to one submission. `code` 0: it is in the pool (or was before: `isDuplicate`). */
export interface SubmitOutcome {
  readonly id: Uint8Array;
  /** SHA-256 of the item: CometBFT's transaction hash. */
  readonly hash: Uint8Array;
  readonly code: number;
  readonly codespace: string;
  readonly reason: string;
  readonly isDuplicate: boolean;
}

export type TransactionState =
  | "unknown"
  | "pending"
  | "committed"
  | "failed"
  | "rejected"
  | "expired"
  | "evicted";

export interface TransactionStatus {
  readonly state: TransactionState;
  readonly height: Height;
  readonly index: number;
  readonly code: number;
  readonly codespace: string;
  readonly reason: string;
  readonly hash: Uint8Array;
  /** Of a sealed transaction or a commit that is committed: what became of its content. */
  readonly sealing: SealingInfo | undefined;
}

export type SealingStateName =
  | "sealed"
  | "disputed"
  | "opened"
  | "invalid"
  | "expired"
  | "void"
  | "lost";

export interface SealingInfo {
  readonly state: SealingStateName;
  /** Block that says so. */
  readonly height: Height;
  /** Empty when it is opened. */
  readonly reason: string;
}

export interface AccountInfo {
  /** nweft. */
  readonly balance: bigint;
  readonly nonce: bigint;
  readonly height: Height;
}

export interface BlocksRequest {
  readonly rollupId: RollupId;
  readonly fromHeight: Height;
  /** `filled`: each block comes once all its sealed entries are opened or void, as it is to be executed. */
  readonly level: "committed" | "filled";
  /** Last height wanted; left out: the stream does not end. */
  readonly untilHeight?: Height;
  /** Whether the node compresses (gzip): fewer bytes for some time of both processors. */
  readonly isCompressed?: boolean;
  /** Further rollups in ascending order, above `rollupId`: their parts are in `more`. */
  readonly moreRollupIds?: readonly RollupId[];
  /**
   * Whether heights that hold nothing for the rollups come as proofs alone, in `omitted` of the next message: of one that
   * holds something, or up to 32 blocks later. A verifier has to be told so, too.
   */
  readonly omitsEmpty?: boolean;
  /** Ends the stream when aborted. */
  readonly signal: AbortSignal;
}

export interface HeadersRequest
  extends Pick<BlocksRequest, "untilHeight" | "isCompressed" | "signal"> {
  readonly fromHeight: Height;
  /** Whether up to 32 headers come with one commit, that of the last. */
  readonly hasSparseCommits?: boolean;
}

export interface SequencerClient {
  chainInfo(): Promise<ChainInfo>;
  account(address: Uint8Array): Promise<AccountInfo>;
  /** By name, or by id (32 bytes). */
  rollup(key: string | Uint8Array): Promise<GetRollupResponse>;
  /** The set that decides `height`; 0: the next one. */
  validatorSet(height: Height): Promise<ValidatorSet>;
  /** The key that transactions are sealed for; `number` left out: the one that the next block takes. */
  sealKey(number?: number): Promise<GetSealKeyResponse>;
  /** Submits one encoded item. Rejects only when the node cannot be asked. */
  submit(item: Uint8Array): Promise<SubmitOutcome>;
  transactionStatus(id: Uint8Array): Promise<TransactionStatus>;
  /** What proves entry `position` of the rollup in block `height`, unverified. */
  entryProof(rollupId: RollupId, height: number, position: number): Promise<EntryProof>;
  /** One block per height from `fromHeight` on, unverified, as the node sent them. */
  blocks(request: BlocksRequest): AsyncIterable<RollupBlock>;
  close(): void;
}

/** The chain without what blocks hold. */
export interface HeaderClient {
  /** From `fromHeight` on, unverified, as the node sent them; `createHeaderFollower` verifies. */
  headers(request: HeadersRequest): AsyncIterable<HeaderUpdate>;
}
