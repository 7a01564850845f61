import type { weft } from "#proto-gen/weft.js";
import { codecError } from "../codec/errors.ts";
import { ORDERING_COMMIT_ORDER, type RollupPolicy } from "../codec/weft-tx.ts";
import { toBigint, toBytes, toUint64 } from "./wire.ts";

/** A rollup's policy for the generated codecs; state and transactions write it with `writePolicy`. */
export function toWirePolicy(policy: RollupPolicy): weft.tx.v1.RollupPolicy.$Properties {
  return {
    ...policy,
    reserve: toUint64(policy.reserve),
    executorKeys: [...policy.executorKeys],
  };
}

export function fromWirePolicy(wire: weft.tx.v1.RollupPolicy.$Properties): RollupPolicy {
  if (wire.ordering !== ORDERING_COMMIT_ORDER) {
    throw codecError("CODEC_OUT_OF_RANGE", `ordering: expected 1, got ${wire.ordering ?? 0}`);
  }
  return {
    ordering: wire.ordering,
    sealedOnly: wire.sealedOnly ?? false,
    auction: wire.auction ?? false,
    reserve: toBigint(wire.reserve ?? 0),
    revenueShareBps: wire.revenueShareBps ?? 0,
    executorKeys: (wire.executorKeys ?? []).map(toBytes),
  };
}
