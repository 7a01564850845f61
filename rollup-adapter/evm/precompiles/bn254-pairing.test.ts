import {
  bigIntToBytes,
  concatBytes,
  createAddressFromString,
  setLengthLeft,
} from "@ethereumjs/util";
import type { Fp2 } from "@noble/curves/abstract/tower.js";
import type { WeierstrassPoint } from "@noble/curves/abstract/weierstrass.js";
import { bn254 } from "@noble/curves/bn254.js";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { comparePrecompiles, due, machineOf } from "../../../test/support/evm-precompiles.ts";
import { createEvmCommon } from "../genesis.ts";

const ADDRESS = "0x0000000000000000000000000000000000000008";
const CANCUN = createEvmCommon({ chainId: 7n, hardfork: "cancun" });
const GAS = 10n ** 6n;
const G1 = bn254.G1.Point;
const G2 = bn254.G2.Point;
const { Fp, Fp2: Twist } = bn254.fields;

function elements(...values: bigint[]): Uint8Array {
  return concatBytes(...values.map((value) => setLengthLeft(bigIntToBytes(value), 32)));
}

function g1(point: WeierstrassPoint<bigint>): Uint8Array {
  const { x, y } = point.toAffine();
  return elements(x, y);
}

function g2(point: WeierstrassPoint<Fp2>): Uint8Array {
  const { x, y } = point.toAffine();
  return elements(x.c1, x.c0, y.c1, y.c0);
}

/** On the twist, and not in its subgroup. */
const OUTSIDE = outside();

function outside(): WeierstrassPoint<Fp2> {
  for (let at = 1n; ; at++) {
    const x = Twist.fromBigTuple([at, 0n]);
    const square = Twist.add(Twist.mul(Twist.sqr(x), x), G2.CURVE().b);
    if (!Twist.eql(Twist.pow(square, (Twist.ORDER - 1n) / 2n), Twist.ONE)) continue;
    const point = G2.fromAffine({ x, y: Twist.sqrt(square) });
    if (!point.isTorsionFree()) return point;
  }
}

const compare = await comparePrecompiles(CANCUN);

function outcomes(data: Uint8Array, gasLimit = GAS) {
  return compare(ADDRESS, data, gasLimit);
}

const by = fc.integer({ min: 1, max: 1_000 }).map(BigInt);
/** Mostly points, for one that is none ends it all. */
const one = fc.oneof(
  { weight: 12, arbitrary: by.map((n) => g1(G1.BASE.multiplyUnsafe(n))) },
  { weight: 3, arbitrary: fc.constant(g1(G1.ZERO)) },
  { weight: 1, arbitrary: fc.constantFrom(elements(1n, 1n), elements(Fp.ORDER, 0n)) },
);
const two = fc.oneof(
  { weight: 12, arbitrary: by.map((n) => g2(G2.BASE.multiplyUnsafe(n))) },
  { weight: 3, arbitrary: fc.constant(g2(G2.ZERO)) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      g2(OUTSIDE),
      elements(0n, 1n, 0n, 0n),
      elements(0n, 0n, 0n, Fp.ORDER),
    ),
  },
);
const pair = fc.tuple(one, two).map((parts) => concatBytes(...parts));

describe("a pairing on BN254", () => {
  test("has the library's results and gas", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(pair, { maxLength: 5 }), async (pairs) => {
        const { ours, library } = await outcomes(concatBytes(...pairs));
        expect(ours).toEqual(library);
      }),
      { numRuns: 12 },
    );
  });

  test("is refused as by the library: lengths, gas, what is no point of the subgroup", async () => {
    const good = concatBytes(g1(G1.BASE), g2(G2.BASE));
    const three = concatBytes(good, good, good);
    for (const [data, gas] of [
      [three.subarray(1), GAS],
      [concatBytes(three, Uint8Array.of(0)), GAS],
      [three, 146_999n],
      [concatBytes(three, elements(1n, 1n), g2(G2.BASE)), GAS],
      [concatBytes(three, g1(G1.BASE), g2(OUTSIDE)), GAS],
      [concatBytes(three, g1(G1.ZERO), g2(OUTSIDE)), GAS],
      [concatBytes(three, elements(Fp.ORDER, 0n), g2(G2.ZERO)), GAS],
      [concatBytes(three, g1(G1.ZERO), elements(0n, 0n, Fp.ORDER, 0n)), GAS],
    ] as const) {
      const { ours, library } = await outcomes(data, gas);
      expect(ours, `${data.length} bytes`).toEqual(library);
      expect(ours.error, `${data.length} bytes`).toBeDefined();
    }
  });

  test("whose product is one is true", async () => {
    const product = (a: bigint, b: bigint) =>
      concatBytes(g1(G1.BASE.multiplyUnsafe(a)), g2(G2.BASE.multiplyUnsafe(b)));
    const minus = concatBytes(g1(G1.BASE.multiplyUnsafe(60n).negate()), g2(G2.BASE));
    const isTrue = { executionGasUsed: 147_000n, returnValue: elements(1n), error: undefined };
    const isOne = await outcomes(concatBytes(product(2n, 15n), product(3n, 10n), minus));
    expect(isOne).toEqual({ ours: isTrue, library: isTrue });
    const isNotOne = await outcomes(concatBytes(product(2n, 15n), product(3n, 11n), minus));
    const isFalse = { ...isTrue, returnValue: elements(0n) };
    expect(isNotOne).toEqual({ ours: isFalse, library: isFalse });
  });

  test("behavior: lets others run between its pairs, which may end it", async () => {
    const pairs = Array.from({ length: 12 }, () => concatBytes(g1(G1.BASE), g2(G2.BASE)));
    const call = {
      to: createAddressFromString(ADDRESS),
      data: concatBytes(...pairs),
      gasLimit: GAS,
    };
    let rests = 0;
    const { vm } = await machineOf(
      CANCUN,
      due(() => (++rests < 12 ? Promise.resolve() : Promise.reject(new Error("took too long")))),
    );
    await expect(vm.evm.runCall(call)).rejects.toThrow("took too long");
  });
});
