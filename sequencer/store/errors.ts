import { WeftError } from "../../proto/errors.ts";

export type StoreErrorInfo =
  /** A stored value does not decode or contradicts another one: the disk or a bug damaged it. */
  | { readonly code: "STORE_CORRUPTED"; readonly key: string }
  /** Heights must follow each other without gaps. */
  | { readonly code: "STORE_HEIGHT_GAP"; readonly expected: number; readonly got: number }
  /** Another process holds the directory's lock. */
  | { readonly code: "STORE_LOCKED"; readonly path: string; readonly pid: number | undefined };

export class StoreError extends WeftError<StoreErrorInfo> {}
