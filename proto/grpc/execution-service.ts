/**
 * `weft.execution.v1.ExecutionService`: what a rollup serves to whoever feeds it ordered blocks
 * (proto/weft/execution/v1/execution.proto holds the contract). Messages have the shape of
 * `rollup-adapter/execution.ts`, so an `Executor` can be served or called as it is.
 */
import { weft } from "#proto-gen/weft.js";
import { type Height, RollupId } from "../brands.ts";
import { fromHex, toHex } from "../bytes.ts";
import { codecError } from "../codec/errors.ts";
import {
  AtomicOutcome,
  type Box,
  Verdict,
  type VoteContent,
  VoteReason,
} from "../codec/atomic-tx.ts";
import type { RevertMode } from "../codec/mev-tx.ts";
import { HASH_BYTES } from "../limits.ts";
import type { Timestamp } from "../types.ts";
import { toRevertMode } from "./ordered-entry.ts";
import {
  messageCodec,
  method,
  required,
  toBigint,
  toBytes,
  toHeight,
  toInt64,
  toNumber,
  toUint64,
  UNARY,
} from "./wire.ts";

const v1 = weft.execution.v1;

/** Open bundles that a status lists; the rest is only counted. */
const OPEN_BUNDLES_LISTED_MAX = 256;

/** A block of the rollup, as far as its driver needs to know it. Hashes are 32 bytes. */
export interface ExecutedBlock {
  readonly number: number;
  readonly hash: Uint8Array;
  readonly parentHash: Uint8Array;
  readonly stateRoot: Uint8Array;
  readonly receiptsRoot: Uint8Array;
  /** The rollup's own notion of time, whole seconds since the Unix epoch. */
  readonly timestampSeconds: bigint;
  readonly gasUsed: bigint;
}

export interface InitRequest {
  readonly rollupId: RollupId;
  /** Chain id of the sequencer network that this rollup follows from now on. */
  readonly sequencerChainId: string;
  /** First sequencer height whose payloads belong to the rollup. */
  readonly sequencerStartHeight: Height;
}

export interface InitResponse {
  readonly rollupId: RollupId;
  /** The rollup's own chain id, e.g. the EIP-155 one. */
  readonly chainId: bigint;
  readonly genesisHash: Uint8Array;
  readonly head: ExecutedBlock;
  /** The sequencer height that the next `executeBlock` must start at. */
  readonly nextSequencerHeight: Height;
  /** Whether revert modes of bundles' legs other than ALLOW are honoured. */
  readonly supportsGroupRevert: boolean;
  /** 1: `prepareBundle` and `decideBundle` are served, so legs can be executed atomically; 0: included only. */
  readonly atomicLevel: AtomicLevel;
}

export type AtomicLevel = 0 | 1;

export interface ExecuteBlockRequest {
  /** Hash of the sequencer block, 32 bytes: the idempotency key. */
  readonly sequencerBlockHash: Uint8Array;
  readonly sequencerHeight: Height;
  /**
   * Set when the driver gathered several sequencer blocks into this one request: the height of the
   * first of them. `sequencerHeight`, the hash and the time are those of the last.
   */
  readonly sequencerHeightFirst?: Height;
  /** BFT time of the sequencer block. */
  readonly timestamp: Timestamp;
  /** Hash of the rollup block that the caller believes is the head; checked when given. */
  readonly parentHash?: Uint8Array;
  readonly payloads: readonly Uint8Array[];
  /** Legs of bundles among the payloads, by first payload; absent: none. */
  readonly legs?: readonly PayloadLeg[];
}

/**
 * Payloads that are one rollup's leg of a bundle: atomic inclusion (level 0). All legs are ordered in one
 * sequencer block or none is; whether they succeed is for each rollup to say.
 */
export interface PayloadLeg {
  /** 32 bytes. */
  readonly bundleId: Uint8Array;
  /** Leg `leg` of `legs`, from 0, by rollup id. */
  readonly leg: number;
  readonly legs: number;
  /** The sender's wish if a payload of it reverts; for executors that support it, others run all as ALLOW. */
  readonly revertMode: RevertMode;
  /** Index of its first payload in the request, and how many there are. */
  readonly first: number;
  readonly count: number;
}

/** A payload that did not become part of the rollup's chain. */
export interface SkippedPayload {
  /** Index in the request's payloads (for a gathered block: in all that were gathered). */
  readonly index: number;
  /** UPPER_SNAKE code from the executor's closed list. */
  readonly reason: string;
}

