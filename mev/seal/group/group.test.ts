import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { ristretto255, ristretto255_hasher } from "@noble/curves/ed25519.js";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fromBase64, fromHex, joinBytes, toHex } from "../../../proto/bytes.ts";
import { namedBytes } from "../../../test/support/named-bytes.ts";
import { GROUP_MODULE_BASE64 } from "./gen/module.ts";
import { createGroup, GROUP_ORDER, groupIn, scalarFromBigint } from "./group.ts";
import { instantiateGroup } from "./module.ts";

const group = createGroup();
const { Point } = ristretto255;
type NoblePoint = InstanceType<typeof Point>;

interface Vectors {
  readonly multiplesOfBase: readonly string[];
  readonly badEncodings: readonly string[];
  readonly fromUniform: readonly { readonly uniform: string; readonly point: string }[];
}

const VECTORS: Vectors = JSON.parse(
  readFileSync(new URL("../../../test/vectors/ristretto255.json", import.meta.url), "utf8"),
);
const IDENTITY = new Uint8Array(32);
const [BAD = IDENTITY] = VECTORS.badEncodings.map(fromHex);

const numbers = fc.bigInt({ min: 1n, max: GROUP_ORDER - 1n });
const points = numbers.map((k) => Point.BASE.multiply(k));

function encoded(list: readonly NoblePoint[]): Uint8Array {
  return joinBytes(list.map((point) => point.toBytes()));
}

function scalars(...values: readonly bigint[]): Uint8Array {
  return joinBytes(values.map(scalarFromBigint));
}

/** Also for k = 0, which noble's safe multiplication refuses. */
function times(point: NoblePoint, k: bigint): NoblePoint {
  return point.multiplyUnsafe(((k % GROUP_ORDER) + GROUP_ORDER) % GROUP_ORDER);
}

function sum(list: readonly NoblePoint[]): NoblePoint {
  return list.reduce((total, point) => total.add(point), Point.ZERO);
}

describe("vectors of RFC 9496", () => {
  it("gives the multiples of the base point", () => {
    VECTORS.multiplesOfBase.forEach((hex, i) => {
      expect(toHex(group.mulBase(scalars(BigInt(i))))).toBe(hex);
      expect(group.isCanonical(fromHex(hex), "allow")).toBe(true);
    });
    expect(VECTORS.multiplesOfBase).toHaveLength(16);
  });

  it("refuses the bad encodings, as noble does", () => {
    for (const hex of VECTORS.badEncodings) {
      expect(group.isCanonical(fromHex(hex), "allow"), hex).toBe(false);
      expect(() => Point.fromHex(hex), hex).toThrow("ristretto255 encoding");
    }
    expect(VECTORS.badEncodings).toHaveLength(29);
  });

  it("maps uniform strings to points", () => {
    const wide = joinBytes(VECTORS.fromUniform.map(({ uniform }) => fromHex(uniform)));
    expect(toHex(group.fromUniform(wide))).toBe(
      VECTORS.fromUniform.map(({ point }) => point).join(""),
    );
    expect(VECTORS.fromUniform).toHaveLength(11);
  });
});

