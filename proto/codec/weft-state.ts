/**
 * Values of the state, `weft.state.v1`: canonical bytes in and out (docs/formats.md, "State tree"). The
 * decoders are strict although they read what this code wrote: a damaged value must not be computed with.
 * Decoded byte fields are copies.
 */
import { Height } from "../brands.ts";
import { copyBytes, EMPTY_BYTES } from "../bytes.ts";
import type { Timestamp } from "../types.ts";
import { codecError } from "./errors.ts";
import { HASH_BYTES } from "../limits.ts";
import { decode, type Reader } from "./reader.ts";
import {
  AMOUNT_LIMIT,
  checkLength,
  PUBLIC_KEY_BYTES,
  readPolicy,
  ROLLUP_NAME_LENGTH_MAX,
  type RollupPolicy,
  writePolicy,
} from "./weft-tx.ts";
import { encode, type Writer } from "./writer.ts";

/** What genesis fixed. */
export interface ChainState {
  readonly chainId: string;
  readonly initialHeight: Height;
  /** `block.max_bytes` of the consensus parameters, in bytes. */
  readonly blockBytesMax: number;
}

export interface LastBlockState {
  readonly height: Height;
  /** 32 bytes. */
  readonly hash: Uint8Array;
  readonly time: Timestamp;
}

/** nweft. total = all balances + feePool + deposits, always. */
export interface SupplyState {
  readonly total: bigint;
  readonly feePool: bigint;
  readonly deposits: bigint;
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

export interface ValidatorState {
  /** ed25519, 32 bytes. */
  readonly applicationKey: Uint8Array;
  readonly power: bigint;
}

const CHAIN_ID_BYTES_MAX = 50;
const IDS_BYTES_MAX = 1 << 24;

export function encodeChain(chain: ChainState): Uint8Array {
  return encode((writer: Writer, value: ChainState) => {
    writer.string(1, value.chainId);
    writer.uint(2, value.initialHeight);
    writer.uint(3, value.blockBytesMax);
  }, chain);
}

export function decodeChain(bytes: Uint8Array): ChainState {
  return decode(readChain, bytes, "strict");
}

function readChain(reader: Reader): ChainState {
  let chainId = "";
  let initialHeight = 0;
  let blockBytesMax = 0;
  while (reader.next()) {
    if (reader.field === 1) chainId = reader.string(CHAIN_ID_BYTES_MAX);
    else if (reader.field === 2) initialHeight = reader.uint();
    else if (reader.field === 3) blockBytesMax = reader.uint();
    else reader.unknown();
  }
  return { chainId, initialHeight: Height(initialHeight), blockBytesMax };
}

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
  return encode((writer: Writer, value: bigint) => writer.uint64(1, amount(value)), baseFeePerByte);
}

export function decodeBaseFee(bytes: Uint8Array): bigint {
  return decode(
    (reader: Reader) => {
      let baseFee = 0n;
      while (reader.next()) {
        if (reader.field === 1) baseFee = amount(reader.uint64());
        else reader.unknown();
      }
      return baseFee;
    },
    bytes,
    "strict",
  );
}

export function encodeSupply(supply: SupplyState): Uint8Array {
  return encode((writer: Writer, value: SupplyState) => {
    writer.uint64(1, amount(value.total));
    writer.uint64(2, amount(value.feePool));
    writer.uint64(3, amount(value.deposits));
  }, supply);
}

export function decodeSupply(bytes: Uint8Array): SupplyState {
  return decode(readSupply, bytes, "strict");
}

function readSupply(reader: Reader): SupplyState {
  let total = 0n;
  let feePool = 0n;
  let deposits = 0n;
  while (reader.next()) {
    if (reader.field === 1) total = amount(reader.uint64());
    else if (reader.field === 2) feePool = amount(reader.uint64());
    else if (reader.field === 3) deposits = amount(reader.uint64());
    else reader.unknown();
  }
  return { total, feePool, deposits };
}

export function encodeParams(params: ParamsState): Uint8Array {
  return encode((writer: Writer, value: ParamsState) => {
    writer.uint64(1, amount(value.baseFeeMin));
    writer.uint64(2, amount(value.baseFeeMax));
    for (const [at, name] of SMALL_PARAMS.entries()) {
      if (name !== undefined) writer.uint32(at, value[name]);
      if (at === DEPOSIT_FIELD) writer.uint64(DEPOSIT_FIELD, amount(value.rollupDeposit));
    }
  }, params);
}

export function decodeParams(bytes: Uint8Array): ParamsState {
  return decode(readParams, bytes, "strict");
}

type SmallParam = {
  [Name in keyof ParamsState]: ParamsState[Name] extends number ? Name : never;
}[keyof ParamsState];

