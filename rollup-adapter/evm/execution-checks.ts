/** What a request of the execution port must look like, and how its errors are made. */
import { WeftError } from "../../proto/errors.ts";
import type {
  ExecuteBlockRequest,
  ExecutionErrorInfo,
  InitRequest,
  PayloadLeg,
  SetFinalityRequest,
} from "../execution.ts";
import { PAYLOADS_PER_REQUEST_MAX, SEQUENCER_CHAIN_ID_LENGTH_MAX } from "./limits.ts";

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
  const { seconds, nanos } = request.timestamp;
  if (seconds < 0n || nanos < 0 || nanos > 999_999_999) {
    throw invalid(`a block time is not before 1970, got ${seconds} s and ${nanos} ns`);
  }
  if (payloads.length > PAYLOADS_PER_REQUEST_MAX) {
    throw invalid(`at most ${PAYLOADS_PER_REQUEST_MAX} payloads a request, got ${payloads.length}`);
  }
  checkLegs(request.legs ?? [], payloads.length);
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