describe("against noble", () => {
  it("accepts and refuses the same strings", () => {
    const isNoblePoint = (bytes: Uint8Array): boolean => {
      try {
        Point.fromBytes(bytes);
        return true;
      } catch {
        return false;
      }
    };
    let accepted = 0;
    for (let i = 0; i < 400; i++) {
      const bytes = namedBytes(`encoding ${i}`, 32);
      // Half of them even and below 2^255: what a random string of 32 bytes seldom is.
      if (i % 2 === 0) {
        bytes[0] = (bytes[0] ?? 0) & 0xfe;
        bytes[31] = (bytes[31] ?? 0) & 0x7f;
      }
      const isPoint = group.isCanonical(bytes, "allow");
      expect(isPoint, toHex(bytes)).toBe(isNoblePoint(bytes));
      if (isPoint) accepted++;
    }
    expect(accepted).toBeGreaterThan(20);
  });

  it("maps random strings to the same points", () => {
    const wide = namedBytes("wide", 64 * 20);
    const expected = Array.from({ length: 20 }, (_, i) =>
      ristretto255_hasher.deriveToCurve?.(wide.slice(64 * i, 64 * i + 64)).toBytes(),
    );
    expect(group.fromUniform(wide)).toEqual(joinBytes(expected.flatMap((point) => point ?? [])));
  });

  it("multiplies one scalar with many points, and many scalars with the base", () => {
    fc.assert(
      fc.property(numbers, fc.array(points, { maxLength: 4 }), (k, list) => {
        const products = encoded(list.map((point) => times(point, k)));
        expect(group.mulEach(scalars(k), encoded(list))).toEqual(products);
        expect(group.mulEach(scalars(k), encoded(list), { keep: true })).toEqual(products);
        expect(group.mulEach(scalars(k), encoded(list))).toEqual(products);
        expect(group.mulBase(scalars(k, 0n, 1n))).toEqual(
          encoded([times(Point.BASE, k), Point.ZERO, Point.BASE]),
        );
      }),
      { numRuns: 20 },
    );
    expect(group.mulEach(scalars(0n), encoded([Point.BASE]))).toEqual(IDENTITY);
    expect(group.mulEach(scalars(5n), IDENTITY)).toEqual(IDENTITY);
  });

  it.each([0, 1, 2, 7, 189, 190, 300, 600])("sums %i products", (count) => {
    const values = Array.from(
      { length: count },
      (_, i) => BigInt(`0x${hash(`scalar ${count} ${i}`)}`) >> (i % 3 === 0 ? 128n : 4n),
    );
    const list = Array.from({ length: count }, (_, i) => times(Point.BASE, BigInt(i * i + 1)));
    const total = values.reduce((all, value, i) => all + value * BigInt(i * i + 1), 0n);
    const flat = encoded(list);
    const expected = times(Point.BASE, total).toBytes();
    expect(group.multiScalarMul(scalars(...values), flat)).toEqual(expected);
    expect(group.multiScalarMul(scalars(...values), flat, { keep: true })).toEqual(expected);
    expect(group.multiScalarMul(scalars(...values), flat)).toEqual(expected);
  });

  it("combines vectors with coefficients of any size and sign, and a denominator", () => {
    const small = fc.bigInt({ min: -(1n << 60n), max: 1n << 60n });
    const coefficients = fc.array(
      fc.oneof(
        fc.bigInt({ min: -20n, max: 20n }),
        small,
        fc.bigInt({ min: -GROUP_ORDER, max: GROUP_ORDER }),
      ),
      { minLength: 1, maxLength: 4 },
    );
    const denominators = fc.oneof(fc.constant(1n), fc.bigInt({ min: 1n, max: 1_000n }));
    fc.assert(
      fc.property(coefficients, denominators, (list, denominator) => {
        const vectors = list.map((_, k) => [
          times(Point.BASE, BigInt(k + 2) * denominator),
          times(Point.BASE, BigInt(3 * k + 1) * denominator),
        ]);
        const expected = [0, 1].map((j) =>
          sum(
            list.map((value, k) => times(Point.BASE, value * BigInt(j === 0 ? k + 2 : 3 * k + 1))),
          ),
        );
        expect(group.linearCombinations(list, vectors.map(encoded), denominator)).toEqual(
          encoded(expected),
        );
      }),
      { numRuns: 40 },
    );
  });

  it("evaluates polynomials, and their commitments at the same argument", () => {
    const arguments_ = fc.oneof(fc.nat(600), fc.integer({ min: 0, max: 0xffff_ffff }));
    fc.assert(
      fc.property(fc.array(numbers, { minLength: 1, maxLength: 6 }), arguments_, (list, x) => {
        const value = list.reduceRight((total, a) => (total * BigInt(x) + a) % GROUP_ORDER, 0n);
        expect(group.scalars.evaluate(scalars(...list), x)).toEqual(scalars(value));
        const commitments = group.mulBase(scalars(...list));
        expect(group.evaluateCommitments(commitments, x)).toEqual(
          times(Point.BASE, value).toBytes(),
        );
      }),
      { numRuns: 20 },
    );
  });

  it("evaluates commitments at one argument after the other", () => {
    const coefficients = fc.array(numbers, { minLength: 1, maxLength: 9 });
    fc.assert(
      fc.property(coefficients, fc.nat(14), (list, count) => {
        const commitments = group.mulBase(scalars(...list));
        const each = Array.from({ length: count }, (_, i) =>
          group.evaluateCommitments(commitments, i + 1),
        );
        expect(group.evaluateCommitmentsUpTo(commitments, count)).toEqual(
          joinBytes(each.flatMap((point) => point ?? [])),
        );
      }),
      { numRuns: 40 },
    );
    const many = group.mulBase(scalars(...Array.from({ length: 60 }, (_, i) => BigInt(i) ** 50n)));
    const last = group.evaluateCommitmentsUpTo(many, 90)?.subarray(89 * 32);
    expect(last).toEqual(group.evaluateCommitments(many, 90));
  });
});