export interface ExecuteBlockResponse extends ExecutedBlock {
  /**
   * `block`: the request produced the block described here. `none`: it had no payloads, and the
   * block described is the unchanged head. `gathered`: its payloads wait for more sequencer blocks,
   * and the block described is the unchanged head.
   */
  readonly outcome: "block" | "none" | "gathered";
  readonly included: number;
  readonly skipped: readonly SkippedPayload[];
}

export interface SetFinalityRequest {
  /** Hash of the newest rollup block that the network will not revert (level COMMITTED). */
  readonly safeHash: Uint8Array;
  /** Hash of the newest rollup block that is final by the deployment's own rule; not above `safe`. */
  readonly finalizedHash: Uint8Array;
}

export interface FinalityStatus {
  readonly safe: ExecutedBlock;
  readonly finalized: ExecutedBlock;
}

export interface ExecutorStatus extends FinalityStatus {
  readonly isInitialized: boolean;
  readonly rollupId: RollupId;
  readonly chainId: bigint;
  readonly genesisHash: Uint8Array;
  readonly head: ExecutedBlock;
  /** Last sequencer block that was taken; absent before the first. */
  readonly sequencer: { readonly height: Height; readonly blockHash: Uint8Array } | undefined;
  readonly nextSequencerHeight: Height | undefined;
  /** Payloads that were taken and wait for the block they belong to. */
  readonly gatheredPayloads: number;
  /** Bundles that were prepared and are not decided, in order of preparation; the first 256 of `openBundleCount`. */
  readonly openBundles: readonly OpenBundle[];
  readonly openBundleCount: number;
}

export interface OpenBundle {
  /** 32 bytes. */
  readonly bundleId: Uint8Array;
  /** Height that it was prepared at. */
  readonly sequencerHeight: Height;
  readonly verdict: Verdict;
}

/** One leg of a bundle of mode 1, to be run beside the state. */
export interface PrepareBundleRequest {
  /** Of the block that orders the bundle, 32 bytes. */
  readonly sequencerBlockHash: Uint8Array;
  readonly sequencerHeight: Height;
  /** BFT time of that block. */
  readonly timestamp: Timestamp;
  /** 32 bytes. */
  readonly bundleId: Uint8Array;
  /** Leg `leg` of `legs`, from 0, by rollup id. */
  readonly leg: number;
  readonly legs: number;
  /** Rollups of the other legs, ascending, 32 bytes each. */
  readonly siblingRollupIds: readonly Uint8Array[];
  readonly payloads: readonly Uint8Array[];
  /** The most that the leg may lock, 1 to 256. */
  readonly locksMax: number;
}

/** What a vote says of the leg: a pure function of the stream, the same on all nodes of a rollup. */
export interface PrepareBundleResponse extends VoteContent {
  readonly reason: VoteReason;
}

export interface DecideBundleRequest {
  /** Of the block that holds the decision, 32 bytes. */
  readonly sequencerBlockHash: Uint8Array;
  readonly sequencerHeight: Height;
  /** 32 bytes. */
  readonly bundleId: Uint8Array;
  readonly outcome: AtomicOutcome;
  /** Why it is aborted, as the decision says; 0 with COMMIT. */
  readonly reason: number;
}

export interface DecideBundleResponse {
  /** What `prepareBundle` had answered. */
  readonly prepared: PrepareBundleResponse;
}

export type GetStatusRequest = Readonly<Record<string, never>>;

/** Trailing metadata: the exact error code, and the heights it speaks of as decimal text. */
export const EXECUTION_ERROR_METADATA = {
  code: "weft-code",
  expected: "weft-expected",
  got: "weft-got",
  height: "weft-height",
} as const;

const initRequest = messageCodec(
  v1.InitRequest,
  (value: InitRequest) => ({ ...value, rollupId: fromHex(value.rollupId) }),
  (wire): InitRequest => ({
    rollupId: toRollupId(wire.rollupId),
    sequencerChainId: wire.sequencerChainId,
    sequencerStartHeight: toHeight(wire.sequencerStartHeight),
  }),
);

const initResponse = messageCodec(
  v1.InitResponse,
  (value: InitResponse) => ({
    rollupId: fromHex(value.rollupId),
    chainId: toUint64(value.chainId),
    genesisHash: value.genesisHash,
    head: toWireBlock(value.head),
    nextSequencerHeight: value.nextSequencerHeight,
    supportsGroupRevert: value.supportsGroupRevert,
    atomicLevel: value.atomicLevel,
  }),
  (wire): InitResponse => ({
    rollupId: toRollupId(wire.rollupId),
    chainId: toBigint(wire.chainId),
    genesisHash: toBytes(wire.genesisHash),
    head: fromWireBlock(wire.head),
    nextSequencerHeight: toHeight(wire.nextSequencerHeight),
    supportsGroupRevert: wire.supportsGroupRevert,
    atomicLevel: toAtomicLevel(wire.atomicLevel),
  }),
);

