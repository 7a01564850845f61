import { type EVMBLSInterface, EVMError, NobleBLS } from "@ethereumjs/evm";
import {
  bytesToBigInt,
  concatBytes,
  createAddressFromString,
  hexToBytes,
  KECCAK256_RLP,
} from "@ethereumjs/util";
import type { Fp2 } from "@noble/curves/abstract/tower.js";
import type { WeierstrassPoint, WeierstrassPointCons } from "@noble/curves/abstract/weierstrass.js";
import { bls12_381 } from "@noble/curves/bls12-381.js";
import * as fc from "fast-check";
import { describe, expect, test, vi } from "vitest";
import { createEvmCommon } from "../genesis.ts";
import { StateDb } from "../state-db.ts";
import { createMachine } from "../virtual-machine.ts";
import { createBls } from "./bls12-381.ts";

/** EIP-2537's points of another order (`wrong_order`), and their sums with the generators. */
const VECTORS = {
  G1: {
    outside: [
      "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
      "193fb7cedb32b2c3adc06ec11a96bc0d661869316f5e4a577a9f7c179593987beb4fb2ee424dbb2f5dd891e228b46c4a",
    ],
    sum: [
      "0abe7ae4ae2b092a5cc1779b1f5605d904fa6ec59b0f084907d1f5e4d2663e117a3810e027210a72186159a21271df3e",
      "01e1669f00e10205f2e2f1195d65c21022f6a9a6de21f329756309815281a4434b2864d34ebcbc1d7e7cfaaee3feeea2",
    ],
  },
  G2: {
    outside: [
      "197bfd0342bbc8bee2beced2f173e1a87be576379b343e93232d6cef98d84b1d696e5612ff283ce2cfdccb2cfb65fa0c",
      "184e811f55e6f9d84d77d2f79102fd7ea7422f4759df5bf7f6331d550245e3f1bcf6a30e3b29110d85e0ca16f9f6ae7a",
      "0f10e1eb3c1e53d2ad9cf2d398b2dc22c5842fab0a74b174f691a7e914975da3564d835cd7d2982815b8ac57f507348f",
      "0767d1c453890f1b9110fda82f5815c27281aba3f026ee868e4176a0654feea41a96575e0c4d58a14dbfbcc05b5010b1",
    ],
    sum: [
      "11f00077935238fc57086414804303b20fab5880bc29f35ebda22c13dd44e586c8a889fe2ba799082c8458d861ac10cf",
      "07318be09b19be000fe5df77f6e664a8286887ad8373005d7f7a203fcc458c28004042780146d3e43fa542d921c69512",
      "1287eab085d6f8a29f1f1aedb5ad9e8546963f0b11865e05454d86b9720c281db567682a233631f63a2794432a5596ae",
      "12ec87cea1bacb75aa97728bcd64b27c7a42dd2319a2e17fe3837a05f85d089c5ebbfb73c1d08b7007e2b59ec9c8e065",
    ],
  },
};
const G1 = bls12_381.G1.Point;
const G2 = bls12_381.G2.Point;
const { Fp } = bls12_381.fields;
const COORDINATE_BYTES = 64;

const ours = createBls();
const library: EVMBLSInterface = new NobleBLS();

function element(value: bigint): Uint8Array {
  return hexToBytes(`0x${value.toString(16).padStart(2 * COORDINATE_BYTES, "0")}`);
}

function elements(hex: readonly string[]): Uint8Array {
  return concatBytes(...hex.map((one) => element(BigInt(`0x${one}`))));
}

function g1(point: WeierstrassPoint<bigint>): Uint8Array {
  const { x, y } = point.toAffine();
  return concatBytes(element(x), element(y));
}

function g2(point: WeierstrassPoint<Fp2>): Uint8Array {
  const { x, y } = point.toAffine();
  return concatBytes(...[x.c0, x.c1, y.c0, y.c1].map(element));
}

/** The points with x from 0 to 20: next to none is in the subgroup. */
function smallPoints<T>(Point: WeierstrassPointCons<T>): WeierstrassPoint<T>[] {
  const field = Point.Fp;
  return Array.from({ length: 21 }, (_, i) => field.mul(field.ONE, BigInt(i))).flatMap((x) => {
    try {
      const y = field.sqrt(field.add(field.mul(field.sqr(x), x), Point.CURVE().b));
      return [Point.fromAffine({ x, y })];
    } catch {
      // No point has this x.
      return [];
    }
  });
}

/** Two points: in the subgroup and not, infinity, the same and opposite ones. */
function twoPoints<T>(Point: WeierstrassPointCons<T>) {
  const point = fc.oneof(
    fc.nat().map((by) => Point.BASE.multiplyUnsafe(BigInt(by))),
    fc.constantFrom(...smallPoints(Point)),
    fc.constant(Point.ZERO),
  );
  return fc.oneof(
    fc.tuple(point, point),
    point.map((p) => [p, p] as const),
    point.map((p) => [p, p.negate()] as const),
  );
}

