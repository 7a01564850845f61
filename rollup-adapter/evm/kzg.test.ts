import { describe, expect, test } from "vitest";
import { createKzg } from "./kzg.ts";

/** go-ethereum core/vm/testdata/precompiles/pointEvaluation.json, and z = -1 for the same polynomial. */
const COMMITMENT =
  "0x8f59a8d2a1a625a17f3fea0fe5eb8c896db3764f3185481bc22f91b4aaffcca25f26936857bc3a7c2539ea8ec3a952b7";
const VECTORS = [
  {
    z: "0x564c0a11a0f704f4fc3e8acfe0f8245f0ad1347b378fbf96e206da11a5d36306",
    y: "0x24d25032e67a7e6a4910df5834b8fe70e6bcfeeac0352434196bdf4b2485d5a1",
    proof:
      "0x873033e038326e87ed3e1276fd140253fa08e9fc25fb2d9a98527fc22a2c9612fbeafdad446cbc7bcdbdcd780af2c16a",
  },
  {
    z: "0x73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000000",
    y: "0x1522a4a7f34e1ea350ae07c29c96c7e79655aa926122e95fe69fcbd932ca49e9",
    proof:
      "0xa62ad71d14c5719385c0686f1871430475bf3a00f0aa3f7b8dd99a9abc2160744faf0070725e00b60ad9a026a15b1a8c",
  },
];
const INFINITY = `0xc0${"00".repeat(47)}`;
const ZERO = `0x${"00".repeat(32)}`;

describe("kzg", () => {
  const kzg = createKzg();

  test("accepts the proofs of go-ethereum and of execution-specs", () => {
    const verdicts = VECTORS.map(({ z, y, proof }) => kzg.verifyProof(COMMITMENT, z, y, proof));
    expect(verdicts).toEqual([true, true]);
  });

  test("refuses a proof of another value", () => {
    const [a, b] = VECTORS;
    expect(kzg.verifyProof(COMMITMENT, a?.z ?? "", b?.y ?? "", a?.proof ?? "")).toBe(false);
    expect(kzg.verifyProof(COMMITMENT, a?.z ?? "", a?.y ?? "", b?.proof ?? "")).toBe(false);
  });

  test("the zero polynomial is zero everywhere, with the point at infinity as its proof", () => {
    expect(kzg.verifyProof(INFINITY, VECTORS[0]?.z ?? "", ZERO, INFINITY)).toBe(true);
    expect(kzg.verifyProof(INFINITY, ZERO, `0x${"00".repeat(31)}01`, INFINITY)).toBe(false);
  });

  test("error: scalars above the field and points off the curve are bad arguments", () => {
    const huge = `0x${"ff".repeat(32)}`;
    const off = `0x${"ff".repeat(48)}`;
    expect(() => kzg.verifyProof(COMMITMENT, huge, ZERO, INFINITY)).toThrow(/C_KZG_BADARGS/);
    expect(() => kzg.verifyProof(COMMITMENT, ZERO, huge, INFINITY)).toThrow(/C_KZG_BADARGS/);
    expect(() => kzg.verifyProof(off, ZERO, ZERO, INFINITY)).toThrow(/C_KZG_BADARGS/);
  });
});