/** uint32 fields of `Params` by field number. */
const SMALL_PARAMS: readonly (SmallParam | undefined)[] = [
  undefined,
  undefined,
  undefined,
  "baseFeeChangeDenominator",
  "blockBytesTarget",
  "txBytesMax",
  "unorderedWindow",
  "unorderedPerBlockMax",
  "controlShareBps",
  "forcedShareBps",
  "obligatedShareBps",
  "sealedShareBps",
  "atomicShareBps",
  "controlPerSignerMax",
  "rollupQuotaBps",
  "rollupQuotaBytesFloor",
  undefined,
  "policyDelay",
];
const DEPOSIT_FIELD = 16;

function readParams(reader: Reader): ParamsState {
  const small: Record<SmallParam, number> = {
    baseFeeChangeDenominator: 0,
    blockBytesTarget: 0,
    txBytesMax: 0,
    unorderedWindow: 0,
    unorderedPerBlockMax: 0,
    controlShareBps: 0,
    forcedShareBps: 0,
    obligatedShareBps: 0,
    sealedShareBps: 0,
    atomicShareBps: 0,
    controlPerSignerMax: 0,
    rollupQuotaBps: 0,
    rollupQuotaBytesFloor: 0,
    policyDelay: 0,
  };
  let baseFeeMin = 0n;
  let baseFeeMax = 0n;
  let rollupDeposit = 0n;
  while (reader.next()) {
    const name = SMALL_PARAMS[reader.field];
    if (name !== undefined) small[name] = reader.uint32();
    else if (reader.field === 1) baseFeeMin = amount(reader.uint64());
    else if (reader.field === 2) baseFeeMax = amount(reader.uint64());
    else if (reader.field === DEPOSIT_FIELD) rollupDeposit = amount(reader.uint64());
    else reader.unknown();
  }
  return { baseFeeMin, baseFeeMax, ...small, rollupDeposit };
}

export function encodeAccount(account: AccountState): Uint8Array {
  return encode(writeAccount, account, 20);
}

function writeAccount(writer: Writer, account: AccountState): void {
  writer.uint64(1, account.nonce);
  writer.uint64(2, amount(account.balance));
}

export function decodeAccount(bytes: Uint8Array): AccountState {
  return decode(readAccount, bytes, "strict");
}

function readAccount(reader: Reader): AccountState {
  let nonce = 0n;
  let balance = 0n;
  while (reader.next()) {
    if (reader.field === 1) nonce = reader.uint64();
    else if (reader.field === 2) balance = amount(reader.uint64());
    else reader.unknown();
  }
  return { nonce, balance };
}

export function encodeRollup(rollup: RollupState): Uint8Array {
  return encode((writer: Writer, value: RollupState) => {
    writer.string(1, value.name);
    checkLength("owner_key", value.ownerKey, PUBLIC_KEY_BYTES);
    writer.bytes(2, value.ownerKey);
    writer.message(3, value.policy, writePolicy);
    if (value.pending !== undefined) writer.message(4, value.pending, writePending);
    writer.uint64(5, amount(value.deposit));
    writer.uint(6, value.registeredHeight);
  }, rollup);
}

function writePending(writer: Writer, pending: PendingPolicy): void {
  writer.message(1, pending.policy, writePolicy);
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
    else if (reader.field === 3) policy = reader.message(readPolicy);
    else if (reader.field === 4) pending = reader.message(readPending);
    else if (reader.field === 5) deposit = amount(reader.uint64());
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
    if (reader.field === 1) policy = reader.message(readPolicy);
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

export function encodeValidator(validator: ValidatorState): Uint8Array {
  return encode((writer: Writer, value: ValidatorState) => {
    checkLength("application_key", value.applicationKey, PUBLIC_KEY_BYTES);
    writer.bytes(1, value.applicationKey);
    writer.uint64(2, amount(value.power));
  }, validator);
}

export function decodeValidator(bytes: Uint8Array): ValidatorState {
  return decode(readValidator, bytes, "strict");
}

function readValidator(reader: Reader): ValidatorState {
  let applicationKey = EMPTY_BYTES;
  let power = 0n;
  while (reader.next()) {
    if (reader.field === 1) applicationKey = reader.bytesCopy(PUBLIC_KEY_BYTES);
    else if (reader.field === 2) power = amount(reader.uint64());
    else reader.unknown();
  }
  checkLength("application_key", applicationKey, PUBLIC_KEY_BYTES);
  return { applicationKey, power };
}

function amount(value: bigint): bigint {
  if (value < 0n || value >= AMOUNT_LIMIT) {
    throw codecError("CODEC_OUT_OF_RANGE", `an amount is below 2^63, got ${value}`);
  }
  return value;
}
