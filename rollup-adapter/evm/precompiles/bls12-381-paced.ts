/** Sums of products and pairings on BLS12-381 (EIP-2537) that give way to others after each of their pairs. */
import { EVMError, type PrecompileFunc } from "@ethereumjs/evm";
import { concatBytes } from "@ethereumjs/util";
import { bls12_381 } from "@noble/curves/bls12-381.js";
import type { Pacer } from "../pacer.ts";
import { addG1, addG2, G1_BYTES, G2_BYTES, g1At, g2At } from "./bls12-381.ts";

const SCALAR_BYTES = 32;
const PAIRING_BYTES = G1_BYTES + G2_BYTES;

/** Pairs that share the squarings of one Miller loop: about ten milliseconds. */
const PAIRS_PER_LOOP = 2;

const field = bls12_381.fields.Fp12;

interface Pair {
  readonly g1: ReturnType<typeof g1At>;
  readonly g2: ReturnType<typeof g2At>;
}

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

/** @param library takes one pair, and what fails before there is anything to work out */
export function pacedPairing(library: PrecompileFunc, pacer: Pacer): PrecompileFunc {
  return async (input) => {
    const { data, common, gasLimit } = input;
    const pairs = Math.floor(data.length / PAIRING_BYTES);
    const gas =
      common.param("bls12381PairingBaseGas") +
      common.param("bls12381PairingPerPairGas") * BigInt(pairs);
    const isWhole = data.length === pairs * PAIRING_BYTES;
    if (pairs < 2 || !isWhole || gasLimit < gas) return library(input);

    const points: Pair[] = [];
    for (let at = 0; at < data.length; at += PAIRING_BYTES) {
      if (pacer.isDue()) await pacer.rest();
      const pair = pairAt(data, at);
      if (pair instanceof EVMError) {
        return { executionGasUsed: gasLimit, returnValue: new Uint8Array(0), exceptionError: pair };
      }
      // What has infinity in it contributes one.
      if (!pair.g1.is0() && !pair.g2.is0()) points.push(pair);
    }
    let product = field.ONE;
    for (let i = 0; i < points.length; i += PAIRS_PER_LOOP) {
      if (pacer.isDue()) await pacer.rest();
      const some = points.slice(i, i + PAIRS_PER_LOOP);
      product = field.mul(product, bls12_381.pairingBatch(some, false));
    }
    if (pacer.isDue()) await pacer.rest();
    const returnValue = new Uint8Array(32);
    if (field.eql(field.finalExponentiate(product), field.ONE)) returnValue.fill(1, 31);
    return { executionGasUsed: gas, returnValue };
  };
}

function pairAt(data: Uint8Array, at: number): Pair | EVMError {
  try {
    return { g1: inSubgroup(g1At(data, at)), g2: inSubgroup(g2At(data, at + G1_BYTES)) };
  } catch (cause) {
    // The caller's contract gets a failed call, nothing else happens.
    if (cause instanceof EVMError) return cause;
    throw cause;
  }
}

function inSubgroup<P extends { assertValidity(): void }>(point: P): P {
  try {
    point.assertValidity();
  } catch {
    // It is on the curve, so this is all that may be wrong with it.
    throw new EVMError(EVMError.errorMessages.BLS_12_381_POINT_NOT_ON_CURVE);
  }
  return point;
}