const executeBlockRequest = messageCodec(
  v1.ExecuteBlockRequest,
  (value: ExecuteBlockRequest) => ({
    sequencerBlockHash: value.sequencerBlockHash,
    sequencerHeight: value.sequencerHeight,
    sequencerHeightFirst: value.sequencerHeightFirst ?? 0,
    time: { seconds: toInt64(value.timestamp.seconds), nanos: value.timestamp.nanos },
    parentHash: value.parentHash ?? null,
    payloads: [...value.payloads],
    legs: (value.legs ?? []).map((leg) => ({ ...leg })),
  }),
  (wire): ExecuteBlockRequest => {
    const time = required(wire.time, "time");
    const first = toHeight(wire.sequencerHeightFirst);
    const parentHash = toBytes(wire.parentHash);
    return {
      sequencerBlockHash: toBytes(wire.sequencerBlockHash),
      sequencerHeight: toHeight(wire.sequencerHeight),
      ...(first === 0 ? {} : { sequencerHeightFirst: first }),
      timestamp: { seconds: toBigint(time.seconds ?? 0), nanos: time.nanos ?? 0 },
      ...(parentHash.length === 0 ? {} : { parentHash }),
      payloads: wire.payloads.map(toBytes),
      ...(wire.legs.length === 0 ? {} : { legs: wire.legs.map(fromWireLeg) }),
    };
  },
);

const OUTCOMES = {
  block: v1.ExecutionOutcome.EXECUTION_OUTCOME_BLOCK,
  none: v1.ExecutionOutcome.EXECUTION_OUTCOME_NONE,
  gathered: v1.ExecutionOutcome.EXECUTION_OUTCOME_GATHERED,
};

const executeBlockResponse = messageCodec(
  v1.ExecuteBlockResponse,
  (value: ExecuteBlockResponse) => ({
    block: toWireBlock(value),
    outcome: OUTCOMES[value.outcome],
    included: value.included,
    skipped: value.skipped.map(({ index, reason }) => ({ index, reason })),
  }),
  (wire): ExecuteBlockResponse => ({
    ...fromWireBlock(wire.block),
    outcome: toOutcome(wire.outcome),
    included: wire.included,
    skipped: wire.skipped.map(({ index, reason }) => ({
      index: index ?? 0,
      reason: reason ?? "",
    })),
  }),
);

const setFinalityRequest = messageCodec(
  v1.SetFinalityRequest,
  (value: SetFinalityRequest) => value,
  (wire) => ({ safeHash: toBytes(wire.safeHash), finalizedHash: toBytes(wire.finalizedHash) }),
);

const setFinalityResponse = messageCodec(
  v1.SetFinalityResponse,
  (value: FinalityStatus) => ({
    safe: toWireBlock(value.safe),
    finalized: toWireBlock(value.finalized),
  }),
  (wire): FinalityStatus => ({
    safe: fromWireBlock(wire.safe),
    finalized: fromWireBlock(wire.finalized),
  }),
);

const getStatusRequest = messageCodec(
  v1.GetStatusRequest,
  (): weft.execution.v1.GetStatusRequest.$Properties => ({}),
  (): GetStatusRequest => ({}),
);

const getStatusResponse = messageCodec(
  v1.GetStatusResponse,
  (value: ExecutorStatus) => ({
    isInitialized: value.isInitialized,
    rollupId: fromHex(value.rollupId),
    chainId: toUint64(value.chainId),
    genesisHash: value.genesisHash,
    head: toWireBlock(value.head),
    safe: toWireBlock(value.safe),
    finalized: toWireBlock(value.finalized),
    sequencer: value.sequencer ?? null,
    nextSequencerHeight: value.nextSequencerHeight ?? 0,
    gatheredPayloads: value.gatheredPayloads,
    openBundles: value.openBundles.slice(0, OPEN_BUNDLES_LISTED_MAX).map((open) => ({ ...open })),
    openBundleCount: value.openBundleCount,
  }),
  (wire): ExecutorStatus => {
    const next = toHeight(wire.nextSequencerHeight);
    return {
      isInitialized: wire.isInitialized,
      rollupId: toRollupId(wire.rollupId),
      chainId: toBigint(wire.chainId),
      genesisHash: toBytes(wire.genesisHash),
      head: fromWireBlock(wire.head),
      safe: fromWireBlock(wire.safe),
      finalized: fromWireBlock(wire.finalized),
      sequencer:
        wire.sequencer === null || wire.sequencer === undefined
          ? undefined
          : {
              height: toHeight(wire.sequencer.height ?? 0),
              blockHash: toBytes(wire.sequencer.blockHash),
            },
      nextSequencerHeight: next === 0 ? undefined : next,
      gatheredPayloads: toNumber(wire.gatheredPayloads),
      openBundles: wire.openBundles.map((open) => ({
        bundleId: toBytes(open.bundleId),
        sequencerHeight: toHeight(open.sequencerHeight ?? 0),
        verdict: oneOf("verdict", Verdict, open.verdict),
      })),
      openBundleCount: wire.openBundleCount,
    };
  },
);

