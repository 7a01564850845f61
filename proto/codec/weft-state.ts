/**
 * Values of the state, `weft.state.v1`: canonical bytes in and out (docs/formats.md, "State tree"). The
 * decoders are strict although they read what this code wrote: a damaged value must not be computed with.
 * Decoded byte fields are copies.
 */
import { Height } from "../brands.ts";
import { copyBytes, EMPTY_BYTES } from "../bytes.ts";
import type { Timestamp } from "../types.ts";
import { assert } from "../errors.ts";
import { codecError } from "./errors.ts";
import { HASH_BYTES } from "../limits.ts";
import { decode, type Reader } from "./reader.ts";
import {
  amount,
  defineRecord,
  height,
  type RecordCodec,
  type RecordFields,
  text,
  uint,
  uint32,
} from "./record.ts";
import { ROLLUP_POLICY_CODEC, type RollupPolicy } from "./rollup-policy.ts";
import { checkAmount, checkLength, PUBLIC_KEY_BYTES } from "./weft-basics.ts";
import { ROLLUP_NAME_LENGTH_MAX } from "./weft-tx.ts";
import { encode, type Writer } from "./writer.ts";

/** What genesis fixed. */
export interface ChainState {
  readonly chainId: string;
  readonly initialHeight: Height;
  /** `block.max_bytes` of the consensus parameters, in bytes. */
  readonly blockBytesMax: number;
  /** `evidence.max_age_num_blocks`. */
  readonly evidenceMaxAgeBlocks: number;
  /** `evidence.max_age_duration` in seconds, rounded up. */
  readonly evidenceMaxAgeSeconds: number;
  /** Most validators of a set: with so many, a minimal block fits into `block.max_bytes`. */
  readonly setSizeMax: number;
}

export interface LastBlockState {
  readonly height: Height;
  /** 32 bytes. */
  readonly hash: Uint8Array;
  readonly time: Timestamp;
}

/**
 * nweft. total = all balances + feePool + deposits + bonded + notBonded + rewards + community +
 * rollupRevenue + governanceDeposits + sealed + escrow + atomicBonds + executorBonds, always.
 */
export interface SupplyState {
  readonly total: bigint;
  readonly feePool: bigint;
  readonly deposits: bigint;
  /** Tokens of validators in the set. */
  readonly bonded: bigint;
  /** Tokens of other validators, and what unbonds. */
  readonly notBonded: bigint;
  /** What delegators and operators may withdraw, rounding included. */
  readonly rewards: bigint;
  readonly community: bigint;
  readonly rollupRevenue: bigint;
  readonly governanceDeposits: bigint;
  /** Fees and bonds of sealed items and commits that are not resolved. */
  readonly sealed: bigint;
  /** What accounts have put aside for their bids. */
  readonly escrow: bigint;
  /** Bonds of atomic bundles that are not decided. */
  readonly atomicBonds: bigint;
  /** Of executors, also what is asked back. */
  readonly executorBonds: bigint;
  /** All that was ever destroyed; no part of `total`. */
  readonly burned: bigint;
}

/** Limits and prices that the chain agreed on. Meaning and bounds: sequencer/app/params.ts. */
export interface ParamsState {
  readonly baseFeeMin: bigint;
  readonly baseFeeMax: bigint;
  readonly baseFeeChangeDenominator: number;
  readonly blockBytesTarget: number;
  readonly txBytesMax: number;
  readonly unorderedWindow: number;
  readonly unorderedPerBlockMax: number;
  readonly controlShareBps: number;
  readonly forcedShareBps: number;
  readonly obligatedShareBps: number;
  readonly sealedShareBps: number;
  readonly atomicShareBps: number;
  readonly controlPerSignerMax: number;
  readonly rollupQuotaBps: number;
  readonly rollupQuotaBytesFloor: number;
  readonly rollupDeposit: bigint;
  readonly policyDelay: number;
  readonly epochLength: number;
  readonly unbondingSeconds: number;
  readonly validatorsMax: number;
  readonly candidatesMax: number;
  readonly unbondingEntriesMax: number;
  readonly minSelfDelegation: bigint;
  readonly commissionMinBps: number;
  readonly signedWindow: number;
  readonly minSignedBps: number;
  readonly downtimeJailSeconds: number;
  readonly downtimeJailMaxSeconds: number;
  readonly downtimeSlashBps: number;
  readonly doubleSignSlashBps: number;
  readonly whistleblowerBps: number;
  readonly whistleblowerRewardMax: bigint;
  readonly feeRollupBps: number;
  readonly feeProposerBps: number;
  readonly feeCommunityBps: number;
  readonly proposalDepositMin: bigint;
  readonly depositPeriodSeconds: number;
  readonly votingPeriodSeconds: number;
  readonly quorumBps: number;
  readonly thresholdBps: number;
  readonly vetoBps: number;
  readonly timelockSeconds: number;
  readonly haltThresholdBps: number;
  readonly sealKeyLead: number;
  readonly sealBond: bigint;
  readonly sealCommitBond: bigint;
  readonly sealRevealBlocks: number;
  readonly sealFalseDisputeBps: number;
  readonly sealFaultSlashBps: number;
  readonly sealDealerSlashBps: number;
  readonly listDueBlocks: number;
  readonly bidEscrowMin: bigint;
  readonly escrowDelayBlocks: number;
  readonly mevRollupBps: number;
  readonly mevProposerBps: number;
  readonly mevCommunityBps: number;
  readonly executorBondMin: bigint;
  readonly atomicLockBond: bigint;
  readonly atomicReportBlocks: number;
  readonly executorSlashBps: number;
  readonly executorJailBlocks: number;
  readonly executorUnbondBlocks: number;
  readonly atomicRentBps: number;
  readonly atomicLockRent: bigint;
}