describe("scalars", () => {
  const any = fc.bigInt({ min: 0n, max: GROUP_ORDER - 1n });

  it("are integers modulo the group order", () => {
    const { scalars: arithmetic } = group;
    fc.assert(
      fc.property(any, any, any, (a, b, c) => {
        const [x, y, z] = [scalars(a), scalars(b), scalars(c)];
        expect(arithmetic.mulAdd(x, y, z)).toEqual(scalars(a * b + c));
        expect(arithmetic.mul(x, y)).toEqual(scalars(a * b));
        expect(arithmetic.add(x, y)).toEqual(scalars(a + b));
        expect(arithmetic.sub(x, y)).toEqual(scalars(a - b));
        expect(arithmetic.mul(arithmetic.invert(x), x)).toEqual(scalars(a === 0n ? 0n : 1n));
        expect(arithmetic.mulAdd(scalars(a, b), scalars(b, c), scalars(c, a))).toEqual(
          scalars(a * b + c, b * c + a),
        );
      }),
      { numRuns: 100 },
    );
    expect(arithmetic.invert(scalars(0n))).toEqual(scalars(0n));
  });

  it("are reduced from wide strings", () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: (1n << 512n) - 1n }), (wide) => {
        const bytes = fromHex(wide.toString(16).padStart(128, "0")).toReversed();
        expect(group.scalars.reduceWide(bytes)).toEqual(scalars(wide));
      }),
      { numRuns: 50 },
    );
  });

  it("are canonical below the group order only", () => {
    const plain = (value: bigint): Uint8Array =>
      fromHex(value.toString(16).padStart(64, "0")).toReversed();
    expect(group.scalars.areCanonical(plain(GROUP_ORDER - 1n))).toBe(true);
    for (const value of [GROUP_ORDER, GROUP_ORDER + 1n, (1n << 255n) - 1n, (1n << 256n) - 1n]) {
      expect(group.scalars.areCanonical(plain(value))).toBe(false);
      expect(group.scalars.areCanonical(joinBytes([plain(1n), plain(value)]))).toBe(false);
      expect(() => group.mulBase(plain(value))).toThrow("scalars are canonical");
    }
  });
});

describe("points that are none", () => {
  const good = group.base;

  it("are refused wherever they stand", () => {
    const two = scalars(1n, 2n);
    for (const list of [joinBytes([good, BAD]), joinBytes([BAD, good])]) {
      expect(group.isCanonical(list)).toBe(false);
      expect(group.mulEach(scalars(2n), list)).toBeUndefined();
      expect(group.multiScalarMul(two, list)).toBeUndefined();
      expect(group.multiScalarMul(two, list, { keep: true })).toBeUndefined();
      expect(group.linearCombinations([1n], [list])).toBeUndefined();
      expect(group.linearCombinations([1n << 200n], [list])).toBeUndefined();
      expect(group.evaluateCommitments(list, 3)).toBeUndefined();
      expect(group.evaluateCommitmentsUpTo(list, 3)).toBeUndefined();
    }
  });

  it("are not the identity, which is refused unless it is allowed", () => {
    expect(group.isCanonical(IDENTITY)).toBe(false);
    expect(group.isCanonical(IDENTITY, "allow")).toBe(true);
    expect(group.isCanonical(joinBytes([good, IDENTITY]))).toBe(false);
  });
});

describe("equations", () => {
  /** Equation i says w (i + 1)G = w (i + 1) times the shared G, or (i + 2) where it is wrong. */
  function system(count: number, wrong: ReadonlySet<number>) {
    const list = Array.from({ length: count }, (_, i) => group.mulBase(scalars(BigInt(i + 1))));
    const weights = Array.from(
      { length: count },
      (_, i) => BigInt(`0x${hash(`weight ${i}`)}`) >> 128n,
    );
    const factors = weights.map((weight, i) => -weight * BigInt(wrong.has(i) ? i + 2 : i + 1));
    return {
      count,
      terms: [{ points: joinBytes(list), scalars: scalars(...weights) }],
      sharedTerms: [{ point: group.base, scalars: scalars(...factors) }],
    };
  }

  it("hold exactly where they hold, however many do not", () => {
    const count = 33;
    const sets = fc.oneof(
      fc.uniqueArray(fc.nat(count - 1), { maxLength: 3 }),
      fc.uniqueArray(fc.nat(count - 1), { maxLength: count }),
    );
    fc.assert(
      fc.property(sets, (list) => {
        const wrong = new Set(list);
        const expected = Array.from({ length: count }, (_, i) => !wrong.has(i));
        expect(group.checkEquations(system(count, wrong))).toEqual(expected);
      }),
      { numRuns: 20 },
    );
    expect(group.checkEquations(system(0, new Set()))).toEqual([]);
  });

  it("do not hold over the identity or what is no point, and others do beside them", () => {
    const { terms, ...rest } = system(5, new Set());
    const list = terms[0]?.points.slice() ?? IDENTITY;
    list.set(BAD, 32);
    list.set(IDENTITY, 96);
    const damaged = {
      ...rest,
      terms: terms.map(({ scalars: s }) => ({ points: list, scalars: s })),
    };
    expect(group.checkEquations(damaged)).toEqual([true, false, true, false, true]);
  });
});

