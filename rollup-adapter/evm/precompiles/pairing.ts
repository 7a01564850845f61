/** Pairings (EIP-197 on BN254, EIP-2537 on BLS12-381) that give way to others after each of their pairs. */
import type { PrecompileFunc, PrecompileInput } from "@ethereumjs/evm";
import type { BlsCurvePair } from "@noble/curves/abstract/bls.js";
import type { Fp2 } from "@noble/curves/abstract/tower.js";
import type { WeierstrassPoint } from "@noble/curves/abstract/weierstrass.js";
import { assert } from "../../../proto/errors.ts";
import type { Pacer } from "../pacer.ts";

export interface Pair {
  readonly g1: WeierstrassPoint<bigint>;
  readonly g2: WeierstrassPoint<Fp2>;
}

/** A curve with its bytes and its price. */
export interface PairingCurve {
  readonly curve: Pick<BlsCurvePair, "fields" | "pairingBatch">;
  readonly pairBytes: number;
  /** Throws whatever is wrong with a point: not an element, not on the curve, not in the subgroup. */
  readonly pairAt: (data: Uint8Array, at: number) => Pair;
  readonly gas: (common: PrecompileInput["common"], pairs: bigint) => bigint;
}

/** Pairs that share the squarings of one Miller loop: about ten milliseconds. */
const PAIRS_PER_LOOP = 2;

/** @param library takes one pair, what fails before there is anything to work out, and says how a pair fails */
export function pacedPairing(
  library: PrecompileFunc,
  pacer: Pacer,
  { curve, pairBytes, pairAt, gas: gasOf }: PairingCurve,
): PrecompileFunc {
  const { Fp12 } = curve.fields;
  return async (input) => {
    const { data, common, gasLimit } = input;
    const pairs = Math.floor(data.length / pairBytes);
    const gas = gasOf(common, BigInt(pairs));
    if (pairs < 2 || data.length !== pairs * pairBytes || gasLimit < gas) return library(input);

    const points: Pair[] = [];
    for (let at = 0; at < data.length; at += pairBytes) {
      if (pacer.isDue()) await pacer.rest();
      let pair: Pair;
      try {
        pair = pairAt(data, at);
      } catch {
        const refused = await library({ ...input, data: data.subarray(at, at + pairBytes) });
        assert(refused.exceptionError !== undefined, "what is no pair here is none in the library");
        return refused;
      }
      // What has infinity in it contributes one.
      if (!pair.g1.is0() && !pair.g2.is0()) points.push(pair);
    }
    let product = Fp12.ONE;
    for (let i = 0; i < points.length; i += PAIRS_PER_LOOP) {
      if (pacer.isDue()) await pacer.rest();
      const some = points.slice(i, i + PAIRS_PER_LOOP);
      product = Fp12.mul(product, curve.pairingBatch(some, false));
    }
    if (pacer.isDue()) await pacer.rest();
    const returnValue = new Uint8Array(32);
    if (Fp12.eql(Fp12.finalExponentiate(product), Fp12.ONE)) returnValue.fill(1, 31);
    return { executionGasUsed: gas, returnValue };
  };
}
