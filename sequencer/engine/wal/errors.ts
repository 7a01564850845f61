import { WeftError } from "../../../proto/errors.ts";

export type WalErrorInfo =
  /** A damaged record with good ones after it: the disk, not a crash, did that. */
  | { readonly code: "WAL_CORRUPTED"; readonly path: string; readonly offset: number }
  /** A record passes its checksum but does not decode: another version wrote it. */
  | { readonly code: "WAL_RECORD_UNKNOWN"; readonly detail: string }
  /** A record over WAL_PAYLOAD_BYTES_MAX was about to be written. */
  | { readonly code: "WAL_RECORD_TOO_LARGE"; readonly bytes: number }
  /** The disk refused a write or a sync: nothing may be signed or sent any more. */
  | { readonly code: "WAL_WRITE_FAILED"; readonly path: string };

export class WalError extends WeftError<WalErrorInfo> {}
