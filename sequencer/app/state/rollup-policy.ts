import type { Height } from "../../../proto/brands.ts";
import type { RollupState } from "../../../proto/codec/weft-state.ts";
import type { RollupPolicy } from "../../../proto/codec/rollup-policy.ts";

/** The policy in force at a height: a change waits for its height. */
export function policyAt(rollup: RollupState, height: Height): RollupPolicy {
  const { pending } = rollup;
  return pending !== undefined && pending.effectiveHeight <= height
    ? pending.policy
    : rollup.policy;
}
