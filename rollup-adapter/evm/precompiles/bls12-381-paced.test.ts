import { concatBytes, createAddressFromString, hexToBytes } from "@ethereumjs/util";
import type { Fp2 } from "@noble/curves/abstract/tower.js";
import type { WeierstrassPoint, WeierstrassPointCons } from "@noble/curves/abstract/weierstrass.js";
import { bls12_381 } from "@noble/curves/bls12-381.js";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { comparePrecompiles, due, machineOf } from "../../../test/support/evm-precompiles.ts";
import { createEvmCommon } from "../genesis.ts";
import { pacedPrecompiles } from "./paced.ts";

const ADDRESSES = {
  G1MSM: "0x000000000000000000000000000000000000000c",
  G2MSM: "0x000000000000000000000000000000000000000e",
  PAIRING: "0x000000000000000000000000000000000000000f",
} as const;
const PRAGUE = createEvmCommon({ chainId: 7n, hardfork: "prague" });
const GAS = 10n ** 6n;
const { Fp, Fr } = bls12_381.fields;
const G1 = bls12_381.G1.Point;
const G2 = bls12_381.G2.Point;

/** On their curves, and not in their subgroups. */
const OUTSIDE = { g1: outsideAt(G1, 0n), g2: outsideAt(G2, 2n) };

function outsideAt<T>(Point: WeierstrassPointCons<T>, at: bigint): WeierstrassPoint<T> {
  const { Fp: field } = Point;
  const x = field.mul(field.ONE, at);
  const y = field.sqrt(field.add(field.mul(field.sqr(x), x), Point.CURVE().b));
  return Point.fromAffine({ x, y });
}

function bytes(value: bigint, length: number): Uint8Array {
  return hexToBytes(`0x${value.toString(16).padStart(2 * length, "0")}`);
}

function g1(point: WeierstrassPoint<bigint>): Uint8Array {
  const { x, y } = point.toAffine();
  return concatBytes(bytes(x, 64), bytes(y, 64));
}

function g2(point: WeierstrassPoint<Fp2>): Uint8Array {
  const { x, y } = point.toAffine();
  return concatBytes(...[x.c0, x.c1, y.c0, y.c1].map((one) => bytes(one, 64)));
}

const compare = await comparePrecompiles(PRAGUE);

function outcomes(name: keyof typeof ADDRESSES, data: Uint8Array, gasLimit: bigint) {
  return compare(ADDRESSES[name], data, gasLimit);
}

const by = fc.integer({ min: 1, max: 1_000 }).map(BigInt);
/** Mostly of the subgroup, for one that is not ends it all. */
const one = fc.oneof(
  { weight: 12, arbitrary: by.map((n) => g1(G1.BASE.multiplyUnsafe(n))) },
  { weight: 3, arbitrary: fc.constant(g1(G1.ZERO)) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(g1(OUTSIDE.g1), bytes(1n, 128), bytes(Fp.ORDER, 128)),
  },
);
const two = fc.oneof(
  { weight: 12, arbitrary: by.map((n) => g2(G2.BASE.multiplyUnsafe(n))) },
  { weight: 3, arbitrary: fc.constant(g2(G2.ZERO)) },
  { weight: 1, arbitrary: fc.constantFrom(g2(OUTSIDE.g2), bytes(1n, 256), bytes(Fp.ORDER, 256)) },
);
const scalar = fc
  .oneof(by, fc.constantFrom(0n, 1n, Fr.ORDER, Fr.ORDER + 5n, (1n << 256n) - 1n))
  .map((value) => bytes(value, 32));

function input(...parts: fc.Arbitrary<Uint8Array>[]): fc.Arbitrary<Uint8Array> {
  const pair = fc.tuple(...parts).map((some) => concatBytes(...some));
  return fc.array(pair, { minLength: 1, maxLength: 4 }).map((pairs) => concatBytes(...pairs));
}

