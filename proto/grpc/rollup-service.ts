/**
 * `weft.rollup.v1.RollupService`: what a sequencer node offers to rollups, gateways and wallets
 * (proto/weft/rollup/v1/rollup.proto says what each field and status code means). The definition fits
 * `grpc.Server.addService` and `grpc.makeGenericClientConstructor`.
 */
import { weft } from "#proto-gen/weft.js";
import type { Height } from "../brands.ts";
import type { RollupPolicy } from "../codec/rollup-policy.ts";
import {
  entryProof,
  getBlocksRequest,
  getBlocksResponse,
  getEntryProofRequest,
  getTransactionProofRequest,
  transactionProof,
} from "./block-queries.ts";
import { Compression, toCompression, WIRE_COMPRESSIONS } from "./compression.ts";
import { headerUpdate, streamHeadersRequest } from "./header-update.ts";
import { type Level, rollupBlock, toLevel, WIRE_LEVELS } from "./rollup-block.ts";
import {
  fromWireSealing,
  getSealKeyRequest,
  getSealKeyResponse,
  type Sealing,
  toWireSealing,
} from "./seal-key.ts";
import { fromWirePolicy, toWirePolicy } from "./rollup-policy.ts";
import {
  BIDI_STREAM,
  messageCodec,
  method,
  required,
  SERVER_STREAM,
  toBigint,
  toBytes,
  toHeight,
  toNumber,
  toUint64,
  UNARY,
} from "./wire.ts";

const v1 = weft.rollup.v1;

export const TransactionState = {
  UNSPECIFIED: 0,
  UNKNOWN: 1,
  PENDING: 2,
  COMMITTED: 3,
  FAILED: 4,
  REJECTED: 5,
  EXPIRED: 6,
  EVICTED: 7,
} as const;
export type TransactionState = (typeof TransactionState)[keyof typeof TransactionState];

export interface SubmitRequest {
  readonly item: Uint8Array;
}

export interface SubmitResponse {
  readonly id: Uint8Array;
  readonly hash: Uint8Array;
  readonly code: number;
  readonly codespace: string;
  readonly reason: string;
  readonly duplicate: boolean;
}

export interface GetTransactionStatusRequest {
  readonly id: Uint8Array;
}

export interface GetTransactionStatusResponse {
  readonly state: TransactionState;
  readonly height: Height;
  readonly index: number;
  readonly code: number;
  readonly codespace: string;
  readonly reason: string;
  readonly hash: Uint8Array;
  /** Of a sealed transaction or a commit that is COMMITTED. */
  readonly sealing: Sealing | undefined;
}

export interface GetAccountRequest {
  readonly address: Uint8Array;
}

export interface GetAccountResponse {
  readonly balance: bigint;
  readonly nonce: bigint;
  readonly height: Height;
}

export type GetRollupRequest =
  | { readonly kind: "id"; readonly id: Uint8Array }
  | { readonly kind: "name"; readonly name: string };

export interface GetRollupResponse {
  readonly id: Uint8Array;
  readonly name: string;
  readonly ownerKey: Uint8Array;
  readonly policy: RollupPolicy;
  readonly pending: { readonly policy: RollupPolicy; readonly height: Height } | undefined;
  readonly registeredHeight: Height;
  readonly deposit: bigint;
  readonly height: Height;
}

export type GetChainInfoRequest = Readonly<Record<string, never>>;

export interface GetChainInfoResponse {
  readonly chainId: string;
  readonly height: Height;
  readonly appVersion: bigint;
  readonly baseFeePerByte: bigint;
  readonly unorderedWindow: number;
  readonly initialHeight: Height;
  readonly limits: ChainLimits;
  readonly earliestHeight: Height;
  readonly nodeVersion: string;
  readonly catchingUp: boolean;
}

export interface ChainLimits {
  readonly blockBytesMax: number;
  readonly itemBytesMax: number;
  readonly rollupDataEntriesMax: number;
  readonly saltBytesMax: number;
  readonly executorKeysMax: number;
}

export interface GetValidatorSetRequest {
  readonly height: Height;
}

export interface GetValidatorSetResponse {
  readonly height: Height;
  /** tendermint.types.ValidatorSet, encoded. */
  readonly validatorSet: Uint8Array;
}

export interface StreamBlocksRequest {
  readonly rollupId: Uint8Array;
  readonly fromHeight: Height;
  readonly level: Level;
  /** Last height wanted; 0 or left out: the stream does not end. */
  readonly untilHeight?: Height;
  /** UNSPECIFIED when left out. */
  readonly compression?: Compression;
  /** Further rollups, ascending and above `rollupId`. */
  readonly moreRollupIds?: readonly Uint8Array[];
  /** Whether heights without anything for them come as proofs alone, in `omitted`; false when left out. */
  readonly omitEmpty?: boolean;
}

