/**
 * KZG proofs as far as a rollup meets them: the point evaluation precompile (EIP-4844). The library
 * would stop a whole block when a contract calls it and nobody has supplied this.
 */
import type { KZG } from "@ethereumjs/util";
import { bls12_381 } from "@noble/curves/bls12-381.js";
import { bytesToNumberBE, hexToBytes } from "@noble/curves/utils.js";

/** [tau]G2 of the Ethereum ceremony: `g2_monomial[1]` of consensus-specs' trusted_setup_4096.json. */
const TAU_G2 =
  "b5bfd7dd8cdeb128843bc287230af38926187075cbfbefa81009a2ce615ac53d2914e5870cb452d2afaaab24f3499f72185cbfee53492714734429b7b38608e23926c911cceceac9a36851477ba4c60b087041de621000edc98edada20c1def2";

/** The precompile reads this in a message as "the input is not a valid encoding". */
const BAD_ARGUMENTS = "C_KZG_BADARGS";

const G1 = bls12_381.G1.Point;
const G2 = bls12_381.G2.Point;

export function createKzg(): KZG {
  return {
    verifyProof,
    blobToKzgCommitment: unsupported,
    computeBlobProof: unsupported,
    verifyBlobProofBatch: unsupported,
    computeCells: unsupported,
    computeCellsAndProofs: unsupported,
    recoverCellsAndProofs: unsupported,
    verifyCellKzgProofBatch: unsupported,
  };
}

/** Whether p(z) = y for the polynomial behind `commitment`; 0x hex (consensus-specs, `verify_kzg_proof`). */
function verifyProof(commitment: string, z: string, y: string, proof: string): boolean {
  const at = scalar(z);
  const value = scalar(y);
  const left = point(commitment).subtract(times(G1.BASE, value));
  const right = G2.fromHex(TAU_G2).subtract(times(G2.BASE, at));
  const pairs = [
    { g1: left, g2: G2.BASE.negate() },
    { g1: point(proof), g2: right },
  ].filter(({ g1, g2 }) => !g1.is0() && !g2.is0());
  if (pairs.length === 0) return true;
  const { Fp12 } = bls12_381.fields;
  return Fp12.eql(bls12_381.pairingBatch(pairs), Fp12.ONE);
}

function times<P extends { multiplyUnsafe(by: bigint): P }>(base: P, by: bigint): P {
  return base.multiplyUnsafe(by);
}

function scalar(hex: string): bigint {
  const value = bytesToNumberBE(hexToBytes(hex.slice(2)));
  if (value >= bls12_381.fields.Fr.ORDER)
    throw new RangeError(`${BAD_ARGUMENTS}: scalar too large`);
  return value;
}

function point(hex: string): InstanceType<typeof G1> {
  try {
    return G1.fromHex(hex.slice(2));
  } catch (cause) {
    // Not a curve point: the caller's contract gets a failed call, nothing else happens.
    throw new RangeError(`${BAD_ARGUMENTS}: not a G1 point`, { cause });
  }
}

function unsupported(): never {
  throw new Error("only the verification of single proofs is supported: this chain has no blobs");
}
