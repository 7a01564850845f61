/**
 * Staking values of the state, `weft.state.v1` (docs/formats.md, "State tree"). Amounts are nweft, below
 * 2^63. A *decimal* is a bigint in units of 10^-18. Times are whole seconds of block time since 1970.
 */
import type { Height } from "../brands.ts";
import { ADDRESS_BYTES } from "../limits.ts";
import {
  amount,
  choice,
  decimal,
  defineRecord,
  fixedBytes,
  flag,
  height,
  list,
  nested,
  optionalBytes,
  positiveAmount,
  type RecordCodec,
  text,
  uint,
  uint32,
} from "./record.ts";
import { BASIS_POINTS, PUBLIC_KEY_BYTES } from "./weft-basics.ts";

/** Entries of one unbonding or redelegation record, whatever the parameters say. */
export const ENTRIES_MAX = 32;
/** Changes that a history of powers holds; one each epoch, as far back as evidence reaches. */
export const POWER_CHANGES_MAX: number = 1 << 17;
/** UTF-8 bytes of what people see of a validator. */
export const MONIKER_BYTES_MAX = 70;
export const WEBSITE_BYTES_MAX = 140;
export const DETAILS_BYTES_MAX = 280;

/** Where a validator's stake lies (spec staking C1): in the set, on its way out, or out. */
export const BondStatus = { UNBONDED: 1, UNBONDING: 2, BONDED: 3 } as const;
export type BondStatus = (typeof BondStatus)[keyof typeof BondStatus];

/** `validator/<consensus address>` */
export interface ValidatorState {
  /** ed25519, 32 bytes: signs parts of vote extensions of blocks from `applicationKeySince` on. */
  readonly applicationKey: Uint8Array;
  /** Power in the set that the engine was last told; 0 when it is not in the set. */
  readonly power: bigint;
  /** ed25519, 32 bytes; its address is the validator's. */
  readonly consensusKey: Uint8Array;
  /** Account that runs it, 20 bytes. */
  readonly operator: Uint8Array;
  readonly status: BondStatus;
  readonly jailed: boolean;
  /** Out for good. */
  readonly tombstoned: boolean;
  /** Asked to leave: not taken into a set again until edited to return. */
  readonly retired: boolean;
  readonly tokens: bigint;
  /** Decimal; sum of its delegations' shares. */
  readonly shares: bigint;
  /** Below it the validator is jailed. */
  readonly minSelfDelegation: bigint;
  readonly commission: CommissionState;
  readonly description: DescriptionState;
  readonly createdHeight: Height;
  /** While UNBONDING: when and at which height it is out. */
  readonly unbondingSeconds: number;
  readonly unbondingHeight: Height;
  /** No unjail before. */
  readonly jailedUntilSeconds: number;
  /** Downtime jails in a row; each doubles the next one's length (spec staking C3). */
  readonly downtimeJails: number;
  /** Height of the last downtime jail; 0 if none. */
  readonly downtimeHeight: Height;
  /** First height whose extension is signed with `applicationKey`. */
  readonly applicationKeySince: Height;
  /** Key before that; empty if none. */
  readonly previousApplicationKey: Uint8Array;
}

/** Basis points. */
export interface CommissionState {
  readonly rateBps: number;
  readonly maxRateBps: number;
  readonly maxChangeBps: number;
  /** Block time of the last change of the rate. */
  readonly changedSeconds: number;
}

/** What people see. UTF-8, at most 70, 140 and 280 bytes. */
export interface DescriptionState {
  readonly moniker: string;
  readonly website: string;
  readonly details: string;
}

/** `delegation/<validator>/<delegator>`; the start of its rewards stands with it (F1). */
export interface DelegationState {
  /** Decimal, above 0. */
  readonly shares: bigint;
  /** Period of the validator's rewards at whose end it began. */
  readonly period: number;
  /** nweft that it was worth then, truncated. */
  readonly stake: bigint;
}

/** `unbonding/<validator>/<delegator>`: what that delegator is taking out, oldest first. */
export interface UnbondingState {
  readonly entries: readonly UnbondingEntry[];
}

export interface UnbondingEntry {
  /** Number within the record; names the entry in CancelUnbonding. */
  readonly id: number;
  /** Height at which it was asked for. */
  readonly createdHeight: Height;
  /** Last height in whose voting power the tokens count: an infraction up to it reaches the entry. */
  readonly slashableThrough: Height;
  readonly completionSeconds: number;
  readonly initialBalance: bigint;
  readonly balance: bigint;
}

/** `redelegation/<source>/<delegator>/<destination>`, oldest first. */
export interface RedelegationState {
  readonly entries: readonly RedelegationEntry[];
}