export interface GetBlockRequest {
  readonly rollupId: Uint8Array;
  readonly height: Height;
  /** UNSPECIFIED is COMMITTED. */
  readonly level: Level;
}

const submitRequest = messageCodec(
  v1.SubmitRequest,
  (value: SubmitRequest) => value,
  (wire) => ({ item: toBytes(wire.item) }),
  ({ item }) => item.length,
);

const submitResponse = messageCodec(
  v1.SubmitResponse,
  (value: SubmitResponse) => value,
  (wire) => ({
    id: toBytes(wire.id),
    hash: toBytes(wire.hash),
    code: wire.code,
    codespace: wire.codespace,
    reason: wire.reason,
    duplicate: wire.duplicate,
  }),
);

const getTransactionStatusRequest = messageCodec(
  v1.GetTransactionStatusRequest,
  (value: GetTransactionStatusRequest) => value,
  (wire) => ({ id: toBytes(wire.id) }),
);

const getTransactionStatusResponse = messageCodec(
  v1.GetTransactionStatusResponse,
  ({ state, sealing, ...value }: GetTransactionStatusResponse) => ({
    ...value,
    state: WIRE_STATES[state],
    sealing: toWireSealing(sealing),
  }),
  (wire) => ({
    state: toState(wire.state),
    height: toHeight(wire.height),
    index: wire.index,
    code: wire.code,
    codespace: wire.codespace,
    reason: wire.reason,
    hash: toBytes(wire.hash),
    sealing: fromWireSealing(wire.sealing),
  }),
);

/** State to the generated enum, by number. */
const WIRE_STATES = [
  v1.TransactionState.TRANSACTION_STATE_UNSPECIFIED,
  v1.TransactionState.TRANSACTION_STATE_UNKNOWN,
  v1.TransactionState.TRANSACTION_STATE_PENDING,
  v1.TransactionState.TRANSACTION_STATE_COMMITTED,
  v1.TransactionState.TRANSACTION_STATE_FAILED,
  v1.TransactionState.TRANSACTION_STATE_REJECTED,
  v1.TransactionState.TRANSACTION_STATE_EXPIRED,
  v1.TransactionState.TRANSACTION_STATE_EVICTED,
] as const;

const getAccountRequest = messageCodec(
  v1.GetAccountRequest,
  (value: GetAccountRequest) => value,
  (wire) => ({ address: toBytes(wire.address) }),
);

const getAccountResponse = messageCodec(
  v1.GetAccountResponse,
  (value: GetAccountResponse) => ({
    balance: toUint64(value.balance),
    nonce: toUint64(value.nonce),
    height: value.height,
  }),
  (wire) => ({
    balance: toBigint(wire.balance),
    nonce: toBigint(wire.nonce),
    height: toHeight(wire.height),
  }),
);

const getRollupRequest = messageCodec(
  v1.GetRollupRequest,
  (value: GetRollupRequest) => (value.kind === "id" ? { id: value.id } : { name: value.name }),
  (wire): GetRollupRequest =>
    wire.key === "name"
      ? { kind: "name", name: wire.name ?? "" }
      : { kind: "id", id: toBytes(required(wire.id, "id or name")) },
);

const getRollupResponse = messageCodec(
  v1.GetRollupResponse,
  (value: GetRollupResponse) => ({
    id: value.id,
    name: value.name,
    ownerKey: value.ownerKey,
    policy: toWirePolicy(value.policy),
    pendingPolicy: value.pending === undefined ? null : toWirePolicy(value.pending.policy),
    pendingPolicyHeight: value.pending?.height ?? 0,
    registeredHeight: value.registeredHeight,
    deposit: toUint64(value.deposit),
    height: value.height,
  }),
  (wire): GetRollupResponse => ({
    id: toBytes(wire.id),
    name: wire.name,
    ownerKey: toBytes(wire.ownerKey),
    policy: fromWirePolicy(required(wire.policy, "policy")),
    pending:
      wire.pendingPolicy === null || wire.pendingPolicy === undefined
        ? undefined
        : {
            policy: fromWirePolicy(wire.pendingPolicy),
            height: toHeight(wire.pendingPolicyHeight),
          },
    registeredHeight: toHeight(wire.registeredHeight),
    deposit: toBigint(wire.deposit),
    height: toHeight(wire.height),
  }),
);

const getChainInfoRequest = messageCodec(
  v1.GetChainInfoRequest,
  (): weft.rollup.v1.GetChainInfoRequest.$Properties => ({}),
  (): GetChainInfoRequest => ({}),
);

