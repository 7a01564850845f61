/** Why a payload did not get into the order, in words for whoever waits for it. */
import { WeftError } from "../../proto/errors.ts";
import type { SubmitOutcome } from "../client/sequencer-client.ts";

export type SubmitterErrorInfo =
  /** Too many payloads wait for the order; try again later. */
  | { readonly code: "GATEWAY_FULL" }
  /** The payload alone is larger than an item may be. */
  | { readonly code: "GATEWAY_PAYLOAD_TOO_LARGE" }
  /** The sequencer refused the submission, for a reason that trying again does not mend. */
  | { readonly code: "GATEWAY_REFUSED"; readonly txCode: number; readonly codespace: string }
  /** Submissions are sealed, and nothing sealed is taken now. */
  | { readonly code: "GATEWAY_SEAL_CLOSED" }
  /** The sequencer cannot be reached. */
  | { readonly code: "GATEWAY_UNREACHABLE" }
  /** The disk refused what had to be kept. */
  | { readonly code: "GATEWAY_JOURNAL_FAILED" }
  /** The gateway was stopped. */
  | { readonly code: "GATEWAY_STOPPED" };

/** The sequencer's code for an account whose balance does not cover the cost (`sequencer/app/codes.ts`). */
const CODE_INSUFFICIENT_FUNDS = 27;
/** For a transaction whose expiry height has passed. */
const CODE_UNORDERED_EXPIRED = 22;
/** For one whose balance does not cover the bond of a sealed transaction. */
const CODE_SEAL_BOND = 224;
/**
 * For a sealed transaction that comes too late for its key, or to a node that is a block behind: its key was
 * replaced or is not in force yet, its last block has passed.
 */
const CODES_SEAL_KEY: ReadonlySet<number> = new Set([221, 222, 223]);

/** Errors that tell a caller more than that nobody answered. */
const SAYS_WHY: ReadonlySet<string> = new Set([
  "GATEWAY_REFUSED",
  "GATEWAY_SEAL_CLOSED",
  "GATEWAY_JOURNAL_FAILED",
] satisfies SubmitterErrorInfo["code"][]);

/** Whether the same signed anew, with what holds now, may be taken. */
export function isTooLate({ code }: SubmitOutcome, isSealed: boolean): boolean {
  // Expired before a node took it: blocks came faster than the height that is asked for now and then.
  return code === CODE_UNORDERED_EXPIRED || (isSealed && CODES_SEAL_KEY.has(code));
}

/** @param payer address of the account that pays for the submission */
export function refusalOf(
  outcome: SubmitOutcome,
  payer: string,
): WeftError<SubmitterErrorInfo> | undefined {
  const { code, codespace, reason, isDuplicate } = outcome;
  if (code === 0 || isDuplicate) return undefined;
  return new WeftError<SubmitterErrorInfo>(
    { code: "GATEWAY_REFUSED", txCode: code, codespace },
    `the sequencer refused the submission: ${reason}${adviceFor(code, payer)}`,
  );
}

/** A wallet's owner cannot know that another account pays for the order. */
function adviceFor(code: number, payer: string): string {
  if (code !== CODE_INSUFFICIENT_FUNDS && code !== CODE_SEAL_BOND) return "";
  return `; ordering is paid for by this rollup node's gateway account ${payer}: its operator must fund it with nweft (weft tx transfer ${payer} AMOUNT --from KEY)`;
}

/** What failed, if it says why; undefined: nobody has answered. */
export function reasonIn(cause: unknown): Error | undefined {
  return cause instanceof WeftError && SAYS_WHY.has(cause.code) ? cause : undefined;
}

/** @param mayBeOrdered whether a node may have taken it all the same */
export function unreachable(mayBeOrdered: boolean, cause: unknown): WeftError<SubmitterErrorInfo> {
  const hint = mayBeOrdered ? "; the same bytes may be sent again at no further cost" : "";
  return new WeftError<SubmitterErrorInfo>(
    { code: "GATEWAY_UNREACHABLE" },
    `the sequencer cannot be reached; try again later${hint}`,
    { cause },
  );
}

export function stopping(): WeftError<SubmitterErrorInfo> {
  return new WeftError<SubmitterErrorInfo>({ code: "GATEWAY_STOPPED" }, "the gateway is stopping");
}
