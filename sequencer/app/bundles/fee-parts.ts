import { assert } from "../../../proto/errors.ts";

/**
 * A fee divided by bytes of payload, rounded down; the first rollups have what cannot be divided. `bytes`: one for
 * each, above 0.
 */
export function rollupFeeParts(fee: bigint, bytes: readonly number[]): readonly bigint[] {
  const total = BigInt(bytes.reduce((sum, count) => sum + count, 0));
  assert(total > 0n, "every leg has a payload");
  const parts = bytes.map((count) => (fee * BigInt(count)) / total);
  const rest = fee - parts.reduce((sum, part) => sum + part, 0n);
  return parts.map((part, at) => (BigInt(at) < rest ? part + 1n : part));
}
