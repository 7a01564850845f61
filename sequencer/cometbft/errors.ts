import { isWeftError, WeftError } from "../../proto/errors.ts";

export type CometBftErrorInfo =
  /** No binary was found in any of the places. */
  | { readonly code: "COMETBFT_NOT_FOUND"; readonly places: readonly string[] }
  /** The file does not run, or does not say a version. */
  | { readonly code: "COMETBFT_UNUSABLE"; readonly path: string }
  /** It runs, and is of another release line. */
  | { readonly code: "COMETBFT_VERSION_WRONG"; readonly path: string; readonly version: string }
  /** The configuration asks for what CometBFT cannot do, and leaving it out would be unsafe. */
  | { readonly code: "COMETBFT_CONFIG_UNSUPPORTED"; readonly key: string }
  /** Every folder that could hold a Unix socket has too long a path. */
  | { readonly code: "COMETBFT_SOCKET_PATH"; readonly path: string }
  /** The application is at a height, and CometBFT has no blocks here. */
  | { readonly code: "COMETBFT_BLOCKS_MISSING"; readonly height: number }
  /** The servers of state sync have another header at the trusted height. */
  | { readonly code: "COMETBFT_TRUST_CONFLICT"; readonly height: number }
  /** It ended although nobody asked for that. */
  | { readonly code: "COMETBFT_ENDED"; readonly lastLines: readonly string[] };

export class CometBftError extends WeftError<CometBftErrorInfo> {}

export function isCometBftError(error: unknown): error is CometBftError {
  return isWeftError(error) && error.code.startsWith("COMETBFT_");
}