function outcome(add: () => Uint8Array): Uint8Array | "refused" {
  try {
    return add();
  } catch {
    return "refused";
  }
}

describe("additions", () => {
  test("have the library's results, in the subgroup and outside of it", () => {
    const g1Pairs = twoPoints(G1).map(([p, q]) => concatBytes(g1(p), g1(q)));
    const g2Pairs = twoPoints(G2).map(([p, q]) => concatBytes(g2(p), g2(q)));
    fc.assert(
      fc.property(g1Pairs, g2Pairs, (one, two) => {
        expect(ours.addG1(one)).toEqual(library.addG1(one));
        expect(ours.addG2(two)).toEqual(library.addG2(two));
      }),
      { numRuns: 40 },
    );
  });

  test("take points of another order, as EIP-2537 does", () => {
    const one = concatBytes(elements(VECTORS.G1.outside), g1(G1.BASE));
    expect(ours.addG1(one)).toEqual(elements(VECTORS.G1.sum));
    const two = concatBytes(elements(VECTORS.G2.outside), g2(G2.BASE));
    expect(ours.addG2(two)).toEqual(elements(VECTORS.G2.sum));
    // A product does not.
    const scalar = element(1n).subarray(32);
    expect(() => ours.msmG1(concatBytes(elements(VECTORS.G1.outside), scalar))).toThrow(EVMError);
  });

  test("refuse coordinates that are none, and points beside the curve, as the library does", () => {
    const wrong: ((value: bigint) => bigint)[] = [
      (value) => (value + 1n) % Fp.ORDER,
      (value) => value + Fp.ORDER,
      () => Fp.ORDER,
      () => 0n,
    ];
    const g1Pair = concatBytes(g1(G1.BASE), g1(G1.BASE.double()));
    const g2Pair = concatBytes(g2(G2.BASE), g2(G2.BASE.double()));
    for (const [pair, add] of [
      [g1Pair, "addG1"],
      [g2Pair, "addG2"],
    ] as const) {
      for (let at = 0; at < pair.length; at += COORDINATE_BYTES) {
        for (const [i, change] of wrong.entries()) {
          const data = pair.slice();
          const value = bytesToBigInt(pair.subarray(at, at + COORDINATE_BYTES));
          data.set(element(change(value)), at);
          const verdicts = [ours, library].map((bls) => outcome(() => bls[add](data)));
          expect(verdicts, `${add}, change ${i} at ${at}`).toEqual(["refused", "refused"]);
        }
      }
    }
  });
});

test("behavior: the machine's additions cost what EIP-2537 says, and all gas where it refuses", async () => {
  const { vm } = await createMachine({
    common: createEvmCommon({ chainId: 7n, hardfork: "prague" }),
    db: new StateDb(() => undefined),
    root: KECCAK256_RLP,
    blockHashes: () => undefined,
    pacer: { isDue: () => false, rest: () => Promise.resolve() },
  });
  const gasLimit = 10_000n;
  const call = async (precompile: string, data: Uint8Array) => {
    const to = createAddressFromString(`0x${precompile.padStart(40, "0")}`);
    const { execResult } = await vm.evm.runCall({ to, data, gasLimit });
    return { gas: execResult.executionGasUsed, result: execResult.returnValue };
  };
  const refused = { gas: gasLimit, result: new Uint8Array(0) };
  const outside = {
    g1: concatBytes(elements(VECTORS.G1.outside), g1(G1.BASE)),
    g2: concatBytes(elements(VECTORS.G2.outside), g2(G2.BASE)),
  };
  const slow = (["addG1", "addG2"] as const).map((add) => vi.spyOn(NobleBLS.prototype, add));
  expect(await call("b", outside.g1)).toEqual({ gas: 375n, result: elements(VECTORS.G1.sum) });
  expect(await call("d", outside.g2)).toEqual({ gas: 600n, result: elements(VECTORS.G2.sum) });
  // Theirs take too long for that gas.
  for (const add of slow) expect(add).not.toHaveBeenCalled();
  for (const [precompile, data] of [
    ["b", outside.g1],
    ["d", outside.g2],
  ] as const) {
    const upperByte = data.slice().fill(1, 0, 1);
    const besideCurve = data.slice().fill(1, 63, 64);
    for (const bad of [data.slice(1), concatBytes(data, upperByte), upperByte, besideCurve]) {
      expect(await call(precompile, bad), `${bad.length} bytes`).toEqual(refused);
    }
  }
});
