/** What the node, the gRPC service and the command line know of the application beside ABCI. */
import type { SealCompute } from "../../mev/seal/compute.ts";
import type { TicketSecretOf } from "../../mev/seal/shares.ts";
import type { SignPart, VerifySignatures } from "../../mev/signatures.ts";
import type { Height } from "../../proto/brands.ts";
import type { Timestamp } from "../../proto/types.ts";
import type {
  AccountState,
  ChainState,
  LastBlockState,
  ParamsState,
  RollupState,
  SupplyState,
} from "../../proto/codec/weft-state.ts";
import type { SealEvidence } from "../../proto/codec/seal-tx.ts";
import type { ValidatorState } from "../../proto/codec/staking-state.ts";
import type {
  Application,
  CheckTxResponse,
  BlockOutcome,
  SnapshotApplication,
} from "../abci/application.ts";
import type { Clock } from "../ports/clock.ts";
import type { Logger } from "../ports/logger.ts";
import type { YieldToLoop } from "../ports/yield-to-loop.ts";
import type { BlockSlices } from "./block-slices.ts";
import type { ListedTxs } from "./inclusion/listed-txs.ts";
import type { AppMetrics } from "./metrics.ts";
import type { SealProgress } from "./seal/progress.ts";
import type { StakingReader } from "./staking/context.ts";
import type { Standstill } from "./standstill.ts";
import type { KeyRange } from "./state/records.ts";
import type { SnapshotArchive } from "./snapshots/snapshot-archive.ts";
import type { SnapshotMakerOptions } from "./snapshots/snapshot-maker.ts";
import type { KeyValueStore } from "./state-tree/key-value-store.ts";

/**
 * Upgrades that these rules include, by the names under which governance plans them. Whoever changes the
 * rules of blocks adds the name of the upgrade here, and has the new rules look at the height at which the
 * state's `upgrade` record plans it: software that lacks the name stops before the block at that height.
 */
export const KNOWN_UPGRADES: ReadonlySet<string> = new Set();

/** Why the application cannot go on; the node has to stop. */
export type ApplicationError =
  /** A decided block is invalid: more than a third of the power is faulty, or the software differs. */
  | { readonly code: "APP_BLOCK_INVALID"; readonly height: number }
  /** InitChain of another chain than this node's genesis is of. */
  | { readonly code: "APP_OTHER_CHAIN"; readonly chainId: string }
  /** InitChain for a chain that has blocks already. */
  | { readonly code: "APP_CHAIN_HAS_BEGUN"; readonly height: number }
  /** The block needs an upgrade that this software does not have. */
  | { readonly code: "APP_UPGRADE_NEEDED"; readonly height: number };

export interface ApplicationOptions {
  /** Software version that Info reports. */
  readonly version: string;
  /** The chain whose genesis this node has: InitChain of another one is refused. Default: any. */
  readonly chainId?: string;
  /** Bounds of the pool; `limits.ts` has the defaults. */
  readonly pool?: Partial<PoolLimits>;
  /** Which snapshots are taken, where there is an archive for them. */
  readonly snapshots?: SnapshotMakerOptions;
  /** The halt of the chain, by its height, after which this node votes on again. */
  readonly resumeAfterHalt?: number;
  /** Bytes of own vote extensions, where the signer takes fewer than the chain; shares that exceed it are not sent. */
  readonly extensionBytesMax?: number;
  /** Names of planned upgrades that this software includes; default: `KNOWN_UPGRADES`. */
  readonly knownUpgrades?: ReadonlySet<string>;
}

export interface PoolLimits {
  /** Bytes of items. */
  readonly bytesMax: number;
  readonly countMax: number;
  /** Transactions of one account. */
  readonly perAccountMax: number;
}

export interface ApplicationDependencies {
  /** The application's own database; see `openKeyValueStore`. */
  readonly database: KeyValueStore;
  /** ZIP-215, in batches, without holding the event loop: signatures of blocks and extensions. */
  readonly verify: VerifySignatures;
  /** The same for transactions that come in, which blocks must not wait behind; default: `verify`. */
  readonly verifyIncoming?: VerifySignatures;
  /** The arithmetic of sealed transactions, without holding the event loop: for blocks and votes; default: on this thread, in slices. */
  readonly seal?: SealCompute;
  /** The same for transactions that come in, which blocks must not wait behind; default: `seal`. */
  readonly sealIncoming?: SealCompute;
  /** Secrets of this validator's tickets; without them it answers ABSTAIN. */
  readonly ticketSecretOf?: TicketSecretOf;
  /** The application key of this validator; undefined on a node that does not validate. */
  readonly signer: ApplicationSigner | undefined;
  /** The key that its operator registers next; it signs once it is in force, so that no vote is lost. */
  readonly nextSigner?: ApplicationSigner | undefined;
  /** For durations in metrics only; the rules have no clock. */
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: AppMetrics;
  readonly yieldToLoop: YieldToLoop;
  /** Where snapshots are kept; without it none are taken or served. */
  readonly snapshotArchive?: SnapshotArchive;
  /** First height to keep after this block, 0 for all: the operator's wish, within what rules allow. */
  readonly retainHeight?: (height: Height, time: Timestamp) => Promise<Height>;
}