export interface AccountState {
  /** The next nonce. */
  readonly nonce: bigint;
  /** nweft. */
  readonly balance: bigint;
}

export interface RollupState {
  readonly name: string;
  /** ed25519, 32 bytes. */
  readonly ownerKey: Uint8Array;
  readonly policy: RollupPolicy;
  readonly pending: PendingPolicy | undefined;
  /** nweft. */
  readonly deposit: bigint;
  readonly registeredHeight: Height;
}

/** In force from `effectiveHeight` on. */
export interface PendingPolicy {
  readonly policy: RollupPolicy;
  readonly effectiveHeight: Height;
}

/** Ids of one block's unordered transactions, concatenated, 32 bytes each. */
export interface UnorderedIdsState {
  readonly expiryMax: Height;
  readonly ids: Uint8Array;
}

const CHAIN_ID_BYTES_MAX = 50;
const IDS_BYTES_MAX = 1 << 24;

const CHAIN = defineRecord<ChainState>({
  chainId: [1, text(CHAIN_ID_BYTES_MAX)],
  initialHeight: [2, height],
  blockBytesMax: [3, uint],
  evidenceMaxAgeBlocks: [4, uint],
  evidenceMaxAgeSeconds: [5, uint],
  setSizeMax: [6, uint32()],
});
export const encodeChain: (chain: ChainState) => Uint8Array = CHAIN.encode;
export const decodeChain: (bytes: Uint8Array) => ChainState = CHAIN.decode;

export function encodeLastBlock(block: LastBlockState): Uint8Array {
  return encode((writer: Writer, value: LastBlockState) => {
    writer.uint(1, value.height);
    writer.bytes(2, value.hash);
    writer.int64(3, value.time.seconds);
    writer.uint32(4, value.time.nanos);
  }, block);
}

export function decodeLastBlock(bytes: Uint8Array): LastBlockState {
  return decode(readLastBlock, bytes, "strict");
}

function readLastBlock(reader: Reader): LastBlockState {
  let height = 0;
  let hash = EMPTY_BYTES;
  let seconds = 0n;
  let nanos = 0;
  while (reader.next()) {
    if (reader.field === 1) height = reader.uint();
    else if (reader.field === 2) hash = reader.bytesCopy(HASH_BYTES);
    else if (reader.field === 3) seconds = reader.int64();
    else if (reader.field === 4) nanos = reader.uint32();
    else reader.unknown();
  }
  checkLength("hash", hash, HASH_BYTES);
  return { height: Height(height), hash, time: { seconds, nanos } };
}

/** nweft per byte. */
export function encodeBaseFee(baseFeePerByte: bigint): Uint8Array {
  return encode(
    (writer: Writer, value: bigint) => writer.uint64(1, checked(value)),
    baseFeePerByte,
  );
}

export function decodeBaseFee(bytes: Uint8Array): bigint {
  return decode(
    (reader: Reader) => {
      let baseFee = 0n;
      while (reader.next()) {
        if (reader.field === 1) baseFee = readAmount(reader);
        else reader.unknown();
      }
      return baseFee;
    },
    bytes,
    "strict",
  );
}