const getChainInfoResponse = messageCodec(
  v1.GetChainInfoResponse,
  (value: GetChainInfoResponse) => ({
    ...value,
    appVersion: toUint64(value.appVersion),
    baseFeePerByte: toUint64(value.baseFeePerByte),
  }),
  (wire): GetChainInfoResponse => {
    const limits = required(wire.limits, "limits");
    return {
      chainId: wire.chainId,
      height: toHeight(wire.height),
      appVersion: toBigint(wire.appVersion),
      baseFeePerByte: toBigint(wire.baseFeePerByte),
      unorderedWindow: toNumber(wire.unorderedWindow),
      initialHeight: toHeight(wire.initialHeight),
      limits: {
        blockBytesMax: toNumber(limits.blockBytesMax ?? 0),
        itemBytesMax: toNumber(limits.itemBytesMax ?? 0),
        rollupDataEntriesMax: limits.rollupDataEntriesMax ?? 0,
        saltBytesMax: limits.saltBytesMax ?? 0,
        executorKeysMax: limits.executorKeysMax ?? 0,
      },
      earliestHeight: toHeight(wire.earliestHeight),
      nodeVersion: wire.nodeVersion,
      catchingUp: wire.catchingUp,
    };
  },
);

const getValidatorSetRequest = messageCodec(
  v1.GetValidatorSetRequest,
  (value: GetValidatorSetRequest) => value,
  (wire) => ({ height: toHeight(wire.height) }),
);

const getValidatorSetResponse = messageCodec(
  v1.GetValidatorSetResponse,
  (value: GetValidatorSetResponse) => value,
  (wire) => ({ height: toHeight(wire.height), validatorSet: toBytes(wire.validatorSet) }),
);

const streamBlocksRequest = messageCodec(
  v1.StreamBlocksRequest,
  ({
    level,
    untilHeight,
    compression,
    moreRollupIds,
    omitEmpty,
    ...value
  }: StreamBlocksRequest) => ({
    ...value,
    level: WIRE_LEVELS[level],
    untilHeight: untilHeight ?? 0,
    compression: WIRE_COMPRESSIONS[compression ?? Compression.UNSPECIFIED],
    moreRollupIds: [...(moreRollupIds ?? [])],
    omitEmpty: omitEmpty ?? false,
  }),
  (wire): StreamBlocksRequest => ({
    rollupId: toBytes(wire.rollupId),
    fromHeight: toHeight(wire.fromHeight),
    level: toLevel(wire.level),
    untilHeight: toHeight(wire.untilHeight),
    compression: toCompression(wire.compression),
    moreRollupIds: wire.moreRollupIds.map(toBytes),
    omitEmpty: wire.omitEmpty,
  }),
);

const getBlockRequest = messageCodec(
  v1.GetBlockRequest,
  (value: GetBlockRequest) => value,
  (wire) => ({
    rollupId: toBytes(wire.rollupId),
    height: toHeight(wire.height),
    level: toLevel(wire.level),
  }),
);

const PATH = "/weft.rollup.v1.RollupService";

export const ROLLUP_SERVICE_NAME = "weft.rollup.v1.RollupService";

export const ROLLUP_SERVICE = {
  submit: method(`${PATH}/Submit`, UNARY, submitRequest, submitResponse),
  submitStream: method(`${PATH}/SubmitStream`, BIDI_STREAM, submitRequest, submitResponse),
  getTransactionStatus: method(
    `${PATH}/GetTransactionStatus`,
    UNARY,
    getTransactionStatusRequest,
    getTransactionStatusResponse,
  ),
  getAccount: method(`${PATH}/GetAccount`, UNARY, getAccountRequest, getAccountResponse),
  getRollup: method(`${PATH}/GetRollup`, UNARY, getRollupRequest, getRollupResponse),
  getChainInfo: method(`${PATH}/GetChainInfo`, UNARY, getChainInfoRequest, getChainInfoResponse),
  getValidatorSet: method(
    `${PATH}/GetValidatorSet`,
    UNARY,
    getValidatorSetRequest,
    getValidatorSetResponse,
  ),
  getSealKey: method(`${PATH}/GetSealKey`, UNARY, getSealKeyRequest, getSealKeyResponse),
  streamBlocks: method(`${PATH}/StreamBlocks`, SERVER_STREAM, streamBlocksRequest, rollupBlock),
  streamHeaders: method(`${PATH}/StreamHeaders`, SERVER_STREAM, streamHeadersRequest, headerUpdate),
  getBlock: method(`${PATH}/GetBlock`, UNARY, getBlockRequest, rollupBlock),
  getBlocks: method(`${PATH}/GetBlocks`, UNARY, getBlocksRequest, getBlocksResponse),
  getEntryProof: method(`${PATH}/GetEntryProof`, UNARY, getEntryProofRequest, entryProof),
  getTransactionProof: method(
    `${PATH}/GetTransactionProof`,
    UNARY,
    getTransactionProofRequest,
    transactionProof,
  ),
} as const;

function toState(wire: number): TransactionState {
  return (
    Object.values(TransactionState).find((state) => state === wire) ?? TransactionState.UNSPECIFIED
  );
}