describe("sums and pairings", () => {
  test("have the library's results and gas", async () => {
    const cases = fc.record({
      G1MSM: input(one, scalar),
      G2MSM: input(two, scalar),
      PAIRING: input(one, two),
    });
    await fc.assert(
      fc.asyncProperty(cases, async (data) => {
        for (const name of ["G1MSM", "G2MSM", "PAIRING"] as const) {
          const { ours, library } = await outcomes(name, data[name], GAS);
          expect(ours, name).toEqual(library);
        }
      }),
      { numRuns: 8 },
    );
  });

  test("are refused as by the library: lengths, gas, points outside of the subgroup", async () => {
    const [p, q] = [g1(G1.BASE), g2(G2.BASE)];
    const [pOutside, qOutside] = [g1(OUTSIDE.g1), g2(OUTSIDE.g2)];
    const [times, infinity] = [new Uint8Array(32), g2(G2.ZERO)];
    const pairs = {
      G1MSM: [concatBytes(p, times), concatBytes(pOutside, times)],
      G2MSM: [concatBytes(q, times), concatBytes(qOutside, times)],
      PAIRING: [concatBytes(p, infinity), concatBytes(pOutside, infinity)],
    } as const;
    const other = await outcomes("PAIRING", concatBytes(p, q, g1(G1.ZERO), qOutside), GAS);
    expect(other.ours.error).toBeDefined();
    expect(other.ours).toEqual(other.library);
    for (const name of ["G1MSM", "G2MSM", "PAIRING"] as const) {
      const [pair, outside] = pairs[name];
      const three = concatBytes(pair, pair, pair);
      const upperByte = three.slice().fill(1, 2 * pair.length, 2 * pair.length + 1);
      for (const [data, gas] of [
        [three, GAS],
        [three, 20_000n],
        [new Uint8Array(0), GAS],
        [three.subarray(1), GAS],
        [concatBytes(three, Uint8Array.of(0)), GAS],
        [upperByte, GAS],
        [concatBytes(pair, outside), GAS],
      ] as const) {
        const { ours, library } = await outcomes(name, data, gas);
        expect(ours, `${name}: ${data.length} bytes`).toEqual(library);
        const isRefused = ours.error !== undefined;
        expect(isRefused, `${name}: ${data.length} bytes`).toBe(data !== three || gas < GAS);
      }
    }
  });

  test("a pairing whose product is one is true", async () => {
    const product = (a: bigint, b: bigint) =>
      concatBytes(g1(G1.BASE.multiplyUnsafe(a)), g2(G2.BASE.multiplyUnsafe(b)));
    const terms = [product(2n, 15n), product(3n, 10n), product(5n, 6n)];
    const minus = concatBytes(g1(G1.BASE.multiplyUnsafe(90n).negate()), g2(G2.BASE));
    const isTrue = { executionGasUsed: 168_100n, returnValue: bytes(1n, 32), error: undefined };
    const isOne = await outcomes("PAIRING", concatBytes(...terms, minus), GAS);
    expect(isOne).toEqual({ ours: isTrue, library: isTrue });
    const isFalse = { ...isTrue, returnValue: bytes(0n, 32) };
    const isNotOne = await outcomes("PAIRING", concatBytes(...terms, product(1n, 1n)), GAS);
    expect(isNotOne).toEqual({ ours: isFalse, library: isFalse });
  });

  test("behavior: let others run between their pairs, which may end them", async () => {
    const data = {
      G1MSM: concatBytes(g1(G1.BASE), bytes(3n, 32)),
      G2MSM: concatBytes(g2(G2.BASE), bytes(3n, 32)),
      PAIRING: concatBytes(g1(G1.BASE), g2(G2.BASE)),
    };
    for (const name of ["G1MSM", "G2MSM", "PAIRING"] as const) {
      const pairs = concatBytes(...Array.from({ length: 12 }, () => data[name]));
      const call = { to: createAddressFromString(ADDRESSES[name]), data: pairs, gasLimit: GAS };
      let rests = 0;
      const { vm } = await machineOf(
        PRAGUE,
        due(() => (++rests < 12 ? Promise.resolve() : Promise.reject(new Error("took too long")))),
      );
      await expect(vm.evm.runCall(call), name).rejects.toThrow("took too long");
    }
  });

  test("are not there before Prague", () => {
    const cancun = createEvmCommon({ chainId: 7n, hardfork: "cancun" });
    const addresses = pacedPrecompiles(cancun, due()).map(({ address }) => Number(address));
    expect(addresses).toEqual([5, 8, 9]);
  });
});
