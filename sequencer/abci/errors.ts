/** Operating errors of the application's side of ABCI. */
import { WeftError } from "../../proto/errors.ts";

export type AbciErrorInfo =
  /** The application failed in this call. */
  | { readonly code: "ABCI_APPLICATION"; readonly call: string }
  /** Too many CheckTx calls wait for a commit. */
  | { readonly code: "ABCI_CHECK_TX_BUSY" }
  /** A call that cannot come now: the engine and the application disagree about where they are. */
  | { readonly code: "ABCI_CALL_ORDER"; readonly call: string }
  /** An address is neither tcp://host:port nor unix:///path. */
  | { readonly code: "ABCI_ADDRESS_INVALID" }
  /** The address cannot be listened at. */
  | { readonly code: "ABCI_LISTEN_FAILED" };

export class AbciError extends WeftError<AbciErrorInfo> {}
