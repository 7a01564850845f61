import type { ParamsState } from "../../../proto/codec/weft-state.ts";
import type { DecodedTx } from "./decoded-tx.ts";

/** Inputs of the base fee rule; a part of the parameters. */
export type BaseFeeParams = Pick<
  ParamsState,
  "baseFeeMin" | "baseFeeMax" | "baseFeeChangeDenominator" | "blockBytesTarget"
>;

/**
 * Base fee of the next block, nweft per byte: EIP-1559's rule with bytes for gas. A block at the target
 * leaves it; above, it rises by at least 1; below, it falls; both by at most 1/denominator for a block
 * of twice the target or none. An overfull block counts as twice the target. `usedBytes`: bytes of the
 * transaction items of the block.
 */
export function nextBaseFee(
  baseFeePerByte: bigint,
  usedBytes: number,
  params: BaseFeeParams,
): bigint {
  const target = BigInt(params.blockBytesTarget);
  const used = BigInt(Math.min(usedBytes, params.blockBytesTarget * 2));
  const denominator = BigInt(params.baseFeeChangeDenominator);
  let next = baseFeePerByte;
  if (used > target) {
    const rise = (baseFeePerByte * (used - target)) / target / denominator;
    next += rise > 0n ? rise : 1n;
  } else if (used < target) {
    next -= (baseFeePerByte * (target - used)) / target / denominator;
  }
  if (next < params.baseFeeMin) return params.baseFeeMin;
  return next > params.baseFeeMax ? params.baseFeeMax : next;
}

/** What a transaction pays for each byte: base + min(tip, max - base). Needs max >= base. */
export function feePerByte(
  fee: { readonly maxFeePerByte: bigint; readonly tipPerByte: bigint },
  baseFeePerByte: bigint,
): bigint {
  return baseFeePerByte + effectiveTip(fee, baseFeePerByte);
}

/** What a transaction pays for each byte beyond the base fee: min(tip, max - base). Negative: it cannot pay that. */
export function effectiveTip(
  { maxFeePerByte, tipPerByte }: { readonly maxFeePerByte: bigint; readonly tipPerByte: bigint },
  baseFeePerByte: bigint,
): bigint {
  const room = maxFeePerByte - baseFeePerByte;
  return tipPerByte < room ? tipPerByte : room;
}

/** nweft that a transaction pays at this base fee. One that may stand in a block and offers less is free. */
export function txFee(
  { item, tx }: Pick<DecodedTx, "item" | "tx">,
  baseFeePerByte: bigint,
): bigint {
  const { fee } = tx.body;
  if (fee.maxFeePerByte < baseFeePerByte) return 0n;
  return BigInt(item.length) * feePerByte(fee, baseFeePerByte);
}
