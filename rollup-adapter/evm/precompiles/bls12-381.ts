/**
 * BLS12-381 as EIP-2537 has it: an addition takes any point on the curve. The library looks whether a point is in the
 * subgroup even where that makes no difference, which takes 30 times as long as what the gas of an addition is for.
 */
import { EVMError, type EVMBLSInterface, NobleBLS } from "@ethereumjs/evm";
import { bigIntToBytes, bytesToBigInt, concatBytes, setLengthLeft } from "@ethereumjs/util";
import type { Fp2 } from "@noble/curves/abstract/tower.js";
import type { WeierstrassPoint, WeierstrassPointCons } from "@noble/curves/abstract/weierstrass.js";
import { bls12_381 } from "@noble/curves/bls12-381.js";
import { assert } from "../../../proto/errors.ts";

const COORDINATE_BYTES = 64;
export const G1_BYTES = 2 * COORDINATE_BYTES;
export const G2_BYTES = 4 * COORDINATE_BYTES;

/** The library's, with additions of our own. */
export function createBls(): EVMBLSInterface {
  const library = new NobleBLS();
  return {
    addG1,
    addG2,
    msmG1: (input) => library.msmG1(input),
    msmG2: (input) => library.msmG2(input),
    mapFPtoG1: (input) => library.mapFPtoG1(input),
    mapFP2toG2: (input) => library.mapFP2toG2(input),
    pairingCheck: (input) => library.pairingCheck(input),
  };
}

/** The sum of two points on the curve; what is infinity reads and is written as zeros. */
export function addG1(input: Uint8Array): Uint8Array {
  const { x, y } = g1At(input, 0).add(g1At(input, G1_BYTES)).toAffine();
  return encoded([x, y]);
}

export function addG2(input: Uint8Array): Uint8Array {
  const { x, y } = g2At(input, 0).add(g2At(input, G2_BYTES)).toAffine();
  return encoded([x.c0, x.c1, y.c0, y.c1]);
}

export function g1At(bytes: Uint8Array, at: number): WeierstrassPoint<bigint> {
  const [x, y] = [elementAt(bytes, at), elementAt(bytes, at + COORDINATE_BYTES)];
  return pointOnCurve(bls12_381.G1.Point, x, y);
}

export function g2At(bytes: Uint8Array, at: number): WeierstrassPoint<Fp2> {
  const coordinateAt = (start: number): Fp2 => ({
    c0: elementAt(bytes, start),
    c1: elementAt(bytes, start + COORDINATE_BYTES),
  });
  return pointOnCurve(bls12_381.G2.Point, coordinateAt(at), coordinateAt(at + G1_BYTES));
}

/**
 * Of the subgroup or not: the library's formulas add all points of curves that have none of order 2 (Renes, Costello
 * and Batina, 2015), which these have not, for both cofactors are odd.
 */
function pointOnCurve<T>(Point: WeierstrassPointCons<T>, x: T, y: T): WeierstrassPoint<T> {
  const { Fp } = Point;
  if (Fp.is0(x) && Fp.is0(y)) return Point.ZERO;
  // y^2 = x^3 + b
  const isOnCurve = Fp.eql(Fp.sqr(y), Fp.add(Fp.mul(Fp.sqr(x), x), Point.CURVE().b));
  if (!isOnCurve) throw new EVMError(EVMError.errorMessages.BLS_12_381_POINT_NOT_ON_CURVE);
  return Point.fromAffine({ x, y });
}

/** All 64 bytes count, so that the upper ones have to be zero. */
function elementAt(bytes: Uint8Array, at: number): bigint {
  const end = at + COORDINATE_BYTES;
  assert(end <= bytes.length, "the precompile takes inputs of the right length only");
  const element = bytesToBigInt(bytes.subarray(at, end));
  if (element >= bls12_381.fields.Fp.ORDER) {
    throw new EVMError(EVMError.errorMessages.BLS_12_381_FP_NOT_IN_FIELD);
  }
  return element;
}

function encoded(elements: readonly bigint[]): Uint8Array {
  return concatBytes(
    ...elements.map((element) => setLengthLeft(bigIntToBytes(element), COORDINATE_BYTES)),
  );
}
