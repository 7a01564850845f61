/** What a request of the execution port must look like, and how its errors are made. */
import { Height } from "../../proto/brands.ts";
import { bytesEqual, compareBytes, toHex } from "../../proto/bytes.ts";
import { assert, WeftError } from "../../proto/errors.ts";
import type {
  DecideBundleRequest,
  ExecuteBlockRequest,
  ExecutionErrorInfo,
  InitRequest,
  PayloadLeg,
  PrepareBundleRequest,
  SetFinalityRequest,
} from "../execution.ts";
import { LOCKS_MAX } from "./atomic/limits.ts";
import type { ChainStore } from "./chain-store.ts";
import { PAYLOADS_PER_REQUEST_MAX, SEQUENCER_CHAIN_ID_LENGTH_MAX } from "./limits.ts";
import type { SequencerRecord } from "./records.ts";

/** Throws EXECUTION_INVALID_REQUEST for what no rollup can be bound to. */
export function checkInit({ sequencerChainId, sequencerStartHeight }: InitRequest): void {
  const { length } = sequencerChainId;
  if (length < 1 || length > SEQUENCER_CHAIN_ID_LENGTH_MAX) {
    throw invalid(
      `a sequencer chain id has 1 to ${SEQUENCER_CHAIN_ID_LENGTH_MAX} characters, got ${length}`,
    );
  }
  if (sequencerStartHeight < 1) {
    throw invalid(`the first sequencer height is at least 1, got ${sequencerStartHeight}`);
  }
}

/** Throws EXECUTION_INVALID_REQUEST for hashes that are none. */
export function checkLabels({ safeHash, finalizedHash }: SetFinalityRequest): void {
  if (safeHash.length !== 32 || finalizedHash.length !== 32) {
    throw invalid(
      `hashes of blocks have 32 bytes, got ${safeHash.length} and ${finalizedHash.length}`,
    );
  }
}

/** Throws EXECUTION_INVALID_REQUEST for what no state of the rollup could make valid. */
export function checkRequest(request: ExecuteBlockRequest): void {
  const { sequencerBlockHash, sequencerHeight, sequencerHeightFirst, payloads } = request;
  if (sequencerBlockHash.length !== 32) {
    throw invalid(`a sequencer block hash has 32 bytes, got ${sequencerBlockHash.length}`);
  }
  if (sequencerHeight < 1) throw invalid(`sequencer heights start at 1, got ${sequencerHeight}`);
  if (sequencerHeightFirst !== undefined && sequencerHeightFirst > sequencerHeight) {
    throw invalid(`the first gathered height ${sequencerHeightFirst} is above ${sequencerHeight}`);
  }
  checkTime(request);
  if (payloads.length > PAYLOADS_PER_REQUEST_MAX) {
    throw invalid(`at most ${PAYLOADS_PER_REQUEST_MAX} payloads a request, got ${payloads.length}`);
  }
  checkLegs(request.legs ?? [], payloads.length);
}

/** The same for a leg of an atomic bundle. */
export function checkPrepare(request: PrepareBundleRequest): void {
  const { leg, legs, siblingRollupIds, locksMax } = request;
  checkPlace(request);
  if (leg >= legs || siblingRollupIds.length !== legs - 1) {
    throw invalid(`leg ${leg} of ${legs} with ${siblingRollupIds.length} siblings`);
  }
  for (const [index, id] of siblingRollupIds.entries()) {
    const before = siblingRollupIds[index - 1];
    if (id.length !== 32 || (before !== undefined && compareBytes(before, id) >= 0)) {
      throw invalid("rollup ids of siblings have 32 bytes and ascend");
    }
  }
  if (locksMax < 1 || locksMax > LOCKS_MAX) {
    throw invalid(`a leg may lock 1 to ${LOCKS_MAX}, got ${locksMax}`);
  }
  checkTime(request);
}

export function checkDecide(request: DecideBundleRequest): void {
  checkPlace(request);
}

/** Legs can be prepared here, and the sequencer chain is known. */
export function checkAtomic(store: ChainStore, isAtomic: boolean): void {
  if (!isAtomic) {
    throw failure(
      { code: "EXECUTION_ATOMIC_UNSUPPORTED" },
      "this rollup includes legs of bundles together and does not execute them atomically; its genesis would have to say so",
    );
  }
  if (store.binding() === undefined) {
    throw failure({ code: "EXECUTION_NOT_INITIALIZED" }, "call init first");
  }
}

