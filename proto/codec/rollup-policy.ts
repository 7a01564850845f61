/** What a rollup chooses: `weft.tx.v1.RollupPolicy`, in transactions and in the state. Byte fields are copies. */
import { HASH_BYTES } from "../limits.ts";
import {
  amount,
  ascendingBytes,
  choice,
  defineRecord,
  flag,
  optionalBytes,
  type RecordCodec,
  uint32,
} from "./record.ts";
import { BASIS_POINTS, PUBLIC_KEY_BYTES } from "./weft-basics.ts";

export const EXECUTOR_KEYS_MAX = 32;
/** Rollups that a policy lets its own be bundled with for atomic execution. */
export const ATOMIC_PARTNERS_MAX = 32;
/** Members of the group of a leader, itself left out. */
export const AUCTION_MEMBERS_MAX = 11;

/** In which order a rollup executes its entries of a block. */
export const Ordering = {
  /** As they stand in the block. */
  COMMIT_ORDER: 1,
  /** What was sealed in an order that nobody knows before it is open; everything else at its place. */
  SEALED_RANDOM: 2,
  /** As they stand in the block, where the DEFAULT lane has to be in order of price. */
  PRIORITY_FEE: 3,
} as const;
export type Ordering = (typeof Ordering)[keyof typeof Ordering];

export interface RollupPolicy {
  readonly ordering: Ordering;
  /** Whether it takes sealed transactions only. */
  readonly sealedOnly: boolean;
  /** Whether the top of each block is sold. */
  readonly auction: boolean;
  /** nweft; the least that the top of a block is sold for. */
  readonly reserve: bigint;
  /** Of auctions and tips, basis points: 0 for the parameter `mev_rollup_bps`, otherwise 5,000 at least count. */
  readonly revenueShareBps: number;
  /** ed25519 keys, ascending, unique, at most 32. */
  readonly executorKeys: readonly Uint8Array[];
  /** Whether bundles may not name it. */
  readonly bundlesOff: boolean;
  /** Id of the rollup in whose group it sells its top, 32 bytes; empty: itself. */
  readonly auctionLeader: Uint8Array;
  /** Of a leader: ids of the others of its group, ascending, unique, at most 11. */
  readonly auctionMembers: readonly Uint8Array[];
  /** Second price instead of first; only of a rollup that sells alone. */
  readonly secondPrice: boolean;
  /**
   * Executors that have to vote the same for a leg of an atomic bundle: more than half of the keys. 0: the rollup takes
   * part in no atomic execution (level 0).
   */
  readonly executorQuorum: number;
  /**
   * Ids of the only rollups whose legs may stand beside its own in atomic bundles, ascending, unique, at most 32; empty:
   * any.
   */
  readonly atomicPartners: readonly Uint8Array[];
}

/** What depends on the rollup's own id is for the rules of the application. */
export const ROLLUP_POLICY_CODEC: RecordCodec<RollupPolicy> = defineRecord<RollupPolicy>({
  ordering: [1, choice(Ordering)],
  sealedOnly: [2, flag],
  auction: [3, flag],
  reserve: [4, amount],
  revenueShareBps: [5, uint32(0, BASIS_POINTS)],
  executorKeys: [6, ascendingBytes(PUBLIC_KEY_BYTES, EXECUTOR_KEYS_MAX)],
  bundlesOff: [7, flag],
  auctionLeader: [8, optionalBytes(HASH_BYTES)],
  auctionMembers: [9, ascendingBytes(HASH_BYTES, AUCTION_MEMBERS_MAX)],
  secondPrice: [10, flag],
  executorQuorum: [11, uint32(0, EXECUTOR_KEYS_MAX)],
  atomicPartners: [12, ascendingBytes(HASH_BYTES, ATOMIC_PARTNERS_MAX)],
});

/** Policy of a rollup that chooses nothing. */
export const PLAIN_POLICY: RollupPolicy = {
  ordering: Ordering.COMMIT_ORDER,
  sealedOnly: false,
  auction: false,
  reserve: 0n,
  revenueShareBps: 0,
  executorKeys: [],
  bundlesOff: false,
  auctionLeader: new Uint8Array(0),
  auctionMembers: [],
  secondPrice: false,
  executorQuorum: 0,
  atomicPartners: [],
};

export function isOrdering(value: number): value is Ordering {
  const known: readonly number[] = Object.values(Ordering);
  return known.includes(value);
}
