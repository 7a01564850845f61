import { toHex } from "../../../proto/bytes.ts";
import type { Height } from "../../../proto/brands.ts";
import type { RollupState } from "../../../proto/codec/weft-state.ts";
import type { RollupPolicy } from "../../../proto/codec/rollup-policy.ts";
import { type Failure, failure } from "../codes.ts";

/** The policy in force at a height: a change waits for its height. */
export function policyAt(rollup: RollupState, height: Height): RollupPolicy {
  const { pending } = rollup;
  return pending !== undefined && pending.effectiveHeight <= height
    ? pending.policy
    : rollup.policy;
}

/**
 * What a policy may not say of the rollup itself. Whether the others of a group agree is not asked: they may come
 * later, and until then the group is what both sides name. `rollupId`: 64 lower-case hex characters.
 */
export function policyFault(rollupId: string, policy: RollupPolicy): Failure | undefined {
  const { auctionLeader, auctionMembers, secondPrice } = policy;
  const isLed = auctionLeader.length > 0 && toHex(auctionLeader) !== rollupId;
  if (isLed && auctionMembers.length > 0) {
    return failure("POLICY_GROUP", "a rollup with a leader has no members of its own");
  }
  if (auctionMembers.some((id) => toHex(id) === rollupId)) {
    return failure("POLICY_GROUP", "a leader does not name itself as a member");
  }
  if (secondPrice && (isLed || auctionMembers.length > 0)) return failure("POLICY_PRICING");
  const { executorQuorum: quorum, executorKeys, atomicPartners } = policy;
  if (quorum !== 0 && (quorum > executorKeys.length || 2 * quorum <= executorKeys.length)) {
    return failure("POLICY_EXECUTORS", `${quorum} of ${executorKeys.length}`);
  }
  if (atomicPartners.some((id) => toHex(id) === rollupId)) return failure("POLICY_PARTNERS");
  return undefined;
}