/** The generated names of the same numbers. */
const WIRE_VERDICTS = {
  [Verdict.YES]: v1.BundleVerdict.BUNDLE_VERDICT_YES,
  [Verdict.NO]: v1.BundleVerdict.BUNDLE_VERDICT_NO,
};
const WIRE_REASONS = {
  [VoteReason.NONE]: v1.BundleNoReason.BUNDLE_NO_REASON_UNSPECIFIED,
  [VoteReason.REVERTED]: v1.BundleNoReason.BUNDLE_NO_REASON_REVERTED,
  [VoteReason.LOCKED]: v1.BundleNoReason.BUNDLE_NO_REASON_LOCKED,
  [VoteReason.TOO_MANY_LOCKS]: v1.BundleNoReason.BUNDLE_NO_REASON_TOO_MANY_LOCKS,
  [VoteReason.NOT_LOCKABLE]: v1.BundleNoReason.BUNDLE_NO_REASON_NOT_LOCKABLE,
  [VoteReason.MAILBOX]: v1.BundleNoReason.BUNDLE_NO_REASON_MAILBOX,
  [VoteReason.MALFORMED]: v1.BundleNoReason.BUNDLE_NO_REASON_MALFORMED,
  [VoteReason.OTHER]: v1.BundleNoReason.BUNDLE_NO_REASON_OTHER,
};

const prepareBundleRequest = messageCodec(
  v1.PrepareBundleRequest,
  ({ timestamp, ...value }: PrepareBundleRequest) => ({
    ...value,
    time: { seconds: toInt64(timestamp.seconds), nanos: timestamp.nanos },
    siblingRollupIds: [...value.siblingRollupIds],
    payloads: [...value.payloads],
  }),
  (wire): PrepareBundleRequest => {
    const time = required(wire.time, "time");
    return {
      sequencerBlockHash: toBytes(wire.sequencerBlockHash),
      sequencerHeight: toHeight(wire.sequencerHeight),
      timestamp: { seconds: toBigint(time.seconds ?? 0), nanos: time.nanos ?? 0 },
      bundleId: toBytes(wire.bundleId),
      leg: wire.leg,
      legs: wire.legs,
      siblingRollupIds: wire.siblingRollupIds.map(toBytes),
      payloads: wire.payloads.map(toBytes),
      locksMax: wire.locksMax,
    };
  },
);

const prepareBundleResponse = messageCodec(
  v1.PrepareBundleResponse,
  toWirePrepared,
  fromWirePrepared,
);

const decideBundleRequest = messageCodec(
  v1.DecideBundleRequest,
  (value: DecideBundleRequest) => value,
  (wire): DecideBundleRequest => ({
    sequencerBlockHash: toBytes(wire.sequencerBlockHash),
    sequencerHeight: toHeight(wire.sequencerHeight),
    bundleId: toBytes(wire.bundleId),
    outcome: oneOf("outcome", AtomicOutcome, wire.outcome),
    reason: wire.reason,
  }),
);

const decideBundleResponse = messageCodec(
  v1.DecideBundleResponse,
  (value: DecideBundleResponse) => ({ prepared: toWirePrepared(value.prepared) }),
  (wire): DecideBundleResponse => ({
    prepared: fromWirePrepared(required(wire.prepared, "prepared")),
  }),
);

const PATH = "/weft.execution.v1.ExecutionService";

export const EXECUTION_SERVICE_NAME = "weft.execution.v1.ExecutionService";

