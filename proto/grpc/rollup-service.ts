/**
 * `weft.rollup.v1.RollupService`: what a sequencer node offers to rollups, gateways and wallets
 * (proto/weft/rollup/v1/rollup.proto says what each field and status code means). The definition fits
 * `grpc.Server.addService` and `grpc.makeGenericClientConstructor`.
 */
import { weft } from "#proto-gen/weft.js";
import type { Height } from "../brands.ts";
import { codecError } from "../codec/errors.ts";
import type { RollupPolicy } from "../codec/rollup-policy.ts";
import type { Content, FillingBlock } from "../verify/fills.ts";
import {
  type DecisionEntry,
  DecisionOutcome,
  type FillEntry,
  FillStatus,
  type RollupSlice,
} from "../verify/manifest.ts";
import {
  fromWireEntry,
  fromWireLeaf,
  fromWireProof,
  toWireEntries,
  toWireProof,
} from "./ordered-entry.ts";
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

/** How far a block has come; each includes those before it. */
export const Level = { UNSPECIFIED: 0, PROPOSED: 1, COMMITTED: 2, FILLED: 3, ANCHORED: 4 } as const;
export type Level = (typeof Level)[keyof typeof Level];

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
}

export interface GetBlockRequest {
  readonly rollupId: Uint8Array;
  readonly height: Height;
  /** UNSPECIFIED is COMMITTED. */
  readonly level: Level;
}

/** A block's part for one rollup; `verifyRollupSlice` takes it as it is. */
export interface RollupBlock extends RollupSlice {
  readonly height: Height;
  readonly level: Level;
  /** tendermint.types.SignedHeader, encoded. */
  readonly signedHeader: Uint8Array;
  /** tendermint.types.ValidatorSet, encoded; empty when it is the previous message's. */
  readonly validatorSet: Uint8Array;
  /** At level FILLED, when the block holds sealed entries. */
  readonly filling: Filling | undefined;
}

/** What became of a block's sealed entries, as `verify/fills.ts` checks it. */
export interface Filling {
  /** Following the block's own, without those that the same stream held before. */
  readonly headers: readonly FollowingHeader[];
  readonly blocks: readonly FillingBlock[];
  readonly contents: readonly Content[];
  /** Positions of shuffled entries in the order of execution; empty where nothing was decided. */
  readonly order: readonly number[];
}

export interface FollowingHeader {
  /** tendermint.types.SignedHeader, encoded. */
  readonly signedHeader: Uint8Array;
  /** tendermint.types.ValidatorSet, encoded; empty when it is the set of the header one below. */
  readonly validatorSet: Uint8Array;
}

