/** The pairing on BN254 (0x08, EIP-197) that gives way to others after each of its pairs. */
import type { PrecompileFunc } from "@ethereumjs/evm";
import { bytesToBigInt } from "@ethereumjs/util";
import { bn254 } from "@noble/curves/bn254.js";
import type { Pacer } from "../pacer.ts";
import { type Pair, pacedPairing } from "./pairing.ts";

const ELEMENT_BYTES = 32;
const PAIR_BYTES = 6 * ELEMENT_BYTES;

const { G1, G2, fields } = bn254;

/** @param library takes one pair, and says how a call fails */
export function pacedBn254Pairing(library: PrecompileFunc, pacer: Pacer): PrecompileFunc {
  return pacedPairing(library, pacer, {
    curve: bn254,
    pairBytes: PAIR_BYTES,
    pairAt,
    gas: (common, pairs) =>
      common.param("bn254PairingGas") + common.param("bn254PairingWordGas") * pairs,
  });
}

/** The imaginary part of an element of Fp2 comes first; zeros alone are infinity. */
function pairAt(data: Uint8Array, at: number): Pair {
  const [x, y, x1, x0, y1, y0] = Array.from({ length: 6 }, (_, i) =>
    elementAt(data, at + i * ELEMENT_BYTES),
  ) as [bigint, bigint, bigint, bigint, bigint, bigint];
  const g1 = G1.Point.fromAffine({ x, y });
  const g2 = G2.Point.fromAffine({ x: { c0: x0, c1: x1 }, y: { c0: y0, c1: y1 } });
  for (const point of [g1, g2]) if (!point.is0()) point.assertValidity();
  return { g1, g2 };
}

function elementAt(data: Uint8Array, at: number): bigint {
  const element = bytesToBigInt(data.subarray(at, at + ELEMENT_BYTES));
  if (!fields.Fp.isValid(element)) throw new RangeError("not an element of the field");
  return element;
}