export interface RedelegationEntry {
  readonly createdHeight: Height;
  /** As for unbonding entries, of the source. */
  readonly slashableThrough: Height;
  readonly completionSeconds: number;
  readonly initialBalance: bigint;
  /** Decimal, of the destination. */
  readonly sharesDestination: bigint;
}

/** `incoming/<delegator>/<destination>`: immature redelegations that ended there, of any source. */
export interface IncomingState {
  readonly count: number;
}

/** `epoch` */
export interface EpochState {
  readonly number: number;
  readonly startHeight: Height;
  /** Blocks; the parameter as it was when the epoch began. */
  readonly length: number;
  /** Validators of the set that votes on the next height, and on the one after it. */
  readonly nextSetSize: number;
  readonly followingSetSize: number;
  /** Total power told to the engine. */
  readonly activePower: bigint;
}

/** `powers/<validator>`: power by first height in force, ascending, as far back as evidence reaches. */
export interface PowerHistoryState {
  readonly changes: readonly PowerChange[];
}

export interface PowerChange {
  readonly height: Height;
  readonly power: bigint;
}

const COMMISSION_CODEC = defineRecord<CommissionState>({
  rateBps: [1, uint32(0, BASIS_POINTS)],
  maxRateBps: [2, uint32(0, BASIS_POINTS)],
  maxChangeBps: [3, uint32(0, BASIS_POINTS)],
  changedSeconds: [4, uint],
});

const DESCRIPTION_CODEC = defineRecord<DescriptionState>({
  moniker: [1, text(MONIKER_BYTES_MAX)],
  website: [2, text(WEBSITE_BYTES_MAX)],
  details: [3, text(DETAILS_BYTES_MAX)],
});

export const VALIDATOR_CODEC: RecordCodec<ValidatorState> = defineRecord<ValidatorState>({
  applicationKey: [1, fixedBytes(PUBLIC_KEY_BYTES)],
  power: [2, amount],
  consensusKey: [3, fixedBytes(PUBLIC_KEY_BYTES)],
  operator: [4, fixedBytes(ADDRESS_BYTES)],
  status: [5, choice(BondStatus)],
  jailed: [6, flag],
  tombstoned: [7, flag],
  retired: [8, flag],
  tokens: [9, amount],
  shares: [10, decimal()],
  minSelfDelegation: [11, amount],
  commission: [12, nested(COMMISSION_CODEC)],
  description: [13, nested(DESCRIPTION_CODEC)],
  createdHeight: [14, height],
  unbondingSeconds: [15, uint],
  unbondingHeight: [16, height],
  jailedUntilSeconds: [17, uint],
  downtimeJails: [18, uint32()],
  downtimeHeight: [19, height],
  applicationKeySince: [20, height],
  previousApplicationKey: [21, optionalBytes(PUBLIC_KEY_BYTES)],
});

export const DELEGATION_CODEC: RecordCodec<DelegationState> = defineRecord<DelegationState>({
  shares: [1, decimal(1n)],
  period: [2, uint],
  stake: [3, amount],
});

export const UNBONDING_ENTRY_CODEC: RecordCodec<UnbondingEntry> = defineRecord<UnbondingEntry>({
  id: [1, uint],
  createdHeight: [2, height],
  slashableThrough: [3, height],
  completionSeconds: [4, uint],
  initialBalance: [5, positiveAmount],
  balance: [6, amount],
});

export const UNBONDING_CODEC: RecordCodec<UnbondingState> = defineRecord<UnbondingState>({
  entries: [1, list(UNBONDING_ENTRY_CODEC, ENTRIES_MAX, 1)],
});

export const REDELEGATION_ENTRY_CODEC: RecordCodec<RedelegationEntry> =
  defineRecord<RedelegationEntry>({
    createdHeight: [1, height],
    slashableThrough: [2, height],
    completionSeconds: [3, uint],
    initialBalance: [4, positiveAmount],
    sharesDestination: [5, decimal()],
  });

export const REDELEGATION_CODEC: RecordCodec<RedelegationState> = defineRecord<RedelegationState>({
  entries: [1, list(REDELEGATION_ENTRY_CODEC, ENTRIES_MAX, 1)],
});

export const INCOMING_CODEC: RecordCodec<IncomingState> = defineRecord<IncomingState>({
  count: [1, uint32(1)],
});

export const EPOCH_CODEC: RecordCodec<EpochState> = defineRecord<EpochState>({
  number: [1, uint],
  startHeight: [2, height],
  length: [3, uint32(1)],
  nextSetSize: [4, uint32()],
  followingSetSize: [5, uint32()],
  activePower: [6, amount],
});

const POWER_CHANGE_CODEC = defineRecord<PowerChange>({ height: [1, height], power: [2, amount] });

export const POWERS_CODEC: RecordCodec<PowerHistoryState> = defineRecord<PowerHistoryState>({
  changes: [1, list(POWER_CHANGE_CODEC, POWER_CHANGES_MAX, 1)],
});
