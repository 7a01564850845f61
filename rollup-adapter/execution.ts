/**
 * What a rollup offers to whoever feeds it ordered blocks: the TypeScript face of
 * `weft.execution.v1.ExecutionService` (docs/rollups.md). The contract, in words:
 *
 * - Payloads are arbitrary bytes that anyone may have posted. An executor never refuses a block for
 *   what its payloads hold; it skips what it cannot use, with a reason, as a pure function of
 *   (parent state, order), so that all nodes of a rollup skip the same.
 * - Sequencer heights arrive without gaps. A height that was executed already is answered again
 *   without running it, provided that its block hash is the same.
 * - When a call has resolved, what it did survives a crash; a call that was cut off may be repeated.
 * - Legs of bundles are told apart with their revert modes, which are wishes: atomic is that all legs are ordered,
 *   not that they succeed (level 0).
 * - Legs of bundles of mode 1 are executed atomically by executors that offer level 1: at each height first
 *   `decideBundle` for each decision, then `prepareBundle` for each such leg, then `executeBlock` with all else. All name
 *   the same height, and only `executeBlock` goes on to the next.
 */
import type { Height } from "../proto/brands.ts";
import type {
  DecideBundleRequest,
  DecideBundleResponse,
  ExecuteBlockRequest,
  ExecuteBlockResponse,
  ExecutorStatus,
  FinalityStatus,
  InitRequest,
  InitResponse,
  PrepareBundleRequest,
  PrepareBundleResponse,
  SetFinalityRequest,
} from "../proto/grpc/execution-service.ts";

export type {
  AtomicLevel,
  DecideBundleRequest,
  DecideBundleResponse,
  ExecuteBlockRequest,
  ExecuteBlockResponse,
  ExecutedBlock,
  ExecutorStatus,
  FinalityStatus,
  InitRequest,
  InitResponse,
  OpenBundle,
  PayloadLeg,
  PrepareBundleRequest,
  PrepareBundleResponse,
  SetFinalityRequest,
  SkippedPayload,
} from "../proto/grpc/execution-service.ts";

/** The port that drivers call. Calls may overlap; the executor runs them one after another. */
export interface Executor {
  /** Binds the rollup to a sequencer network; repeating it with the same values changes nothing. */
  init(request: InitRequest): Promise<InitResponse>;
  executeBlock(request: ExecuteBlockRequest): Promise<ExecuteBlockResponse>;
  setFinality(request: SetFinalityRequest): Promise<FinalityStatus>;
  getStatus(): Promise<ExecutorStatus>;
  /**
   * Runs one leg beside the state and says what it would do; locks what it touches until `decideBundle`. The answer is
   * a pure function of the stream, and the same when asked again. Left out: level 0.
   */
  prepareBundle?(request: PrepareBundleRequest): Promise<PrepareBundleResponse>;
  /** COMMIT: what was prepared becomes the first part of the next block. ABORT: it leaves no trace. Left out: level 0. */
  decideBundle?(request: DecideBundleRequest): Promise<DecideBundleResponse>;
}

export type ExecutionErrorInfo =
  /** A field has the wrong size or range; repeating the call will not help. */
  | { readonly code: "EXECUTION_INVALID_REQUEST" }
  /** `executeBlock` or `setFinality` came before `init`. */
  | { readonly code: "EXECUTION_NOT_INITIALIZED" }
  /** `init` names another rollup, sequencer chain or start height than the data directory holds. */
  | { readonly code: "EXECUTION_GENESIS_MISMATCH" }
  /** The request does not start at the next sequencer height. */
  | { readonly code: "EXECUTION_HEIGHT_GAP"; readonly expected: Height; readonly got: Height }
  /** This sequencer height was executed with another block hash, or the bundle decided with another outcome. */
  | { readonly code: "EXECUTION_CONFLICT"; readonly height: Height }
  /** The height lies before those whose answers are still kept. */
  | { readonly code: "EXECUTION_HEIGHT_FORGOTTEN"; readonly height: Height }
  /** `parentHash` is not the hash of the head. */
  | { readonly code: "EXECUTION_PARENT_MISMATCH" }
  /** No rollup block has the hash that was named. */
  | { readonly code: "EXECUTION_BLOCK_UNKNOWN" }
  /** No leg of this bundle was prepared, or it was decided so long ago that it is forgotten. */
  | { readonly code: "EXECUTION_BUNDLE_UNKNOWN" }
  /** This executor executes nothing atomically (level 0). */
  | { readonly code: "EXECUTION_ATOMIC_UNSUPPORTED" }
  /** `setFinality` would move `safe` or `finalized` backwards, or `finalized` above `safe`. */
  | { readonly code: "EXECUTION_FINALITY_REGRESSION" }
  /** The chain ends here by its own rules: no further block is defined, or a leg is committed that was answered NO. */
  | { readonly code: "EXECUTION_HALTED" }
  /** More calls wait than the executor queues. */
  | { readonly code: "EXECUTION_BUSY" }
  /** The executor was closed. */
  | { readonly code: "EXECUTION_CLOSED" }
  /** Storage or the virtual machine failed; state is as before the call. The operator must act. */
  | { readonly code: "EXECUTION_INTERNAL" };

/** The gRPC status that each code travels as; part of the contract. */
export const EXECUTION_GRPC_STATUS = {
  EXECUTION_INVALID_REQUEST: "INVALID_ARGUMENT",
  EXECUTION_NOT_INITIALIZED: "FAILED_PRECONDITION",
  EXECUTION_GENESIS_MISMATCH: "FAILED_PRECONDITION",
  EXECUTION_HEIGHT_GAP: "FAILED_PRECONDITION",
  EXECUTION_CONFLICT: "FAILED_PRECONDITION",
  EXECUTION_HEIGHT_FORGOTTEN: "OUT_OF_RANGE",
  EXECUTION_PARENT_MISMATCH: "FAILED_PRECONDITION",
  EXECUTION_BLOCK_UNKNOWN: "NOT_FOUND",
  EXECUTION_BUNDLE_UNKNOWN: "NOT_FOUND",
  EXECUTION_ATOMIC_UNSUPPORTED: "UNIMPLEMENTED",
  EXECUTION_FINALITY_REGRESSION: "FAILED_PRECONDITION",
  EXECUTION_HALTED: "FAILED_PRECONDITION",
  EXECUTION_BUSY: "RESOURCE_EXHAUSTED",
  EXECUTION_CLOSED: "UNAVAILABLE",
  EXECUTION_INTERNAL: "INTERNAL",
} as const satisfies Record<ExecutionErrorInfo["code"], string>;
