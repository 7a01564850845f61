import { WeftError } from "../../../proto/errors.ts";

export type PrivValidatorErrorInfo =
  /** Height, round or step lies behind what was signed last. */
  | { readonly code: "PRIVVAL_REGRESSION"; readonly last: string; readonly asked: string }
  /** Something else was signed at the very same height, round and step. */
  | { readonly code: "PRIVVAL_CONFLICTING_DATA"; readonly at: string }
  /** The key file cannot be used: missing, not JSON, wrong type, key and address disagree. */
  | { readonly code: "PRIVVAL_KEY_FILE"; readonly path: string }
  /** A secret file that others may read. */
  | { readonly code: "PRIVVAL_FILE_MODE"; readonly path: string; readonly mode: string }
  /** The state file is missing although blocks exist, or it does not parse. */
  | { readonly code: "PRIVVAL_STATE_FILE"; readonly path: string }
  /** The state could not be made durable: nothing may be signed any more. */
  | { readonly code: "PRIVVAL_PERSIST_FAILED"; readonly path: string }
  /** The remote signer is not connected or did not answer in time; it may be asked again. */
  | { readonly code: "PRIVVAL_UNAVAILABLE" }
  /** The remote signer answered that it does not sign this. */
  | { readonly code: "PRIVVAL_REMOTE_REFUSED"; readonly remoteCode: number }
  /** The remote signer's answer is not a signature of what was asked. */
  | { readonly code: "PRIVVAL_BAD_REPLY" };

export class PrivValidatorError extends WeftError<PrivValidatorErrorInfo> {}