export const SUPPLY_CODEC: RecordCodec<SupplyState> = defineRecord<SupplyState>({
  total: [1, amount],
  feePool: [2, amount],
  deposits: [3, amount],
  bonded: [4, amount],
  notBonded: [5, amount],
  rewards: [6, amount],
  community: [7, amount],
  rollupRevenue: [8, amount],
  governanceDeposits: [9, amount],
  burned: [10, amount],
  sealed: [11, amount],
  escrow: [12, amount],
  atomicBonds: [13, amount],
  executorBonds: [14, amount],
});
export const encodeSupply: (supply: SupplyState) => Uint8Array = SUPPLY_CODEC.encode;
export const decodeSupply: (bytes: Uint8Array) => SupplyState = SUPPLY_CODEC.decode;

/** No money anywhere. */
export const EMPTY_SUPPLY: SupplyState = {
  total: 0n,
  feePool: 0n,
  deposits: 0n,
  bonded: 0n,
  notBonded: 0n,
  rewards: 0n,
  community: 0n,
  rollupRevenue: 0n,
  governanceDeposits: 0n,
  sealed: 0n,
  escrow: 0n,
  atomicBonds: 0n,
  executorBonds: 0n,
  burned: 0n,
};

/** nweft that are in no account. */
export function pooledSupply(supply: SupplyState): bigint {
  const { total, burned, ...pools } = supply;
  assert(total >= 0n && burned >= 0n, "amounts are not negative");
  return Object.values(pools).reduce((sum, amount) => sum + amount, 0n);
}

const bigParam = (field: number) => [field, amount] as const;
const smallParam = (field: number) => [field, uint32()] as const;

/** Every parameter with its field number; genesis.json has the same names in snake case. */
export const PARAM_FIELDS: RecordFields<ParamsState> = {
  baseFeeMin: bigParam(1),
  baseFeeMax: bigParam(2),
  baseFeeChangeDenominator: smallParam(3),
  blockBytesTarget: smallParam(4),
  txBytesMax: smallParam(5),
  unorderedWindow: smallParam(6),
  unorderedPerBlockMax: smallParam(7),
  controlShareBps: smallParam(8),
  forcedShareBps: smallParam(9),
  obligatedShareBps: smallParam(10),
  sealedShareBps: smallParam(11),
  atomicShareBps: smallParam(12),
  controlPerSignerMax: smallParam(13),
  rollupQuotaBps: smallParam(14),
  rollupQuotaBytesFloor: smallParam(15),
  rollupDeposit: bigParam(16),
  policyDelay: smallParam(17),
  epochLength: smallParam(18),
  unbondingSeconds: smallParam(19),
  validatorsMax: smallParam(20),
  candidatesMax: smallParam(21),
  unbondingEntriesMax: smallParam(22),
  minSelfDelegation: bigParam(23),
  commissionMinBps: smallParam(24),
  signedWindow: smallParam(25),
  minSignedBps: smallParam(26),
  downtimeJailSeconds: smallParam(27),
  downtimeJailMaxSeconds: smallParam(28),
  downtimeSlashBps: smallParam(29),
  doubleSignSlashBps: smallParam(30),
  whistleblowerBps: smallParam(31),
  whistleblowerRewardMax: bigParam(32),
  feeRollupBps: smallParam(33),
  feeProposerBps: smallParam(34),
  feeCommunityBps: smallParam(35),
  proposalDepositMin: bigParam(36),
  depositPeriodSeconds: smallParam(37),
  votingPeriodSeconds: smallParam(38),
  quorumBps: smallParam(39),
  thresholdBps: smallParam(40),
  vetoBps: smallParam(41),
  timelockSeconds: smallParam(42),
  haltThresholdBps: smallParam(43),
  sealKeyLead: smallParam(44),
  sealBond: bigParam(45),
  sealCommitBond: bigParam(46),
  sealRevealBlocks: smallParam(47),
  sealFalseDisputeBps: smallParam(48),
  sealFaultSlashBps: smallParam(49),
  sealDealerSlashBps: smallParam(50),
  listDueBlocks: smallParam(51),
  bidEscrowMin: bigParam(52),
  escrowDelayBlocks: smallParam(53),
  mevRollupBps: smallParam(54),
  mevProposerBps: smallParam(55),
  mevCommunityBps: smallParam(56),
  executorBondMin: bigParam(57),
  atomicLockBond: bigParam(58),
  atomicReportBlocks: smallParam(59),
  executorSlashBps: smallParam(60),
  executorJailBlocks: smallParam(61),
  executorUnbondBlocks: smallParam(62),
  atomicRentBps: smallParam(63),
  atomicLockRent: bigParam(64),
};
export const PARAM_NAMES: readonly (keyof ParamsState)[] = Object.keys(
  PARAM_FIELDS,
) as (keyof ParamsState)[];
export const PARAMS_CODEC: RecordCodec<ParamsState> = defineRecord(PARAM_FIELDS);
export const encodeParams: (params: ParamsState) => Uint8Array = PARAMS_CODEC.encode;
export const decodeParams: (bytes: Uint8Array) => ParamsState = PARAMS_CODEC.decode;

