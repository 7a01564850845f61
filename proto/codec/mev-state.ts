/**
 * Inclusion lists, bundles, auctions, escrow and shuffles in the state, `weft.state.v1` (docs/formats.md, "State
 * tree"). Amounts are nweft. Decoded byte fields are copies.
 */
import type { Height } from "../brands.ts";
import { compareBytes } from "../bytes.ts";
import { ADDRESS_BYTES, HASH_BYTES } from "../limits.ts";
import { codecError } from "./errors.ts";
import { BID_LEGS_MAX, GROUP_ROLLUPS_MAX } from "./mev-tx.ts";
import {
  amount,
  amounts,
  ascendingBytes,
  checkAscending,
  choice,
  defineRecord,
  type FieldKind,
  fixedBytes,
  flag,
  height,
  list,
  optionalBytes,
  positiveAmount,
  type RecordCodec,
  uint32,
  uints,
} from "./record.ts";
import { POINT_BYTES, SEALED_ITEMS_MAX } from "./seal-tx.ts";
import { BASIS_POINTS } from "./weft-basics.ts";

/** Validators that may stand in one listing. */
export const LISTERS_MAX = 1_000;
/** Listings that one validator may have opened and that are not gone yet. */
export const LISTINGS_OPEN_MAX = 128;
/** Transaction id ‖ u32 size: what is listed. */
export const LISTING_KEY_BYTES = 36;
/** Escrow that an account may have asked back, in requests. */
export const WITHDRAWALS_MAX = 16;
/** Blocks whose deposits may stand in an account's escrow beside what backs every bid that waits. */
export const DEPOSITS_MAX = 64;
/** Shuffled entries of one rollup in one block. */
export const SHUFFLED_MAX = SEALED_ITEMS_MAX + 10_000;

/**
 * `listing/<id>/<size>`: who lists a transaction. Removed when it stands in a block, or a while after
 * `firstHeight` unless it is armed.
 */
export interface ListingState {
  /** Block whose lists named it first. */
  readonly firstHeight: Height;
  /** Validator on whose quota it is, consensus address. */
  readonly opener: Uint8Array;
  /** Consensus addresses, ascending. */
  readonly listers: readonly Uint8Array[];
  /** Of those that do not hold it, or refuse it, ascending. */
  readonly withdrawn: readonly Uint8Array[];
  /** From here on it has to be included; 0: not armed. */
  readonly dueHeight: Height;
}

/** `listing_height/<height>`: what was listed first at that height. */
export interface ListingHeightState {
  /** id (32) ‖ u32 size, ascending. */
  readonly keys: readonly Uint8Array[];
}

/** `listing_open/<validator>` */
export interface ListingOpenState {
  /** Listings on its quota, at least 1. */
  readonly count: number;
}

/** `bundle_key/<account>/<key>`: what counts of the bundles with that key. */
export interface BundleKeyState {
  /** Bundles up to this sequence are void. */
  readonly sequence: bigint;
  /** A bundle of that key stands in a block: all others are void. */
  readonly isUsed: boolean;
  /** Forgotten at the end of this height. */
  readonly untilHeight: Height;
}

/** `bundle_nonce/<account>`: bundles with a smaller cancel nonce are void. */
export interface CancelNonceState {
  readonly value: bigint;
}

/** `escrow/<account>` */
export interface EscrowState {
  /** All of it, also what is asked back. */
  readonly balance: bigint;
  /** Ascending by height. */
  readonly withdrawals: readonly EscrowWithdrawal[];
  /** What is left of deposits that do not back bids of earlier blocks (docs/adr/0029); ascending by height. */
  readonly deposits: readonly EscrowDeposit[];
}

export interface EscrowWithdrawal {
  /** Block that pays it. */
  readonly height: Height;
  readonly amount: bigint;
}

export interface EscrowDeposit {
  /** Block that took it. */
  readonly height: Height;
  readonly amount: bigint;
}

/**
 * `auction/<height>/<group>`: the auction of the bids of one block; written at the end of that block, removed when it
 * is settled. `bids`: those that are resolved before the last one is; usually all are resolved at once.
 */
export interface AuctionState {
  /** Of the block of the bids, consensus address. */
  readonly proposer: Uint8Array;
  /** As in force at that height, by rollup. */
  readonly members: readonly AuctionMember[];
  readonly secondPrice: boolean;
  /** Bids that wait in the sealed batch. */
  readonly openBids: number;
  /** By place in the batch. */
  readonly bids: readonly AuctionBidState[];
}

