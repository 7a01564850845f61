import { WeftError } from "../../../proto/errors.ts";

export type CometStoreErrorInfo =
  /** A database or log of CometBFT lacks something, or holds what does not decode. */
  | { readonly code: "STORE_COMETBFT_DAMAGED"; readonly place: string }
  /** A running CometBFT has the database open. */
  | { readonly code: "STORE_COMETBFT_IN_USE"; readonly path: string }
  /** What the engine knows of the height under way cannot be carried over whole. */
  | { readonly code: "WAL_NOT_CONVERTIBLE"; readonly height: number };

export class CometStoreError extends WeftError<CometStoreErrorInfo> {}

export function damaged(place: string, cause?: unknown): CometStoreError {
  return new CometStoreError(
    { code: "STORE_COMETBFT_DAMAGED", place },
    `CometBFT's data is damaged at ${place}: expected what CometBFT v0.38 writes; check the disk and restore the data directory together with the signer's newest state, or sync anew`,
    { cause },
  );
}
