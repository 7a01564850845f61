import type { weft } from "#proto-gen/weft.js";
import { EMPTY_BYTES } from "../bytes.ts";
import { codecError } from "../codec/errors.ts";
import { isOrdering, type RollupPolicy } from "../codec/rollup-policy.ts";
import { toBigint, toBytes, toUint64 } from "./wire.ts";

/** A rollup's policy for the generated codecs; state and transactions write it with `ROLLUP_POLICY_CODEC`. */
export function toWirePolicy(policy: RollupPolicy): weft.tx.v1.RollupPolicy.$Properties {
  return {
    ...policy,
    reserve: toUint64(policy.reserve),
    executorKeys: [...policy.executorKeys],
    auctionMembers: [...policy.auctionMembers],
    atomicPartners: [...policy.atomicPartners],
  };
}

export function fromWirePolicy(wire: weft.tx.v1.RollupPolicy.$Properties): RollupPolicy {
  const ordering = wire.ordering ?? 0;
  if (!isOrdering(ordering)) {
    throw codecError("CODEC_OUT_OF_RANGE", `ordering: expected 1 to 3, got ${ordering}`);
  }
  return {
    ordering,
    sealedOnly: wire.sealedOnly ?? false,
    auction: wire.auction ?? false,
    reserve: toBigint(wire.reserve ?? 0),
    revenueShareBps: wire.revenueShareBps ?? 0,
    executorKeys: (wire.executorKeys ?? []).map(toBytes),
    bundlesOff: wire.bundlesOff ?? false,
    auctionLeader: toBytes(wire.auctionLeader ?? EMPTY_BYTES),
    auctionMembers: (wire.auctionMembers ?? []).map(toBytes),
    secondPrice: wire.secondPrice ?? false,
    executorQuorum: wire.executorQuorum ?? 0,
    atomicPartners: (wire.atomicPartners ?? []).map(toBytes),
  };
}