export interface AuctionMember {
  readonly rollupId: Uint8Array;
  readonly reserve: bigint;
  /** Part of the revenue that its owner gets, 0 for the parameter. */
  readonly shareBps: number;
}

export const BidStatus = { OPENED: 1, INVALID: 2, EXPIRED: 3 } as const;
export type BidStatus = (typeof BidStatus)[keyof typeof BidStatus];

/** What opened a bid. */
export const BidOpener = { NONE: 0, POINT: 1, SEED: 2 } as const;
export type BidOpener = (typeof BidOpener)[keyof typeof BidOpener];

export interface AuctionBidState {
  /** Transaction id. */
  readonly id: Uint8Array;
  /** Account, 20 bytes. */
  readonly sender: Uint8Array;
  /** Place in the batch. */
  readonly index: number;
  /** Held in `sealed` until the auction is settled. */
  readonly fee: bigint;
  readonly bond: bigint;
  /** Of its entry among the ordered entries of each member of the group. */
  readonly positions: readonly number[];
  readonly status: BidStatus;
  readonly opener: BidOpener;
  /** Point or seed, 32 bytes; with the block it gives the content again. Empty if nothing opened it. */
  readonly secret: Uint8Array;
  /** Z, also where a seed opened it: part of the seed that decides between equal bids. 32 bytes or empty. */
  readonly point: Uint8Array;
  /** 0 unless it is opened. */
  readonly amount: bigint;
  /** What it asks for, by rollup. */
  readonly legs: readonly AuctionLeg[];
}

export interface AuctionLeg {
  readonly rollupId: Uint8Array;
  readonly contentHash: Uint8Array;
}

/** `auction_result/<height>/<group>`: how it ended, for queries; kept for some blocks. */
export interface AuctionResultState {
  readonly settledHeight: Height;
  readonly bids: number;
  readonly winners: readonly AuctionWinner[];
}

export interface AuctionWinner {
  readonly id: Uint8Array;
  readonly bidder: Uint8Array;
  readonly amount: bigint;
  /** What it pays. */
  readonly price: bigint;
  /** Ascending. */
  readonly rollupIds: readonly Uint8Array[];
  /** Part of the price of each of them. */
  readonly shares: readonly bigint[];
}

/** `shuffle/<height>/<rollup>`: shuffled entries of a block until their order is decided. */
export interface ShuffleState {
  /** By position. */
  readonly slots: readonly ShuffleSlot[];
}

export interface ShuffleSlot {
  /** Among the rollup's ordered entries of that block. */
  readonly position: number;
  /** Account, 20 bytes. */
  readonly sender: Uint8Array;
  readonly isResolved: boolean;
  /** Z, 32 bytes; empty while it is not resolved, and where nobody knows it. */
  readonly point: Uint8Array;
}

const address = fixedBytes(ADDRESS_BYTES);
const hash = fixedBytes(HASH_BYTES);
const secret = optionalBytes(POINT_BYTES);
const validators = ascendingBytes(ADDRESS_BYTES, LISTERS_MAX);
const index = uint32(0, SEALED_ITEMS_MAX - 1);

const bidOpener: FieldKind<BidOpener> = {
  absent: { value: BidOpener.NONE },
  write: (writer, field, value) => writer.uint32(field, value),
  read: (reader) => reader.uint32() as BidOpener,
  check: (name, value) => uint32(0, 2).check?.(name, value),
};

export const LISTING_CODEC: RecordCodec<ListingState> = defineRecord<ListingState>({
  firstHeight: [1, height],
  opener: [2, address],
  listers: [3, validators],
  withdrawn: [4, validators],
  dueHeight: [5, height],
});

export const LISTING_HEIGHT_CODEC: RecordCodec<ListingHeightState> =
  defineRecord<ListingHeightState>({
    keys: [1, ascendingBytes(LISTING_KEY_BYTES, LISTERS_MAX * LISTINGS_OPEN_MAX, 1)],
  });

export const LISTING_OPEN_CODEC: RecordCodec<ListingOpenState> = defineRecord<ListingOpenState>({
  count: [1, uint32(1, LISTINGS_OPEN_MAX)],
});

export const BUNDLE_KEY_CODEC: RecordCodec<BundleKeyState> = defineRecord<BundleKeyState>({
  sequence: [1, amount],
  isUsed: [2, flag],
  untilHeight: [3, height],
});

