import { WeftError } from "../../proto/errors.ts";

export type StoreErrorInfo =
  /** A stored value does not decode or contradicts another one: the disk or a bug damaged it. */
  | { readonly code: "STORE_CORRUPTED"; readonly key: string }
  /** Heights must follow each other without gaps. */
  | { readonly code: "STORE_HEIGHT_GAP"; readonly expected: number; readonly got: number }
  /** LevelDB cannot open the directory: no space, no permission, or what is in it is damaged. */
  | { readonly code: "STORE_NOT_OPENED"; readonly path: string }
  /** Another process holds the directory's lock. */
  | { readonly code: "STORE_LOCKED"; readonly path: string; readonly pid: number | undefined };

export class StoreError extends WeftError<StoreErrorInfo> {}
