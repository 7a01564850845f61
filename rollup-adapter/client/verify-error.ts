/** Why a block that a node sent is not believed. */
import { WeftError } from "../../proto/errors.ts";
import type { CommitFault } from "../../proto/verify/commit.ts";

export type VerifyErrorInfo =
  /** The header is of another chain. */
  | { readonly code: "VERIFY_CHAIN_ID" }
  /** Not the height after the last verified one, or header, commit and message disagree on it. */
  | { readonly code: "VERIFY_HEIGHT" }
  /** The commit does not sign this header, or the header is another one than that seen before. */
  | { readonly code: "VERIFY_HEADER_HASH" }
  /** The header does not extend the last verified one. */
  | { readonly code: "VERIFY_PARENT" }
  /** The header's time is not after its parent's. */
  | { readonly code: "VERIFY_TIME" }
  /** The validator set is not the one that the parent (or the genesis) announced, or is missing. */
  | { readonly code: "VERIFY_VALIDATORS" }
  /** Too little power signed, or a signature is bad or counted twice. */
  | { readonly code: "VERIFY_COMMIT"; readonly fault: CommitFault }
  /** The manifest, the leaf, a proof, a count, an entry or a fill is not what the header commits to. */
  | { readonly code: "VERIFY_SLICE"; readonly refusal: string }
  /** A leg of a bundle came without proof that all others stand in the same block. */
  | { readonly code: "VERIFY_BUNDLE"; readonly refusal: string }
  /** What is said about sealed entries is not what the headers of later blocks commit to, or not all of it. */
  | { readonly code: "VERIFY_FILLING"; readonly refusal: string }
  /** An entry is of a kind that this version cannot deliver. */
  | { readonly code: "VERIFY_ENTRY_KIND" };

export function refuse(info: VerifyErrorInfo, message: string): never {
  throw new WeftError<VerifyErrorInfo>(info, message);
}
