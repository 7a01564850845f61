import type { SealArithmetic } from "../../../mev/seal/arithmetic.ts";
import type { ParamsState, RollupState } from "../../../proto/codec/weft-state.ts";
import type { AbciEvent } from "../../abci/application.ts";
import type { BlockBids } from "../auction/block-bids.ts";
import type { AuctionGroup } from "../auction/group.ts";
import type { BlockShuffles } from "../ordering/shuffles.ts";
import type { FillSink } from "../seal/fills.ts";
import type { Records } from "../state/records.ts";

/**
 * Pools of nweft beside the accounts. The supply record holds them with the total, which is their sum and
 * that of all balances, and changes by burning only.
 */
export const POOLS = [
  "feePool",
  "deposits",
  "bonded",
  "notBonded",
  "rewards",
  "community",
  "rollupRevenue",
  "governanceDeposits",
  "sealed",
  "escrow",
  "atomicBonds",
  "executorBonds",
] as const;

export type Pool = (typeof POOLS)[number];

/** What these rules read: all that the check of an action needs, at the pool's door too. */
export interface StakingReader {
  readonly chainId: string;
  readonly height: number;
  /** Block time, whole seconds since 1970, rounded down; what ends "after" it ends a second later. */
  readonly nowSeconds: number;
  readonly params: ParamsState;
  /** Age of evidence, of the consensus parameters; it is too old when both are exceeded. */
  readonly evidenceMaxAgeBlocks: number;
  readonly evidenceMaxAgeSeconds: number;
  /** `block.max_bytes` of the consensus parameters. */
  readonly blockBytesMax: number;
  /** Most validators of a set that this chain's blocks have room for. */
  readonly setSizeMax: number;
  readonly records: Records;
  /** For complaints and dealings, which are rare: what every transaction needs goes through `SealCompute`. */
  readonly arithmetic: SealArithmetic;
  /** Balance of an account. `address`: 40 lower-case hex characters; so everywhere here. */
  balance(address: string): bigint;
  /** nweft in a pool. */
  pool(pool: Pool): bigint;
  /** Address of the account whose key owns the rollup; undefined if there is none. `rollupId`: lower-case hex. */
  rollupOwner(rollupId: string): string | undefined;
  /** `rollupId`: lower-case hex. */
  rollup(rollupId: string): RollupState | undefined;
  /** Rollups whose tops are sold together in this block, by the id of their leader; undefined if it leads none. */
  auctionGroup(leader: string): AuctionGroup | undefined;
  /** Bids of the account that the block under way holds. */
  bidsOf(address: string): number;
}

/**
 * What the rules of staking, slashing, rewards and governance read and change while a block runs. All of
 * it lies on the block's branch of the state.
 */
export interface StakingContext extends StakingReader, FillSink {
  /** Bids that the block under way places and resolves. */
  readonly bids: BlockBids;
  /** Moves nweft from a pool to an account; a pool that has too little is a bug. */
  pay(pool: Pool, address: string, amount: bigint): void;
  /** Moves nweft from an account to a pool; the caller has checked the balance. */
  collect(address: string, pool: Pool, amount: bigint): void;
  /** Moves nweft from pool to pool. */
  move(from: Pool, to: Pool, amount: bigint): void;
  /** Destroys nweft of a pool. */
  burn(pool: Pool, amount: bigint): void;
  /** Of what lies in the fee pool, so much was paid for data of this rollup: its owner has a part of that. */
  addRollupFee(rollupId: string, amount: bigint): void;
  /** What the block does to shuffled entries. */
  readonly shuffles: BlockShuffles;
  /** In order of happening; not part of any hash. */
  emit(event: AbciEvent): void;
}
