import { AMOUNT_LIMIT, BASIS_POINTS } from "../../proto/codec/weft-tx.ts";
import type { ParamsState } from "../../proto/codec/weft-state.ts";
import type { LaneParams } from "../../mev/lanes.ts";
import { TX_BYTES_MAX } from "./limits.ts";

/** Bounds of one parameter, both inclusive, and what it means. */
export interface ParamBounds {
  readonly min: bigint;
  readonly max: bigint;
  readonly doc: string;
}

/**
 * What each parameter means and may be. The bounds keep the chain alive: a minimal block always fits,
 * arithmetic never overflows, memory of remembered ids stays bounded.
 */
export const PARAM_BOUNDS: Readonly<Record<keyof ParamsState, ParamBounds>> = {
  baseFeeMin: bounds(1n, 1_000_000n, "Lowest base fee, nweft per byte."),
  baseFeeMax: bounds(1_000n, 1_000_000_000_000n, "Highest base fee, nweft per byte."),
  baseFeeChangeDenominator: bounds(
    2n,
    1_000n,
    "An overfull block raises the base fee by at most 1/this (EIP-1559).",
  ),
  blockBytesTarget: bounds(
    1_024n,
    64n << 20n,
    "Bytes of items at which the base fee stays as it is.",
  ),
  txBytesMax: bounds(1_024n, BigInt(TX_BYTES_MAX), "Bytes of one transaction item."),
  unorderedWindow: bounds(
    10n,
    10_000n,
    "Heights that an unordered transaction's expiry may lie ahead.",
  ),
  unorderedPerBlockMax: bounds(
    1n,
    10_000n,
    "Unordered transactions of one block; times the window, the ids remembered.",
  ),
  controlShareBps: bounds(500n, 5_000n, "Share of the block that CONTROL may take, basis points."),
  forcedShareBps: bounds(0n, 5_000n, "Share that FORCED adds."),
  obligatedShareBps: bounds(0n, 5_000n, "Share that OBLIGATED adds."),
  sealedShareBps: bounds(0n, 5_000n, "Share that SEALED adds."),
  atomicShareBps: bounds(0n, 5_000n, "Share that ATOMIC adds."),
  controlPerSignerMax: bounds(1n, 64n, "CONTROL transactions of one account in one block."),
  rollupQuotaBps: bounds(100n, 10_000n, "Share of the block that one rollup may take of one lane."),
  rollupQuotaBytesFloor: bounds(
    1_024n,
    64n << 20n,
    "Bytes that one rollup may take of one lane in any case.",
  ),
  rollupDeposit: bounds(0n, AMOUNT_LIMIT - 1n, "Deposit for registering a rollup, nweft."),
  policyDelay: bounds(1n, 1_000_000n, "Heights until a changed rollup policy is in force."),
};

export const DEFAULT_PARAMS: ParamsState = {
  baseFeeMin: 1n,
  baseFeeMax: 1_000_000_000n,
  baseFeeChangeDenominator: 8,
  blockBytesTarget: 1 << 20,
  txBytesMax: TX_BYTES_MAX,
  unorderedWindow: 600,
  unorderedPerBlockMax: 4_096,
  controlShareBps: 500,
  forcedShareBps: 1_500,
  obligatedShareBps: 2_000,
  sealedShareBps: 3_000,
  atomicShareBps: 1_500,
  controlPerSignerMax: 8,
  rollupQuotaBps: 8_000,
  rollupQuotaBytesFloor: 65_536,
  rollupDeposit: 10_000_000_000n,
  policyDelay: 600,
};

/** Everything that is wrong with a set of parameters, one sentence each; empty when it may be used. */
export function paramFaults(params: ParamsState): readonly string[] {
  const faults: string[] = [];
  for (const [name, value] of Object.entries(params)) {
    const limit = boundsOf(name);
    const amount = BigInt(value);
    if (limit !== undefined && (amount < limit.min || amount > limit.max)) {
      faults.push(`${name}: expected ${limit.min} to ${limit.max}, got ${amount}`);
    }
  }
  if (params.baseFeeMin > params.baseFeeMax) {
    faults.push(`baseFeeMin ${params.baseFeeMin} is above baseFeeMax ${params.baseFeeMax}`);
  }
  const shares =
    params.controlShareBps +
    params.forcedShareBps +
    params.obligatedShareBps +
    params.sealedShareBps +
    params.atomicShareBps;
  if (shares > BASIS_POINTS) {
    faults.push(`lane shares: expected at most ${BASIS_POINTS} together, got ${shares}`);
  }
  return faults;
}

export function laneParams(params: ParamsState, blockBytesMax: number): LaneParams {
  return {
    blockBytesMax,
    controlShareBps: params.controlShareBps,
    forcedShareBps: params.forcedShareBps,
    obligatedShareBps: params.obligatedShareBps,
    sealedShareBps: params.sealedShareBps,
    atomicShareBps: params.atomicShareBps,
    controlPerSignerMax: params.controlPerSignerMax,
    rollupQuotaBps: params.rollupQuotaBps,
    rollupQuotaBytesFloor: params.rollupQuotaBytesFloor,
  };
}

function bounds(min: bigint, max: bigint, doc: string): ParamBounds {
  return { min, max, doc };
}

function boundsOf(name: string): ParamBounds | undefined {
  const all: Readonly<Record<string, ParamBounds>> = PARAM_BOUNDS;
  return all[name];
}