export const CANCEL_NONCE_CODEC: RecordCodec<CancelNonceState> = defineRecord<CancelNonceState>({
  value: [1, positiveAmount],
});

/** Amounts by height, each once. */
function byHeight(countMax: number): FieldKind<readonly EscrowWithdrawal[]> {
  const amountsAt = list(
    defineRecord<EscrowWithdrawal>({ height: [1, height], amount: [2, positiveAmount] }),
    countMax,
  );
  return {
    ...amountsAt,
    check: (name, values) => {
      amountsAt.check?.(name, values);
      checkAscending(name, values, (a, b) => a.height - b.height);
    },
  };
}

/** By height, each once. */
export const withdrawals: FieldKind<readonly EscrowWithdrawal[]> = byHeight(WITHDRAWALS_MAX);

export const ESCROW_CODEC: RecordCodec<EscrowState> = defineRecord<EscrowState>({
  balance: [1, amount],
  withdrawals: [2, withdrawals],
  deposits: [3, byHeight(DEPOSITS_MAX)],
});

const AUCTION_LEG = defineRecord<AuctionLeg>({ rollupId: [1, hash], contentHash: [2, hash] });

const AUCTION_BID = defineRecord<AuctionBidState>(
  {
    id: [1, hash],
    sender: [2, address],
    index: [3, index],
    fee: [4, amount],
    bond: [5, amount],
    positions: [6, uints(GROUP_ROLLUPS_MAX, 1)],
    status: [7, choice(BidStatus)],
    opener: [8, bidOpener],
    secret: [9, secret],
    point: [10, secret],
    amount: [11, amount],
    legs: [12, list(AUCTION_LEG, BID_LEGS_MAX)],
  },
  ({ legs }) => checkAscending("legs", legs, byRollup),
);

const AUCTION_MEMBER = defineRecord<AuctionMember>({
  rollupId: [1, hash],
  reserve: [2, amount],
  shareBps: [3, uint32(0, BASIS_POINTS)],
});

export const AUCTION_CODEC: RecordCodec<AuctionState> = defineRecord<AuctionState>(
  {
    proposer: [1, address],
    members: [2, list(AUCTION_MEMBER, GROUP_ROLLUPS_MAX, 1)],
    secondPrice: [3, flag],
    openBids: [4, uint32(0, SEALED_ITEMS_MAX)],
    bids: [5, list(AUCTION_BID, SEALED_ITEMS_MAX)],
  },
  ({ members, bids }) => {
    checkAscending("members", members, byRollup);
    checkAscending("bids", bids, (a, b) => a.index - b.index);
    if (bids.every(({ positions }) => positions.length === members.length)) return;
    throw codecError("CODEC_TOO_MANY", "bids: expected one position for each member");
  },
);

export const AUCTION_RESULT_CODEC: RecordCodec<AuctionResultState> =
  defineRecord<AuctionResultState>({
    settledHeight: [1, height],
    bids: [2, uint32(0, SEALED_ITEMS_MAX)],
    winners: [
      3,
      list(
        defineRecord<AuctionWinner>(
          {
            id: [1, hash],
            bidder: [2, address],
            amount: [3, amount],
            price: [4, amount],
            rollupIds: [5, ascendingBytes(HASH_BYTES, BID_LEGS_MAX, 1)],
            shares: [6, amounts(BID_LEGS_MAX, 1)],
          },
          ({ rollupIds, shares }) => {
            if (rollupIds.length === shares.length) return;
            throw codecError("CODEC_TOO_MANY", "shares: expected one for each rollup");
          },
        ),
        GROUP_ROLLUPS_MAX,
      ),
    ],
  });

export const SHUFFLE_CODEC: RecordCodec<ShuffleState> = defineRecord<ShuffleState>(
  {
    slots: [
      1,
      list(
        defineRecord<ShuffleSlot>({
          position: [1, uint32()],
          sender: [2, address],
          isResolved: [3, flag],
          point: [4, secret],
        }),
        SHUFFLED_MAX,
        1,
      ),
    ],
  },
  ({ slots }) => checkAscending("slots", slots, (a, b) => a.position - b.position),
);

function byRollup(
  a: { readonly rollupId: Uint8Array },
  b: { readonly rollupId: Uint8Array },
): number {
  return compareBytes(a.rollupId, b.rollupId);
}
