/**
 * Staking values of the state, `weft.state.v1` (docs/formats.md, "State tree"). Amounts are nweft, below
 * 2^63. A *decimal* is a bigint in units of 10^-18. Times are whole seconds of block time since 1970.
 */
import type { Height } from "../brands.ts";

/** Entries of one unbonding or redelegation record, whatever the parameters say. */
export const ENTRIES_MAX = 32;

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
