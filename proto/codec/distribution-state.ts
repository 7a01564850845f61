/** Rewards in the state, `weft.state.v1`; conventions as in `staking-state.ts`. F1: spec staking C1. */
import type { Height } from "../brands.ts";
import { ADDRESS_BYTES } from "../limits.ts";
import {
  amount,
  decimal,
  defineRecord,
  fixedBytes,
  height,
  type RecordCodec,
  uint,
  uint32,
} from "./record.ts";

/**
 * `rewards`: what one unit of power in the set has earned since genesis. A block adds to it once for all
 * validators; each takes its part when something of it changes.
 */
export interface RewardsIndexState {
  /** Decimal, nweft per unit of power. */
  readonly perPower: bigint;
  /** Decimal below 1 nweft: rounding left over, given out with the next fees. */
  readonly remainder: bigint;
}

/** `rewards/<validator>` */
export interface ValidatorRewardsState {
  /** `perPower` up to which it has taken its part. */
  readonly perPower: bigint;
  /** Period under way. */
  readonly period: number;
  /** Decimal nweft that its delegators earned in it. */
  readonly current: bigint;
  /** Decimal nweft of commission not withdrawn. */
  readonly commission: bigint;
  /** Decimal nweft that delegators and commission may still withdraw, rounding included. */
  readonly outstanding: bigint;
}

/** `ratio/<validator>/<period, 16 digits>`: cumulative rewards per token at the end of the period. */
export interface PeriodRatioState {
  /** Decimal nweft per nweft. */
  readonly ratio: bigint;
  /** Delegations and slash events that begin there, and the period under way. */
  readonly references: number;
}

/** `slashes/<validator>/<period, 16 digits>`: the period ended with a slash. */
export interface SlashEventState {
  /** Decimal, part of the tokens that was lost, rounded up. */
  readonly fraction: bigint;
}

/** `withdraw/<delegator>`: where rewards go instead. */
export interface WithdrawAddressState {
  /** 20 bytes. */
  readonly address: Uint8Array;
}

/** `revenue/<rollup id>`: the rollup's part of fees, auctions and tips, for its owner to claim. */
export interface RollupRevenueState {
  /** Of all time, whatever it came from. */
  readonly accrued: bigint;
  readonly claimed: bigint;
  /** What of `accrued` came from auctions, and from tips of bundles. */
  readonly auction: bigint;
  readonly tips: bigint;
  /** Block that added to it last; 0: none. */
  readonly lastHeight: Height;
}

export const REWARDS_INDEX_CODEC: RecordCodec<RewardsIndexState> = defineRecord<RewardsIndexState>({
  perPower: [1, decimal()],
  remainder: [2, decimal()],
});

export const VALIDATOR_REWARDS_CODEC: RecordCodec<ValidatorRewardsState> =
  defineRecord<ValidatorRewardsState>({
    perPower: [1, decimal()],
    period: [2, uint],
    current: [3, decimal()],
    commission: [4, decimal()],
    outstanding: [5, decimal()],
  });

export const PERIOD_RATIO_CODEC: RecordCodec<PeriodRatioState> = defineRecord<PeriodRatioState>({
  ratio: [1, decimal()],
  references: [2, uint32()],
});

export const SLASH_EVENT_CODEC: RecordCodec<SlashEventState> = defineRecord<SlashEventState>({
  fraction: [1, decimal()],
});

export const WITHDRAW_CODEC: RecordCodec<WithdrawAddressState> = defineRecord<WithdrawAddressState>(
  {
    address: [1, fixedBytes(ADDRESS_BYTES)],
  },
);

export const REVENUE_CODEC: RecordCodec<RollupRevenueState> = defineRecord<RollupRevenueState>({
  accrued: [1, amount],
  claimed: [2, amount],
  auction: [3, amount],
  tips: [4, amount],
  lastHeight: [5, height],
});
