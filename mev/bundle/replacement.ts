/**
 * Bundles of one account with one replacement key are versions of one thing: the highest sequence counts, at most
 * one gets into a block, and a cancellation voids all up to its sequence (spec/mev.md B9). Cancellations stay
 * in force until their height, so that it makes no difference in which order things come.
 */
import { Height } from "../../proto/brands.ts";
import type { BundleKeyState } from "../../proto/codec/mev-state.ts";
import {
  CANCEL_AHEAD_MAX,
  type CancelBundles,
  type Replacement,
} from "../../proto/codec/mev-tx.ts";
import { type Refusal, refusal } from "../../proto/refusal.ts";
import { KEY_USED_BLOCKS } from "./limits.ts";

type VoidCode = "BUNDLE_SUPERSEDED" | "BUNDLE_CANCELLED";

/** Why a bundle of the key of `record` is void: another one stands in a block, or it was cancelled. */
export function keyFault(
  record: BundleKeyState | undefined,
  { sequence }: Pick<Replacement, "sequence">,
): Refusal<VoidCode> | undefined {
  if (record === undefined) return undefined;
  if (record.isUsed) {
    return refusal(
      "BUNDLE_SUPERSEDED",
      `sequence ${record.sequence} of its key stands in a block; use another key`,
    );
  }
  if (sequence > record.sequence) return undefined;
  return refusal(
    "BUNDLE_CANCELLED",
    `sequences up to ${record.sequence} of its key are cancelled until block ${record.untilHeight}, this is ${sequence}`,
  );
}

/** Whether a bundle is void because its sender has raised the cancel nonce. */
export function nonceFault(
  accountNonce: bigint,
  cancelNonce: bigint,
): Refusal<"BUNDLE_CANCELLED"> | undefined {
  if (cancelNonce >= accountNonce) return undefined;
  return refusal(
    "BUNDLE_CANCELLED",
    `its cancel nonce is ${cancelNonce}, those below ${accountNonce} are cancelled`,
  );
}

/** The record of a key when a bundle of it stands in the block at `height`. */
export function usedKey(
  before: BundleKeyState | undefined,
  sequence: bigint,
  height: number,
): BundleKeyState {
  const until = height + KEY_USED_BLOCKS;
  return {
    sequence,
    isUsed: true,
    untilHeight: Height(Math.max(until, before?.untilHeight ?? 0)),
  };
}

/** The record of a key when sequences of it are cancelled. */
export function cancelledKey(
  before: BundleKeyState | undefined,
  { sequence, untilHeight }: Pick<CancelBundles, "sequence" | "untilHeight">,
): BundleKeyState {
  if (before === undefined) return { sequence, isUsed: false, untilHeight };
  return {
    sequence: sequence > before.sequence ? sequence : before.sequence,
    isUsed: before.isUsed,
    untilHeight: untilHeight > before.untilHeight ? untilHeight : before.untilHeight,
  };
}

/** Why a cancellation may not stand in the block at `height`: it would end in the past, or too late, or change nothing. */
export function cancelFault(
  { key, untilHeight, cancelNonce }: CancelBundles,
  height: number,
  accountNonce: bigint,
): Refusal<"BUNDLE_UNTIL" | "BUNDLE_NONCE"> | undefined {
  if (key.length === 0) {
    if (cancelNonce > accountNonce) return undefined;
    return refusal("BUNDLE_NONCE", `it has to be above ${accountNonce}, got ${cancelNonce}`);
  }
  if (untilHeight >= height && untilHeight <= height + CANCEL_AHEAD_MAX) return undefined;
  return refusal(
    "BUNDLE_UNTIL",
    `it ends at ${untilHeight}; expected ${height} to ${height + CANCEL_AHEAD_MAX}`,
  );
}