export const EXECUTION_SERVICE = {
  init: method(`${PATH}/Init`, UNARY, initRequest, initResponse),
  executeBlock: method(`${PATH}/ExecuteBlock`, UNARY, executeBlockRequest, executeBlockResponse),
  setFinality: method(`${PATH}/SetFinality`, UNARY, setFinalityRequest, setFinalityResponse),
  getStatus: method(`${PATH}/GetStatus`, UNARY, getStatusRequest, getStatusResponse),
  prepareBundle: method(
    `${PATH}/PrepareBundle`,
    UNARY,
    prepareBundleRequest,
    prepareBundleResponse,
  ),
  decideBundle: method(`${PATH}/DecideBundle`, UNARY, decideBundleRequest, decideBundleResponse),
} as const;

function fromWireLeg(wire: weft.execution.v1.BundleLeg.$Properties): PayloadLeg {
  return {
    bundleId: toBytes(wire.bundleId),
    leg: wire.leg ?? 0,
    legs: wire.legs ?? 0,
    revertMode: toRevertMode(wire.revertMode),
    first: wire.first ?? 0,
    count: wire.count ?? 0,
  };
}

function toWireBlock(block: ExecutedBlock): weft.execution.v1.ExecutedBlock.$Properties {
  return {
    number: block.number,
    hash: block.hash,
    parentHash: block.parentHash,
    stateRoot: block.stateRoot,
    receiptsRoot: block.receiptsRoot,
    timestampSeconds: toUint64(block.timestampSeconds),
    gasUsed: toUint64(block.gasUsed),
  };
}

function fromWireBlock(
  wire: weft.execution.v1.ExecutedBlock.$Properties | null | undefined,
): ExecutedBlock {
  const block = required(wire, "block");
  return {
    number: toNumber(block.number ?? 0),
    hash: toBytes(block.hash),
    parentHash: toBytes(block.parentHash),
    stateRoot: toBytes(block.stateRoot),
    receiptsRoot: toBytes(block.receiptsRoot),
    timestampSeconds: toBigint(block.timestampSeconds ?? 0),
    gasUsed: toBigint(block.gasUsed ?? 0),
  };
}

function toWirePrepared(
  value: PrepareBundleResponse,
): weft.execution.v1.PrepareBundleResponse.$Properties {
  const { verdict, reason, preStateRoot, effectsHash, outbox, inbox } = value;
  return {
    verdict: WIRE_VERDICTS[verdict],
    reason: WIRE_REASONS[reason],
    preStateRoot,
    effectsHash,
    outbox: outbox.map((box) => ({ ...box })),
    inbox: inbox.map((box) => ({ ...box })),
  };
}

function fromWirePrepared(
  wire: weft.execution.v1.PrepareBundleResponse.$Properties,
): PrepareBundleResponse {
  return {
    verdict: oneOf("verdict", Verdict, wire.verdict),
    reason: oneOf("reason", VoteReason, wire.reason ?? VoteReason.NONE),
    preStateRoot: toBytes(wire.preStateRoot),
    effectsHash: toBytes(wire.effectsHash),
    outbox: (wire.outbox ?? []).map(fromWireBox),
    inbox: (wire.inbox ?? []).map(fromWireBox),
  };
}

function fromWireBox(wire: weft.execution.v1.MessageBox.$Properties): Box {
  return { rollupId: toBytes(wire.rollupId), root: toBytes(wire.root) };
}

function toAtomicLevel(wire: number): AtomicLevel {
  if (wire === 0 || wire === 1) return wire;
  throw codecError("CODEC_OUT_OF_RANGE", `atomic_level: expected 0 or 1, got ${wire}`);
}

/** The member of a closed list of numbers that the wire names. */
function oneOf<Value extends number>(
  field: string,
  values: Readonly<Record<string, Value>>,
  wire: number | null | undefined,
): Value {
  const found = Object.values(values).find((value) => value === wire);
  if (found !== undefined) return found;
  throw codecError("CODEC_OUT_OF_RANGE", `${field}: ${wire} is none that this version knows`);
}

function toRollupId(bytes: Uint8Array): RollupId {
  if (bytes.length !== HASH_BYTES) {
    throw codecError("CODEC_LENGTH", `rollup_id: expected 32 bytes, got ${bytes.length}`);
  }
  return RollupId(toHex(bytes));
}

function toOutcome(wire: weft.execution.v1.ExecutionOutcome): ExecuteBlockResponse["outcome"] {
  if (wire === OUTCOMES.block) return "block";
  if (wire === OUTCOMES.none) return "none";
  if (wire === OUTCOMES.gathered) return "gathered";
  throw codecError("CODEC_OUT_OF_RANGE", `outcome: expected 1 to 3, got ${wire}`);
}
