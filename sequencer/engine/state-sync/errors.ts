import { WeftError } from "../../../proto/errors.ts";

export type StateSyncErrorInfo =
  /** Nobody offers a snapshot that could be used. */
  | { readonly code: "STATE_SYNC_NO_SNAPSHOT" }
  /** The application refused to be restored at all. */
  | { readonly code: "STATE_SYNC_ABORTED"; readonly height: number }
  /** The application says that it restored something else. */
  | { readonly code: "STATE_SYNC_WRONG_APPLICATION"; readonly height: number }
  /** The two blocks after the snapshot are not there yet. */
  | { readonly code: "STATE_SYNC_NOT_YET"; readonly height: number }
  /** The chain at that height could not be verified. */
  | { readonly code: "STATE_SYNC_UNTRUSTED"; readonly height: number }
  /** The node was stopped. */
  | { readonly code: "STATE_SYNC_STOPPED" };

export class StateSyncError extends WeftError<StateSyncErrorInfo> {}