function checkTime({ timestamp }: Pick<ExecuteBlockRequest, "timestamp">): void {
  const { seconds, nanos } = timestamp;
  if (seconds < 0n || nanos < 0 || nanos > 999_999_999) {
    throw invalid(`a block time is not before 1970, got ${seconds} s and ${nanos} ns`);
  }
}

function checkPlace(
  request: Pick<PrepareBundleRequest, "sequencerBlockHash" | "sequencerHeight" | "bundleId">,
): void {
  const { sequencerBlockHash, sequencerHeight, bundleId } = request;
  if (sequencerBlockHash.length !== 32 || bundleId.length !== 32) {
    throw invalid(
      `a sequencer block hash and a bundle id have 32 bytes, got ${sequencerBlockHash.length} and ${bundleId.length}`,
    );
  }
  if (sequencerHeight < 1) throw invalid(`sequencer heights start at 1, got ${sequencerHeight}`);
}

/** What the same request came to before; anything else at a past height is an error. */
export function earlierRecord(
  store: ChainStore,
  request: ExecuteBlockRequest,
): SequencerRecord | undefined {
  const height = request.sequencerHeight;
  const cursor = store.cursor();
  if (cursor === undefined || height > cursor.height) return undefined;
  const record = store.sequencerRecord(height);
  if (record === undefined) {
    throw failure(
      { code: "EXECUTION_HEIGHT_FORGOTTEN", height },
      `sequencer height ${height} was executed too long ago to tell how (now at ${cursor.height}), or was part of a gathered request`,
    );
  }
  if (!bytesEqual(record.blockHash, request.sequencerBlockHash)) {
    throw failure(
      { code: "EXECUTION_CONFLICT", height },
      `sequencer height ${height} was executed as block ${toHex(record.blockHash)}, not ${toHex(request.sequencerBlockHash)}`,
    );
  }
  return record;
}

/** The request has to start at the next height, on the head. */
export function checkPosition(
  store: ChainStore,
  request: ExecuteBlockRequest,
  head: Uint8Array,
): void {
  if (store.binding() === undefined) {
    throw failure({ code: "EXECUTION_NOT_INITIALIZED" }, "call init before executeBlock");
  }
  const expected = nextHeight(store);
  const got = request.sequencerHeightFirst ?? request.sequencerHeight;
  if (got !== expected) {
    throw failure(
      { code: "EXECUTION_HEIGHT_GAP", expected, got },
      `the next sequencer height is ${expected}, got ${got}`,
    );
  }
  if (request.parentHash !== undefined && !bytesEqual(request.parentHash, head)) {
    throw failure(
      { code: "EXECUTION_PARENT_MISMATCH" },
      `the head is ${toHex(head)}, not ${toHex(request.parentHash)}`,
    );
  }
}

/** The sequencer height that comes next, after `init`. */
export function nextHeight(store: ChainStore): Height {
  const cursor = store.cursor();
  if (cursor !== undefined) return Height(cursor.height + 1);
  const binding = store.binding();
  assert(binding !== undefined, "the next height is asked for after init");
  return binding.sequencerStartHeight;
}

/** Legs name payloads that are there, and no payload stands in two of them. */
function checkLegs(legs: readonly PayloadLeg[], payloadCount: number): void {
  let end = 0;
  for (const { bundleId, leg, legs: count, first, count: payloads } of legs) {
    if (bundleId.length !== 32 || leg >= count) {
      throw invalid(`leg ${leg} of ${count} of a bundle whose id has ${bundleId.length} bytes`);
    }
    if (payloads < 1 || first < end || first + payloads > payloadCount) {
      throw invalid(
        `a leg of ${payloads} payloads from ${first} on, after ${end}; ${payloadCount} came`,
      );
    }
    end = first + payloads;
  }
}

export function failure(
  info: ExecutionErrorInfo,
  message: string,
  cause?: unknown,
): WeftError<ExecutionErrorInfo> {
  return new WeftError(info, message, cause === undefined ? undefined : { cause });
}

function invalid(message: string): WeftError<ExecutionErrorInfo> {
  return failure({ code: "EXECUTION_INVALID_REQUEST" }, message);
}
