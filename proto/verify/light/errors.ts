/** Why a light client could not verify, as one closed union. */
import { WeftError } from "../../errors.ts";
import type { LightClientAttackEvidence } from "../../types.ts";
import type { StepFault } from "./step.ts";

export type LightClientErrorInfo =
  /** What is trusted is older than the trusting period: a newer height and hash must be supplied. */
  | { readonly code: "LIGHT_EXPIRED"; readonly height: number }
  /** A provider's header does not follow from what is trusted. */
  | {
      readonly code: "LIGHT_INVALID";
      readonly provider: string;
      readonly height: number;
      readonly fault: StepFault;
    }
  /** Two verified headers contradict each other: validators broke the rules. The client stops. */
  | {
      readonly code: "LIGHT_ATTACK";
      readonly height: number;
      /** Against the primary, then, when the primary could defend itself, against the witness. */
      readonly evidence: readonly LightClientAttackEvidence[];
    }
  /** A witness has the same header but other proposer priorities, which no header commits to. */
  | { readonly code: "LIGHT_PRIORITIES_DIVERGE"; readonly witness: string; readonly height: number }
  /** Nobody is left to cross-check the primary. */
  | { readonly code: "LIGHT_NO_WITNESSES" }
  /** No witness could confirm the header now. */
  | { readonly code: "LIGHT_NOT_CROSS_CHECKED"; readonly height: number }
  /** The hash to trust, the store and the providers do not agree. */
  | { readonly code: "LIGHT_TRUST_CONFLICT"; readonly height: number }
  /** Nothing is trusted: neither options nor the store say where to begin. */
  | { readonly code: "LIGHT_NOT_INITIALIZED" }
  /** The height is too far below what is trusted to be reached header by header. */
  | { readonly code: "LIGHT_TOO_FAR_BACK"; readonly height: number }
  /** Too many verifications wait already. */
  | { readonly code: "LIGHT_BUSY" }
  /** The client has been closed. */
  | { readonly code: "LIGHT_CLOSED" }
  /** An option is out of range. */
  | { readonly code: "LIGHT_OPTIONS" };

export type LightClientError = WeftError<LightClientErrorInfo>;

export function lightClientError(
  info: LightClientErrorInfo,
  message: string,
  cause?: unknown,
): LightClientError {
  return new WeftError<LightClientErrorInfo>(info, message, { cause });
}