describe("the module", () => {
  it("is what its header says, and holds no path of a machine", () => {
    const source = readFileSync(new URL("gen/module.ts", import.meta.url), "utf8");
    const module = fromBase64(GROUP_MODULE_BASE64);
    const digest = createHash("sha256").update(module).digest("hex");
    expect(source).toContain(`// ${module.length} bytes, sha256 ${digest}\n`);
    expect(Buffer.from(module).toString("latin1")).not.toMatch(/\/(home|root|Users|tmp|work)\//);
  });

  it("was made from the sources that stand beside it", () => {
    const root = new URL("../../../", import.meta.url);
    const digest = createHash("sha256");
    for (const name of [
      ...["Cargo.toml", "Cargo.lock", "rust-toolchain.toml", "src/lib.rs"].map(
        (file) => `mev/seal/group/wasm/${file}`,
      ),
      "scripts/build-wasm.mjs",
    ]) {
      digest.update(`${name}\n`).update(readFileSync(new URL(name, root)));
    }
    const source = readFileSync(new URL("gen/module.ts", import.meta.url), "utf8");
    expect(source, "run: npm run wasm").toContain(`// sources ${digest.digest("hex")}\n`);
  });

  it("keeps nothing of a secret, in its buffer or on its stack", () => {
    const module = instantiateGroup();
    const fresh = groupIn(module);
    const list = group.mulBase(scalars(...Array.from({ length: 50 }, (_, i) => BigInt(i + 1))));
    const [x, y] = ["x", "y"].map((name) => group.scalars.reduceWide(namedBytes(name, 64)));
    if (x === undefined || y === undefined) throw new Error("there are two scalars");
    const half = fresh.scalars.mul(x, fresh.scalars.invert(scalars(2n)));
    const secrets = [
      x,
      y,
      half,
      namedBytes("x", 64),
      fresh.scalars.mulAdd(x, y, y),
      fresh.scalars.sub(x, y),
      fresh.scalars.invert(x),
      fresh.scalars.evaluate(joinBytes([x, y]), 7),
      fresh.scalars.reduceWide(namedBytes("x", 64)),
    ];
    fresh.mulEach(x, list);
    fresh.mulBase(joinBytes([x, y]));
    const memory = Buffer.from(module.memory.buffer);
    for (const secret of secrets) {
      // A quarter of it, wherever it lies: parts may have been overwritten.
      for (let at = 0; at < secret.length; at += 8) {
        expect(memory.indexOf(secret.subarray(at, at + 8))).toBe(-1);
      }
    }
    // What is public may stay: the search does find what is there.
    fresh.isCanonical(list);
    expect(Buffer.from(module.memory.buffer).indexOf(list)).not.toBe(-1);
  });

  it("gives the same for lists that it kept, forgot or never kept", () => {
    const lists = Array.from({ length: 7 }, (_, i) =>
      group.mulBase(scalars(BigInt(i + 1), BigInt(i + 9))),
    );
    const two = scalars(3n, 5n);
    const order = [0, 1, 2, 3, 4, 0, 4, 3, 5, 6, 1, 6, 2, 2, 0];
    for (const at of order) {
      const list = lists[at] ?? IDENTITY;
      const expected = group.mulBase(scalars(BigInt(3 * (at + 1) + 5 * (at + 9))));
      expect(group.multiScalarMul(two, list, { keep: true })).toEqual(expected);
      expect(group.multiScalarMul(two, list)).toEqual(expected);
      const reversed = joinBytes([list.slice(32), list.slice(0, 32)]);
      expect(group.multiScalarMul(scalars(5n, 3n), reversed)).toEqual(expected);
      expect(group.multiScalarMul(two, patchedBy(BAD, list))).toBeUndefined();
    }
  });

  it("has a memory of its own in each group", () => {
    const other = createGroup();
    const list = joinBytes([group.base, group.base]);
    expect(group.multiScalarMul(scalars(1n, 2n), list, { keep: true })).toEqual(
      other.multiScalarMul(scalars(2n, 1n), list),
    );
    expect(other.base).toEqual(group.base);
  });
});

/** The list with `point` in second place. */
function patchedBy(point: Uint8Array, list: Uint8Array): Uint8Array {
  return joinBytes([list.slice(0, 32), point]);
}

function hash(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
