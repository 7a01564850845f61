/** Sums of products and pairings on BLS12-381 (EIP-2537) that give way to others after each of their pairs. */
import type { PrecompileFunc } from "@ethereumjs/evm";
import { concatBytes } from "@ethereumjs/util";
import { bls12_381 } from "@noble/curves/bls12-381.js";
import type { Pacer } from "../pacer.ts";
import { addG1, addG2, G1_BYTES, G2_BYTES, g1At, g2At } from "./bls12-381.ts";
import { type Pair, pacedPairing } from "./pairing.ts";

const SCALAR_BYTES = 32;

export function pacedG1Msm(library: PrecompileFunc, pacer: Pacer): PrecompileFunc {
  return pacedMsm(library, pacer, { pointBytes: G1_BYTES, add: addG1 });
}

export function pacedG2Msm(library: PrecompileFunc, pacer: Pacer): PrecompileFunc {
  return pacedMsm(library, pacer, { pointBytes: G2_BYTES, add: addG2 });
}

/** @param library says the gas, what fails, and each product */
function pacedMsm(
  library: PrecompileFunc,
  pacer: Pacer,
  group: { readonly pointBytes: number; readonly add: (points: Uint8Array) => Uint8Array },
): PrecompileFunc {
  const pairBytes = group.pointBytes + SCALAR_BYTES;
  return async (input) => {
    const { data } = input;
    if (data.length <= pairBytes) return library(input);
    // The gas depends on the length alone, and nothing times infinity is soon worked out.
    const priced = await library({ ...input, data: new Uint8Array(data.length) });
    if (priced.exceptionError !== undefined) return priced;
    let sum: Uint8Array = new Uint8Array(group.pointBytes);
    for (let at = 0; at < data.length; at += pairBytes) {
      if (pacer.isDue()) await pacer.rest();
      const product = await library({ ...input, data: data.subarray(at, at + pairBytes) });
      if (product.exceptionError !== undefined) return product;
      sum = group.add(concatBytes(sum, product.returnValue));
    }
    return { ...priced, returnValue: sum };
  };
}

/** @param library takes one pair, and says how a call fails */
export function pacedBlsPairing(library: PrecompileFunc, pacer: Pacer): PrecompileFunc {
  return pacedPairing(library, pacer, {
    curve: bls12_381,
    pairBytes: G1_BYTES + G2_BYTES,
    pairAt,
    gas: (common, pairs) =>
      common.param("bls12381PairingBaseGas") + common.param("bls12381PairingPerPairGas") * pairs,
  });
}

function pairAt(data: Uint8Array, at: number): Pair {
  const pair = { g1: g1At(data, at), g2: g2At(data, at + G1_BYTES) };
  pair.g1.assertValidity();
  pair.g2.assertValidity();
  return pair;
}
