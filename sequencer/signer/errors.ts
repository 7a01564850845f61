/** Operating errors of the connection between a node and its signer. */
import { WeftError } from "../../proto/errors.ts";

export type SignerErrorCode =
  /** An address is neither tcp://[id@]host:port nor unix://path. */
  | "SIGNER_ADDRESS_INVALID"
  /** The address cannot be listened on. */
  | "SIGNER_LISTEN_FAILED"
  /** Connecting failed or took too long. */
  | "SIGNER_DIAL_FAILED"
  /** The handshake failed or took too long. */
  | "SIGNER_HANDSHAKE_FAILED"
  /** The other side's connection key is not one that is allowed. */
  | "SIGNER_NOT_ALLOWED"
  /** A message does not decode, is too large, or came without being asked for. */
  | "SIGNER_MESSAGE_INVALID"
  /** No answer in time. */
  | "SIGNER_TIMEOUT"
  /** There is a connection already, or no room for another. */
  | "SIGNER_BUSY"
  /** The signer holds another validator's key. */
  | "SIGNER_WRONG_KEY"
  /** The signer would not tell its public key. */
  | "SIGNER_REFUSED_KEY"
  /** No signer proved the key before the time to start was over. */
  | "SIGNER_START_TIMEOUT"
  /** The other side closed, the socket failed, or this side stops. */
  | "SIGNER_CLOSED";

export class SignerError extends WeftError<{ readonly code: SignerErrorCode }> {
  constructor(code: SignerErrorCode, message: string, options?: { readonly cause?: unknown }) {
    super({ code }, message, options);
  }
}

export function toSignerError(error: unknown, code: SignerErrorCode, what: string): SignerError {
  if (error instanceof SignerError) return error;
  const detail = error instanceof Error ? error.message : String(error);
  return new SignerError(code, `${what}: ${detail}`, { cause: error });
}
