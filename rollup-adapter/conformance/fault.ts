/** The ways in which a check ends other than well. */
import { WeftError } from "../../proto/errors.ts";

export type ConformanceErrorInfo =
  /** The executor breaks a rule of the contract. */
  | { readonly code: "CONFORMANCE_BROKEN" }
  /** The executor does not answer. */
  | { readonly code: "CONFORMANCE_UNREACHABLE" }
  /** The executor follows a sequencer already; the suite wants a fresh one. */
  | { readonly code: "CONFORMANCE_NOT_FRESH" }
  /** This check cannot be made of this executor; the message says why. */
  | { readonly code: "CONFORMANCE_NOT_RUN" }
  /** The file of payloads cannot be read, or is none. */
  | { readonly code: "CONFORMANCE_PAYLOADS" };

export function conformanceError(
  code: ConformanceErrorInfo["code"],
  message: string,
  cause?: unknown,
): WeftError<ConformanceErrorInfo> {
  return new WeftError({ code }, message, cause === undefined ? undefined : { cause });
}

export function broken(message: string): WeftError<ConformanceErrorInfo> {
  return conformanceError("CONFORMANCE_BROKEN", message);
}

export function unreachable(message: string): WeftError<ConformanceErrorInfo> {
  return conformanceError("CONFORMANCE_UNREACHABLE", message);
}

export function notRun(message: string): WeftError<ConformanceErrorInfo> {
  return conformanceError("CONFORMANCE_NOT_RUN", message);
}

/** @throws WeftError CONFORMANCE_BROKEN unless `isSo` */
export function expect(isSo: boolean, message: string): asserts isSo {
  if (!isSo) throw broken(message);
}
