/** Why a bundle may not stand in a block, in the clear or sealed. */
import { keyFault, nonceFault } from "../../../mev/bundle/replacement.ts";
import { earlyFault, pastFault, windowFault } from "../../../mev/bundle/window.ts";
import { Height } from "../../../proto/brands.ts";
import { toHex } from "../../../proto/bytes.ts";
import type { Bundle, SealedBundle } from "../../../proto/codec/mev-tx.ts";
import type { Refusal } from "../../../proto/refusal.ts";
import { atomicFault } from "../atomic/bundles.ts";
import { type CodeName, type Failure, failure } from "../codes.ts";
import type { ActionReader } from "../execution/action-rules.ts";
import { policyAt } from "../state/rollup-policy.ts";
import { bundleKeyOf, cancelNonceOf } from "./keys.ts";

export type AnyBundle = Bundle | SealedBundle;

export interface BundleTerms {
  /** Of the block. */
  readonly height: number;
  /** Account, 40 lower-case hex characters, and what it has left after the fee, nweft. */
  readonly sender: string;
  readonly balance: bigint;
  /** nweft that the bundle takes beside its fee. */
  readonly held: bigint;
}

/** Why the block at hand may not hold it. BUNDLE_EARLY comes last: a bundle that only is early may wait. */
export function bundleFault(
  state: ActionReader,
  action: AnyBundle,
  { height, sender, balance, held }: BundleTerms,
): Failure | undefined {
  return (
    failed(windowFault(action, height)) ??
    atomicFault(state, action, { height, sender }) ??
    rollupsFault(state, action, height) ??
    voidFault(state, sender, action) ??
    fundsFault(action, balance, held) ??
    failed(earlyFault(action, height))
  );
}

/** Why no block from `height` on may hold it: its window is over. */
export function lateBundleFault(action: AnyBundle, height: number): Failure | undefined {
  return failed(pastFault(action, height));
}

/** Why it is void: cancelled, or another one of its key stands in a block. */
export function voidFault(
  { staking }: ActionReader,
  sender: string,
  { replacement, cancelNonce }: AnyBundle,
): Failure | undefined {
  const byNonce = nonceFault(cancelNonceOf(staking, sender), cancelNonce);
  if (byNonce !== undefined || replacement === undefined) return failed(byNonce);
  return failed(keyFault(bundleKeyOf(staking, sender, replacement.key), replacement));
}

/** nweft of all legs. */
export function tipsOf({ legs }: AnyBundle): bigint {
  return legs.reduce((sum, { tip }) => sum + tip, 0n);
}

export function failed(refusal: Refusal<CodeName> | undefined): Failure | undefined {
  return refusal && failure(refusal.code, refusal.reason);
}

/** Every rollup has to take such bundles: all legs stand in the block, or none does. */
function rollupsFault(
  state: ActionReader,
  { kind, legs }: AnyBundle,
  height: number,
): Failure | undefined {
  for (const { rollupId } of legs) {
    const id = toHex(rollupId);
    const rollup = state.rollup(id);
    if (rollup === undefined) return failure("BUNDLE_ROLLUP", `${id} is not registered`);
    const { bundlesOff, sealedOnly } = policyAt(rollup, Height(height));
    if (bundlesOff) return failure("BUNDLE_ROLLUP", `${rollup.name} takes no bundles`);
    if (sealedOnly && kind === "bundle") {
      return failure("BUNDLE_ROLLUP", `${rollup.name} takes sealed bundles only`);
    }
  }
  return undefined;
}

function fundsFault({ atomic }: AnyBundle, balance: bigint, held: bigint): Failure | undefined {
  if (balance >= held) return undefined;
  const code = atomic === undefined ? "BUNDLE_FUNDS" : "ATOMIC_FUNDS";
  return failure(code, `${balance} nweft are left, ${held} are needed`);
}
