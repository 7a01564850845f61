/** What the gRPC services need of the node; the composition root adapts engine and application. */
import type { Height } from "../../proto/brands.ts";
import type { Block, Commit, Header, ValidatorSet } from "../../proto/types.ts";
import type { BlockOutcome, CheckTxResponse } from "../abci/application.ts";
import type { BlockSlices } from "../app/block-slices.ts";
import type { HeldBodies } from "../ports/body-source.ts";
import type { ProposedBlock, ReadApi, TransactionStatus } from "../app/weft-application.ts";

/** Committed blocks. Reads may be slow; none holds consensus. */
export interface GrpcBlocks {
  /** First height held; 0 when empty. */
  base(): Height;
  /** Last height whose block was applied; 0 when empty. */
  height(): Height;
  block(height: Height): Promise<Pick<Block, "header" | "txs"> | undefined>;
  /** Of a stored block, without what it holds. */
  header(height: Height): Promise<Header | undefined>;
  seenCommit(height: Height): Promise<Commit | undefined>;
  /** The set that decides `height`, up to the last height + 1, priorities as of its round 0. */
  validators(height: Height): Promise<ValidatorSet | undefined>;
  /** The same as its hash says it (`hashedValidatorSet`). */
  hashedValidators(height: Height): Promise<ValidatorSet | undefined>;
  results(height: Height): Promise<BlockOutcome | undefined>;
  /** Calls `listener` when `height` has risen; returns how to stop that. */
  onBlock(listener: (height: Height) => void): () => void;
}

export interface GrpcApplication {
  readonly read: ReadApi;
  checkTx(tx: Uint8Array): Promise<CheckTxResponse>;
  transactionStatus(id: Uint8Array): TransactionStatus;
  /** Listed transactions that the node holds. */
  readonly bodies: Pick<HeldBodies, "item">;
  /** Shows proposals that this node has accepted; returns how to stop that. */
  onProposed(listener: (block: ProposedBlock) => void): () => void;
  /** Rebuilds the slices of a block from its items and what they did. */
  blockSlices(txs: readonly Uint8Array[], outcome: BlockOutcome): Promise<BlockSlices>;
}

export interface GrpcNodeInfo {
  readonly chainId: string;
  readonly initialHeight: Height;
  readonly version: string;
  isCatchingUp(): boolean;
}
