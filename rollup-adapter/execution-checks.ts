/**
 * What every executor checks of a request before it looks at what the request holds, and how the port's errors are made.
 * The rules are those of docs/execution.md, whoever executes.
 */
import type { Height, RollupId } from "../proto/brands.ts";
import { bytesEqual, toHex } from "../proto/bytes.ts";
import { WeftError } from "../proto/errors.ts";
import type {
  ExecuteBlockRequest,
  ExecutionErrorInfo,
  InitRequest,
  PayloadLeg,
  SetFinalityRequest,
} from "./execution.ts";
import { PAYLOADS_PER_REQUEST_MAX, SEQUENCER_CHAIN_ID_LENGTH_MAX } from "./limits.ts";

/** What a rollup follows since its first `init`. */
export type Binding = Pick<InitRequest, "sequencerChainId" | "sequencerStartHeight">;

/** Numbers of the blocks that the labels are on. */
interface Labels {
  readonly safe: number;
  readonly finalized: number;
}

/**
 * @param bound undefined before the first `init`
 * @throws WeftError<ExecutionErrorInfo> EXECUTION_INVALID_REQUEST for what no rollup can be bound to,
 * EXECUTION_GENESIS_MISMATCH for another rollup or network than this one's
 */
export function checkInit(
  { rollupId, sequencerChainId, sequencerStartHeight }: InitRequest,
  own: { readonly rollupId: RollupId; readonly bound: Binding | undefined },
): void {
  const { length } = sequencerChainId;
  if (length < 1 || length > SEQUENCER_CHAIN_ID_LENGTH_MAX) {
    throw invalid(
      `a sequencer chain id has 1 to ${SEQUENCER_CHAIN_ID_LENGTH_MAX} characters, got ${length}`,
    );
  }
  if (sequencerStartHeight < 1) {
    throw invalid(`the first sequencer height is at least 1, got ${sequencerStartHeight}`);
  }
  if (rollupId !== own.rollupId) {
    throw mismatch(`this is rollup ${own.rollupId}, not ${rollupId}`);
  }
  const { bound } = own;
  const isSame =
    bound === undefined ||
    (bound.sequencerChainId === sequencerChainId &&
      bound.sequencerStartHeight === sequencerStartHeight);
  if (!isSame) {
    throw mismatch(
      `this rollup follows ${bound.sequencerChainId} from height ${bound.sequencerStartHeight}, not ${sequencerChainId} from ${sequencerStartHeight}`,
    );
  }
}

/** @throws WeftError<ExecutionErrorInfo> EXECUTION_INVALID_REQUEST for what no state of a rollup could make valid */
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

/** @throws WeftError<ExecutionErrorInfo> EXECUTION_INVALID_REQUEST */
export function checkTime({ timestamp }: Pick<ExecuteBlockRequest, "timestamp">): void {
  const { seconds, nanos } = timestamp;
  if (seconds < 0n || nanos < 0 || nanos > 999_999_999) {
    throw invalid(`a block time is not before 1970, got ${seconds} s and ${nanos} ns`);
  }
}

/** The request has to start at `expected`. @throws WeftError<ExecutionErrorInfo> EXECUTION_HEIGHT_GAP */
export function checkHeight(
  request: Pick<ExecuteBlockRequest, "sequencerHeight" | "sequencerHeightFirst">,
  expected: Height,
): void {
  const got = request.sequencerHeightFirst ?? request.sequencerHeight;
  if (got === expected) return;
  throw failure(
    { code: "EXECUTION_HEIGHT_GAP", expected, got },
    `the next sequencer height is ${expected}, got ${got}`,
  );
}

/** A request that names its parent is for that head. @throws WeftError<ExecutionErrorInfo> EXECUTION_PARENT_MISMATCH */
export function checkParent(
  { parentHash }: Pick<ExecuteBlockRequest, "parentHash">,
  head: Uint8Array,
): void {
  if (parentHash === undefined || bytesEqual(parentHash, head)) return;
  throw failure(
    { code: "EXECUTION_PARENT_MISMATCH" },
    `the head is ${toHex(head)}, not ${toHex(parentHash)}`,
  );
}

/**
 * A height that was executed is asked for as what it was executed as.
 * @throws WeftError<ExecutionErrorInfo> EXECUTION_CONFLICT
 */
export function checkSameBlock(
  { sequencerHeight: height, sequencerBlockHash: got }: ExecuteBlockRequest,
  executed: Uint8Array,
): void {
  if (bytesEqual(executed, got)) return;
  throw failure(
    { code: "EXECUTION_CONFLICT", height },
    `sequencer height ${height} was executed as block ${toHex(executed)}, not ${toHex(got)}`,
  );
}

/** @throws WeftError<ExecutionErrorInfo> EXECUTION_INVALID_REQUEST for hashes that are none */
export function checkLabels({ safeHash, finalizedHash }: SetFinalityRequest): void {
  if (safeHash.length !== 32 || finalizedHash.length !== 32) {
    throw invalid(
      `hashes of blocks have 32 bytes, got ${safeHash.length} and ${finalizedHash.length}`,
    );
  }
}

/** Labels never move back. @throws WeftError<ExecutionErrorInfo> EXECUTION_FINALITY_REGRESSION */
export function checkForward({ safe, finalized }: Labels, now: Labels | undefined): void {
  const isForward = now === undefined || (safe >= now.safe && finalized >= now.finalized);
  if (isForward && finalized <= safe) return;
  throw failure(
    { code: "EXECUTION_FINALITY_REGRESSION" },
    `safe ${safe} and finalized ${finalized} must not fall below ${now?.safe ?? 0} and ${now?.finalized ?? 0}, nor finalized lie above safe`,
  );
}

export function failure(
  info: ExecutionErrorInfo,
  message: string,
  cause?: unknown,
): WeftError<ExecutionErrorInfo> {
  return new WeftError(info, message, cause === undefined ? undefined : { cause });
}

export function invalid(message: string): WeftError<ExecutionErrorInfo> {
  return failure({ code: "EXECUTION_INVALID_REQUEST" }, message);
}

export function notInitialized(): WeftError<ExecutionErrorInfo> {
  return failure({ code: "EXECUTION_NOT_INITIALIZED" }, "call init before anything else");
}

export function mismatch(message: string): WeftError<ExecutionErrorInfo> {
  return failure({ code: "EXECUTION_GENESIS_MISMATCH" }, message);
}

/** Of a height whose answer is not kept any more. @param now the last one that was executed */
export function forgotten(height: Height, now: Height): WeftError<ExecutionErrorInfo> {
  return failure(
    { code: "EXECUTION_HEIGHT_FORGOTTEN", height },
    `sequencer height ${height} was executed too long ago to tell how (now at ${now}), or was part of a gathered request`,
  );
}

export function unknownBlock(hash: Uint8Array): WeftError<ExecutionErrorInfo> {
  return failure({ code: "EXECUTION_BLOCK_UNKNOWN" }, `no rollup block has hash ${toHex(hash)}`);
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