/** Signs parts of vote extensions with the validator's application key (ed25519). */
export interface ApplicationSigner {
  /** 32 bytes. */
  readonly publicKey: Uint8Array;
  readonly sign: SignPart;
}

export interface WeftApplication extends Application, SnapshotApplication {
  /** Reads of the committed state. */
  readonly read: ReadApi;
  /** Where a transaction (32-byte id) is, as far as this node knows and remembers. */
  transactionStatus(id: Uint8Array): TransactionStatus;
  /**
   * Why this node must not start as the validator with that consensus address, or undefined when it may:
   * its key is not the one that the state holds. Meaningful once genesis is known (InitChain or later).
   */
  applicationKeyFault(consensusAddress: Uint8Array): string | undefined;
  /** Why this node takes no part in the next block, though nothing is broken; undefined when it does. */
  standstill(): Standstill | undefined;
  /** What CheckTx would answer to a new transaction now; nothing is kept. */
  dryRun(tx: Uint8Array): Promise<CheckTxResponse>;
  /** Drops all pending transactions, as an operator may ask; returns how many. */
  flushPool(): number;
  /** Bytes and number of pending transactions. */
  poolSize(): { readonly count: number; readonly bytes: number };
  /** Is given proof of each fault in shares of others that this node finds; one listener. */
  onShareFault(listener: (evidence: SealEvidence) => void): void;
  /** Is given each transaction, as it came, that leaves the pool without a block; one listener. */
  onPoolDropped(listener: (item: Uint8Array) => void): void;
  /**
   * Shows each proposal that this node has accepted, its own too, after its verdict and never before it. Returns
   * how to stop that.
   */
  onProposed(listener: (block: ProposedBlock) => void): () => void;
  /** `blockSlices` of a stored block; of one that was just applied, from what is decoded already. */
  blockSlices(txs: readonly Uint8Array[], outcome: BlockOutcome): Promise<BlockSlices>;
  /** Up to `limit` items in the order the next proposal would take them; none while there is no state. */
  poolItems(limit: number): readonly Uint8Array[];
  /** Listed transactions: what this node holds for others, and whom it asks itself (`use`); until then nobody. */
  readonly listed: Pick<ListedTxs, "held" | "use">;
  /** Gives up a snapshot under way; the database may be closed when it resolves. */
  stop(): Promise<void>;
}

/** A block that this node would execute, and that nobody has decided yet: another may be. */
export interface ProposedBlock {
  readonly height: Height;
  readonly hash: Uint8Array;
  /** Consensus address. */
  readonly proposerAddress: Uint8Array;
  readonly time: Timestamp;
  /** What it holds for rollups, taken apart when somebody asks first. */
  slices(): Promise<BlockSlices>;
}

export type TransactionStatus =
  /** Never seen, or forgotten. */
  | { readonly state: "unknown" }
  /** In the pool. `reason` says what it waits for, if it cannot go into the next block. */
  | { readonly state: "pending"; readonly reason: string | undefined; readonly hash: Uint8Array }
  /** In a block, action applied (code 0) or failed (another code, fee paid, nothing else done). */
  | {
      readonly state: "committed" | "failed";
      readonly height: Height;
      /** Index of the item in the block. */
      readonly index: number;
      readonly code: number;
      readonly reason: string;
      readonly hash: Uint8Array;
      /** Of a sealed transaction or a commit whose place is final: what became of its content. */
      readonly sealing?: SealProgress;
    }
  /** Refused by CheckTx, expired, or pushed out of the pool. */
  | {
      readonly state: "rejected" | "expired" | "evicted";
      readonly code: number;
      readonly reason: string;
      readonly hash: Uint8Array;
    };

/** Typed reads of the committed state: of the last committed block unless said otherwise. */
export interface ReadApi {
  /** Undefined before InitChain. */
  chain(): ChainState | undefined;
  /** Undefined before the first block. */
  lastBlock(): LastBlockState | undefined;
  appHash(): Uint8Array;
  params(): ParamsState;
  /** nweft per byte that the next block asks for. */
  baseFeePerByte(): bigint;
  supply(): SupplyState;
  /** Nonce 0 and balance 0 for an account that does not exist. `address`: 20 bytes. */
  account(address: Uint8Array): AccountState;
  /** The account as it will be when its pending transactions are in blocks: next free nonce, funds left. */
  pendingAccount(address: Uint8Array): AccountState;
  /** `rollupId`: 32 bytes. The policy is the one in force in the next block. */
  rollup(rollupId: Uint8Array): RollupState | undefined;
  /** All registered rollups, ascending by id. */
  rollups(): Promise<readonly RollupEntryState[]>;
  /** `address`: consensus address, 20 bytes. */
  validator(address: Uint8Array): ValidatorState | undefined;
  /** What the rules of stake read, for the next block; all of one object is of one height. */
  staking(): StakingReader;
  /**
   * Keys of a table that begin with `within`, ascending, without the table's prefix: also of tables that
   * keep no index, from the database.
   */
  recordKeys(
    type: { readonly prefix: string },
    within: string,
    range: KeyRange,
  ): Promise<readonly string[]>;
}

export interface RollupEntryState extends RollupState {
  /** 32 bytes. */
  readonly id: Uint8Array;
}