const submitRequest = messageCodec(
  v1.SubmitRequest,
  (value: SubmitRequest) => value,
  (wire) => ({ item: toBytes(wire.item) }),
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
  (value: StreamBlocksRequest) => value,
  (wire) => ({
    rollupId: toBytes(wire.rollupId),
    fromHeight: toHeight(wire.fromHeight),
    level: toLevel(wire.level),
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

const rollupBlock = messageCodec(
  v1.RollupBlock,
  (value: RollupBlock): weft.rollup.v1.RollupBlock.$Properties => ({
    height: value.height,
    level: WIRE_LEVELS[value.level],
    signedHeader: value.signedHeader,
    validatorSet: value.validatorSet,
    manifest: value.manifest,
    manifestProof: toWireProof(value.manifestProof),
    ...toWireSlice(value.slice),
    filling: value.filling === undefined ? null : toWireFilling(value.filling),
  }),
  (wire): RollupBlock => ({
    height: toHeight(wire.height),
    level: toLevel(wire.level),
    signedHeader: toBytes(wire.signedHeader),
    validatorSet: toBytes(wire.validatorSet),
    manifest: toBytes(wire.manifest),
    manifestProof: fromWireProof(wire.manifestProof),
    slice: fromWireSlice(wire),
    filling:
      wire.filling === null || wire.filling === undefined
        ? undefined
        : fromWireFilling(wire.filling),
  }),
);

/** Level to the generated enum, by number. */
const WIRE_LEVELS = [
  v1.Level.LEVEL_UNSPECIFIED,
  v1.Level.LEVEL_PROPOSED,
  v1.Level.LEVEL_COMMITTED,
  v1.Level.LEVEL_FILLED,
  v1.Level.LEVEL_ANCHORED,
] as const;

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
  getBlock: method(`${PATH}/GetBlock`, UNARY, getBlockRequest, rollupBlock),
} as const;

function toWireSlice(
  slice: RollupSlice["slice"],
): Pick<weft.rollup.v1.RollupBlock.$Properties, "presence" | "absence"> {
  if (slice.kind === "absence") {
    const neighbours = slice.neighbours.map(({ leaf, proof }) => ({
      leaf,
      proof: toWireProof(proof),
    }));
    return { absence: { neighbours } };
  }
  const fills = slice.fills.map(toWireFill);
  const decisions = slice.decisions.map(toWireDecision);
  const leafProof = toWireProof(slice.proof);
  const { leaf } = slice;
  return { presence: { leaf, leafProof, ...toWireEntries(slice.entries), fills, decisions } };
}

function fromWireSlice(wire: weft.rollup.v1.RollupBlock.$Properties): RollupSlice["slice"] {
  if (wire.presence !== null && wire.presence !== undefined) {
    const { leaf, leafProof, entries, siblingLeaves, fills, decisions } = wire.presence;
    const leaves = (siblingLeaves ?? []).map(fromWireLeaf);
    return {
      kind: "presence",
      leaf: toBytes(leaf),
      proof: fromWireProof(leafProof),
      entries: (entries ?? []).map((entry) => fromWireEntry(entry, leaves)),
      fills: (fills ?? []).map(fromWireFill),
      decisions: (decisions ?? []).map(fromWireDecision),
    };
  }
  const { neighbours } = required(wire.absence, "presence or absence");
  return {
    kind: "absence",
    neighbours: (neighbours ?? []).map(fromWireLeaf),
  };
}

function toWireFill(fill: FillEntry): weft.rollup.v1.FillEntry.$Properties {
  return { ...fill };
}

function fromWireFill(wire: weft.rollup.v1.FillEntry.$Properties): FillEntry {
  const status = Object.values(FillStatus).find((known) => known === wire.status);
  if (status === undefined) {
    throw codecError(
      "CODEC_OUT_OF_RANGE",
      `status of a fill: expected 1 to 5, got ${wire.status ?? 0}`,
    );
  }
  return {
    height: toHeight(wire.height ?? 0),
    position: wire.position ?? 0,
    status,
    contentHash: toBytes(wire.contentHash),
  };
}

function toWireDecision(decision: DecisionEntry): weft.rollup.v1.DecisionEntry.$Properties {
  return { ...decision };
}

function fromWireDecision(wire: weft.rollup.v1.DecisionEntry.$Properties): DecisionEntry {
  const outcome = Object.values(DecisionOutcome).find((known) => known === wire.outcome);
  if (outcome === undefined) {
    throw codecError(
      "CODEC_OUT_OF_RANGE",
      `outcome of a decision: expected 16, got ${wire.outcome ?? 0}`,
    );
  }
  return {
    subject: toBytes(wire.subject),
    outcome,
    height: toHeight(wire.height ?? 0),
    detailHash: toBytes(wire.detailHash),
  };
}

function toWireFilling(filling: Filling): weft.rollup.v1.Filling.$Properties {
  return {
    headers: filling.headers.map((header) => ({ ...header })),
    blocks: filling.blocks.map(({ proof, manifestProof, fills, decisions, ...block }) => ({
      ...block,
      manifestProof: toWireProof(manifestProof),
      leafProof: toWireProof(proof),
      fills: fills.map(toWireFill),
      decisions: decisions.map(toWireDecision),
    })),
    contents: filling.contents.map((content) => ({ ...content })),
    order: [...filling.order],
  };
}

function fromWireFilling(wire: weft.rollup.v1.Filling.$Properties): Filling {
  return {
    headers: (wire.headers ?? []).map((header) => ({
      signedHeader: toBytes(header.signedHeader),
      validatorSet: toBytes(header.validatorSet),
    })),
    blocks: (wire.blocks ?? []).map((block) => ({
      height: toHeight(block.height ?? 0),
      manifest: toBytes(block.manifest),
      manifestProof: fromWireProof(block.manifestProof),
      leaf: toBytes(block.leaf),
      proof: fromWireProof(block.leafProof),
      fills: (block.fills ?? []).map(fromWireFill),
      decisions: (block.decisions ?? []).map(fromWireDecision),
    })),
    contents: (wire.contents ?? []).map((content) => ({
      position: content.position ?? 0,
      payload: toBytes(content.payload),
    })),
    order: (wire.order ?? []).slice(),
  };
}

/** Unknown values of later versions read as UNSPECIFIED. */
function toLevel(wire: number): Level {
  return Object.values(Level).find((level) => level === wire) ?? Level.UNSPECIFIED;
}

function toState(wire: number): TransactionState {
  return (
    Object.values(TransactionState).find((state) => state === wire) ?? TransactionState.UNSPECIFIED
  );
}