export function encodeAccount(account: AccountState): Uint8Array {
  return encode(writeAccount, account, 20);
}

function writeAccount(writer: Writer, account: AccountState): void {
  writer.uint64(1, account.nonce);
  writer.uint64(2, checked(account.balance));
}

export function decodeAccount(bytes: Uint8Array): AccountState {
  return decode(readAccount, bytes, "strict");
}

function readAccount(reader: Reader): AccountState {
  let nonce = 0n;
  let balance = 0n;
  while (reader.next()) {
    if (reader.field === 1) nonce = reader.uint64();
    else if (reader.field === 2) balance = readAmount(reader);
    else reader.unknown();
  }
  return { nonce, balance };
}

export function encodeRollup(rollup: RollupState): Uint8Array {
  return encode((writer: Writer, value: RollupState) => {
    writer.string(1, value.name);
    checkLength("owner_key", value.ownerKey, PUBLIC_KEY_BYTES);
    writer.bytes(2, value.ownerKey);
    writer.message(3, value.policy, ROLLUP_POLICY_CODEC.write);
    if (value.pending !== undefined) writer.message(4, value.pending, writePending);
    writer.uint64(5, checked(value.deposit));
    writer.uint(6, value.registeredHeight);
  }, rollup);
}

function writePending(writer: Writer, pending: PendingPolicy): void {
  writer.message(1, pending.policy, ROLLUP_POLICY_CODEC.write);
  writer.uint(2, pending.effectiveHeight);
}

export function decodeRollup(bytes: Uint8Array): RollupState {
  // One copy for all views into it.
  return decode(readRollup, copyBytes(bytes), "strict");
}

function readRollup(reader: Reader): RollupState {
  let name = "";
  let ownerKey = EMPTY_BYTES;
  let policy: RollupPolicy | undefined;
  let pending: PendingPolicy | undefined;
  let deposit = 0n;
  let registeredHeight = 0;
  while (reader.next()) {
    if (reader.field === 1) name = reader.string(ROLLUP_NAME_LENGTH_MAX);
    else if (reader.field === 2) ownerKey = reader.bytes(PUBLIC_KEY_BYTES);
    else if (reader.field === 3) policy = reader.message(ROLLUP_POLICY_CODEC.read);
    else if (reader.field === 4) pending = reader.message(readPending);
    else if (reader.field === 5) deposit = readAmount(reader);
    else if (reader.field === 6) registeredHeight = reader.uint();
    else reader.unknown();
  }
  if (policy === undefined) throw reader.missing("policy");
  checkLength("owner_key", ownerKey, PUBLIC_KEY_BYTES);
  return { name, ownerKey, policy, pending, deposit, registeredHeight: Height(registeredHeight) };
}

function readPending(reader: Reader): PendingPolicy {
  let policy: RollupPolicy | undefined;
  let effectiveHeight = 0;
  while (reader.next()) {
    if (reader.field === 1) policy = reader.message(ROLLUP_POLICY_CODEC.read);
    else if (reader.field === 2) effectiveHeight = reader.uint();
    else reader.unknown();
  }
  if (policy === undefined) throw reader.missing("policy");
  return { policy, effectiveHeight: Height(effectiveHeight) };
}

export function encodeUnorderedIds(record: UnorderedIdsState): Uint8Array {
  return encode(
    (writer: Writer, value: UnorderedIdsState) => {
      writer.uint(1, value.expiryMax);
      writer.bytes(2, value.ids);
    },
    record,
    record.ids.length + 16,
  );
}

export function decodeUnorderedIds(bytes: Uint8Array): UnorderedIdsState {
  return decode(readUnorderedIds, bytes, "strict");
}

function readUnorderedIds(reader: Reader): UnorderedIdsState {
  let expiryMax = 0;
  let ids = EMPTY_BYTES;
  while (reader.next()) {
    if (reader.field === 1) expiryMax = reader.uint();
    else if (reader.field === 2) ids = reader.bytesCopy(IDS_BYTES_MAX);
    else reader.unknown();
  }
  if (ids.length === 0 || ids.length % HASH_BYTES !== 0) {
    throw codecError("CODEC_LENGTH", `ids: expected whole 32-byte ids, got ${ids.length} bytes`);
  }
  return { expiryMax: Height(expiryMax), ids };
}

function readAmount(reader: Reader): bigint {
  return checked(reader.uint64());
}

function checked(value: bigint): bigint {
  checkAmount("an amount", value);
  return value;
}
