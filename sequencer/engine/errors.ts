import { WeftError } from "../../proto/errors.ts";

export type EngineErrorInfo =
  /** genesis.json cannot be used. */
  | { readonly code: "ENGINE_GENESIS"; readonly field: string }
  /** Consensus parameters that break a rule, in genesis or from the application. */
  | { readonly code: "ENGINE_CONSENSUS_PARAMS"; readonly field: string }
  /** The application returned validator updates that cannot be applied. */
  | { readonly code: "ENGINE_VALIDATOR_UPDATES" }
  /** A block breaks a rule of spec §10.4; `rule` is bounded. */
  | { readonly code: "ENGINE_BLOCK_INVALID"; readonly rule: string }
  /** The application answered what it may not: expected is said in the message. */
  | { readonly code: "ENGINE_APPLICATION"; readonly call: string }
  /** Stores and application do not fit together (spec §15.4). */
  | { readonly code: "ENGINE_HANDSHAKE"; readonly reason: string }
  /** The write-ahead log and the stores do not fit together (spec §15.2). */
  | { readonly code: "ENGINE_REPLAY"; readonly height: number }
  /** The stores do not hold what the state one height back needs. */
  | { readonly code: "ENGINE_ROLLBACK"; readonly reason: string }
  /** Our own signature stands in a recent commit although this process just started (§15.3). */
  | { readonly code: "ENGINE_DOUBLE_SIGN_RISK"; readonly height: number }
  /** The engine does not run: not started, stopped or halted. */
  | { readonly code: "ENGINE_NOT_RUNNING"; readonly reason: string };

export class EngineError extends WeftError<EngineErrorInfo> {}
